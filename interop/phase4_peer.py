"""One phase4 process: started, ordered about over its standard input, listened to, killed."""

from __future__ import annotations

import atexit
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

START_SECONDS = 60.0
WAIT_SECONDS = 60.0


class PeerTrouble(Exception):
    """The peer ended, or did not say what was waited for; tells its last lines."""


@frozen(kw_only=True)
class Event:
    """One line of the peer's output, without its first word in `rest`."""

    name: str
    rest: tuple[str, ...]


@frozen(kw_only=True)
class Flood:
    """What a flood came to, as its sender measured it."""

    receipted: int
    cpu_seconds: float
    seconds: float

    @property
    def per_second(self) -> float:
        return self.receipted / self.seconds


class Phase4Peer:
    """A peer with its folder: peer.properties, inbox/, wire/, orders/, peer.log. Restartable."""

    def __init__(
        self,
        name: str,
        directory: Path,
        classpath: str,
        settings: Mapping[str, str],
        *,
        log_level: str = "info",
        heap: str = "512m",
    ) -> None:
        self.name = name
        self.directory = directory
        logging = f"-Dorg.slf4j.simpleLogger.defaultLogLevel={log_level}"
        self._command = ["java", f"-Xmx{heap}", logging, "-cp", classpath, "asw.interop.Peer"]
        self._settings = directory / "peer.properties"
        self._orders = directory / "orders"
        self._orders.mkdir(parents=True, exist_ok=True)
        _write_properties(self._settings, settings)
        self._child: subprocess.Popen[str] | None = None
        self._events: list[Event] = []
        self._news = threading.Condition()
        self._order_count = 0
        atexit.register(self.kill)

    # --- its life

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.directory / "peer.log").open("a", encoding="utf-8") as log:
            self._child = subprocess.Popen(  # noqa: S603  our own command
                [*self._command, str(self._settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        mark = self.mark()
        threading.Thread(target=self._listen, args=(self._child,), daemon=True).start()
        self.wait("ready", lambda event: True, after=mark, seconds=START_SECONDS)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait(10)

    def stop(self) -> None:
        """Ask it to end; kill it when that takes too long."""
        if self._child is None or self._child.poll() is not None:
            return
        try:
            self._say("stop")
            self._child.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()

    # --- orders

    def order(self, word: str, order: Mapping[str, str], *more: str) -> None:
        """`send` or `flood` with an order file of these properties."""
        self._order_count += 1
        file = self._orders / f"{self._order_count:05d}.properties"
        _write_properties(file, order)
        self._say(" ".join((word, str(file), *more)))

    def send(self, order: Mapping[str, str], *, seconds: float = WAIT_SECONDS) -> Event:
        """Send one message and wait for what came of it: rest = id, result, errors, receipt, signature."""
        mark = self.mark()
        self.order("send", order)
        return self.wait("sent", lambda e: e.rest[0] == order["message.id"], after=mark, seconds=seconds)

    def resend(self, sent: Path, answer: Path) -> Event:
        """Post the bytes of a wire file once more; the answer goes to a file."""
        mark = self.mark()
        self._say(f"resend {sent} {answer}")
        return self.wait("resent", lambda e: e.rest[0] == str(sent), after=mark)

    def treat_next(self, word: str, argument: str = "") -> None:
        """How the next message is treated: hold-before, hold-after, late MILLIS, refuse CODE."""
        self._say(f"next {word} {argument}".strip())

    def cpu_seconds(self) -> float:
        """CPU seconds of its process so far, all threads, the compiler's and collector's too."""
        mark = self.mark()
        self._say("cpu")
        return float(self.wait("cpu", after=mark).rest[0])

    def flood(self, order: Mapping[str, str], count: int, senders: int, *, seconds: float) -> Flood:
        """Send one document `count` times under new ids by `senders` threads over kept connections."""
        mark = self.mark()
        self.order("flood", order, str(count), str(senders))
        good, cpu, took, _ = self.wait("flooded", after=mark, seconds=seconds).rest
        return Flood(receipted=int(good), cpu_seconds=float(cpu), seconds=float(took))

    # --- what it says

    def mark(self) -> int:
        """A place in its output, for `wait` and `events`."""
        with self._news:
            return len(self._events)

    def events(self, name: str, *, after: int = 0) -> list[Event]:
        """Everything of that name said since `after`."""
        with self._news:
            return [event for event in self._events[after:] if event.name == name]

    def wait(
        self,
        name: str,
        fits: Callable[[Event], bool] = lambda event: True,
        *,
        after: int = 0,
        seconds: float = WAIT_SECONDS,
    ) -> Event:
        """The first event of that name that fits; raises PeerTrouble."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for event in self._events[after:]:
                    if event.name == name and fits(event):
                        return event
                    if event.name == "failed":
                        raise PeerTrouble(f"peer {self.name}: {' '.join(event.rest)}")
                left = deadline - time.monotonic()
                if left <= 0 or (self._child is not None and self._child.poll() is not None):
                    raise PeerTrouble(
                        f"peer {self.name} did not say {name} within {seconds:g} s{self._tail()}"
                    )
                self._news.wait(min(left, 0.5))

    def received(self, message_id: str, *, after: int = 0, seconds: float = WAIT_SECONDS) -> Event:
        """Wait for a message of ours: rest = id, action, security, part files."""
        return self.wait("received", lambda e: e.rest[0] == message_id, after=after, seconds=seconds)

    def wire(self, what: str) -> list[Path]:
        """The files of one kind (request, answer, sent), oldest first."""
        return sorted((self.directory / "wire").glob(f"*-{what}"))

    def _listen(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            words = line.rstrip("\n").split("\t")
            with self._news:
                self._events.append(Event(name=words[0], rest=tuple(words[1:])))
                self._news.notify_all()

    def _say(self, line: str) -> None:
        if self._child is None or self._child.stdin is None:
            raise PeerTrouble(f"peer {self.name} is not running")
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def _tail(self) -> str:
        lines = (self.directory / "peer.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n    " + "\n    ".join(lines[-8:])


def _write_properties(path: Path, values: Mapping[str, str]) -> None:
    lines = [f"{key}={value.replace(chr(92), chr(92) * 2)}\n" for key, value in values.items()]
    path.write_text("".join(lines), encoding="latin-1")
