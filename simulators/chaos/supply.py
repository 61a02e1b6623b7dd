"""New documents for the portals of a pair: as many as are taken, no more than can be drained in the end."""

from __future__ import annotations

from random import Random

from simulators.chaos.pair import Pair
from simulators.chaos.tally import Tally

MOST_WAITING = 80
"""Accepted messages of one party without a final word."""


def supply(pair: Pair, tally: Tally, random: Random) -> None:
    """Keep every portal busy, but no queue longer than can be drained in time."""
    if max(tally.waiting().values(), default=0) >= MOST_WAITING:
        return
    for country, party in pair.parties.items():
        if sum(1 for _ in party.outgoing.glob("*.xml")) < 12:
            _write_some(pair, country, pair.across_from(party).country, random)


def _write_some(pair: Pair, origin: str, destination: str, random: Random) -> None:
    """A few keys, some of them with several messages that follow at once."""
    for _ in range(4):
        chance = random.random()
        if chance < 0.45:
            made = pair.traffic.acdd(origin, destination)
        else:
            made = pair.traffic.form_d(origin, destination)
            if 0.6 <= chance < 0.75:
                made = pair.traffic.replace(made)
        if random.random() < 0.25:
            pair.traffic.cancel(made)
