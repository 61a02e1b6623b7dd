"""Message encryption by agreement: AES-GCM for the parts, one transported content key (eDelivery AS4 1.15
§3.2.6).

All parts are encrypted with one content key and a vector each; key, vectors and ephemeral keys are
arguments, because this room makes no randomness. Decryption releases nothing before the authentication tag
has been checked.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.header_reader import content_id_of
from asw_gateway.messaging.key_agreement import agreed_key, unwrap_agreed_key
from asw_gateway.messaging.keys import MINIMUM_RSA_BITS
from asw_gateway.messaging.pmode import EDELIVERY_1_15, EDELIVERY_2_0, SecurityProfile
from asw_gateway.messaging.signature import key_identifier
from asw_gateway.messaging.xml import escape_attribute

DecryptionKey = rsa.RSAPrivateKey | x25519.X25519PrivateKey
VECTOR_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = {"aes128-gcm": 16, "aes256-gcm": 32}
ENCRYPTION_KEYS = {
    EDELIVERY_1_15: f"an RSA key of at least {MINIMUM_RSA_BITS} bits",
    EDELIVERY_2_0: "an X25519 key",
}
_SALT_BYTES = 32
_CONTENT_ALGORITHMS = {ns.XENC11 + name: size for name, size in KEY_BYTES.items()}
_RSA_OAEP = ns.XENC11 + "rsa-oaep"
_MGF1_SHA256 = ns.XENC11 + "mgf1sha256"
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
_XENC = f"{{{ns.XENC}}}"
_DS = f"{{{ns.DS}}}"
ENCRYPTED_TYPE = "application/octet-stream"


@frozen(kw_only=True)
class ContentSecret:
    """What one encrypted message needs, made fresh by the caller and never used twice.

    ``key`` has 16 or 32 bytes by the agreement's algorithm; ``vectors`` are 12 bytes, one per part.
    ``ephemeral_key`` and ``salt`` belong to the 2.0 suite only.
    """

    certificate: x509.Certificate
    key: bytes = field(repr=False)
    vectors: tuple[bytes, ...] = field(repr=False)
    ephemeral_key: x25519.X25519PrivateKey | None = field(default=None, repr=False)
    salt: bytes = field(default=b"", repr=False)


def fresh_secret(
    certificate: x509.Certificate, profile: SecurityProfile, parts: int, fresh_bytes: Callable[[int], bytes]
) -> ContentSecret:
    """Key material for one message of so many parts, from ``fresh_bytes(number)``, a source of secrets."""
    modern = profile.name == EDELIVERY_2_0
    return ContentSecret(
        certificate=certificate,
        key=fresh_bytes(KEY_BYTES[profile.content_encryption]),
        vectors=tuple(fresh_bytes(VECTOR_BYTES) for _ in range(parts)),
        ephemeral_key=x25519.X25519PrivateKey.from_private_bytes(fresh_bytes(32)) if modern else None,
        salt=fresh_bytes(_SALT_BYTES) if modern else b"",
    )


@frozen(kw_only=True)
class EncryptedParts:
    """The header elements of encryption and the parts as they go on the wire."""

    header: str
    parts: tuple[tuple[str, str, bytes], ...]


def encrypts_for(certificate: x509.Certificate, profile: SecurityProfile) -> bool:
    """Whether a certificate's key is one that the suite encrypts to; ENCRYPTION_KEYS says which those are."""
    key = certificate.public_key()
    if profile.name == EDELIVERY_2_0:
        return isinstance(key, x25519.X25519PublicKey)
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= MINIMUM_RSA_BITS


def encrypt_parts(
    parts: Sequence[tuple[str, str, bytes]], secret: ContentSecret, profile: SecurityProfile
) -> EncryptedParts:
    """Encrypt (content id, content type, octets) parts; raises :class:`LocalFault` for unusable key
    material."""
    header = encryption_header([(content_id, kind) for content_id, kind, _ in parts], secret, profile)
    cipher = AESGCM(secret.key)
    encrypted = [
        (content_id, ENCRYPTED_TYPE, vector + cipher.encrypt(vector, content, None))
        for (content_id, _, content), vector in zip(parts, secret.vectors, strict=True)
    ]
    return EncryptedParts(header=header, parts=tuple(encrypted))


