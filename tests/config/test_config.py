"""Configuration: the good samples load, and each sample of a mistake says exactly what is wrong with it."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from asw_gateway.cli.main import main
from asw_gateway.config import ConfigErrors, certificates_in_use, load
from certs.make_dev_pki import Authority, make_pki

HERE = Path(__file__).parent
MISTAKES = sorted((HERE / "mistakes").glob("*.toml"))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys for the samples, among them an open, an encrypted and an expired one."""
    base = tmp_path_factory.mktemp("pki")
    made = make_pki(base, ["vn", "th", "id"], bad=True)
    signing = made.gateways["vn"]["signing"].key
    shutil.copy(signing, base / "vn" / "open.key")
    (base / "vn" / "open.key").chmod(0o644)
    pem = load_pem_private_key(signing.read_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right")
    )
    for name, data in (("encrypted.key", pem), ("wrong-passphrase", b"wrong\n"), ("passphrase", b"right\n")):
        (base / "vn" / name).touch(mode=0o600)
        (base / "vn" / name).write_bytes(data)
    return base


@pytest.fixture
def gateway(tmp_path: Path, pki: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the good samples; returns its gateway.toml."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    shutil.copytree(HERE / "good", tmp_path, dirs_exist_ok=True)
    (tmp_path / "pki").symlink_to(pki)
    (tmp_path / "profiles").mkdir()
    return tmp_path / "gateway.toml"


def errors_of(file: Path) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(file)
    return [f"{error.key} | {error.expected}" for error in caught.value.errors]


def test_good_samples(gateway: Path) -> None:
    loaded = load(gateway)
    thailand = next(partner for partner in loaded.partners if partner.name == "th")
    assert loaded.party_id.value == "VNNSW"
    assert [partner.name for partner in loaded.partners] == ["id", "th"]
    assert loaded.database_url == f"sqlite:///{gateway.parent}/var/gateway.sqlite"
    assert loaded.operators.control_socket == gateway.parent / "var" / "control.sock"
    assert thailand.outbound.initiator == loaded.party_id == thailand.inbound.responder
    assert thailand.outbound.id == "VNNSW_THNSW"
    assert thailand.outbound.security.signature_algorithm == "ecdsa-sha256"
    assert thailand.capabilities[1].max_bytes == 2_000_000
    assert thailand.aliases == {"units": {"PCE": "H87"}, "mass-units": {"KGS": "KGM"}}
    assert thailand.spellings == {"units": {"H87": "PCE"}}
    assert loaded.warnings == ()


def test_the_sample_of_revocation_is_a_good_one(gateway: Path) -> None:
    """The table that the sample shows as a comment, taken as it stands."""
    lists = gateway.parent / "lists"
    lists.mkdir()
    (lists / "th.crl").touch()
    file = gateway.parent / "partners" / "th.toml"
    lines = [re.sub(r"^# (?=\[revocation|\w+ = )", "", line) for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines))
    thailand = next(partner for partner in load(gateway).partners if partner.name == "th")
    policy = thailand.revocation
    assert (policy.mode, policy.ocsp, len(policy.issuers)) == ("soft", True, 1)
    assert [Path(name).resolve() for name in policy.list_files] == [(lists / "th.crl").resolve()]
    file.write_text("\n".join(lines).replace('mode = "soft"', 'mode = "hard"'))
    assert load(gateway).warnings == ()


def test_limits_of_one_address(gateway: Path) -> None:
    gateway.write_text(
        gateway.read_text().replace("max_connections_per_peer = 256 ", "max_connections_per_peer = 7 ")
    )
    loaded = load(gateway)
    assert loaded.partner_listener.max_connections_per_peer == 7
    assert loaded.portal_listener.max_connections_per_peer == 256
    assert loaded.partner_listener.max_handshakes_per_peer_per_second == 100


def _key(algorithm: str) -> Any:
    if algorithm == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return (ed25519.Ed25519PrivateKey if algorithm == "ed25519" else x25519.X25519PrivateKey).generate()


