"""The deck of faults.

Every card is a function of the `Table`: it does its harm to one pair now, and leaves with the table what has
to be undone later.  It returns whether it could be done; the table counts a fault when it has really
happened, which for a relayed connection or a crash at a named commit is later.
"""

from __future__ import annotations

import ssl
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Protocol

from attrs import frozen

from asw_gateway.store import search
from asw_gateway.store.database import Database
from asw_gateway.store.outbox import sealed_body
from asw_gateway.store.transaction import Transaction
from simulators.chaos.link import AnswerLate, AnswerLost, CutInBody, Fault, HalfOpen, Link, Slow
from simulators.chaos.node import Node
from simulators.chaos.pair import LEASE_SECONDS, Pair, Party, reload_by_aswctl
from simulators.chaos.postgres import Server

AIMED = (
    "outbound.submitted",
    "outbound.queued",
    "outbound.delivered",
    "inbound.received",
    "inbound.receipt",
    "inbound.available",
    "inbound.acknowledged",
    "feed.acknowledged",
    "document.RCV",
    "document.CAN",
    "document.UTL",
)
"""Journal events at whose commit a gateway is killed, before it and after it."""
AIM_SECONDS = 12.0
SERVER_AWAY_SECONDS = 15.0
"""From a fault of the server on: its recovery, and the start of a gateway that saw it away."""
TAKE_OVER_SECONDS = 4.0 + LEASE_SECONDS + 10.0
"""The longest send, the lease, and the interval at which leases are looked at."""


class Table(Protocol):
    """What a card needs of the run."""

    random: Random
    pairs: list[Pair]
    server: Server | None
    helpers: ThreadPoolExecutor
    aims: list[tuple[str, str]]

    def count(self, kind: str, target: str, **more: Any) -> None:
        """A fault has happened."""

    def complain(self, sentence: str) -> None:
        """Something is wrong that the count of documents would not show."""

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something then, on the run's thread; at the end of the faults at the latest."""

    def in_reactor(self, act: Callable[[], Any]) -> Any:
        """Do something on the links' thread, and wait for it."""


@frozen(kw_only=True)
class Card:
    """`many`: how often it lies in one deck.  `engines`: where it makes sense."""

    kind: str
    many: int
    play: Callable[[Table], bool]
    engines: tuple[str, ...] = ("sqlite", "postgresql")


def deck(engine: str) -> list[Card]:
    return [card for card in CARDS if engine in card.engines for _ in range(card.many)]


def _ready_node(table: Table) -> Node | None:
    nodes = [node for pair in table.pairs for node in pair.nodes if node.untouched]
    return table.random.choice(nodes) if nodes else None


def _party(table: Table) -> tuple[Pair, Party]:
    pair = table.random.choice(table.pairs)
    return pair, table.random.choice(list(pair.parties.values()))


# --- processes


def kill_gateway(table: Table) -> bool:
    """At any moment; back within two seconds."""
    node = _ready_node(table)
    if node is None:
        return False
    node.kill(back_in=table.random.uniform(0.1, 2.0))
    table.count("kill gateway", node.name)
    return True


def kill_at_commit(table: Table) -> bool:
    """Right before or right after the commit of one change of state."""
    node = _ready_node(table)
    if node is None or node.crash_file.exists():
        return False
    if not table.aims:  # every one of them, before any comes again
        table.aims = [(moment, event) for event in AIMED for moment in ("before", "after")]
        table.random.shuffle(table.aims)
    moment, event = table.aims.pop()
    node.crash_at(moment, event)
    node.aimed = f"{moment} {event}"

    def look(until: float) -> None:
        if not node.crash_file.exists():
            node.process.wait_stopped(timeout_seconds=2)
            node.gone(back_in=table.random.uniform(0.1, 1.5))
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
    pair, receiver = _party(table)
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
    _, party = _party(table)
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
    _excuse_all(table)
    table.count("kill PostgreSQL", "server")
    table.later(table.random.uniform(0.1, 2.0), lambda: _server_back(table, server))
    return True


def _server_back(table: Table, server: Server) -> None:
    server.start()

    def look(until: float) -> None:
        if server.answers():
            _excuse_all(table)
        elif time.monotonic() < until:
            table.later(0.2, lambda: look(until))
        else:
            table.complain("PostgreSQL did not come back")

    look(time.monotonic() + 60)


def _excuse_all(table: Table) -> None:
    """A gateway that starts while the server is away or recovers says so and ends; it is started again."""
    for pair in table.pairs:
        for node in pair.nodes:
            node.excused_until = time.monotonic() + SERVER_AWAY_SECONDS


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


# --- the way between


def _on_link(kind: str, make: Callable[[Random], Fault], *, portals: bool = False) -> Callable[[Table], bool]:
    def play(table: Table) -> bool:
        _, party = _party(table)
        link = party.portal_link if portals else party.partner_link
        fault = make(table.random)
        fault.fired = lambda: table.count(kind, link.name)
        return bool(table.in_reactor(lambda: link.arm(fault)))

    return play


def partner_away(table: Table) -> bool:
    """A partner's port resets every connection for some seconds."""
    _, party = _party(table)
    link: Link = party.partner_link
    seconds = table.random.uniform(1.0, 5.0)
    table.in_reactor(lambda: link.leave(seconds))
    table.count("partner away", link.name, seconds=round(seconds, 1))
    return True


