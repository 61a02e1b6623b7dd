"""`aswctl pki` and the throw-away PKI."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from asw_gateway.cli.main import main
from asw_gateway.tls import fingerprint, load_certificates, load_key_pair
from certs.make_dev_pki import USES, Pki, make_pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"), ["vn", "th"], bad=True)


def test_show_lists_certificates(pki: Pki) -> None:
    path = pki.gateways["vn"]["signing"].certificate
    result = CliRunner().invoke(main, ["--json", "pki", "show", str(path)])
    assert result.exit_code == 0
    (row,) = json.loads(result.output)
    assert row["fingerprint"] == fingerprint(load_certificates(path)[0])
    assert 360 < row["days"] < 366


def test_show_exits_1_when_something_ends_soon(pki: Pki) -> None:
    soon = CliRunner().invoke(main, ["pki", "show", "--days", "400", str(pki.root)])
    assert soon.exit_code == 0
    path = str(pki.bad["expired"].certificate)
    assert CliRunner().invoke(main, ["pki", "show", path]).exit_code == 1


def test_show_exits_2_for_a_file_without_certificates(pki: Pki) -> None:
    result = CliRunner().invoke(main, ["pki", "show", str(pki.gateways["vn"]["seal"].key)])
    assert result.exit_code == 2
    assert "at least one certificate" in result.output


def test_every_identity_has_its_own_private_key(pki: Pki) -> None:
    seen = set()
    for pairs in pki.gateways.values():
        assert set(pairs) == set(USES)
        for pair in pairs.values():
            assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
            seen.add(fingerprint(load_key_pair(pair.key, pair.certificate).certificate))
    assert len(seen) == 2 * len(USES)


def test_no_root_key_is_left(pki: Pki) -> None:
    names = {path.name for path in pki.root.parent.rglob("*.key")}
    assert names == {f"{use}.key" for use in USES} | {"expired.key", "unknown.key"}


def test_rsa_and_speed(tmp_path: Path) -> None:
    """Three gateways are made within three seconds, the demo waits for them."""
    start = time.perf_counter()
    make_pki(tmp_path / "ecdsa", ["vn", "th", "id"])
    assert time.perf_counter() - start < 3
    made = make_pki(tmp_path / "rsa", ["vn"], use_rsa=True)
    key = load_key_pair(
        made.gateways["vn"]["signing"].key, made.gateways["vn"]["signing"].certificate
    ).private_key
    assert key.key_size == 2048
