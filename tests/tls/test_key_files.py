"""Reading keys: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from asw_gateway.tls import KeyFileFault, load_certificates, load_key_pair, load_private_key
from certs.make_dev_pki import Pair, make_pki


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    return dict(make_pki(tmp_path_factory.mktemp("pki"), ["vn"]).gateways["vn"])


def secret(path: Path, data: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


@pytest.fixture
def encrypted(files: dict[str, Pair], tmp_path: Path) -> Path:
    key = load_pem_private_key(files["signing"].key.read_bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right"))
    return secret(tmp_path / "encrypted.key", pem)


def fault(*arguments: Path) -> str:
    with pytest.raises(KeyFileFault) as caught:
        load_private_key(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_key_readable_by_others_is_refused(files: dict[str, Pair], tmp_path: Path, mode: int) -> None:
    key = secret(tmp_path / "open.key", files["signing"].key.read_bytes())
    key.chmod(mode)
    assert f"its mode is {mode:04o}" in fault(key)
    assert "chmod 600" in fault(key)


def test_passphrase_file_is_held_to_the_same_rule(encrypted: Path, tmp_path: Path) -> None:
    passphrase = secret(tmp_path / "passphrase", b"right\n")
    assert load_private_key(encrypted, passphrase) is not None
    passphrase.chmod(0o644)
    assert "passphrase: a file nobody else can read" in fault(encrypted, passphrase)


def test_wrong_missing_and_needless_passphrases(
    encrypted: Path, files: dict[str, Pair], tmp_path: Path
) -> None:
    wrong = secret(tmp_path / "wrong", b"secret-word\n")
    assert "the right passphrase" in fault(encrypted, wrong)
    assert "secret-word" not in fault(encrypted, wrong)
    assert "passphrase_file: this key is encrypted" in fault(encrypted)
    assert "no passphrase_file" in fault(files["signing"].key, wrong)
    assert "a passphrase in its first line" in fault(encrypted, secret(tmp_path / "empty", b""))


def test_not_a_key_and_not_there(tmp_path: Path) -> None:
    assert "a PEM file with a private key" in fault(secret(tmp_path / "text.key", b"hello"))
    assert "a readable file" in fault(tmp_path / "missing.key")
    assert "at most" in fault(secret(tmp_path / "huge.key", b"x" * 1_000_001))


def test_key_and_certificate_must_belong_together(files: dict[str, Pair]) -> None:
    with pytest.raises(KeyFileFault, match="the certificate that belongs to the key"):
        load_key_pair(files["signing"].key, files["seal"].certificate)
    loaded = load_key_pair(files["signing"].key, files["signing"].certificate)
    assert "EllipticCurve" not in repr(loaded)


def test_certificate_file_without_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(KeyFileFault, match="at least one certificate"):
        load_certificates(secret(tmp_path / "none.pem", b"nothing"))