def encryption_header(
    parts: Sequence[tuple[str, str]], secret: ContentSecret, profile: SecurityProfile
) -> str:
    """The header elements that tell how (content id, content type) parts are encrypted; raises
    :class:`LocalFault` for unusable key material."""
    if len(secret.key) != KEY_BYTES[profile.content_encryption]:
        raise LocalFault("the content key does not have the size the agreement's algorithm wants")
    vectors = secret.vectors
    if len(set(vectors)) != len(parts) or any(len(vector) != VECTOR_BYTES for vector in vectors):
        raise LocalFault("encryption needs one different vector of 12 bytes for each part")
    data_references, encrypted_data = [], []
    for number, (content_id, content_type) in enumerate(parts, 1):
        data_references.append(f'<xenc:DataReference URI="#encrypted-part-{number}"></xenc:DataReference>')
        encrypted_data.append(_encrypted_data(number, content_id, content_type, profile.content_encryption))
    return (
        f'<xenc:EncryptedKey xmlns:xenc="{ns.XENC}" Id="content-key">{_transported_key(secret, profile)}'
        f"<xenc:ReferenceList>{''.join(data_references)}</xenc:ReferenceList></xenc:EncryptedKey>"
        + "".join(encrypted_data)
    )


def _transported_key(secret: ContentSecret, profile: SecurityProfile) -> str:
    if profile.name == EDELIVERY_2_0:
        if secret.ephemeral_key is None:
            raise LocalFault("the 2.0 suite needs an ephemeral key for each message")
        return agreed_key(secret.key, secret.certificate, secret.ephemeral_key, secret.salt)
    key = secret.certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MINIMUM_RSA_BITS:
        raise LocalFault("the partner's encryption certificate must hold an RSA key of at least 2048 bits")
    wrapped = base64.b64encode(key.encrypt(secret.key, _OAEP)).decode("ascii")
    return (
        f'<xenc:EncryptionMethod Algorithm="{_RSA_OAEP}">'
        f'<ds:DigestMethod xmlns:ds="{ns.DS}" Algorithm="{ns.SHA256}"></ds:DigestMethod>'
        f'<xenc11:MGF xmlns:xenc11="{ns.XENC11}" Algorithm="{_MGF1_SHA256}"></xenc11:MGF>'
        "</xenc:EncryptionMethod>"
        f'<ds:KeyInfo xmlns:ds="{ns.DS}"><wsse:SecurityTokenReference>'
        f"{key_identifier(secret.certificate, 'issuer-serial')}</wsse:SecurityTokenReference></ds:KeyInfo>"
        f"<xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData>"
    )


def _encrypted_data(number: int, content_id: str, content_type: str, algorithm: str) -> str:
    return (
        f'<xenc:EncryptedData xmlns:xenc="{ns.XENC}" Id="encrypted-part-{number}" '
        f'MimeType="{escape_attribute(content_type)}" Type="{ns.ATTACHMENT_CONTENT_ONLY}">'
        f'<xenc:EncryptionMethod Algorithm="{ns.XENC11}{algorithm}"></xenc:EncryptionMethod>'
        f'<ds:KeyInfo xmlns:ds="{ns.DS}"><wsse:SecurityTokenReference xmlns:wsse11="{ns.WSSE11}" '
        f'wsse11:TokenType="{ns.ENCRYPTED_KEY_TYPE}"><wsse:Reference URI="#content-key"></wsse:Reference>'
        "</wsse:SecurityTokenReference></ds:KeyInfo><xenc:CipherData>"
        f'<xenc:CipherReference URI="cid:{escape_attribute(content_id)}"><xenc:Transforms>'
        f'<ds:Transform xmlns:ds="{ns.DS}" Algorithm="{ns.ATTACHMENT_CIPHERTEXT}"></ds:Transform>'
        "</xenc:Transforms></xenc:CipherReference></xenc:CipherData></xenc:EncryptedData>"
    )


def is_encrypted(security: etree._Element | None) -> bool:
    """Whether a security header announces encrypted content."""
    return security is not None and (
        security.find(_XENC + "EncryptedKey") is not None
        or security.find(_XENC + "EncryptedData") is not None
    )


