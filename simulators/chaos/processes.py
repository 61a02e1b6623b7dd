"""Faults of processes: killed at any moment, at a commit, while sending, and for long."""

from __future__ import annotations

import time

from simulators.chaos.link_faults import AnswerLate
from simulators.chaos.pair import LEASE_SECONDS
from simulators.chaos.postgres import Server
from simulators.chaos.table import Table, any_party, excuse_starts, ready_node

AIMED = (
    "outbound.submitted",
    "outbound.rejected",
    "outbound.queued",
    "outbound.delivered",
    "inbound.received",
    "inbound.receipt",
    "inbound.available",
    "inbound.acknowledged",
    "feed.acknowledged",
    "document.RCV",
    "document.VAL",
    "document.RPL",
    "document.CAN",
    "document.UTL",
    "document.REJ",
)
"""Journal events at whose commit a gateway is killed: every change of state that the run's traffic brings."""
COMMITS = frozenset((moment, event) for event in AIMED for moment in ("before", "after"))
AIM_SECONDS = 12.0
TAKE_OVER_SECONDS = 4.0 + LEASE_SECONDS + 10.0
"""The longest send, the lease, and the interval at which leases are looked at."""


def kill_gateway(table: Table) -> bool:
    """At any moment; back within two seconds."""
    node = ready_node(table)
    if node is None:
        return False
    node.kill(back_in=table.random.uniform(0.1, 2.0))
    table.count("kill gateway", node.name)
    return True


def kill_at_commit(table: Table) -> bool:
    """Right before or right after the commit of one change of state."""
    node = ready_node(table)
    if node is None or node.crash_file.exists():
        return False
    if not table.aims:  # every one of them, before any comes again
        table.aims = sorted(COMMITS)
        table.random.shuffle(table.aims)
    moment, event = table.aims.pop()
    node.crash_at(moment, event)
    node.aimed = f"{moment} {event}"

    def look(until: float) -> None:
        if not node.crash_file.exists():
            node.process.wait_stopped(timeout_seconds=2)
            node.gone(back_in=table.random.uniform(0.1, 1.5))
            table.commits.add((moment, event))
            table.count("kill at commit", node.name, commit=f"{moment} {event}")
        elif node.process.running and time.monotonic() < until:
            table.later(0.1, lambda: look(until))
        else:
            node.crash_file.unlink(missing_ok=True)
            node.aimed = ""
            table.aims.insert(0, (moment, event))

    table.later(0.1, lambda: look(time.monotonic() + AIM_SECONDS))
    return True


def kill_while_sending(table: Table) -> bool:
    """The sender dies while a request of its is under way: the answer is held back until then."""
    pair, receiver = any_party(table)
    sender = pair.across_from(receiver)
    node = sender.nodes[0]
    if len(sender.nodes) > 1 or not node.untouched:
        return False
    fault = AnswerLate(3.0)

    def struck() -> None:
        if node.untouched:
            node.kill(back_in=table.random.uniform(0.1, 1.0))
            table.count("kill while sending", node.name)

    fault.fired = lambda: table.later(0.05, struck)
    return bool(table.in_reactor(lambda: receiver.partner_link.arm(fault)))


def kill_portal(table: Table) -> bool:
    _, party = any_party(table)
    if not party.portal.running:
        return False
    party.portal.kill()
    party.portal_back_at = time.monotonic() + table.random.uniform(0.1, 2.0)
    table.count("kill portal", party.country)
    return True


def kill_server(table: Table) -> bool:
    server = table.server
    if server is None or not server.process.running:
        return False
    server.kill()
    excuse_starts(table)
    table.count("kill PostgreSQL", "server")
    table.later(table.random.uniform(0.1, 2.0), lambda: _server_back(table, server))
    return True


def _server_back(table: Table, server: Server) -> None:
    server.start()

    def look(until: float) -> None:
        excuse_starts(table)
        if server.answers():
            return
        if time.monotonic() < until:
            table.later(0.2, lambda: look(until))
        else:
            table.complain("PostgreSQL did not come back")

    look(time.monotonic() + 60)


def kill_node_for_long(table: Table) -> bool:
    """One of two nodes stays away for longer than its leases: what it had in work must be taken over."""
    pools = [party for pair in table.pairs for party in pair.parties.values() if len(party.nodes) > 1]
    pools = [party for party in pools if all(node.untouched for node in party.nodes)]
    if not pools:
        return False
    node = table.random.choice(table.random.choice(pools).nodes)
    node.kill(back_in=TAKE_OVER_SECONDS + 5.0)
    table.count("node away for long", node.name)
    killed_at = time.monotonic()

    def look() -> None:
        seconds = time.monotonic() - killed_at
        if node.state != "down":
            return
        if table.server is not None and table.server.leased(node.database_url, node.name) == 0:
            table.count("taken over", node.name, seconds=round(seconds, 1))
        else:
            table.later(0.5, look)

    table.later(0.2, look)
    return True
