"""The wheel is complete and works where no checkout is: plugin, console script, package data."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, "PYTHONWARNINGS": "ignore", **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tracked tree's packages, so that a stale build/ cannot leak in."""
    base = tmp_path_factory.mktemp("wheel")
    source = base / "source"
    ignored = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "asw_gateway", "twisted",
         "setup.cfg", "pyproject.toml", "LICENSE", "README.md"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    for name in filter(lambda name: (ROOT / name).is_file(), ignored.stdout.splitlines()):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    (source / "README.md").touch()
    built = run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
        "--disable-pip-version-check", "--wheel-dir", base, source, cwd=base,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (found,) = base.glob("asw_gateway-*.whl")
    return found


def test_every_package_and_its_data_is_in_the_wheel(wheel: Path) -> None:
    """setup.cfg lists packages one by one (the plugin's folder needs it); none may be forgotten."""
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "asw_gateway").rglob("*")
        if path.suffix in (".py", ".typed", ".ini", ".mako", ".html", ".css", ".j2") and path.is_file()
    }
    assert tracked - names == set()
    assert "twisted/plugins/asw_gateway_dropin.py" in names
    assert "twisted/plugins/__init__.py" not in names


def test_packages_listed_exist(wheel: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = [name for name in setup["options"]["packages"].split() if name.startswith("asw_gateway")]
    assert [name for name in listed if not (ROOT / name.replace(".", "/")).is_dir()] == []


def test_installed_wheel_works_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    """In a venv that sees our dependencies but not the checkout: twistd, twist, python -m twisted, aswctl."""
    made = run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    installed = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index",
        "--disable-pip-version-check", wheel, cwd=tmp_path,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    # A plain directory entry, not its .pth files: an editable install of the checkout must stay unseen.
    (site / "dependencies.pth").write_text(dependencies + "\n")
    missing = tmp_path / "none.toml"
    for command in (
        ["-m", "twisted", "asw-gateway", "--config", missing],
        [
            "-c",
            "from twisted.application.twist._twist import Twist; Twist.main()",
            "asw-gateway",
            "-c",
            missing,
        ],
        ["-c", "from twisted.scripts.twistd import run; run()", "-n", "asw-gateway", "--config", missing],
    ):
        started = run(python, *command, cwd=tmp_path)
        assert started.returncode == 1, started.stderr
        assert f"asw-gateway: {missing} cannot be used: 1 error" in started.stderr
    where = run(python, "-c", "import asw_gateway; print(asw_gateway.__file__)", cwd=tmp_path)
    assert str(tmp_path) in where.stdout
    version = run(tmp_path / "venv" / "bin" / "aswctl", "--version", cwd=tmp_path)
    assert version.returncode == 0
    assert version.stdout.startswith("aswctl, version ")
