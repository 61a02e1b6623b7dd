"""Throw-away keys for one gateway of ours and phase4 peers: PEM for us, PKCS#12 for Java."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12Certificate,
    serialize_java_truststore,
    serialize_key_and_certificates,
)

from asw_gateway.messaging.keys import SigningIdentity
from certs.make_dev_pki import Authority, Pair

PASSWORD = "throw-away"
ALIAS = "peer"
RSA, ECDSA, MODERN = "rsa", "ecdsa", "edelivery-2.0"
ed25519_key = ed25519.Ed25519PrivateKey.generate
x25519_key = x25519.X25519PrivateKey.generate
_HOSTS = ("localhost", "127.0.0.1", "::1")


@frozen(kw_only=True)
class Keys:
    """All identities under one root.

    Our own gateway has three signing pairs, `signing` (RSA), `signing-ecdsa` and `signing-2.0` (Ed25519),
    and two for encryption, `encryption` (RSA) and `encryption-2.0` (X25519).
    """

    directory: Path
    authority: Authority

    @classmethod
    def make(cls, directory: Path, own: str, peers: dict[str, str]) -> Keys:
        """Write everything under `directory`; `peers` maps a name to RSA, ECDSA or MODERN keys."""
        directory.mkdir(parents=True)
        authority = Authority.new("Throw-away interoperability root")
        keys = cls(directory=directory, authority=authority)
        (directory / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        for name, kind in {own: RSA, **peers}.items():
            for use in ("tls-server", "tls-client", "seal", "portal"):
                keys._issue(name, use)
            keys._issue(name, "signing", ed25519_key() if kind == MODERN else None, use_rsa=kind == RSA)
            keys._issue(name, "encryption", x25519_key() if kind == MODERN else None, use_rsa=True)
        keys._issue(own, "signing-ecdsa")
        keys._issue(own, "signing-2.0", ed25519_key())
        keys._issue(own, "encryption-2.0", x25519_key())
        return keys

    def pair(self, name: str, use: str) -> Pair:
        """The PEM files of one identity."""
        folder = self.directory / name
        return Pair(key=folder / f"{use}.key", certificate=folder / f"{use}.pem")

    def certificate(self, name: str, use: str) -> x509.Certificate:
        """One identity's certificate."""
        return x509.load_pem_x509_certificate(self.pair(name, use).certificate.read_bytes())

    def private_key(self, name: str, use: str) -> object:
        """One identity's key."""
        return load_pem_private_key(self.pair(name, use).key.read_bytes(), password=None)

    def identity(self, name: str, use: str) -> SigningIdentity:
        """Key and certificate for signing in this process."""
        key: object = self.private_key(name, use)
        return SigningIdentity(private_key=key, certificate=self.certificate(name, use))  # type: ignore[arg-type]

    def key_store(self, name: str, use: str, path: Path) -> None:
        """Write one identity for Java, under ALIAS."""
        key = self.private_key(name, use)
        path.write_bytes(
            serialize_key_and_certificates(
                ALIAS.encode(),
                key,  # type: ignore[arg-type]
                self.certificate(name, use),
                [self.authority.certificate],
                BestAvailableEncryption(PASSWORD.encode()),
            )
        )

    def trust_store(self, encrypt_to: x509.Certificate, path: Path) -> None:
        """Write for Java what a peer trusts: the root, and the certificate it encrypts to."""
        path.write_bytes(
            serialize_java_truststore(
                [
                    PKCS12Certificate(self.authority.certificate, b"ca"),
                    PKCS12Certificate(encrypt_to, b"partner-encryption"),
                ],
                BestAvailableEncryption(PASSWORD.encode()),
            )
        )

    def _issue(self, name: str, use: str, key: object = None, *, use_rsa: bool = False) -> None:
        authority = evolve(self.authority, use_rsa=use_rsa)
        known = use if use in ("tls-server", "tls-client", "portal", "seal") else "signing"
        hosts = _HOSTS if use == "tls-server" else ()
        authority.issue(f"{name} {use}", known, self.directory / name, hosts=hosts, file_name=use, key=key)