@pytest.fixture
def both_suites(gateway: Path) -> Path:
    """Thailand on the 2.0 suite, Indonesia on the other; returns gateway.toml."""
    authority = Authority.new("Root of the suites")
    folder = gateway.parent / "suites"
    for name, algorithm in (
        ("vn-signing", "ed25519"),
        ("vn-decryption", "x25519"),
        ("th-signing", "ed25519"),
        ("th-encryption", "x25519"),
        ("rsa", "rsa"),
    ):
        authority.issue(name, "signing", folder, file_name=name, key=_key(algorithm))
    keys = "".join(
        f'[keys.{table}]\nkey_file = "suites/{name}.key"\ncertificate_file = "suites/{name}.pem"\n'
        for table, name in (("signing_2_0", "vn-signing"), ("decryption_2_0", "vn-decryption"))
    )
    gateway.write_text(f"{gateway.read_text()}\n{keys}")
    partner = gateway.parent / "partners" / "th.toml"
    text = partner.read_text().replace('["../pki/th/signing.pem"]', '["../suites/th-signing.pem"]')
    text = text.replace("[certificates]", '[certificates]\nencryption = "../suites/th-encryption.pem"')
    partner.write_text(f'{text}\n[agreement.security]\nname = "edelivery-2.0"\nencrypt = true\n')
    return gateway


def test_each_agreement_has_the_keys_of_its_suite(both_suites: Path) -> None:
    loaded = load(both_suites)
    suites = {
        partner.name: {leg.security.signature_algorithm for leg in (partner.outbound, partner.inbound)}
        for partner in loaded.partners
    }
    assert suites == {"id": {"ecdsa-sha256"}, "th": {"ed25519"}}
    ours = [one.use for one in certificates_in_use(loaded) if one.party == "own"]
    assert (ours.count("signing"), ours.count("encryption")) == (2, 1)


@pytest.mark.parametrize(
    ("file", "old", "new", "error"),
    [
        (
            "partners/th.toml",
            "th-encryption",
            "rsa",
            "certificates.encryption | an X25519 key",
        ),
        (
            "gateway.toml",
            "suites/vn-decryption",
            "suites/rsa",
            "inbound.security.encrypt | [keys.decryption_2_0] in gateway.toml, an X25519 key",
        ),
        (
            "partners/th.toml",
            "th-signing",
            "rsa",
            "inbound.security.signature_algorithm | ecdsa-sha256 or ecdsa-sha384 or ed25519,",
        ),
        (
            "partners/th.toml",
            'name = "edelivery-2.0"\nencrypt = true',
            'name = "edelivery-1.15"',
            "inbound.security.signature_algorithm | ecdsa-sha256 or ecdsa-sha384 or rsa-sha256,",
        ),
    ],
    ids=["their encryption key", "our decryption key", "their signing key", "no such key in 1.15"],
)
def test_a_key_of_the_other_suite(both_suites: Path, file: str, old: str, new: str, error: str) -> None:
    target = both_suites.parent / file
    target.write_text(target.read_text().replace(old, new))
    [found] = errors_of(both_suites)
    assert found.startswith(error)


@pytest.mark.parametrize("sample", MISTAKES, ids=lambda path: path.stem)
def test_mistake(sample: Path, gateway: Path) -> None:
    """Exactly the errors that the sample's first lines announce as `# expect: key | part of expectation`."""
    target = gateway if sample.stem.startswith("gateway-") else gateway.parent / "partners" / "th.toml"
    shutil.copy(sample, target)
    announced = [
        line.removeprefix("# expect: ").strip()
        for line in sample.read_text("utf-8", errors="replace").splitlines()
        if line.startswith("# expect: ")
    ]
    found = errors_of(gateway)
    assert len(found) == len(announced), found
    for line in announced:
        key, _, part = line.partition("|")
        assert any(one.startswith(f"{key.strip()} |") and part.strip() in one for one in found), found


