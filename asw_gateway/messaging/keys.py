"""Keys of the message layer: signing with ours, verifying with the certificates we pinned.

Nothing is loaded here: keys and certificates arrive as objects. What can be derived from a certificate once
is cached.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from asw_gateway.messaging.faults import LocalFault
from asw_gateway.messaging.namespaces import DSIG_MORE, DSIG_MORE_2021

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
MINIMUM_RSA_BITS = 2048

ALGORITHM_URIS = {
    "rsa-sha256": DSIG_MORE + "rsa-sha256",
    "ecdsa-sha256": DSIG_MORE + "ecdsa-sha256",
    "ecdsa-sha384": DSIG_MORE + "ecdsa-sha384",
    "ed25519": DSIG_MORE_2021 + "eddsa-ed25519",
}
ALGORITHM_NAMES = {uri: name for name, uri in ALGORITHM_URIS.items()}

_PKCS1 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_ECDSA = {"ecdsa-sha256": ec.ECDSA(hashes.SHA256()), "ecdsa-sha384": ec.ECDSA(hashes.SHA384())}


def _algorithm_for(key: object) -> str:
    """The signature algorithm a key is used with: one per kind of key."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) and key.key_size >= MINIMUM_RSA_BITS:
        return "rsa-sha256"
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1):
            return "ecdsa-sha256"
        if isinstance(key.curve, ec.SECP384R1):
            return "ecdsa-sha384"
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return "ed25519"
    raise LocalFault("a key must be RSA of at least 2048 bits, P-256, P-384 or Ed25519")


@frozen(kw_only=True)
class SigningIdentity:
    """Our private key, its certificate, and the issuers of that certificate, nearest first.

    Made once by the shell; construction derives the token texts that every signature repeats.
    """

    private_key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    algorithm: str = field(init=False)
    certificate_base64: str = field(init=False, repr=False)
    pkipath_base64: str = field(init=False, repr=False)

    @algorithm.default
    def _algorithm(self) -> str:
        if self.private_key.public_key() != self.certificate.public_key():
            raise LocalFault("the private key does not belong to the certificate")
        return _algorithm_for(self.private_key)

    @certificate_base64.default
    def _certificate_base64(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode("ascii")

    @pkipath_base64.default
    def _pkipath_base64(self) -> str:
        path = (*reversed(self.chain), self.certificate)
        return base64.b64encode(_der_sequence(b"".join(c.public_bytes(Encoding.DER) for c in path))).decode(
            "ascii"
        )

    def sign(self, data: bytes) -> bytes:
        """The signature value as XML signature wants it (for ECDSA, r and s side by side)."""
        key = self.private_key
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, _PKCS1, _SHA256)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        r, s = decode_dss_signature(key.sign(data, _ECDSA[self.algorithm]))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


@frozen(kw_only=True)
class PinnedCertificate:
    """A certificate we trust by having it, with what verification needs taken out of it once."""

    certificate: x509.Certificate
    der: bytes = field(repr=False)
    algorithm: str
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey = field(repr=False)
    valid_from_at: float
    valid_until_at: float
    issuer_serial: tuple[str, int]
    subject_key_identifier: str
    thumbprint: str

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether this certificate's key made the signature."""
        key = self.public_key
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, data, _PKCS1, _SHA256)
            elif isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
            else:
                size = (key.curve.key_size + 7) // 8
                if len(signature) != 2 * size:
                    return False
                r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
                key.verify(encode_dss_signature(r, s), data, _ECDSA[self.algorithm])
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def pinned(certificate: x509.Certificate) -> PinnedCertificate:
    """What verification needs of a certificate; raises :class:`LocalFault` for a key too weak to pin."""
    key = certificate.public_key()
    algorithm = _algorithm_for(key)
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
    der = certificate.public_bytes(Encoding.DER)
    return PinnedCertificate(
        certificate=certificate,
        der=der,
        algorithm=algorithm,
        public_key=key,
        valid_from_at=certificate.not_valid_before_utc.timestamp(),
        valid_until_at=certificate.not_valid_after_utc.timestamp(),
        issuer_serial=(normal_name(certificate.issuer.rfc4514_string()), certificate.serial_number),
        subject_key_identifier=base64.b64encode(subject_key_identifier(certificate)).decode("ascii"),
        thumbprint=base64.b64encode(hashlib.sha1(der, usedforsecurity=False).digest()).decode("ascii"),
    )


def certificate_of(der: bytes) -> x509.Certificate:
    """A certificate from its DER bytes; raises ValueError."""
    return x509.load_der_x509_certificate(der)


def subject_key_identifier(certificate: x509.Certificate) -> bytes:
    """The certificate's subject key identifier, derived from the key (RFC 5280 §4.2.1.2) when it has none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def normal_name(name: str) -> str:
    """A distinguished name written so that spacing and the case of attribute names make no difference."""
    parts = []
    for part in name.split(","):
        key, equals, value = part.strip().partition("=")
        parts.append(f"{key.strip().upper()}={value.strip()}" if equals else part.strip())
    return ",".join(parts)


def end_certificate_of_path(der: bytes) -> bytes | None:
    """The last certificate of a DER PKIPath, which is the end entity's; None when it is not such a path."""
    outer = _der_content(der, 0)
    if outer is None or der[:1] != b"\x30" or outer[1] != len(der):
        return None
    position, end = outer
    last = None
    while position < end:
        inner = _der_content(der, position)
        if inner is None or der[position] != 0x30 or inner[1] > end:
            return None
        last = der[position : inner[1]]
        position = inner[1]
    return last


def _der_content(der: bytes, position: int) -> tuple[int, int] | None:
    """Start and end of the content of the DER element at ``position``."""
    if position + 2 > len(der):
        return None
    length, start = der[position + 1], position + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(der):
            return None
        length, start = int.from_bytes(der[start : start + count], "big"), start + count
    end = start + length
    return (start, end) if end <= len(der) else None


def _der_sequence(content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes((0x30, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((0x30, 0x80 | len(length))) + length + content
