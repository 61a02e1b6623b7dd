"""
Make a throw-away public key infrastructure for the demo, tests and a developer's machine.

    python certs/make_dev_pki.py certs/dev --gateway vn --gateway th --gateway id

Never for real partners: one root signs everything and its key is thrown away as soon as it has done so.
What is written, and what each file is for, is in certs/README.md.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USES = ("tls-server", "tls-client", "signing", "seal", "portal")
_EXTENDED = {
    "tls-server": ExtendedKeyUsageOID.SERVER_AUTH,
    "tls-client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "portal": ExtendedKeyUsageOID.CLIENT_AUTH,
}
_HOSTS = ("localhost", "127.0.0.1", "::1")


@frozen(kw_only=True)
class Pair:
    """The two files of one identity: a PEM key (mode 0600) and a PEM certificate."""

    key: Path
    certificate: Path


@frozen(kw_only=True)
class Pki:
    """What was written. `gateways["vn"]["signing"].key` is a path; `bad` has `expired` and `unknown`."""

    root: Path
    gateways: Mapping[str, Mapping[str, Pair]]
    bad: Mapping[str, Pair]


@frozen(kw_only=True)
class Authority:
    """A throw-away certification authority; its key never reaches a file."""

    key: Any
    certificate: x509.Certificate
    use_rsa: bool
    now: datetime

    @classmethod
    def new(cls, name: str, *, use_rsa: bool = False, now: datetime | None = None) -> Authority:
        """A new authority whose certificate is valid for two years."""
        now = now if now is not None else datetime.now(UTC)
        key = _new_key(use_rsa)
        subject = _name(name)
        builder = _builder(
            subject, subject, key.public_key(), now - timedelta(days=1), now + timedelta(days=730)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        return cls(key=key, certificate=certificate, use_rsa=use_rsa, now=now)

    def issue(
        self,
        name: str,
        use: str,
        directory: Path,
        *,
        hosts: Sequence[str] = (),
        valid_days: float = 365,
        file_name: str | None = None,
        key: Any = None,
    ) -> Pair:
        """
        Write a key and a certificate for `use` (one of USES) to `directory`/`use`.key and .pem; a new key,
        unless one is given.

        A negative `valid_days` makes a certificate that ended that many days ago.
        """
        key = key if key is not None else _new_key(self.use_rsa)
        start, end = self.now - timedelta(days=1), self.now + timedelta(days=valid_days)
        if end <= start:
            start = end - timedelta(days=365)
        builder = _builder(_name(name), self.certificate.subject, key.public_key(), start, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        signs_documents = use not in _EXTENDED
        builder = builder.add_extension(_usage(content_commitment=signs_documents), critical=True)
        if use in _EXTENDED:
            builder = builder.add_extension(x509.ExtendedKeyUsage([_EXTENDED[use]]), critical=False)
        if hosts:
            builder = builder.add_extension(_alternative_names(hosts), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(issuer, critical=False).sign(self.key, hashes.SHA256())
        return write_pair(directory, file_name or use, key, certificate)


def write_pair(directory: Path, name: str, key: Any, certificate: x509.Certificate) -> Pair:
    """Write `name`.key, readable by its owner only from its first byte on, and `name`.pem."""
    directory.mkdir(parents=True, exist_ok=True)
    pair = Pair(key=directory / f"{name}.key", certificate=directory / f"{name}.pem")
    pair.key.unlink(missing_ok=True)
    with os.fdopen(os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    return pair


def make_pki(
    directory: Path | str,
    gateways: Iterable[str] = ("vn", "th", "id"),
    *,
    use_rsa: bool = False,
    bad: bool = False,
) -> Pki:
    """
    Write a root, and a folder of keys and certificates for each gateway. Files that exist are replaced.

    With `bad`, also certificates that every listener must refuse: `bad/expired`, from our root, and
    `bad/unknown`, from another one.
    """
    base = Path(directory)
    base.mkdir(parents=True, exist_ok=True)
    authority = Authority.new("Throw-away root", use_rsa=use_rsa)
    root = base / "root.pem"
    root.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    written = {}
    for gateway in gateways:
        hosts = (*_HOSTS, f"{gateway}.gateway.test")
        written[gateway] = {
            use: authority.issue(
                f"{gateway} {use}", use, base / gateway, hosts=hosts if use == "tls-server" else ()
            )
            for use in USES
        }
    refused = {}
    if bad:
        refused["expired"] = authority.issue(
            "expired", "tls-client", base / "bad", valid_days=-1, file_name="expired"
        )
        stranger = Authority.new("Root nobody knows", use_rsa=use_rsa)
        refused["unknown"] = stranger.issue("unknown", "tls-client", base / "bad", file_name="unknown")
    return Pki(root=root, gateways=written, bad=refused)


def _new_key(use_rsa: bool) -> Any:
    return rsa.generate_private_key(65537, 2048) if use_rsa else ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "asw_gateway development"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: Any, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(
    *, content_commitment: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not key_cert_sign,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return x509.SubjectAlternativeName(names)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make throw-away keys and certificates for development.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--gateway", action="append", metavar="NAME", help="default: vn, th and id")
    parser.add_argument("--rsa", action="store_true", help="RSA-2048 instead of ECDSA P-256")
    parser.add_argument("--bad", action="store_true", help="also certificates that must be refused")
    options = parser.parse_args(arguments)
    pki = make_pki(
        options.directory, options.gateway or ("vn", "th", "id"), use_rsa=options.rsa, bad=options.bad
    )
    files = sum(2 * len(pairs) for pairs in pki.gateways.values()) + 2 * len(pki.bad) + 1
    print(f"{options.directory}: {files} files for {', '.join(pki.gateways)}; root {pki.root}")


if __name__ == "__main__":
    main()
