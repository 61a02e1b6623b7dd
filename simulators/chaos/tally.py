"""How far a pair is, read from its portals' ledgers while they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulators.facts import ENDED, RECEIPTED, TECHNICAL_ERROR
from simulators.watch import Tail

Submission = tuple[str, str]  # party, messageId
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
        self._crossings: dict[Submission, Crossing] = {}
        self._answers: dict[Submission, str] = {}
        self._words: dict[Submission, str] = {}
        self._no_word: set[Submission] = set()
        self._on_the_way: Counter[Crossing] = Counter()
        self._left: set[Crossing] = set()
        self._answered_by_error: Counter[tuple[str, str]] = Counter()
        self._entries: dict[str, set[int]] = {party: set() for party in ledgers}

    def refresh(self) -> None:
        for party, tail in self._tails.items():
            for record in tail.new():
                self._read(party, record)

    @property
    def open(self) -> Counter[str]:
        """What is still to come, by kind; empty when all is settled."""
        missing: Counter[tuple[str, str]] = Counter()
        for crossing, many in self._on_the_way.items():
            if many > 0 and not self._nothing_to_cancel(crossing):
                missing[crossing[0], crossing[3]] += many
        found = Counter(
            unanswered=len(self._crossings) - len(self._answers),
            without_final_word=len(self._no_word),
            receipted_not_on_feed=(missing - self._answered_by_error).total(),
            not_acknowledged=sum(map(len, self._entries.values())),
        )
        return +found

    def _nothing_to_cancel(self, crossing: Crossing) -> bool:
        """A cancellation of a document that never left waits at the other end, parked."""
        sender, destination, function, number, _ = crossing
        opening = ((sender, destination, each, number, "") for each in ("01", "02"))
        return function == "03" and not any(each in self._left for each in opening)

    def waiting(self) -> Counter[str]:
        """Accepted and without a final word, by way."""
        ways = (self._crossings[submission] for submission in self._no_word)
        return Counter(f"{way[0]}→{way[1]}" for way in ways)

    def _read(self, party: str, record: Mapping[str, Any]) -> None:
        match record["event"]:
            case "planned":
                self.planned += 1
                self._crossings[party, record["message_id"]] = (
                    party,
                    record["destination"],
                    record["function"],
                    record["number"],
                    record["status"],
                )
            case "answer":
                key = party, record["message_id"]
                self._answers[key] = record["function"]
                self.refused += record["function"] == "00"
                self._look(key)
            case "entry":
                self._entries[party].add(record["sequence"])
                self._entry(party, record)
            case "acknowledged":
                self._entries[party].discard(record["sequence"])

    def _entry(self, party: str, record: Mapping[str, Any]) -> None:
        key, word = (party, record["about"]), record["status"]
        if record["content"] == TECHNICAL_ERROR:
            self._answered_by_error[party, record["number"]] += 1
        elif record["type"] == "20":
            self.crossed += 1
            self._on_the_way[
                record["origin"], party, record["function"], record["number"], record["status"]
            ] -= 1
        elif key in self._crossings and (word == RECEIPTED or word in ENDED):
            if word == RECEIPTED:
                self._left.add(self._crossings[key])
            if word == RECEIPTED and self._words.get(key) != RECEIPTED:
                self._on_the_way[self._crossings[key]] += 1
            elif word == "rejected" and self._words.get(key) == RECEIPTED:
                self._on_the_way[self._crossings[key]] -= 1
            self._words[key] = word
            self._look(key)

    def _look(self, key: Submission) -> None:
        """A word on the feed may come before the answer to the submission that it is about."""
        if self._answers.get(key) == "99" and key not in self._words:
            self._no_word.add(key)
        else:
            self._no_word.discard(key)
