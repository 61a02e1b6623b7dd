"""Child processes that never outlive their parent: started with a log file, stopped within bounded time."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1


class ProcessTrouble(Exception):
    """A process did not start, did not become ready or ended by itself; tells its last lines."""


class Process:
    """One command, restartable.  All output is appended to `log`; signals go to its whole process group.

    `user`: who it runs as, a name that is also a group; None is whoever starts it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        user: str | None = None,
    ) -> None:
        self.name = name
        self.user = user
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._child: subprocess.Popen[bytes] | None = None
        self._wanted = False

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self.running else None

    @property
    def exit_status(self) -> int | None:
        """How it ended last; None while it runs, or if it never did."""
        return self._child.poll() if self._child is not None else None

    def check(self) -> None:
        """Raise ProcessTrouble when it ended although nobody here asked it to."""
        if self._wanted and not self.running:
            code = self._child.returncode if self._child is not None else None
            raise ProcessTrouble(f"{self.name} ended by itself with status {code}{self._tail()}")

    def start(self) -> None:
        """Start it in a process group of its own; the caller waits for readiness."""
        if self.running:
            raise ProcessTrouble(f"{self.name} is already running")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own commands
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self._wanted = True

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float, what: str = "ready") -> None:
        """Ask `ready` every 50 ms.  Raises ProcessTrouble when the process ends or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if not self.running:
                code = self._child.returncode if self._child is not None else None
                raise ProcessTrouble(
                    f"{self.name} ended with status {code} before it was {what}{self._tail()}"
                )
            if time.monotonic() > deadline:
                raise ProcessTrouble(f"{self.name} was not {what} within {timeout_seconds:g} s{self._tail()}")
            time.sleep(0.05)

    def stop(self, *, timeout_seconds: float = 12.0) -> int | None:
        """SIGTERM, then SIGKILL when it takes too long; returns the exit status (None if it never ran)."""
        self.ask_to_stop()
        return self.wait_stopped(timeout_seconds=timeout_seconds)

    def ask_to_stop(self) -> None:
        """SIGTERM; the caller waits with `wait_stopped`."""
        self._wanted = False
        self._signal(signal.SIGTERM)

    def wait_stopped(self, *, timeout_seconds: float = 12.0) -> int | None:
        if self._child is None:
            return None
        try:
            return self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._child.returncode

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._wanted = False
        self._signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait(10)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)

    def _tail(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        except OSError:
            lines = []
        return f"\n  {self.log}:\n    " + "\n    ".join(lines)


class Household:
    """Every process of one world.  Leaving it, or the end of the interpreter, stops them all."""

    def __init__(self) -> None:
        self._members: list[Process] = []
        atexit.register(self.close)

    def add(self, process: Process) -> Process:
        self._members.append(process)
        return process

    def close(self) -> None:
        """Stop all of them at once, so that the time is bounded by the slowest one."""
        for process in self._members:
            process.ask_to_stop()
        deadline = time.monotonic() + 12
        for process in self._members:
            process.wait_stopped(timeout_seconds=max(0.1, deadline - time.monotonic()))
        atexit.unregister(self.close)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