def decrypt_parts(
    security: etree._Element, parts: Mapping[str, tuple[str, bytes]], key: DecryptionKey
) -> dict[str, tuple[str, bytes]]:
    """All parts decrypted, with the content types they had before; raises :class:`RemoteFault` EBMS:0102 or
    0103."""
    content_key, content_types = unlock(security, parts, key)
    plain: dict[str, tuple[str, bytes]] = {}
    for content_id, content_type in content_types.items():
        octets = parts[content_id][1]
        try:
            content = AESGCM(content_key).decrypt(octets[:VECTOR_BYTES], octets[VECTOR_BYTES:], None)
        except (InvalidTag, ValueError):
            raise not_decrypted("a part does not decrypt") from None
        plain[content_id] = (content_type, content)
    return plain


def unlock(
    security: etree._Element, content_ids: Collection[str], key: DecryptionKey
) -> tuple[bytes, dict[str, str]]:
    """The content key, and the content type each part had before encryption; every part must be encrypted.

    Raises :class:`RemoteFault` EBMS:0102 or 0103.
    """
    keys = security.findall(_XENC + "EncryptedKey")
    if len(keys) != 1:
        raise not_decrypted("there must be exactly one encrypted content key")
    content_key = _content_key(keys[0], key)
    content_types: dict[str, str] = {}
    for data in security.iterfind(_XENC + "EncryptedData"):
        content_id, content_type = _described(data, len(content_key))
        if content_id in content_types or content_id not in content_ids:
            raise not_decrypted("encrypted data and parts do not correspond")
        content_types[content_id] = content_type
    if set(content_types) != set(content_ids):
        raise RemoteFault(
            "EBMS:0103", "not_encrypted", "a part is not encrypted although the agreement encrypts"
        )
    return content_key, content_types


def _content_key(element: etree._Element, key: DecryptionKey) -> bytes:
    if isinstance(key, x25519.X25519PrivateKey):
        content_key = unwrap_agreed_key(element, key)
        if len(content_key) not in KEY_BYTES.values():
            raise not_decrypted("the content key has a wrong size")
        return content_key
    method = element.find(_XENC + "EncryptionMethod")
    value = element.findtext(f"{_XENC}CipherData/{_XENC}CipherValue")
    if method is None or value is None:
        raise not_decrypted("the content key cannot be read")
    digest, mask = method.find(_DS + "DigestMethod"), method.find(f"{{{ns.XENC11}}}MGF")
    algorithms = (
        method.get("Algorithm"),
        *(None if x is None else x.get("Algorithm") for x in (digest, mask)),
    )
    if algorithms != (_RSA_OAEP, ns.SHA256, _MGF1_SHA256):
        raise RemoteFault(
            "EBMS:0103", "weak_algorithm", "the content key is not transported with RSA-OAEP, SHA-256"
        )
    try:
        content_key = key.decrypt(base64.b64decode("".join(value.split()), validate=True), _OAEP)
    except (ValueError, binascii.Error):
        raise not_decrypted("the content key does not decrypt") from None
    if len(content_key) not in KEY_BYTES.values():
        raise not_decrypted("the content key has a wrong size")
    return content_key


def _described(data: etree._Element, key_bytes: int) -> tuple[str, str]:
    """Content id and original content type that an xenc:EncryptedData describes."""
    method = data.find(_XENC + "EncryptionMethod")
    cipher = data.find(f"{_XENC}CipherData/{_XENC}CipherReference")
    if method is None or cipher is None or data.get("Type") != ns.ATTACHMENT_CONTENT_ONLY:
        raise not_decrypted("encrypted data is not described as the content of a part")
    if _CONTENT_ALGORITHMS.get(method.get("Algorithm", "")) != key_bytes:
        raise RemoteFault(
            "EBMS:0103", "weak_algorithm", "a part is not encrypted with AES-GCM of the key's size"
        )
    transforms = [t.get("Algorithm") for t in cipher.iterfind(f"{_XENC}Transforms/{_DS}Transform")]
    uri = cipher.get("URI", "")
    if transforms != [ns.ATTACHMENT_CIPHERTEXT] or not uri.startswith("cid:"):
        raise not_decrypted("a cipher reference does not name a part")
    return content_id_of(uri), data.get("MimeType", ENCRYPTED_TYPE)


def not_decrypted(detail: str) -> RemoteFault:
    """Content that cannot be decrypted: EBMS:0102, FailedDecryption."""
    return RemoteFault("EBMS:0102", "bad_decryption", detail)
