"""How far a pair is, read from its portals' ledgers while they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulators.facts import ENDED, RECEIPTED, TECHNICAL_ERROR
from simulators.watch import Tail

Crossing = tuple[str, str, str, str, str]  # from, to, function, number, status


class Tally:
    """`refresh()` reads what is new.

    crossed: documents and responses on the other portal's feed.  planned, refused: of all portals.
    """

    def __init__(self, ledgers: Mapping[str, Path]) -> None:
        self._tails = {party: Tail(path) for party, path in ledgers.items()}
        self.planned = 0
        self.refused = 0
        self.crossed = 0
        self._unanswered: set[tuple[str, str]] = set()
        self._no_word: dict[tuple[str, str], Crossing] = {}
        self._crossings: dict[tuple[str, str], Crossing] = {}
        self._on_the_way: Counter[Crossing] = Counter()
        self._entries: dict[str, set[int]] = {party: set() for party in ledgers}

    def refresh(self) -> None:
        for party, tail in self._tails.items():
            for record in tail.new():
                self._read(party, record)

    @property
    def open(self) -> Counter[str]:
        """What is still to come, by kind; empty when all is settled."""
        found = Counter(
            unanswered=len(self._unanswered),
            without_final_word=len(self._no_word),
            receipted_not_on_feed=sum(max(0, many) for many in self._on_the_way.values()),
            not_acknowledged=sum(map(len, self._entries.values())),
        )
        return +found

    def waiting(self) -> Counter[str]:
        """Accepted and without a final word, by way."""
        return Counter(f"{one[0]}→{one[1]}" for one in self._no_word.values())

    def _read(self, party: str, record: Mapping[str, Any]) -> None:
        match record["event"]:
            case "planned":
                self.planned += 1
                key = party, record["message_id"]
                self._unanswered.add(key)
                self._crossings[key] = (
                    party,
                    record["destination"],
                    record["function"],
                    record["number"],
                    record["status"],
                )
            case "answer":
                key = party, record["message_id"]
                self._unanswered.discard(key)
                if record["function"] == "99":
                    self._no_word[key] = self._crossings[key]
                else:
                    self.refused += 1
            case "entry":
                self._entries[party].add(record["sequence"])
                self._entry(party, record)
            case "acknowledged":
                self._entries[party].discard(record["sequence"])

    def _entry(self, party: str, record: Mapping[str, Any]) -> None:
        key = party, record["about"]
        if record["type"] == "21" and key in self._crossings:
            word = record["status"]
            if word == RECEIPTED:
                self._on_the_way[self._crossings[key]] += 1
                self._no_word.pop(key, None)
            elif word in ENDED:
                self._no_word.pop(key, None)
                if word == "rejected":
                    self._on_the_way[self._crossings[key]] -= 1
        elif record["type"] == "20" and record["content"] != TECHNICAL_ERROR:
            self.crossed += 1
            self._on_the_way[
                record["origin"], party, record["function"], record["number"], record["status"]
            ] -= 1