def test_errors_of_all_files_come_at_once_and_name_their_file(gateway: Path) -> None:
    shutil.copy(HERE / "mistakes" / "gateway-port-clash.toml", gateway)
    shutil.copy(HERE / "mistakes" / "partner-window-zero.toml", gateway.parent / "partners" / "th.toml")
    with pytest.raises(ConfigErrors) as caught:
        load(gateway)
    assert {error.file.name for error in caught.value.errors} == {"gateway.toml", "th.toml"}
    assert f"{gateway.parent}/partners/th.toml: window is 0; expected" in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    assert errors_of(tmp_path / "none.toml") == [" | a readable file (No such file or directory)"]


def test_a_password_is_never_shown(gateway: Path) -> None:
    shutil.copy(HERE / "mistakes" / "gateway-database-password-in-url.toml", gateway)
    with pytest.raises(ConfigErrors) as caught:
        load(gateway)
    assert "hunter2" not in str(caught.value)


def test_password_comes_from_a_file(gateway: Path) -> None:
    url = 'url = "postgresql+psycopg://gateway@db:5432/asw"\npassword_file = "pki/vn/passphrase"'
    gateway.write_text(
        gateway.read_text().replace("[partner_client]", f"[database]\n{url}\n\n[partner_client]")
    )
    loaded = load(gateway)
    assert loaded.database_url == "postgresql+psycopg://gateway:right@db:5432/asw"
    assert "right" not in repr(loaded)


def test_passphrase_from_the_credential_directory(
    gateway: Path, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(pki / "vn"))
    lines = 'key_file = "pki/vn/encrypted.key"\npassphrase_credential = "passphrase"'
    gateway.write_text(gateway.read_text().replace('key_file = "pki/vn/signing.key"', lines))
    assert load(gateway).signing.private_key is not None


def test_a_lapsed_partner_is_a_warning_only(gateway: Path) -> None:
    """One partner's certificate must not stop the gateway for all the others."""
    partner = gateway.parent / "partners" / "th.toml"
    partner.write_text(partner.read_text().replace("../pki/th/tls-client.pem", "../pki/bad/expired.pem"))
    warnings = load(gateway).warnings
    assert [(warning.file.name, warning.key) for warning in warnings] == [("th.toml", "certificates.tls")]


def test_certificates_that_end_soon_are_warned_of(gateway: Path) -> None:
    warnings = load(gateway, now=time.time() + 350 * 86400).warnings
    assert ("keys.signing.certificate_file", "a new certificate soon") in {
        (warning.key, warning.expected) for warning in warnings
    }


def test_certificates_in_use(gateway: Path) -> None:
    found = list(certificates_in_use(load(gateway)))
    uses = {(one.party, one.use) for one in found}
    assert {("own", "signing"), ("own", "tls-server"), ("portal:nsw", "tls-client"), ("th", "seal")} <= uses
    assert all(one.not_after_at > time.time() for one in found)


def test_digest_changes_with_any_file(gateway: Path) -> None:
    before = load(gateway).digest
    partner = gateway.parent / "partners" / "th.toml"
    partner.write_text(partner.read_text().replace("window = 8", "window = 9"))
    assert load(gateway).digest != before


def test_check_config_prints_a_table_and_exits_0(gateway: Path) -> None:
    result = CliRunner().invoke(main, ["check-config", str(gateway)])
    assert result.exit_code == 0
    assert "good; VNNSW (VN), 2 partners" in result.output


def test_check_config_exits_1_and_lists_every_error(gateway: Path) -> None:
    shutil.copy(HERE / "mistakes" / "gateway-three-mistakes-at-once.toml", gateway)
    result = CliRunner().invoke(main, ["check-config", str(gateway)])
    assert result.exit_code == 1
    assert "cannot be used, 3 errors" in result.output
    as_json = CliRunner().invoke(main, ["--json", "check-config", str(gateway)])
    assert as_json.exit_code == 1
    found = json.loads(as_json.output)
    assert found["good"] is False
    assert {row["key"] for row in found["findings"]} == {
        "gateway.country",
        "portal_listener.port",
        "keys.seal.key_file",
    }
