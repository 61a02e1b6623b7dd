"""Writing a WS-Security header: signed references in canonical form, so that nothing is parsed to be signed.

Every text here is written exactly as exclusive canonical XML would write it (namespaces on the signed
element itself, sorted attributes, no empty-element tags); tests compare with the canonical form of the
parsed message.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache

from attrs import frozen
from cryptography import x509

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.faults import LocalFault
from asw_gateway.messaging.keys import (
    ALGORITHM_URIS,
    SigningIdentity,
    normal_name,
    subject_key_identifier,
)
from asw_gateway.messaging.pmode import SecurityProfile
from asw_gateway.messaging.xml import canonical_document, digest, escape_attribute, escape_text, parse

__all__ = [
    "Reference",
    "SigningIdentity",
    "key_identifier",
    "part_octets",
    "reference_to_part",
    "replace_signature",
    "security_header",
    "signature_element",
    "signed_timestamp",
]

CERTIFICATE_ID = "signing-token"
TIMESTAMP_ID = "security-timestamp"
_XML_TYPES = ("text/xml", "application/xml")


@frozen
class Reference:
    """One ds:Reference: where it points (``#id`` or ``cid:…``) and the base64 SHA-256 digest."""

    uri: str
    digest: str


def part_octets(content: bytes, content_type: str) -> bytes:
    """What the SwA content transform digests: the class of the part's Content-Type decides.

    XML is canonicalised, other text gets CRLF line ends, everything else is taken as it is. Raises
    :class:`asw_gateway.messaging.xml.XmlFault` for XML that cannot be read.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _XML_TYPES or media_type.endswith("+xml"):
        return canonical_document(parse(content, max_depth=256))
    if media_type.startswith("text/"):
        return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return content


def is_raw(content_type: str) -> bool:
    """Whether a part of this type is digested as it is, so that it need not be in memory as a whole."""
    media_type = content_type.partition(";")[0].strip().lower()
    return not (media_type in _XML_TYPES or media_type.endswith("+xml") or media_type.startswith("text/"))


def signature_element(
    references: Sequence[Reference], identity: SigningIdentity, profile: SecurityProfile
) -> str:
    """The ds:Signature over some references; its ds:SignedInfo is written in canonical form."""
    if identity.algorithm != profile.signature_algorithm:
        raise LocalFault(
            f"the agreement asks for {profile.signature_algorithm} but our key makes {identity.algorithm}"
        )
    signed_info = (
        f'<ds:SignedInfo xmlns:ds="{ns.DS}">'
        f'<ds:CanonicalizationMethod Algorithm="{ns.EXC_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{ALGORITHM_URIS[identity.algorithm]}"></ds:SignatureMethod>'
        + "".join(map(_reference, references))
        + "</ds:SignedInfo>"
    )
    value = base64.b64encode(identity.sign(signed_info.encode("utf-8"))).decode("ascii")
    return (
        f'<ds:Signature xmlns:ds="{ns.DS}">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        f"<ds:KeyInfo>{_token_reference(identity, profile.key_reference)}</ds:KeyInfo></ds:Signature>"
    )


def security_header(
    references: Sequence[Reference],
    identity: SigningIdentity,
    profile: SecurityProfile,
    *,
    timestamp: str = "",
    encryption: str = "",
) -> str:
    """The wsse:Security header; decryption comes before the signature, in the order a receiver works."""
    return (
        f'<wsse:Security xmlns:wsse="{ns.WSSE}" xmlns:wsu="{ns.WSU}" S12:mustUnderstand="true">'
        f"{timestamp}{_token(identity, profile.key_reference)}{encryption}"
        f"{signature_element(references, identity, profile)}</wsse:Security>"
    )


def _reference(reference: Reference) -> str:
    transform = ns.ATTACHMENT_SIGNATURE if reference.uri.startswith("cid:") else ns.EXC_C14N
    return (
        f'<ds:Reference URI="{escape_attribute(reference.uri)}"><ds:Transforms>'
        f'<ds:Transform Algorithm="{transform}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{ns.SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{reference.digest}</ds:DigestValue></ds:Reference>"
    )


def _token(identity: SigningIdentity, key_reference: str) -> str:
    if key_reference not in ("x509v3", "pkipath"):
        return ""
    value_type, content = (
        (ns.X509V3, identity.certificate_base64)
        if key_reference == "x509v3"
        else (ns.X509_PKIPATH, identity.pkipath_base64)
    )
    return (
        f'<wsse:BinarySecurityToken EncodingType="{ns.BASE64_BINARY}" ValueType="{value_type}" '
        f'wsu:Id="{CERTIFICATE_ID}">'
        f"{content}</wsse:BinarySecurityToken>"
    )


def _token_reference(identity: SigningIdentity, key_reference: str) -> str:
    inner, token_type = "", ""
    if key_reference == "x509v3":
        inner = f'<wsse:Reference URI="#{CERTIFICATE_ID}" ValueType="{ns.X509V3}"></wsse:Reference>'
    elif key_reference == "pkipath":
        # WS-I Basic Security Profile 1.1 R5215: a reference to a path names the token type itself.
        token_type = f' xmlns:wsse11="{ns.WSSE11}" wsse11:TokenType="{ns.X509_PKIPATH}"'
        inner = f'<wsse:Reference URI="#{CERTIFICATE_ID}" ValueType="{ns.X509_PKIPATH}"></wsse:Reference>'
    else:
        inner = key_identifier(identity.certificate, key_reference)
    return f"<wsse:SecurityTokenReference{token_type}>{inner}</wsse:SecurityTokenReference>"


@lru_cache(maxsize=256)
def key_identifier(certificate: x509.Certificate, key_reference: str) -> str:
    """A reference to a certificate the receiver already has: by issuer and serial, or subject key
    identifier."""
    if key_reference == "ski":
        identifier = base64.b64encode(subject_key_identifier(certificate)).decode("ascii")
        return (
            f'<wsse:KeyIdentifier EncodingType="{ns.BASE64_BINARY}" ValueType="{ns.X509_SKI}">'
            f"{identifier}</wsse:KeyIdentifier>"
        )
    issuer, serial = normal_name(certificate.issuer.rfc4514_string()), certificate.serial_number
    return (
        f'<ds:X509Data xmlns:ds="{ns.DS}"><ds:X509IssuerSerial><ds:X509IssuerName>{escape_text(issuer)}'
        f"</ds:X509IssuerName><ds:X509SerialNumber>{serial}</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>"
    )


def reference_to_part(content_id: str, content_type: str, content: bytes) -> Reference:
    """The reference that covers one part."""
    return Reference(f"cid:{content_id}", digest(part_octets(content, content_type)))


def signed_timestamp(created: str, expires: str) -> tuple[str, Reference]:
    """A wsu:Timestamp in canonical form and the reference that covers it."""
    text = (
        f'<wsu:Timestamp xmlns:wsu="{ns.WSU}" wsu:Id="{TIMESTAMP_ID}"><wsu:Created>{created}</wsu:Created>'
        f"<wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>"
    )
    return text, Reference(f"#{TIMESTAMP_ID}", digest(text.encode()))


def replace_signature(soap: bytes, references: Sequence[Reference], identity: SigningIdentity) -> bytes:
    """An envelope that this module wrote, with another identity's token and signature in place of the old
    ones.

    The way the key is named stays as it was. Raises :class:`LocalFault` for an envelope written by someone
    else.
    """
    text = soap.decode("utf-8")
    if ns.X509_PKIPATH in text:
        key_reference = "pkipath"
    elif "<wsse:BinarySecurityToken " in text:
        key_reference = "x509v3"
    else:
        key_reference = "ski" if f'ValueType="{ns.X509_SKI}"' in text else "issuer-serial"
    profile = SecurityProfile(signature_algorithm=identity.algorithm, key_reference=key_reference)
    if key_reference in ("x509v3", "pkipath"):
        text = _exchange(
            text, "<wsse:BinarySecurityToken ", "</wsse:BinarySecurityToken>", _token(identity, key_reference)
        )
    signature = signature_element(references, identity, profile)
    return _exchange(text, f'<ds:Signature xmlns:ds="{ns.DS}">', "</ds:Signature>", signature).encode()


def _exchange(text: str, start: str, end: str, replacement: str) -> str:
    if text.count(start) != 1 or text.count(end) != 1:
        raise LocalFault("the stored envelope was not written by this gateway")
    first, last = text.index(start), text.index(end) + len(end)
    return text[:first] + replacement + text[last:]
