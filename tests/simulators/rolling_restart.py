"""Two nodes on one PostgreSQL are replaced one after the other while documents cross the border.

python -m tests.simulators.rolling_restart DIRECTORY        prints what came of it as JSON

A process of its own, because the relays between the gateways run Twisted's reactor in a thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.chaos.link import reactor_in_a_thread
from simulators.chaos.node import DOWN, Node
from simulators.chaos.run import Aim, Run
from simulators.chaos.supply import supply

LEAST_MEANWHILE = 20
"""Documents and answers that must arrive while a node is away, and again when it is back."""


class RollingRestart(Run):
    """Breaks nothing: each node of the first pair's VN is stopped and started as by an upgrade."""

    def __init__(self, directory: Path, reactor: Any) -> None:
        aim = Aim(seconds=120, faults=0, messages=0, drain_seconds=60)
        super().__init__(
            "postgresql", directory, seed=11, aim=aim, reactor=reactor, say=_to_stderr, live=lambda _: None
        )
        self.statuses: list[int | None] = []

    def _break_things(self) -> None:
        self.until(self.more_have_crossed())
        for node in self.pairs[0].parties["VN"].nodes:
            self.stop(node)
            self.until(self.more_have_crossed())
            node.start()
            self.until(lambda node=node: node.ready)  # type: ignore[misc]
            self.until(self.more_have_crossed())

    def stop(self, node: Node) -> None:
        node.state, node.back_at = DOWN, None
        node.process.ask_to_stop()
        self.until(lambda: not node.process.running)
        self.statuses.append(node.process.exit_status)

    def more_have_crossed(self) -> Callable[[], bool]:
        """True as soon as so many more have arrived in the pair whose nodes are replaced."""
        tally = self._tallies[self.pairs[0].name]
        enough = tally.crossed + LEAST_MEANWHILE
        return lambda: tally.crossed >= enough

    def until(self, so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not so():
            assert time.monotonic() < deadline, "the exchange stands still"
            self._tick()
            supply(self.pairs[0], self._tallies[self.pairs[0].name], self.random)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    rolling = RollingRestart(Path(sys.argv[1]), reactor_in_a_thread())
    verdict = rolling.go()
    found = {
        "statuses": rolling.statuses,
        "wrong": [str(each) for each in (*verdict.findings, *verdict.complaints)],
        "zeros": verdict.zeros,
        "messages": verdict.messages,
    }
    print(json.dumps(found))