def message_doubled(table: Table) -> bool:
    """The bytes of a message that was sent arrive again, from its sender: the same receipt must come back."""
    pair, sender = _party(table)
    node = table.random.choice(sender.nodes)
    receiver = pair.across_from(sender)
    if not node.ready or not any(each.ready for each in receiver.nodes):
        return False
    table.helpers.submit(_send_again, table, pair, sender, node, receiver, table.random.random())
    return True


def _send_again(table: Table, pair: Pair, sender: Party, node: Node, receiver: Party, chance: float) -> None:
    try:
        found = read_store(node.database_url, lambda conn: _sent_lately(conn, receiver.name, chance))
        if found is None:
            return
        content_type, body, subject = found
        first = _post(pair, sender, receiver, content_type, body)
        second = _post(pair, sender, receiver, content_type, body)
    except Exception:  # noqa: BLE001 - somebody was killed meanwhile; nothing is counted
        return
    if first is None or second is None:
        return
    if b"Receipt" not in first or first != second:
        table.complain(
            f"{node.name} {subject}, sent again twice, was not answered by one and the same receipt"
        )
    table.count("message doubled", f"to {receiver.country}")


def _sent_lately(conn: Transaction, partner: str, chance: float) -> tuple[str, bytes, str] | None:
    """Content type, bytes and name of one of the newest messages that were sent at least once."""
    rows = [
        row
        for row in search.outbound(conn, partner=partner, states=("sending", "delivered"), limit=40)
        if row.attempt > 0
    ]
    if not rows:
        return None
    row = rows[int(chance * len(rows))]
    sealed = sealed_body(conn, row.id)
    return None if sealed is None else (*sealed, row.subject)


def _post(pair: Pair, sender: Party, receiver: Party, content_type: str, body: bytes) -> bytes | None:
    """POST as the sender would; the answer's bytes, None when the receiver could not take it now."""
    pki = pair.directory / "pki"
    context = ssl.create_default_context(cafile=str(pki / "root.pem"))
    context.load_cert_chain(pki / sender.name / "tls-client.pem", pki / sender.name / "tls-client.key")
    node = next((each for each in receiver.nodes if each.ready), None)
    if node is None:
        return None
    url = f"https://127.0.0.1:{node.site.partner_port}/as4"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            return bytes(answer.read())
    except OSError:
        return None


# --- what a process lives on


def disk_full_sqlite(table: Table) -> bool:
    """No file of a gateway may grow, its database's log of changes included."""
    node = _ready_node(table)
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
    _excuse_all(table)
    server.limit_files(children, size)
    table.count("disk full", "PostgreSQL", limit_bytes=size)

    def lift() -> None:
        server.limit_files(children, None)
        _excuse_all(table)

    table.later(table.random.uniform(0.5, 3.0), lift)
    return True


def clock_jumps(table: Table) -> bool:
    """One process, or a whole pair, is up to an hour early or late for some seconds."""
    pair, party = _party(table)
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
    pair, party = _party(table)
    across = pair.across_from(party)
    if not all(node.ready for node in (*party.nodes, *across.nodes)):
        return False
    signing, seal = pair.make_certificates(party)
    pair.trust(party, signing, seal)

    def told() -> None:
        for node in across.nodes:
            complaint = reload_by_aswctl(node) if node.ready else ""
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


def read_store(url: str, read: Callable[[Transaction], Any]) -> Any:
    """Look into a gateway's database as `aswctl` does."""
    database = Database.open(url, node="chaos", upgrade=False)
    try:
        return database.read_now(read)
    finally:
        database.close_now()


CARDS = (
    Card(kind="kill gateway", many=3, play=kill_gateway),
    Card(kind="kill at commit", many=5, play=kill_at_commit),
    Card(kind="kill while sending", many=1, play=kill_while_sending),
    Card(kind="kill portal", many=2, play=kill_portal),
    Card(kind="kill PostgreSQL", many=1, play=kill_server, engines=("postgresql",)),
    Card(kind="node away for long", many=1, play=kill_node_for_long, engines=("postgresql",)),
    Card(kind="receipt lost", many=5, play=_on_link("receipt lost", lambda _: AnswerLost())),
    Card(
        kind="receipt late",
        many=3,
        play=_on_link("receipt late", lambda random: AnswerLate(random.uniform(0.5, 6.0))),
    ),
    Card(kind="message doubled", many=4, play=message_doubled),
    Card(
        kind="reset in body",
        many=5,
        play=_on_link("reset in body", lambda random: CutInBody(random.randrange(1, 9000))),
    ),
    Card(
        kind="half-open",
        many=2,
        play=_on_link("half-open", lambda random: HalfOpen(random.randrange(1, 9000), 8.0)),
    ),
    Card(
        kind="slow peer",
        many=2,
        play=_on_link("slow peer", lambda random: Slow(random.randrange(50, 800), random.uniform(1.0, 6.0))),
    ),
    Card(kind="partner away", many=1, play=partner_away),
    Card(
        kind="answer to portal lost",
        many=3,
        play=_on_link("answer to portal lost", lambda _: AnswerLost(2500), portals=True),
    ),
    Card(
        kind="portal reset in body",
        many=2,
        play=_on_link(
            "portal reset in body", lambda random: CutInBody(random.randrange(1, 20000)), portals=True
        ),
    ),
    Card(kind="disk full", many=2, play=disk_full_sqlite, engines=("sqlite",)),
    Card(kind="disk full", many=1, play=disk_full_postgresql, engines=("postgresql",)),
    Card(kind="clock jumps", many=2, play=clock_jumps),
    Card(kind="certificate swapped", many=1, play=certificate_swapped),
)
