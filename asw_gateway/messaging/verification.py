"""Strict verification of a WS-Security signature against pinned certificates.

References are resolved by exact identifier and only to the positions a signature may cover: the eb:Messaging
header, the SOAP Body, the security header's own token and timestamp, and the MIME parts. Header, body and
every part must be covered exactly once, so nothing can be moved, wrapped or added.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen
from cryptography import x509
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.envelope_reader import ReceivedEnvelope
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.header_reader import content_id_of, read_time
from asw_gateway.messaging.keys import (
    ALGORITHM_NAMES,
)
from asw_gateway.messaging.pmode import EDELIVERY_1_15, EDELIVERY_2_0
from asw_gateway.messaging.signature import part_octets
from asw_gateway.messaging.trust import (
    base64_octets,
    check_refused,
    check_validity,
    failed,
    signer_certificate,
    trusted,
)
from asw_gateway.messaging.xml import XmlFault, canonical

MAX_REFERENCES = 200
ACCEPTED_ALGORITHMS = {
    EDELIVERY_1_15: frozenset({"rsa-sha256", "ecdsa-sha256", "ecdsa-sha384"}),
    EDELIVERY_2_0: frozenset({"ed25519", "ecdsa-sha256", "ecdsa-sha384"}),
}
_DIGESTS: Mapping[str, Callable[[bytes], bytes]] = {
    ns.SHA256: lambda data: hashlib.sha256(data).digest(),
    ns.DSIG_MORE + "sha384": lambda data: hashlib.sha384(data).digest(),
    ns.XENC + "sha512": lambda data: hashlib.sha512(data).digest(),
}
_DIGEST_NAMES = {ns.SHA256: "sha256", ns.DSIG_MORE + "sha384": "sha384", ns.XENC + "sha512": "sha512"}
_DS = f"{{{ns.DS}}}"
_WSSE = f"{{{ns.WSSE}}}"
_WSU = f"{{{ns.WSU}}}"
_PLAIN_SIGNED_INFO = f'<ds:SignedInfo xmlns:ds="{ns.DS}">'.encode()
_WRITTEN_REFERENCE = re.compile("<ds:Reference((?: [^>]*)?>.*?</ds:Reference>)", re.DOTALL)
_INCLUSIVE = f"{{{ns.EXC_C14N}}}InclusiveNamespaces"


@frozen(kw_only=True)
class ReceivedReference:
    """A verified ds:Reference: its element (for the receipt), URI and base64 digest.

    written: its exclusive canonical form where that was seen on the way, else empty.
    """

    element: etree._Element = field(repr=False)
    uri: str
    digest: str
    written: str = field(default="", repr=False)


@frozen(kw_only=True)
class VerifiedSignature:
    """Who signed, and exactly what."""

    signer: x509.Certificate
    references: tuple[ReceivedReference, ...]


@frozen(kw_only=True)
class DigestedPart:
    """A part that is not in memory: the digests of its signed octets, by algorithm URI."""

    digests: Mapping[str, bytes]


def verify_signature(
    received: ReceivedEnvelope,
    parts: Mapping[str, tuple[str, bytes | DigestedPart]],
    *,
    certificates: tuple[x509.Certificate, ...],
    refused: Mapping[str, str],
    profile_name: str,
    now: float,
    clock_skew_seconds: float,
) -> VerifiedSignature:
    """Check the one signature of an envelope over header, body and ``parts`` (content id → type, octets).

    Raises :class:`RemoteFault` with EBMS:0101 (failed), EBMS:0103 (unsigned, not everything signed, weak).
    """
    security = received.security
    signatures = [] if security is None else security.findall(_DS + "Signature")
    if security is None or not signatures:
        raise RemoteFault("EBMS:0103", "unsigned", "the message is not signed")
    if len(signatures) > 1:
        raise failed("bad_security", "there are several signatures")
    signature = signatures[0]
    signed_info, value, key_info = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    method, algorithm, references = _signed_info(signed_info, profile_name)
    certificate = signer_certificate(key_info, received, security, trusted(certificates))
    if certificate.algorithm != algorithm:
        raise RemoteFault(
            "EBMS:0103", "weak_algorithm", "the signature algorithm does not fit the certificate's key"
        )
    check_validity(certificate, now)
    check_refused(certificate, refused)
    signed_octets = _canonical(signed_info, method)
    if not certificate.verifies(base64_octets(value), signed_octets):
        raise failed("bad_signature", "the signature value does not verify")
    _check_timestamp(security, now, clock_skew_seconds)
    return VerifiedSignature(
        signer=certificate.certificate,
        references=_check_references(
            references, _written_references(signed_octets, len(references)), received, security, parts
        ),
    )


def signed_references(received: ReceivedEnvelope) -> list[tuple[str, str]]:
    """The (URI, base64 SHA-256 digest) pairs that an envelope's signature claims, without verifying it."""
    path = f"{_DS}Signature/{_DS}SignedInfo/{_DS}Reference"
    found = [] if received.security is None else received.security.findall(path)
    return [(r.get("URI", ""), "".join((r.findtext(_DS + "DigestValue") or "").split())) for r in found]


