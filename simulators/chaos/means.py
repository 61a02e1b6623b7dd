"""Faults of what a process lives on: disk, clock, certificates."""

from __future__ import annotations

import time
from pathlib import Path

from simulators.chaos.pair import reload_by_aswctl
from simulators.chaos.table import Table, any_party, excuse_starts, ready_node

STORE_AWAY = "the store cannot be reached"
STORE_BACK_SECONDS = 20.0


def disk_full_sqlite(table: Table) -> bool:
    """No file of a gateway may grow, its database's log of changes included."""
    node = ready_node(table)
    if node is None:
        return False
    wal = Path(node.database_url.removeprefix("sqlite:///") + "-wal")
    sizes = [4096, 65536, wal.stat().st_size if wal.exists() else 65536]
    if not node.limit_files(table.random.choice(sizes)):
        return False
    table.count("disk full", node.name)
    table.later(table.random.uniform(0.5, 3.0), lambda: node.limit_files(None))
    return True


def disk_full_postgresql(table: Table) -> bool:
    """No file of the server may grow beyond a size: tables only, or its write-ahead log too (it crashes)."""
    server = table.server
    if server is None or not server.process.running:
        return False
    children = server.children()
    size = table.random.choice((64 * 1024, 17 * 2**20))
    excuse_starts(table)
    server.limit_files(children, size)
    table.count("disk full", "PostgreSQL", limit_bytes=size)

    def lift() -> None:
        server.limit_files(children, None)
        excuse_starts(table)

    table.later(table.random.uniform(0.5, 3.0), lift)
    return True


def clock_jumps(table: Table) -> bool:
    """One process, or a whole pair, is up to an hour early or late for some seconds."""
    pair, party = any_party(table)
    nodes = table.random.choice((pair.nodes, party.nodes, party.nodes[:1]))
    seconds = table.random.choice((-1, 1)) * table.random.choice((30.0, 400.0, 3600.0))
    for node in nodes:
        node.shift_clock(seconds)
    table.count("clock jumps", ", ".join(node.name for node in nodes), seconds=seconds)

    def back() -> None:
        for node in nodes:
            node.shift_clock(0.0)

    table.later(table.random.uniform(1.0, 8.0), back)
    return True


def certificate_swapped(table: Table) -> bool:
    """New signing and seal keys: the partner trusts both (`aswctl reload`), then they are used (SIGHUP)."""
    pair, party = any_party(table)
    across = pair.across_from(party)
    if not all(node.ready for node in (*party.nodes, *across.nodes)):
        return False
    signing, seal = pair.make_certificates(party)
    pair.trust(party, signing, seal)

    def told() -> None:
        for node in across.nodes:
            until = time.monotonic() + STORE_BACK_SECONDS
            complaint = reload_by_aswctl(node) if node.ready else ""
            # The database may be another fault's victim just now: an operator asks again, as he is told.
            while STORE_AWAY in complaint and node.ready and time.monotonic() < until:
                time.sleep(0.5)
                complaint = reload_by_aswctl(node)
            if complaint and node.ready:
                table.complain(f"{node.name} did not reload: {complaint[:200]}")
        table.later(0.0, used)

    def used() -> None:
        pair.use(party)
        for node in party.nodes:
            node.reload()
        table.count("certificate swapped", party.country)

    table.helpers.submit(told)
    return True
