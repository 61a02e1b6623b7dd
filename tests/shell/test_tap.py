"""Starting: whatever is wrong is said in a sentence, before any port is open."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Service
from twisted.python.usage import UsageError

from asw_gateway import tap
from asw_gateway.config import StartFault
from certs.make_dev_pki import make_pki

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "tests" / "config" / "good"


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    """A good gateway.toml on ports that the system chooses."""
    shutil.copytree(GOOD, tmp_path, dirs_exist_ok=True)
    make_pki(tmp_path / "pki", ["vn", "th", "id"])
    (tmp_path / "profiles").mkdir()
    file = tmp_path / "gateway.toml"
    text = file.read_text()
    for port in ("8443", "8444", "9464"):
        text = text.replace(f"port = {port}", "port = 0")
    file.write_text(text)
    return file


def refused(
    file: Path, capsys: pytest.CaptureFixture[str], build: Any = lambda config, reactor: Service()
) -> str:
    with pytest.raises(SystemExit) as caught:
        tap.start(str(file), None, build)
    assert caught.value.code == 1
    return capsys.readouterr().err


def test_starts(gateway: Path) -> None:
    service = tap.start(str(gateway), None, lambda config, reactor: Service())
    assert isinstance(service, Service)
    assert (gateway.parent / "var").stat().st_mode & 0o777 == 0o700


def test_port_in_use(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway.write_text(gateway.read_text().replace("port = 0", f"port = {port}", 1))
        said = refused(gateway, capsys)
    assert said == (
        f"asw-gateway: partner_listener cannot listen on 127.0.0.1 port {port} (Address already in use)\n"
    )


def test_configuration_errors_are_listed(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.write_text(gateway.read_text().replace('country = "VN"', "", 1))
    said = refused(gateway, capsys).splitlines()
    assert said[0].startswith(f"{gateway}: gateway.country; expected")
    assert said[1] == f"asw-gateway: {gateway} cannot be used: 1 error"


def test_key_readable_by_others(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gateway.parent / "pki" / "vn" / "signing.key").chmod(0o644)
    assert "a file nobody else can read (chmod 600)" in refused(gateway, capsys)


def test_a_fault_of_a_room_is_one_sentence(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def build(config: Any, reactor: Any) -> Any:
        raise StartFault("the database cannot be written (read-only file system)")

    said = refused(gateway, capsys, build)
    assert said == "asw-gateway: the database cannot be written (read-only file system)\n"


def test_state_directory_that_cannot_be_made(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gateway.parent / "var").write_text("a file is in the way")
    assert "the state directory" in refused(gateway, capsys)


def test_config_option_is_required() -> None:
    with pytest.raises(UsageError, match="--config"):
        tap.Options().parseOptions([])


@pytest.mark.parametrize(
    "command",
    [["-m", "twisted"], ["-m", "twisted.application.twist"], ["-m", "twisted.scripts.twistd"]],
    ids=["python -m twisted", "twist", "twistd"],
)
def test_plugin_is_found_from_the_checkout(command: list[str], gateway: Path, tmp_path: Path) -> None:
    """Each runner finds the plugin, reads the configuration, and exits 1 with our sentence."""
    gateway.write_text(gateway.read_text().replace('country = "VN"', 'country = "Viet Nam"', 1))
    starters = {
        "twisted.application.twist": "from twisted.application.twist._twist import Twist; Twist.main()",
        "twisted.scripts.twistd": "from twisted.scripts.twistd import run; run()",
    }
    name = command[1]
    arguments = ["-n"] if name == "twisted.scripts.twistd" else []
    start = ["-m", "twisted"] if name == "twisted" else ["-c", starters[name]]
    run = subprocess.run(
        [sys.executable, *start, *arguments, "asw-gateway", "--config", str(gateway)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    assert f"asw-gateway: {gateway} cannot be used: 1 error" in run.stderr
    assert "Traceback" not in run.stderr


DATABASE_GOES_AWAY = """
import sys
from asw_gateway.store.database import Database
from asw_gateway.store.engine import StoreUnavailable
from twisted.scripts.twistd import run

opened, times = Database.open, []

def open_once(*given, **named):
    times.append(1)
    if len(times) > 1:
        raise StoreUnavailable("cannot open the database: it has just gone away")
    return opened(*given, **named)

Database.open = open_once
sys.argv[0] = "twistd"
run()
"""


def test_a_database_that_goes_away_during_the_start_ends_it(gateway: Path, tmp_path: Path) -> None:
    """It is there when the configuration is tried and not when the service starts: no zombie is left."""
    (tmp_path / "profiles").rmdir()
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            DATABASE_GOES_AWAY,
            "-n",
            "--pidfile=",
            "asw-gateway",
            "--config",
            str(gateway),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "asw-gateway: cannot open the database: it has just gone away" in run.stdout + run.stderr
    assert "ReactorNotRunning" not in run.stdout + run.stderr
