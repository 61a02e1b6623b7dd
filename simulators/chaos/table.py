"""What a fault needs of the run, and what several kinds of faults share."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Protocol

from asw_gateway.store.database import Database
from asw_gateway.store.transaction import Transaction
from simulators.chaos.node import Node
from simulators.chaos.pair import Pair, Party
from simulators.chaos.postgres import Server

SERVER_AWAY_SECONDS = 15.0
"""From a fault of the server on: its recovery, and the start of a gateway that saw it away."""


class Table(Protocol):
    """What a card needs of the run."""

    random: Random
    pairs: list[Pair]
    server: Server | None
    helpers: ThreadPoolExecutor
    aims: list[tuple[str, str]]
    commits: set[tuple[str, str]]

    def count(self, kind: str, target: str, **more: Any) -> None:
        """A fault has happened."""

    def complain(self, sentence: str) -> None:
        """Something is wrong that the count of documents would not show."""

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something then, on the run's thread; at the end of the faults at the latest."""

    def in_reactor(self, act: Callable[[], Any]) -> Any:
        """Do something on the links' thread, and wait for it."""


def ready_node(table: Table) -> Node | None:
    nodes = [node for pair in table.pairs for node in pair.nodes if node.untouched]
    return table.random.choice(nodes) if nodes else None


def any_party(table: Table) -> tuple[Pair, Party]:
    pair = table.random.choice(table.pairs)
    return pair, table.random.choice(list(pair.parties.values()))


def excuse_starts(table: Table) -> None:
    """A gateway that starts while the server is away or recovers says so and ends; it is started again.

    This excuses the end of the process and nothing else: no document is counted otherwise for it.
    """
    for pair in table.pairs:
        for node in pair.nodes:
            node.excused_until = time.monotonic() + SERVER_AWAY_SECONDS


def read_store(url: str, read: Callable[[Transaction], Any]) -> Any:
    """Look into a gateway's database as `aswctl` does."""
    database = Database.open(url, node="chaos", upgrade=False)
    try:
        return database.read_now(read)
    finally:
        database.close_now()
