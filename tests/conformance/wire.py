"""What went over the wire, byte for byte, and the ways a predicate may look at it.

Nothing of asw_gateway is imported here: a conformance predicate must not believe the code it judges.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Sequence
from email import message_from_bytes
from email.message import Message

from attrs import field, frozen
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

NS = {
    "S12": "http://www.w3.org/2003/05/soap-envelope",
    "eb": "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/",
    "ebbp": "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0",
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
}
GZIP = "application/gzip"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
AES128_GCM = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
SOAP_TYPE = "application/soap+xml"


@frozen(kw_only=True)
class Http:
    """One HTTP request or response; ``start`` is its first line without the line end."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def raw(self) -> bytes:
        lines = "".join(f"{line}\r\n" for line in (self.start, *(f"{k}: {v}" for k, v in self.headers), ""))
        return lines.encode("latin-1") + self.body

    @property
    def media_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.start.split()[1])


@frozen(kw_only=True)
class Exchange:
    """A request and what came back; None when the connection ended without an answer."""

    request: Http
    answer: Http | None = None


@frozen(kw_only=True)
class WirePart:
    """One MIME part as it travelled."""

    content_id: str
    content_type: str
    content: bytes = field(repr=False)


def soap(message: Http) -> etree._Element:
    """The SOAP envelope of a message, packaged or plain. Raises ValueError when there is none."""
    octets = _split(message)[0].content if message.media_type == "multipart/related" else message.body
    try:
        return etree.fromstring(octets, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as fault:
        raise ValueError(f"no SOAP envelope: {fault}") from None


def payloads(message: Http) -> tuple[WirePart, ...]:
    """The parts beside the envelope."""
    return tuple(_split(message)[1:]) if message.media_type == "multipart/related" else ()


def _split(message: Http) -> list[WirePart]:
    given = Message()
    given["Content-Type"] = message.header("Content-Type")
    boundary = str(given.get_param("boundary", ""))
    pieces = (b"\r\n" + message.body).split(b"\r\n--" + boundary.encode("ascii"))
    if not boundary or pieces[-1][:2] != b"--":
        raise ValueError("the multipart body has no end")
    found = []
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        headers = message_from_bytes(head.lstrip(b"\r\n") + b"\r\n\r\n")
        found.append(
            WirePart(
                content_id=(headers["Content-ID"] or "").strip().strip("<>"),
                content_type=headers["Content-Type"] or "",
                content=content,
            )
        )
    return found


def find(node: etree._Element, path: str) -> list[etree._Element]:
    """Elements by an XPath with the prefixes of NS."""
    found: list[etree._Element] = node.xpath(path, namespaces=NS)
    return found


def texts(node: etree._Element, path: str) -> list[str]:
    """The values that an XPath gives: text of elements, or attributes."""
    return [
        str(value).strip() if isinstance(value, str) else (value.text or "").strip()
        for value in node.xpath(path, namespaces=NS)
    ]


def first(node: etree._Element, path: str) -> str:
    return next(iter(texts(node, path)), "")


def message_id(message: Http) -> str:
    return first(soap(message), "//eb:MessageInfo/eb:MessageId")


def part_infos(message: Http) -> list[tuple[str, dict[str, str]]]:
    """(content id, part properties) of every eb:PartInfo, in order."""
    return [
        (
            re.sub("^cid:", "", info.get("href", "")),
            {p.get("name", ""): (p.text or "").strip() for p in find(info, "eb:PartProperties/eb:Property")},
        )
        for info in find(soap(message), "//eb:UserMessage/eb:PayloadInfo/eb:PartInfo")
    ]


def body_is_empty(message: Http) -> bool:
    [body] = find(soap(message), "/S12:Envelope/S12:Body")
    return len(body) == 0 and not (body.text or "").strip()


def signature_references(message: Http) -> dict[str, str]:
    """URI → base64 digest of the references that the WS-Security signature covers."""
    return {
        reference.get("URI", ""): first(reference, "ds:DigestValue")
        for reference in find(soap(message), "//wsse:Security/ds:Signature/ds:SignedInfo/ds:Reference")
    }


def signing_token(message: Http) -> bytes:
    """The DER certificate of the X509v3 token that the signature names; empty when there is none."""
    root = soap(message)
    uri = first(root, "//wsse:Security/ds:Signature/ds:KeyInfo//wsse:Reference/@URI")
    token = first(root, f"//wsse:BinarySecurityToken[@wsu:Id='{uri.removeprefix('#')}']")
    return base64.b64decode(token)


def decrypted(message: Http, key: rsa.RSAPrivateKey | None) -> tuple[WirePart, ...]:
    """The parts as they were before encryption; as they are when nothing is encrypted.

    Raises ValueError when the key does not open them.
    """
    root, parts = soap(message), payloads(message)
    described = find(root, "//wsse:Security/xenc:EncryptedData")
    if not described:
        return parts
    if key is None:
        raise ValueError("encrypted, and nobody has the key")
    wrapped = base64.b64decode(first(root, "//xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue"))
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    content_key = key.decrypt(wrapped, oaep)
    types = {
        first(data, "xenc:CipherData/xenc:CipherReference/@URI").removeprefix("cid:"): data.get(
            "MimeType", ""
        )
        for data in described
    }
    opened = []
    for part in parts:
        content = AESGCM(content_key).decrypt(part.content[:12], part.content[12:], None)
        opened.append(
            WirePart(content_id=part.content_id, content_type=types[part.content_id], content=content)
        )
    return tuple(opened)


def contents(message: Http, key: rsa.RSAPrivateKey | None = None) -> tuple[bytes, ...]:
    """What the producer had: every part decrypted and decompressed, in the order of the header."""
    by_id = {part.content_id: part for part in decrypted(message, key)}
    return tuple(
        gzip.decompress(by_id[content_id].content)
        if "CompressionType" in properties
        else by_id[content_id].content
        for content_id, properties in part_infos(message)
    )


def sequence_of(exchanges: Sequence[Exchange]) -> list[str]:
    """The message ids of the requests, in order."""
    return [message_id(exchange.request) for exchange in exchanges]
