"""The content key of the eDelivery AS4 2.0 suite: X25519 agreement, HKDF, AES key wrap.

The sender's ephemeral key and the salt are arguments. Element names follow the update of RFC 9231 that the
2.0 profile points to (HKDFParams in the 2021 "xmldsig-more" namespace).
"""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.signature import key_identifier

WRAPPING_KEY_BYTES = 16
_AGREEMENT = ns.DSIG_MORE_2021 + "x25519"
_DERIVATION = ns.DSIG_MORE_2021 + "hkdf"
_PSEUDO_RANDOM = ns.DSIG_MORE + "hmac-sha256"
_WRAP = ns.XENC + "kw-aes128"
_XENC = f"{{{ns.XENC}}}"
_XENC11 = f"{{{ns.XENC11}}}"
_DSIG11 = f"{{{ns.DSIG11}}}"
_MORE = f"{{{ns.DSIG_MORE_2021}}}"
_DS = f"{{{ns.DS}}}"


def agreed_key(
    content_key: bytes, certificate: x509.Certificate, ephemeral_key: x25519.X25519PrivateKey, salt: bytes
) -> str:
    """The inside of an xenc:EncryptedKey: the content key wrapped for the owner of an X25519 certificate."""
    recipient = certificate.public_key()
    if not isinstance(recipient, x25519.X25519PublicKey):
        raise LocalFault("the partner's encryption certificate must hold an X25519 key")
    wrapping = _wrapping_key(ephemeral_key.exchange(recipient), salt, b"")
    wrapped = base64.b64encode(aes_key_wrap(wrapping, content_key)).decode("ascii")
    originator = base64.b64encode(
        ephemeral_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode("ascii")
    salt_element = f"<more:Salt>{base64.b64encode(salt).decode('ascii')}</more:Salt>" if salt else ""
    return (
        f'<xenc:EncryptionMethod Algorithm="{_WRAP}"></xenc:EncryptionMethod>'
        f'<ds:KeyInfo xmlns:ds="{ns.DS}"><xenc:AgreementMethod Algorithm="{_AGREEMENT}">'
        f'<xenc11:KeyDerivationMethod xmlns:xenc11="{ns.XENC11}" Algorithm="{_DERIVATION}">'
        f'<more:HKDFParams xmlns:more="{ns.DSIG_MORE_2021}">'
        f'<more:PRF Algorithm="{_PSEUDO_RANDOM}"></more:PRF>{salt_element}'
        f"<more:KeyLength>{WRAPPING_KEY_BYTES}</more:KeyLength></more:HKDFParams></xenc11:KeyDerivationMethod>"
        f'<xenc:OriginatorKeyInfo><dsig11:DEREncodedKeyValue xmlns:dsig11="{ns.DSIG11}">{originator}'
        "</dsig11:DEREncodedKeyValue></xenc:OriginatorKeyInfo>"
        f"<xenc:RecipientKeyInfo><wsse:SecurityTokenReference>{key_identifier(certificate, 'ski')}"
        "</wsse:SecurityTokenReference></xenc:RecipientKeyInfo></xenc:AgreementMethod></ds:KeyInfo>"
        f"<xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData>"
    )


def unwrap_agreed_key(element: etree._Element, key: x25519.X25519PrivateKey) -> bytes:
    """The content key of an xenc:EncryptedKey made for us; raises :class:`RemoteFault` EBMS:0102 or
    EBMS:0103."""
    method = element.find(_XENC + "EncryptionMethod")
    agreement = element.find(f"{_DS}KeyInfo/{_XENC}AgreementMethod")
    derivation = None if agreement is None else agreement.find(_XENC11 + "KeyDerivationMethod")
    parameters = None if derivation is None else derivation.find(_MORE + "HKDFParams")
    if method is None or agreement is None or derivation is None or parameters is None:
        raise _failed("the agreed content key cannot be read")
    pseudo_random = parameters.find(_MORE + "PRF")
    used = (method.get("Algorithm"), agreement.get("Algorithm"), derivation.get("Algorithm"))
    if used != (_WRAP, _AGREEMENT, _DERIVATION) or pseudo_random is None:
        raise _weak()
    if pseudo_random.get("Algorithm") != _PSEUDO_RANDOM:
        raise _weak()
    if (parameters.findtext(_MORE + "KeyLength") or "").strip() != str(WRAPPING_KEY_BYTES):
        raise _weak()
    try:
        originator = load_der_public_key(
            _octets(agreement.find(f"{_XENC}OriginatorKeyInfo/{_DSIG11}DEREncodedKeyValue"))
        )
        if not isinstance(originator, x25519.X25519PublicKey):
            raise _failed("the originator's key is not an X25519 key")
        salt, info = _octets(parameters.find(_MORE + "Salt")), _octets(parameters.find(_MORE + "Info"))
        wrapped = _octets(element.find(f"{_XENC}CipherData/{_XENC}CipherValue"))
        return aes_key_unwrap(_wrapping_key(key.exchange(originator), salt, info), wrapped)
    except (ValueError, binascii.Error, InvalidUnwrap, UnsupportedAlgorithm):
        raise _failed("the agreed content key does not unwrap") from None


def _wrapping_key(shared: bytes, salt: bytes, info: bytes) -> bytes:
    derivation = HKDF(algorithm=hashes.SHA256(), length=WRAPPING_KEY_BYTES, salt=salt or None, info=info)
    return derivation.derive(shared)


def _octets(element: etree._Element | None) -> bytes:
    if element is None:
        return b""
    text = "".join(map(str, element.itertext()))
    return base64.b64decode("".join(text.split()), validate=True)


def _weak() -> RemoteFault:
    detail = "the content key is not agreed by X25519, HKDF and AES key wrap"
    return RemoteFault("EBMS:0103", "weak_algorithm", detail)


def _failed(detail: str) -> RemoteFault:
    return RemoteFault("EBMS:0102", "bad_decryption", detail)
