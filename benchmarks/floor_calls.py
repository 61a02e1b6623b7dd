"""The library call of every part of the floor, ready to loop over: our code only makes what they work on."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from lxml import etree

from asw_gateway.messaging.mime import split_body
from asw_gateway.messaging.pmode import Limits
from asw_gateway.translation.envelope import read_envelope
from benchmarks import material, stages
from benchmarks.floor_io import Records, Sizes, inbound_store, outbound_store
from tests.exchange.world import catalogue

ANSWER_BYTES = 1_500
GZIP_LEVEL = 3


def calls_of(
    algorithm: str, directory: Path, closing: ExitStack
) -> dict[tuple[str, str], Callable[[], object]]:
    """The library call of every part, ready to loop over until `closing` closes what they use."""
    way, _ = stages.walk(algorithm, 2)
    accepted, prepared, received = way.accepted[0], way.prepared[0], way.received[0]
    profile, kind = catalogue().kind(
        accepted.document_type, accepted.kind, datetime.fromtimestamp(material.NOW, UTC).date()
    )
    compiled = profile.compiled()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    content: Any = read_envelope(way.raw[0], 1_000_000).content
    document = received.verified.parts[0].content
    national_schema = profile.schemas[profile.national_schema]
    asean_schema = profile.schemas[kind.asean_schema]
    to_asean, to_national = (compiled.stylesheets[side] for side in ("asean", "national"))
    root: Any = etree.fromstring(document, parser)
    root.remove(root[-1])
    any_fails = compiled.rules.suspicions[kind.phase]
    parameters: dict[str, Any] = {
        "kind": etree.XSLT.strparam(kind.name), "functional_reference": etree.XSLT.strparam("R"),
        "sender_country": etree.XSLT.strparam("VN"), "sender_agency": etree.XSLT.strparam(""),
    }  # fmt: skip
    just_kind = etree.XSLT.strparam(kind.name)
    national: Any = to_national(root, kind=just_kind).getroot()
    soap, (part,) = split_body(prepared.sealed.content_type, prepared.sealed.body, Limits())
    receipt = received.receipt.body
    signer: Any
    key: Any
    signer, key = way.border.sender.identities.signing, way.border.sender.identities.signing.private_key
    public = signer.certificate.public_key()
    header_bytes = etree.tostring(_signed(soap)[1], method="c14n", exclusive=True)
    info_bytes = etree.tostring(_signed(soap)[0], method="c14n", exclusive=True)
    schemes: dict[str, Any] = {
        "ecdsa": (ec.ECDSA(hashes.SHA256()),),
        "rsa": (padding.PKCS1v15(), hashes.SHA256()),
    }
    scheme = schemes[algorithm]
    signature = key.sign(info_bytes, *scheme)
    packed = part.content

    def rules() -> object:
        return any_fails(root, on=20261120.0, own="VN")

    if rules():
        raise SystemExit("floor: the document breaks a rule")

    def c14n(elements: list[Any]) -> Callable[[], object]:
        def write() -> None:
            for element in elements:
                etree.tostring(element, method="c14n", exclusive=True, with_comments=False)

        return write

    def digests() -> None:
        hashlib.sha256(header_bytes).digest()
        hashlib.sha256(packed).digest()

    def sign() -> object:
        return key.sign(info_bytes, *scheme)

    def verify() -> object:
        return public.verify(signature, info_bytes, *scheme)

    def validated(schema: Any, element: Any) -> Callable[[], object]:
        if not schema.validate(element):
            raise SystemExit(f"floor: {schema.error_log}")
        return lambda: schema.validate(element)

    deliverable = len(national) and etree.tostring(national)
    sizes = Sizes(
        national=way.raw[0], sealed=prepared.sealed.body, receipt=receipt, delivered=deliverable or b""
    )
    tls = Records(directory)
    closing.callback(tls.close)
    shared: dict[str, Callable[[], object]] = {
        "canonical document": c14n([root]),
        "digest document": lambda: hashlib.sha256(document).digest(),
        "validate asean": validated(asean_schema, root),
        "rules": rules,
        "sign": sign,
        "verify": verify,
    }
    sender: dict[str, Callable[[], object]] = {
        **shared,
        "parse national": lambda: etree.fromstring(way.raw[0], parser),
        "validate national": validated(national_schema, content),
        "to asean": lambda: to_asean(content, **parameters),
        "gzip": lambda: zlib.compress(document, GZIP_LEVEL, wbits=31),
        "digest message": digests,
        "parse receipt": lambda: etree.fromstring(receipt, parser),
        "canonical receipt": c14n(_signed(receipt)),
        "store outbound": outbound_store(directory / "out.db", sizes),
        "records sender": tls.exchange(sizes.national, bytes(ANSWER_BYTES), sizes.sealed, receipt),
    }
    receiver: dict[str, Callable[[], object]] = {
        **shared,
        "parse message": lambda: etree.fromstring(soap, parser),
        "canonical message": c14n(_signed(soap)),
        "digest received": digests,
        "gunzip": lambda: zlib.decompress(packed, wbits=31),
        "parse document": lambda: etree.fromstring(document, parser),
        "to national": lambda: to_national(root, kind=just_kind),
        "serialise national": lambda: etree.tostring(national, encoding="UTF-8"),
        "store inbound": inbound_store(directory / "in.db", sizes),
        "records receiver": tls.exchange(sizes.sealed, receipt),
    }
    found = {("sender", name): call for name, call in sender.items()}
    return found | {("receiver", name): call for name, call in receiver.items()}


def _signed(soap: bytes) -> list[Any]:
    """The elements of an envelope that verification canonicalises: SignedInfo, Messaging, Body."""
    root = etree.fromstring(soap)
    names = ("SignedInfo", "Messaging", "Body")
    return [next(root.iter(f"{{*}}{name}")) for name in names]