def _signed_info(
    signed_info: etree._Element, profile_name: str
) -> tuple[etree._Element, str, list[etree._Element]]:
    children = list(signed_info.iterchildren())
    names = [child.tag for child in children]
    if names[:2] != [_DS + "CanonicalizationMethod", _DS + "SignatureMethod"] or set(names[2:]) != {
        _DS + "Reference"
    }:
        raise failed("bad_security", "ds:SignedInfo does not have the expected children")
    if len(names) > MAX_REFERENCES + 2:
        raise failed("bad_security", f"the signature has more than {MAX_REFERENCES} references")
    if children[0].get("Algorithm") != ns.EXC_C14N:
        raise RemoteFault("EBMS:0103", "weak_algorithm", "the signature is not in exclusive canonical form")
    algorithm = ALGORITHM_NAMES.get(children[1].get("Algorithm", ""), "")
    if algorithm not in ACCEPTED_ALGORITHMS[profile_name]:
        raise RemoteFault("EBMS:0103", "weak_algorithm", "the signature algorithm is not accepted")
    return children[0], algorithm, children[2:]


def _written_references(signed_info: bytes, count: int) -> list[str]:
    """The canonical form of each reference, cut out of that of ds:SignedInfo; empty where that cannot be.

    It can where the one namespace declared is that of ds: then each reference only declares it again.
    """
    if signed_info.startswith(_PLAIN_SIGNED_INFO) and signed_info.count(b"xmlns") == 1:
        found = _WRITTEN_REFERENCE.findall(signed_info.decode("utf-8"))
        if len(found) == count:
            return [f'<ds:Reference xmlns:ds="{ns.DS}"{rest}' for rest in found]
    return [""] * count


def _check_references(
    references: Sequence[etree._Element],
    written: Sequence[str],
    received: ReceivedEnvelope,
    security: etree._Element,
    parts: Mapping[str, tuple[str, bytes | DigestedPart]],
) -> tuple[ReceivedReference, ...]:
    places = [(received.messaging, "header"), (received.body, "body")]
    places += [
        (own, own.tag) for own in security.iterchildren(_WSSE + "BinarySecurityToken", _WSU + "Timestamp")
    ]
    covered: set[str] = set()
    result = []
    for reference, text in zip(references, written, strict=True):
        uri = reference.get("URI", "")
        transform, digest_method, digest_value = _reference_parts(reference)
        if uri.startswith("cid:"):
            target = "cid:" + content_id_of(uri)
            found = _part_digest(parts, target, transform, digest_method)
        elif uri.startswith("#") and len(uri) > 1:
            element = received.elements_by_id.get(uri[1:])
            if element is None:
                raise failed("wrapped_signature", "a signed element is not in the envelope")
            target = next((place for own, place in places if own is element), "")
            if not target:
                raise failed("wrapped_signature", "a signed element is not at its place in the envelope")
            if transform.get("Algorithm") != ns.EXC_C14N:
                raise failed("bad_security", "an element is signed with an unexpected transform")
            found = _DIGESTS[digest_method](_canonical(element, transform))
        else:
            raise failed("bad_security", "a signature reference points outside the message")
        if target in covered:
            raise failed("bad_security", "something is signed twice")
        covered.add(target)
        if found != base64_octets(digest_value):
            what = "a part" if uri.startswith("cid:") else "the header or body"
            raise failed("bad_digest", f"the digest of {what} does not match")
        claimed = "".join((digest_value.text or "").split())
        result.append(ReceivedReference(element=reference, uri=uri, digest=claimed, written=text))
    for wanted in ("header", "body", *(f"cid:{content_id}" for content_id in parts)):
        if wanted not in covered:
            what = "a part" if wanted.startswith("cid:") else f"the {wanted}"
            raise RemoteFault("EBMS:0103", "content_not_covered", f"the signature does not cover {what}")
    return tuple(result)


