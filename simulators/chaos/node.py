"""One gateway process: its files, how it dies, and how it comes back."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from simulators.processes import Process
from simulators.world_files import Site

START_SECONDS = 60.0
DATABASE_AWAY = (b"cannot open postgresql", b"the database refused: ")
"""What a start says that finds no database."""
DOWN, STARTING, READY = "down", "starting", "ready"


def write_whole(path: Path, text: str) -> None:
    """Replace a file that others read at any moment."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.rename(path)


@define(eq=False, kw_only=True)
class Node:
    """A gateway process of a pair.

    `state` is what the run knows: down, starting, ready.  `aimed`: at which commit it is to die; until
    `excused_until` the database is away, so that a start may end by itself if it says just that.  `excused`
    counts those.
    """

    name: str
    site: Site
    process: Process
    database_url: str
    clock: Callable[[], float]
    state: str = DOWN
    aimed: str = ""
    excused_until: float = 0.0
    back_at: float | None = None
    starts: int = 0
    excused: int = 0
    _started_at: float = field(default=0.0)
    _asked_at: float = field(default=0.0)
    _log_began: int = field(default=0)

    @property
    def crash_file(self) -> Path:
        return self.site.directory / "crash"

    @property
    def clock_file(self) -> Path:
        return self.site.directory / "clock-offset"

    @property
    def ready(self) -> bool:
        return self.state == READY and self.process.running

    @property
    def untouched(self) -> bool:
        """Ready, and nothing is planned for it."""
        return self.ready and not self.aimed

    def start(self) -> None:
        self.crash_file.unlink(missing_ok=True)
        self._log_began = self.process.log.stat().st_size if self.process.log.exists() else 0
        self.process.start()
        self.starts += 1
        self.state, self.aimed, self.back_at = STARTING, "", None
        self._started_at = self.clock()

    def kill(self, *, back_in: float) -> None:
        """SIGKILL now, and again a process `back_in` seconds later."""
        self.process.kill()
        self.gone(back_in=back_in)

    def gone(self, *, back_in: float) -> None:
        self.state, self.aimed, self.back_at = DOWN, "", self.clock() + back_in

    def look(self) -> str:
        """Bring `state` up to date; a sentence when the process ended although nobody killed it."""
        now = self.clock()
        if self.state == DOWN:
            if self.back_at is not None and now >= self.back_at:
                self.start()
            return ""
        if not self.process.running:
            return self._ended(now)
        if self.state == STARTING and now - self._asked_at > 0.3:
            self._asked_at = now
            if self.answers_ready():
                self.state = READY
            elif now - self._started_at > START_SECONDS:
                self.kill(back_in=0.0)
                return f"{self.name} was not ready {START_SECONDS:g} s after its start"
        return ""

    def _ended(self, now: float) -> str:
        """Nobody killed it: it did so itself where it was to, or it could not open its database, or else."""
        status, was = self.process.exit_status, self.state
        killed_itself = bool(self.aimed) and status == -signal.SIGKILL and not self.crash_file.exists()
        could_not_open = was == STARTING and status == 1 and self._said(DATABASE_AWAY)
        self.gone(back_in=1.0)
        if killed_itself:
            return ""
        if could_not_open and now < self.excused_until:
            self.excused += 1
            return ""
        return f"{self.name} ended by itself with status {status} while {was}"

    def _said(self, sentences: tuple[bytes, ...]) -> bool:
        """Whether one of these stands in its log since it was started."""
        with self.process.log.open("rb") as log:
            log.seek(self._log_began)
            text = log.read()
        return any(sentence in text for sentence in sentences)

    def answers_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.site.operators_url}/ready", timeout=0.5) as answer:  # noqa: S310
                return int(answer.status) == 200
        except OSError:
            return False

    # --- what is done to it

    def crash_at(self, moment: str, event: str) -> None:
        """End it at the next commit that adds `event` to its journal: "before" that commit, or "after"."""
        write_whole(self.crash_file, f"{moment} {event}\n")

    def shift_clock(self, seconds: float) -> None:
        write_whole(self.clock_file, f"{seconds}\n")

    def limit_files(self, size_bytes: int | None) -> bool:
        """No file of it may grow beyond `size_bytes` (RLIMIT_FSIZE, as on a full disk); None lifts that.

        False when it is not there.
        """
        pid = self.process.pid
        if pid is None:
            return False
        try:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size_bytes is None else size_bytes, hard))
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def reload(self) -> None:
        """SIGHUP: read the configuration again."""
        pid = self.process.pid
        if self.ready and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
