"""Builds the phase4 peer with Maven where that is possible, and says why where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parent / "phase4"
JAVA_RELEASE = 17
OFFLINE_SECONDS = 120.0
ONLINE_SECONDS = 600.0


class Unavailable(Exception):
    """The peer cannot be had on this machine; the text is the reason, one line."""


def classpath(*, online_seconds: float = ONLINE_SECONDS) -> str:
    """Build the peer unless it is newer than its sources; give its class path.

    Maven is asked offline first, then online for at most `online_seconds` (0: never). Raises Unavailable.
    """
    java = shutil.which("java")
    if java is None:
        raise Unavailable("no java on this machine")
    release = _release(java)
    if release < JAVA_RELEASE:
        raise Unavailable(f"Java {JAVA_RELEASE} is needed, this is {release}")
    if not _built():
        _build(online_seconds)
    return os.pathsep.join((str(_jar()), str(PROJECT / "target" / "lib" / "*")))


def _jar() -> Path:
    return PROJECT / "target" / "phase4-peer-1.jar"


def _built() -> bool:
    """Whether the jar is newer than every source and its libraries are there."""
    jar = _jar()
    if not jar.exists() or not any((PROJECT / "target" / "lib").glob("phase4-lib-*.jar")):
        return False
    sources = [PROJECT / "pom.xml", *(PROJECT / "src").rglob("*.java")]
    return jar.stat().st_mtime >= max(source.stat().st_mtime for source in sources)


def _build(online_seconds: float) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("no mvn on this machine and the peer is not built")
    command = [maven, "--batch-mode", "--quiet", "package"]
    trouble = _run([*command, "--offline"], OFFLINE_SECONDS)
    if trouble is not None and online_seconds > 0:
        trouble = _run(command, online_seconds)
    if trouble is not None:
        raise Unavailable(f"the peer cannot be built: {trouble}")


def _run(command: list[str], seconds: float) -> str | None:
    """Run Maven; None when it went well, else one line of what went wrong."""
    try:
        run = subprocess.run(  # noqa: S603  our own command
            command, cwd=PROJECT, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"Maven took more than {seconds:g} s"
    if run.returncode == 0:
        return None
    lines = [line for line in run.stdout.splitlines() if "ERROR" in line] or run.stderr.splitlines()
    return (lines[0] if lines else f"Maven ended with status {run.returncode}")[:300]


def _release(java: str) -> int:
    told = subprocess.run(  # noqa: S603  our own command
        [java, "-version"], capture_output=True, text=True, timeout=30, check=False
    ).stderr
    version = told.partition('"')[2].partition('"')[0]
    first = version.split(".")[0]
    return int(first) if first.isdigit() else 0
