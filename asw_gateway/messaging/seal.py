"""The business signature on a document: enveloped XML-DSig over the whole document, ds:Signature last child
of the root.

Signing writes a fixed template around the canonical document. Verification takes pinned certificates only and
gives back nothing outside the tree it verified. Seals of our own form are verified here, in C; those of other
products (other canonical forms, longer digests) by signxml, see `other_seals`. signxml, xmlsec and the JDK
judge the same documents in the tests (docs/decisions/seal-verification.md).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import cast

from attrs import field, frozen
from cryptography import x509
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.keys import ALGORITHM_NAMES, ALGORITHM_URIS, PinnedCertificate, SigningIdentity
from asw_gateway.messaging.other_seals import verify_other_form
from asw_gateway.messaging.trust import base64_octets, trusted
from asw_gateway.messaging.xml import XmlFault, canonical, digest, parse

_DS = f"{{{ns.DS}}}"
_ALGORITHMS = frozenset({"rsa-sha256", "ecdsa-sha256", "ecdsa-sha384"})
_METHODS = [uri for uri, name in ALGORITHM_NAMES.items() if name in _ALGORITHMS]
_SIGNED_INFO = [_DS + name for name in ("CanonicalizationMethod", "SignatureMethod", "Reference")]
_REFERENCE = [_DS + name for name in ("Transforms", "DigestMethod", "DigestValue")]
_TRANSFORMS = (ns.ENVELOPED_SIGNATURE, ns.EXC_C14N)
_SIGNATURES = etree.XPath("//ds:Signature", namespaces={"ds": ns.DS}, regexp=False)


@frozen(kw_only=True)
class Sealed:
    """A document whose seal holds: its root without the signature, the exclusive canonical form of that, and
    the signer."""

    root: etree._Element = field(repr=False)
    document: bytes = field(repr=False)
    signer: x509.Certificate


def seal(document: bytes, identity: SigningIdentity) -> bytes:
    """The document in exclusive canonical form, signed; comments are dropped, as they are from its canonical
    form.

    Raises :class:`LocalFault` when it is not well-formed, is signed already, or has processing instructions
    beside its root, which the canonical form could not keep.
    """
    try:
        root = parse(document)
        if root.getprevious() is not None or root.getnext() is not None:
            raise LocalFault("a document with processing instructions beside its root cannot be sealed")
        content = canonical(root)
    except XmlFault as fault:
        raise LocalFault(f"the document cannot be sealed: {fault.detail}") from None
    return seal_canonical(content, identity)


def seal_canonical(content: bytes, identity: SigningIdentity) -> bytes:
    """A document given in its exclusive canonical form, signed; raises :class:`LocalFault` as `seal` does."""
    if b"Signature" in content and _SIGNATURES(parse(content)):
        raise LocalFault("the document is signed already")
    if identity.algorithm == "ed25519":
        raise LocalFault("documents are sealed with RSA or ECDSA keys")
    end = content.rindex(b"</")
    return b"".join((content[:end], _signature(digest(content), identity), content[end:]))


def _signature(document_digest: str, identity: SigningIdentity) -> bytes:
    signed_info = _signed_info(ALGORITHM_URIS[identity.algorithm], document_digest)
    value = base64.b64encode(identity.sign(signed_info.encode("utf-8"))).decode("ascii")
    return _signature_element(signed_info, value, identity.certificate_base64).encode()


def _signed_info(method: str, document_digest: str) -> str:
    """The ds:SignedInfo of a seal, in exclusive canonical form."""
    return (
        f'<ds:SignedInfo xmlns:ds="{ns.DS}">'
        f'<ds:CanonicalizationMethod Algorithm="{ns.EXC_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
        '<ds:Reference URI=""><ds:Transforms>'
        + "".join(f'<ds:Transform Algorithm="{transform}"></ds:Transform>' for transform in _TRANSFORMS)
        + f'</ds:Transforms><ds:DigestMethod Algorithm="{ns.SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{document_digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )


def _signature_element(signed_info: str, value: str, certificate: str) -> str:
    return (
        f'<ds:Signature xmlns:ds="{ns.DS}">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate>"
        "</ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


def _as_sealed() -> re.Pattern[bytes]:
    """The end of a document as `seal` writes it: the signature, and the end tag of the root."""
    text = re.escape(_signature_element(_signed_info("METHOD", "DIGEST"), "VALUE", "CERTIFICATE"))
    info = re.escape(_signed_info("METHOD", "DIGEST"))
    text = text.replace(info, f"(?P<info>{info})")
    text = text.replace("METHOD", f"(?P<method>{'|'.join(map(re.escape, _METHODS))})")
    for name in ("DIGEST", "VALUE", "CERTIFICATE"):
        text = text.replace(name, f"(?P<{name.lower()}>[A-Za-z0-9+/]+={{0,2}})")
    return re.compile(f"(?P<signature>{text})</[^<>]+>".encode())


def check_seal(document: bytes, certificates: Sequence[x509.Certificate], now: float) -> Sealed:
    """Verify the one seal of a document against pinned ``certificates``, valid at ``now``.

    Raises :class:`RemoteFault` EBMS:0101 with reasons unsigned, unknown_certificate, expired_certificate,
    wrapped_signature, weak_algorithm, bad_signature or bad_xml.
    """
    as_written = _check_as_written(document, tuple(certificates), now)
    if as_written is not None:
        return as_written
    try:
        root = parse(document)
    except XmlFault as fault:
        raise _failed("bad_xml", f"the document cannot be read: {fault.detail}") from None
    signature = _own_signature(root)
    signer = _signer(signature, tuple(certificates), now)
    if not _is_own_form(signature):
        document_root, _ = verify_other_form(root, signature, signer.certificate, now)
        return Sealed(root=document_root, document=canonical(document_root), signer=signer.certificate)
    digest_value, signature_value = _claims(signature, signer)
    try:
        signed_info = canonical(signature[0])
        # The tree that stays is the tree that was digested: what the caller reads is what was signed.
        _take_out(root, signature)
        content = canonical(root)
    except XmlFault as fault:
        raise _failed("bad_signature", f"the document has no canonical form: {fault.detail}") from None
    if digest_value != hashlib.sha256(content).digest() or not signer.verifies(signature_value, signed_info):
        raise _failed("bad_signature", "the document's signature does not verify")
    return Sealed(root=root, document=content, signer=signer.certificate)


def _check_as_written(
    document: bytes, certificates: tuple[x509.Certificate, ...], now: float
) -> Sealed | None:
    """The document, if it is to the byte what `seal` writes and its seal holds.

    None for any other: the long way takes those that are good and says what is wrong with the rest.  It comes
    to the same: the bytes digested are those of the document without its last element, they are the
    canonical form of the tree that is given back, and nothing else in them is a signature.
    """
    start = document.rfind(b"<ds:Signature ")
    found = _AS_SEALED.fullmatch(document, start) if start > 0 else None
    if found is None:
        return None
    content = document[:start] + document[found.end("signature") :]
    try:
        signer = trusted(certificates).by_der.get(base64.b64decode(found["certificate"]))
        digest_value, value = base64.b64decode(found["digest"]), base64.b64decode(found["value"])
        if (
            signer is None
            or not signer.valid_from_at <= now <= signer.valid_until_at
            or signer.algorithm != ALGORITHM_NAMES[found["method"].decode("ascii")]
            or digest_value != hashlib.sha256(content).digest()
            or not signer.verifies(value, found["info"])
            or b"Signature" in content
        ):
            return None
        root = parse(content)
        if root.getprevious() is not None or root.getnext() is not None or canonical(root) != content:
            return None
    except (ValueError, XmlFault):
        return None
    return Sealed(root=root, document=content, signer=signer.certificate)


def _claims(signature: etree._Element, signer: PinnedCertificate) -> tuple[bytes, bytes]:
    """Digest and signature value, once every algorithm is the one that the pinned key stands for."""
    signed_info = signature[0]
    if [child.tag for child in signed_info] != _SIGNED_INFO or [
        child.tag for child in signed_info[2]
    ] != _REFERENCE:
        raise _failed("wrapped_signature", "ds:SignedInfo does not have exactly the expected children")
    method, digest_method = signed_info[1], signed_info[2][1]
    if len(signed_info[0]) or len(method) or len(digest_method):
        raise _failed("weak_algorithm", "an algorithm of the signature has parameters")
    algorithm = ALGORITHM_NAMES.get(method.get("Algorithm", ""), "")
    if algorithm not in _ALGORITHMS or algorithm != signer.algorithm:
        raise _failed("bad_signature", "the signature algorithm is not that of the signer's certificate")
    if digest_method.get("Algorithm") != ns.SHA256:
        raise _failed("bad_signature", "the document's digest is not SHA-256")
    try:
        return base64_octets(signed_info[2][2]), base64_octets(signature[1])
    except RemoteFault:
        raise _failed("bad_signature", "a value of the signature is not base64") from None


def _take_out(root: etree._Element, signature: etree._Element) -> None:
    """Remove the signature as the enveloped-signature transform does: the white space after it stays."""
    tail, before = signature.tail, signature.getprevious()
    root.remove(signature)
    if tail and before is None:
        root.text = (root.text or "") + tail
    elif tail and before is not None:
        before.tail = (before.tail or "") + tail


def _own_signature(root: etree._Element) -> etree._Element:
    """The document's only signature, at its only allowed place and of its only allowed form."""
    signatures = cast(list[etree._Element], _SIGNATURES(root))
    if not signatures:
        raise _failed("unsigned", "the document is not signed")
    if len(signatures) > 1:
        raise _failed("wrapped_signature", "the document holds several signatures")
    signature = signatures[0]
    if signature.getparent() is not root or signature.getnext() is not None or (signature.tail or "").strip():
        raise _failed("wrapped_signature", "the signature is not the last child of the document's root")
    if root.getprevious() is not None or root.getnext() is not None:
        raise _failed("wrapped_signature", "something stands beside the document's root")
    if [child.tag for child in signature] != [_DS + "SignedInfo", _DS + "SignatureValue", _DS + "KeyInfo"]:
        raise _failed("wrapped_signature", "the signature holds something besides its value and key")
    references = signature.findall(f"{_DS}SignedInfo/{_DS}Reference")
    if len(references) != 1 or references[0].get("URI") != "":
        raise _failed("wrapped_signature", "the signature does not refer to the whole document, once")
    key_info = signature.findall(f"{_DS}KeyInfo/*")
    if [child.tag for child in key_info] != [_DS + "X509Data"]:
        raise _failed("unknown_certificate", "ds:KeyInfo must hold the signing certificate and nothing else")
    return signature


