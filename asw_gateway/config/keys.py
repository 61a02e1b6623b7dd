"""The keys of configuration that name key and certificate files."""

from __future__ import annotations

import os
from pathlib import Path

from asw_gateway.config.section import Section
from asw_gateway.tls.files import Certificate, KeyFileFault, KeyPair, load_certificates, load_key_pair


def read_key_pair(section: Section) -> KeyPair | None:
    """key_file, certificate_file, and passphrase_file or passphrase_credential where the key is encrypted."""
    key_file = section.path("key_file", expected="a PEM private key, mode 0600")
    certificate_file = section.path("certificate_file", expected="a PEM certificate, its chain after it")
    passphrase_file = read_secret_path(section, "passphrase")
    if key_file is None or certificate_file is None or not section.sound:
        return None
    try:
        return load_key_pair(key_file, certificate_file, passphrase_file)
    except KeyFileFault as fault:
        keys = {key_file: "key_file", certificate_file: "certificate_file"}
        section.fault(keys.get(fault.path, "passphrase_file"), str(fault.path), fault.expected)
        return None


def read_secret_path(section: Section, name: str) -> Path | None:
    """`name`_file, or `name`_credential: a file in the service manager's $CREDENTIALS_DIRECTORY."""
    path: Path | None = section.path(f"{name}_file", None)
    credential = section.text(
        f"{name}_credential", None, pattern=r"[A-Za-z0-9_.-]{1,255}", expected="a credential's name"
    )
    if credential is None:
        return path
    if path is not None:
        section.fault(f"{name}_credential", credential, f"either this or {name}_file")
        return None
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        section.fault(f"{name}_credential", credential, "a service manager that sets CREDENTIALS_DIRECTORY")
        return None
    return Path(directory, str(credential))


def read_certificates(section: Section, key: str, *, required: bool = False) -> tuple[Certificate, ...]:
    """All certificates of the files listed under `key`."""
    found: list[Certificate] = []
    names = section.texts(key)
    if required and not names and section.sound:
        section.fault(key, None, "at least one PEM certificate file")
    for name in names:
        try:
            found.extend(load_certificates(section.file.parent / name))
        except KeyFileFault as fault:
            section.fault(key, str(fault.path), fault.expected)
    return tuple(found)


def read_certificate(section: Section, key: str) -> Certificate | None:
    """The first certificate of the file `key`, which may be missing."""
    path = section.path(key, None)
    if path is None:
        return None
    try:
        return load_certificates(path)[0]
    except KeyFileFault as fault:
        section.fault(key, str(fault.path), fault.expected)
        return None
