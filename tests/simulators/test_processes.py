"""Processes: started, waited for, killed, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulators.processes import Household, Process, ProcessTrouble

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(60)"


def process(tmp_path: Path, code: str) -> Process:
    return Process("sample", [sys.executable, "-c", code], log=tmp_path / "log", environment=os.environ)


def says_up(tmp_path: Path) -> bool:
    return (tmp_path / "log").exists() and "up" in (tmp_path / "log").read_text()


def gone(pid: int) -> bool:
    """Also a zombie is gone: nothing runs any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_becomes_ready_and_stops(tmp_path: Path) -> None:
    sample = process(tmp_path, SLEEPER)
    sample.start()
    sample.wait_until(lambda: says_up(tmp_path), timeout_seconds=10)
    assert sample.running
    assert sample.stop() == -signal.SIGTERM
    assert not sample.running


def test_a_kill_takes_the_whole_group(tmp_path: Path) -> None:
    code = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]);"
        " print(p.pid, flush=True); p.wait()"
    )
    sample = process(tmp_path, code)
    sample.start()
    sample.wait_until(lambda: says_up(tmp_path), timeout_seconds=10)
    grandchild = int((tmp_path / "log").read_text().split()[0])
    sample.kill()
    deadline = time.monotonic() + 5
    while not gone(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(grandchild)


def test_one_that_ends_by_itself_is_reported_with_its_last_words(tmp_path: Path) -> None:
    sample = process(tmp_path, "raise SystemExit('port 8443 is in use')")
    sample.start()
    with pytest.raises(
        ProcessTrouble, match=r"(?s)ended with status 1 before it was ready.*port 8443 is in use"
    ):
        sample.wait_until(lambda: False, timeout_seconds=10)


def test_a_check_tells_an_unwanted_end_from_a_wanted_one(tmp_path: Path) -> None:
    sample = process(tmp_path, "pass")
    sample.check()
    sample.start()
    sample.wait_stopped(timeout_seconds=10)
    with pytest.raises(ProcessTrouble, match="ended by itself with status 0"):
        sample.check()
    sample.kill()
    sample.check()


def test_one_that_never_becomes_ready_is_reported(tmp_path: Path) -> None:
    sample = process(tmp_path, SLEEPER)
    sample.start()
    with pytest.raises(ProcessTrouble, match=r"not ready within 0\.2 s"):
        sample.wait_until(lambda: False, timeout_seconds=0.2)
    sample.kill()


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    sample = process(tmp_path, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPER)
    sample.start()
    sample.wait_until(lambda: says_up(tmp_path), timeout_seconds=10)
    assert sample.stop(timeout_seconds=0.3) == -signal.SIGKILL


def test_a_household_stops_all_its_members(tmp_path: Path) -> None:
    household = Household()
    members = [household.add(process(tmp_path, SLEEPER)) for _ in range(3)]
    for member in members:
        member.start()
    household.close()
    assert not any(member.running for member in members)


@pytest.mark.skipif(sys.platform != "linux", reason="parent death signals are a Linux thing")
def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from simulators.processes import Process;"
        f"p = Process('s', [sys.executable, '-c', {SLEEPER!r}], log=Path({str(tmp_path / 'log')!r}),"
        " environment=os.environ); p.start(); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(pid)
