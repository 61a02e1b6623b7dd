"""The documents and the two gateways that every benchmark works with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from xml.etree import ElementTree

from attrs import evolve, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from asw_gateway.exchange.identity import Identities
from asw_gateway.messaging.pmode import PMode, SecurityProfile
from asw_gateway.messaging.signature import SigningIdentity
from simulators import documents
from tests.exchange import world

NOW = world.NOW
ALGORITHMS = {"ecdsa": "ecdsa-sha256", "rsa": "rsa-sha256"}
#: Lines of goods of a certificate whose sealed ASEAN form has about 10,000 bytes.
GOODS_LINES = 8
ORIGIN, DESTINATION = "VN", "TH"
#: Numbers that one issuing office gives.
SERIES = 99_999


@frozen(kw_only=True)
class Row:
    """What the pure stages read of an outbox row."""

    document_type: str
    kind: str
    document_number: str
    conversation_id: str | None
    ref_to_message_id: str | None
    national_message_id: str | None
    partner: str = "th"
    dossier: str | None = None
    message_id: str | None = None
    subject: str = "outbound:1"
    created_at: float = NOW


@frozen(kw_only=True)
class Border:
    """Two gateways with keys of one algorithm, each as the other sees it."""

    sender: world.Gateway
    receiver: world.Gateway


def form_d(
    serial: int,
    *,
    now: float = NOW,
    origin: str = ORIGIN,
    destination: str = DESTINATION,
    lines: int = GOODS_LINES,
    run: str = "be",
) -> bytes:
    """A submission whose document differs from every other one by its number; `run` makes ids unique."""
    number = f"{origin}-{destination} 26/02/{serial:05d}"
    return (
        _template(now, origin, destination, lines)
        .replace(_NUMBER, number.encode())
        .replace(_ID, f"{run}{serial:0{32 - len(run)}d}".encode())
    )


def many_forms(*, now: float, first: int = 1) -> Iterator[bytes]:
    """Submissions without end: after 99,999 numbers of one office come those of the next."""
    for index in itertools.count(first - 1):
        office, serial = divmod(index, SERIES)
        yield form_d(serial + 1, now=now, run=f"a{office}").replace(b" 26/02/", b" 26/%02d/" % (office + 2))


_NUMBER, _ID = b"XX-XX 26/02/00000", b"f" * 32


@cache
def _template(now: float, origin: str, destination: str, lines: int) -> bytes:
    raw = documents.form_d(
        number=_NUMBER.decode(),
        origin=origin,
        destination=destination,
        message_id=_ID.decode(),
        now=now,
        seed=3,
    )
    envelope = ElementTree.fromstring(raw)  # noqa: S314 - our own document
    items: Any = envelope.find("Body/Content/FormD/Items")
    first = items[0]
    for extra in list(items)[1:]:
        items.remove(extra)
    for number in range(2, lines + 1):
        text = ElementTree.tostring(first, encoding="unicode")
        goods = documents.GOODS[origin][number % len(documents.GOODS[origin])]
        item = ElementTree.fromstring(text)  # noqa: S314
        changed = {"Number": f"{number}", "Description": goods.description, "HsCode": goods.hs_code}
        for tag, value in changed.items():
            element: Any = item.find(tag)
            element.text = value
        items.append(item)
    return bytes(ElementTree.tostring(envelope, encoding="UTF-8", xml_declaration=True))


@cache
def identity(name: str, algorithm: str) -> SigningIdentity:
    """A self-signed identity that is valid around NOW."""
    key: Any = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ecdsa"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=30)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=400))
    return SigningIdentity(private_key=key, certificate=builder.sign(key, hashes.SHA256()))


@cache
def border(algorithm: str) -> Border:
    """Viet Nam and Thailand as pure values, with keys of `algorithm` ("ecdsa", "rsa")."""
    return Border(
        sender=_gateway(ORIGIN, DESTINATION, algorithm), receiver=_gateway(DESTINATION, ORIGIN, algorithm)
    )


def _gateway(country: str, other: str, algorithm: str) -> world.Gateway:
    security = SecurityProfile(signature_algorithm=ALGORITHMS[algorithm])

    def leg(sender: str, receiver: str) -> PMode:
        return evolve(world.leg(sender, receiver), security=security)

    signing, seal = (identity(f"{country} {use}", algorithm) for use in ("signing", "seal"))
    base = world.gateway(
        country,
        other,
        outbound=leg(country, other),
        inbound=leg(other, country),
        signing_certificates=(identity(f"{other} signing", algorithm).certificate,),
        seal_certificates=(identity(f"{other} seal", algorithm).certificate,),
    )
    return evolve(base, identities=Identities(signing=signing, seal=seal))
