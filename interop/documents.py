"""Documents for both directions: Form D envelopes of our portal, sealed ASEAN documents of a partner."""

from __future__ import annotations

import random
import time
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from asw_gateway.config.profile_files import read_profiles
from asw_gateway.exchange import clocks
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.seal import seal
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.translation.convert import to_asean
from asw_gateway.translation.envelope import read_envelope
from asw_gateway.translation.profile_loading import load_profile
from simulators import documents

PROFILES = Path(__file__).resolve().parents[1] / "profiles"
DOCUMENT_TYPE, KIND = "atiga-form-d", "certificate"
SERVICE = "urn:asw:e-form-d:2022"


@cache
def catalogue() -> Catalogue:
    """The committed profiles, compiled once."""
    files = read_profiles(PROFILES)
    return Catalogue(
        [load_profile(name, content, files.reference) for name, content in files.profiles.items()]
    )


def form_d(origin: str, destination: str, serial: int, *, remarks_bytes: int = 0) -> tuple[str, bytes]:
    """Number and submission of a new certificate; `remarks_bytes` of remarks make it large."""
    now = time.time()
    number = documents.number_for(documents.FORM_D, origin, destination, serial, now=now)
    message_id = f"{random.getrandbits(128):032x}"  # noqa: S311  an id, not a secret
    envelope = documents.form_d(
        number=number, origin=origin, destination=destination, message_id=message_id, now=now, seed=serial
    )
    return number, _with_remarks(envelope, remarks_bytes) if remarks_bytes else envelope


def sealed_certificate(
    origin: str, serial: int, identity: SigningIdentity, *, remarks_bytes: int = 0
) -> tuple[str, bytes]:
    """Number and ASEAN form of a certificate for Viet Nam, with the partner's business seal."""
    number, envelope = form_d(origin, "VN", serial, remarks_bytes=remarks_bytes)
    now = time.time()
    profile, kind = catalogue().kind(DOCUMENT_TYPE, KIND, clocks.national_date(now))
    content = read_envelope(envelope, len(envelope)).content
    translation = to_asean(
        profile, kind, content, functional_reference=f"INTEROP-{serial}", now=now, sender_country=origin
    )
    if translation.problems:
        raise ValueError(f"the simulated certificate has problems: {translation.problems}")
    return number, seal(translation.document, identity)


def customs_response(envelope: str) -> bytes:
    """Our customs' answer to a certificate that came in an Envelope of the feed: it was used."""
    message_id = f"{random.getrandbits(128):032x}"  # noqa: S311  an id, not a secret
    return documents.customs_response(
        envelope.encode(), status="UTL", message_id=message_id, now=time.time(), own_country="VN"
    )


def _with_remarks(envelope: bytes, size: int) -> bytes:
    """Put `size` bytes of random remarks into copies of the first item."""
    root = ElementTree.fromstring(envelope)  # noqa: S314  our own document
    items = root.find(".//Items")
    assert items is not None
    template = ElementTree.tostring(items[0])
    for old in list(items):
        items.remove(old)
    chance = random.Random(size)  # noqa: S311  repeatable, not secret
    left, sequence = size, 0
    while left > 0:
        sequence += 1
        item = ElementTree.fromstring(template)  # noqa: S314  our own document
        number = item.find("Number")
        assert number is not None
        number.text = str(sequence)
        place = [child.tag for child in item].index("FobValue") + 1
        for _ in range(min(99, -(-left // 512))):
            remark = ElementTree.Element("Remark")
            remark.text = f"{chance.getrandbits(2048):0512x}"
            item.insert(place, remark)
            left -= 512
        items.append(item)
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))
