"""Keys and certificates from PEM files, each read once at start and on reload."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

Certificate = x509.Certificate
MAX_PEM_BYTES = 1_000_000


class KeyFileFault(Exception):
    """A key, certificate or passphrase file is unusable. `expected` says what was wanted instead."""

    def __init__(self, path: Path, expected: str) -> None:
        super().__init__(f"{path}: {expected}")
        self.path = path
        self.expected = expected


@frozen(kw_only=True)
class KeyPair:
    """A private key with its certificate and the certificates above it, nearest first, without the root."""

    private_key: Any = field(repr=False)
    certificate: Certificate
    chain: tuple[Certificate, ...] = ()


def fingerprint(certificate: Certificate) -> str:
    """SHA-256 of the whole certificate, 64 lower-case hex digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def der_of(certificate: Certificate) -> bytes:
    """The certificate's DER bytes."""
    return certificate.public_bytes(Encoding.DER)


def load_certificates(path: Path) -> tuple[Certificate, ...]:
    """Every certificate of a PEM file, in its order. Raises KeyFileFault."""
    try:
        return tuple(x509.load_pem_x509_certificates(_read(path)))
    except ValueError as error:
        raise KeyFileFault(path, f"a PEM file with at least one certificate ({error})") from error


def load_private_key(path: Path, passphrase_file: Path | None = None) -> Any:
    """
    The private key of a PEM file that nobody but its owner can read. Raises KeyFileFault.

    The passphrase is the first line of `passphrase_file`, which is held to the same rule.
    """
    passphrase = None if passphrase_file is None else _passphrase(passphrase_file)
    pem = _read_secret(path)
    try:
        return load_pem_private_key(pem, passphrase)
    except TypeError as error:  # cryptography's way to say "passphrase missing" and "passphrase not needed"
        if passphrase is None:
            raise KeyFileFault(path, "its passphrase in a passphrase_file: this key is encrypted") from error
        raise KeyFileFault(path, "no passphrase_file: this key is not encrypted") from error
    except ValueError as error:
        if b"ENCRYPTED" in pem and passphrase is not None:
            raise KeyFileFault(path, "the right passphrase: the one given does not open this key") from error
        raise KeyFileFault(path, "a PEM file with a private key") from error


def load_key_pair(key_file: Path, certificate_file: Path, passphrase_file: Path | None = None) -> KeyPair:
    """The key, and the certificate file's first certificate, which must belong to it. Raises KeyFileFault."""
    private_key = load_private_key(key_file, passphrase_file)
    certificate, *chain = load_certificates(certificate_file)
    if _public(certificate) != _public(private_key):
        raise KeyFileFault(certificate_file, f"first the certificate that belongs to the key {key_file}")
    return KeyPair(private_key=private_key, certificate=certificate, chain=tuple(chain))


def suitable_algorithm(certificate: Certificate | None) -> str:
    """The signature algorithm that fits a certificate's key, in the words of SecurityProfile."""
    key = certificate.public_key() if certificate is not None else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ecdsa-sha384" if key.curve.name == "secp384r1" else "ecdsa-sha256"
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "rsa-sha256"


def key_fits(algorithm: str, certificate: Certificate) -> bool:
    """Whether a key can sign with `algorithm`: the family counts, not the digest's length."""
    return algorithm.partition("-")[0] == suitable_algorithm(certificate).partition("-")[0]


def _public(owner: Any) -> bytes:
    encoded: bytes = owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _passphrase(path: Path) -> bytes:
    lines = _read_secret(path).splitlines()
    if not lines or not lines[0]:
        raise KeyFileFault(path, "a passphrase in its first line")
    return lines[0]


def _read_secret(path: Path) -> bytes:
    """The bytes of a file that only its owner (we, or root) can read."""
    data = _read(path)
    status = path.stat()
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise KeyFileFault(path, f"a file nobody else can read (chmod 600): its mode is {mode}")
    if status.st_uid not in (0, os.geteuid()):
        raise KeyFileFault(path, "a file that belongs to the gateway's user or to root")
    return data


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise KeyFileFault(path, f"a readable file ({error.strerror})") from error
    if len(data) > MAX_PEM_BYTES:
        raise KeyFileFault(path, f"a PEM file of at most {MAX_PEM_BYTES} bytes")
    return data