def _is_own_form(signature: etree._Element) -> bool:
    """Whether algorithms and parameters are those that `seal` writes."""
    methods = [
        each.get("Algorithm")
        for each in signature.iter(
            _DS + "CanonicalizationMethod", _DS + "SignatureMethod", _DS + "Transform", _DS + "DigestMethod"
        )
        if not len(each)
    ]
    own = [ns.EXC_C14N, None, *_TRANSFORMS, ns.SHA256]
    if len(methods) != len(own) or ALGORITHM_NAMES.get(methods[1] or "", "") not in _ALGORITHMS:
        return False
    return methods[:1] + methods[2:] == own[:1] + own[2:]


def _signer(
    signature: etree._Element, certificates: tuple[x509.Certificate, ...], now: float
) -> PinnedCertificate:
    named = signature.findall(f"{_DS}KeyInfo/{_DS}X509Data/{_DS}X509Certificate")
    known = trusted(certificates).by_der
    for element in named:
        try:
            der = base64.b64decode("".join((element.text or "").split()), validate=True)
        except ValueError:
            continue
        if der in known:
            certificate = known[der]
            if not certificate.valid_from_at <= now <= certificate.valid_until_at:
                raise _failed("expired_certificate", "the document's signing certificate is not valid now")
            return certificate
    raise _failed("unknown_certificate", "the document's signing certificate is not known")


def _failed(reason: str, detail: str) -> RemoteFault:
    return RemoteFault("EBMS:0101", reason, detail)


_AS_SEALED = _as_sealed()
