"""The deck of faults.

Every card is a function of the `Table`: it does its harm to one pair now, and leaves with the table what has
to be undone later.  It returns whether it could be done; the table counts a fault when it has really
happened, which for a relayed connection or a crash at a named commit is later.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from simulators.chaos.link_faults import AnswerLate, AnswerLost, CutInBody, HalfOpen, Slow
from simulators.chaos.means import certificate_swapped, clock_jumps, disk_full_postgresql, disk_full_sqlite
from simulators.chaos.processes import (
    kill_at_commit,
    kill_gateway,
    kill_node_for_long,
    kill_portal,
    kill_server,
    kill_while_sending,
)
from simulators.chaos.table import Table
from simulators.chaos.way import message_doubled, on_link, partner_away


@frozen(kw_only=True)
class Card:
    """`many`: how often it lies in one deck.  `engines`: where it makes sense."""

    kind: str
    many: int
    play: Callable[[Table], bool]
    engines: tuple[str, ...] = ("sqlite", "postgresql")


def deck(engine: str) -> list[Card]:
    return [card for card in CARDS if engine in card.engines for _ in range(card.many)]


CARDS = (
    Card(kind="kill gateway", many=3, play=kill_gateway),
    Card(kind="kill at commit", many=7, play=kill_at_commit),
    Card(kind="kill while sending", many=1, play=kill_while_sending),
    Card(kind="kill portal", many=2, play=kill_portal),
    Card(kind="kill PostgreSQL", many=1, play=kill_server, engines=("postgresql",)),
    Card(kind="node away for long", many=1, play=kill_node_for_long, engines=("postgresql",)),
    Card(kind="receipt lost", many=5, play=on_link("receipt lost", lambda _: AnswerLost())),
    Card(
        kind="receipt late",
        many=3,
        play=on_link("receipt late", lambda random: AnswerLate(random.uniform(0.5, 6.0))),
    ),
    Card(kind="message doubled", many=4, play=message_doubled),
    Card(
        kind="reset in body",
        many=5,
        play=on_link("reset in body", lambda random: CutInBody(random.randrange(1, 9000))),
    ),
    Card(
        kind="half-open",
        many=2,
        play=on_link("half-open", lambda random: HalfOpen(random.randrange(1, 9000), 8.0)),
    ),
    Card(
        kind="slow peer",
        many=2,
        play=on_link("slow peer", lambda random: Slow(random.randrange(50, 800), random.uniform(1.0, 6.0))),
    ),
    Card(kind="partner away", many=1, play=partner_away),
    Card(
        kind="answer to portal lost",
        many=3,
        play=on_link("answer to portal lost", lambda _: AnswerLost(2500), portals=True),
    ),
    Card(
        kind="portal reset in body",
        many=2,
        play=on_link(
            "portal reset in body", lambda random: CutInBody(random.randrange(1, 20000)), portals=True
        ),
    ),
    Card(kind="disk full", many=2, play=disk_full_sqlite, engines=("sqlite",)),
    Card(kind="disk full", many=1, play=disk_full_postgresql, engines=("postgresql",)),
    Card(kind="clock jumps", many=2, play=clock_jumps),
    Card(kind="certificate swapped", many=1, play=certificate_swapped),
)