def _part_digest(
    parts: Mapping[str, tuple[str, bytes | DigestedPart]],
    target: str,
    transform: etree._Element,
    digest_method: str,
) -> bytes:
    part = parts.get(target[4:])
    if part is None:
        raise RemoteFault("EBMS:0007", "missing_part", "a signed part is not in the message")
    if transform.get("Algorithm") != ns.ATTACHMENT_SIGNATURE or len(transform):
        raise failed("bad_security", "a part is signed with an unexpected transform")
    content_type, content = part
    if isinstance(content, DigestedPart):
        return content.digests[digest_method]
    try:
        return _DIGESTS[digest_method](part_octets(content, content_type))
    except XmlFault as fault:
        raise failed("bad_digest", f"an XML part cannot be canonicalised: {fault.detail}") from None


def digest_methods(received: ReceivedEnvelope) -> dict[str, str]:
    """Content id of each signed part → the accepted digest algorithm (URI) its reference names."""
    path = f"{_DS}Signature/{_DS}SignedInfo/{_DS}Reference"
    methods: dict[str, str] = {}
    for reference in [] if received.security is None else received.security.iterfind(path):
        uri, method = reference.get("URI", ""), reference.find(_DS + "DigestMethod")
        algorithm = "" if method is None else method.get("Algorithm", "")
        if uri.startswith("cid:") and algorithm in _DIGESTS:
            methods[content_id_of(uri)] = algorithm
    return methods


def new_digest(algorithm: str) -> hashlib._Hash:
    """A running digest of an accepted algorithm (URI)."""
    return hashlib.new(_DIGEST_NAMES[algorithm])


def _reference_parts(
    reference: etree._Element,
) -> tuple[etree._Element, str, etree._Element]:
    transforms, method, value = _children(reference, "Transforms", "DigestMethod", "DigestValue")
    chain = list(transforms.iterchildren())
    if len(chain) != 1 or chain[0].tag != _DS + "Transform":
        raise failed("bad_security", "a signature reference must have exactly one transform")
    digest_method = method.get("Algorithm", "")
    if digest_method not in _DIGESTS:
        raise RemoteFault("EBMS:0103", "weak_algorithm", "a digest algorithm is not accepted")
    return chain[0], digest_method, value


def _check_timestamp(security: etree._Element, now: float, skew_seconds: float) -> None:
    timestamp = security.find(_WSU + "Timestamp")
    if timestamp is None:
        return
    created, expires = timestamp.findtext(_WSU + "Created"), timestamp.findtext(_WSU + "Expires")
    if created is not None and read_time(created.strip()) > now + skew_seconds:
        raise failed("message_in_future", "the security timestamp lies in the future")
    if expires is not None and read_time(expires.strip()) < now - skew_seconds:
        raise failed("message_too_old", "the security timestamp has expired")


def _canonical(element: etree._Element, method: etree._Element) -> bytes:
    prefixes: list[str] = []
    children = list(method.iterchildren())
    if children:
        if len(children) != 1 or children[0].tag != _INCLUSIVE:
            raise failed("bad_security", "a canonicalisation has unexpected parameters")
        prefixes = children[0].get("PrefixList", "").split()
    if "#default" in prefixes and None in element.nsmap:
        raise failed("bad_security", "an inclusive default namespace is not supported")
    try:
        return canonical(element, prefixes)
    except XmlFault as fault:
        raise failed("bad_security", fault.detail) from None


def _children(parent: etree._Element, *names: str) -> list[etree._Element]:
    children = list(parent.iterchildren())
    if [child.tag for child in children] != [_DS + name for name in names]:
        raise failed("bad_security", f"a signature element must hold exactly {', '.join(names)}")
    return children
