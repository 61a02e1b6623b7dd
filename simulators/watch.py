"""Follows the ledgers of a running world and tells, document by document, how far each one is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, define

from simulators.facts import ENDED, RECEIPTED, TECHNICAL_ERROR

ANSWERED_FUNCTIONS = frozenset({"01", "02"})
RESPONSE_FUNCTION = "05"
OPTIONAL_FUNCTIONS = frozenset({"04"})
"""A re-transmission of what is there already needs no second entry."""


@define
class Document:
    """One submission of one portal, and what became of it.

    problems: all that it was told is wrong with it.  steps: (word, UTC epoch seconds), in order.
    """

    party: str
    message_id: str
    document_type: str
    function: str
    number: str
    destination: str
    status: str
    replaces: str = ""
    steps: list[tuple[str, float]] = Factory(list)
    problems: list[str] = Factory(list)

    @property
    def words(self) -> set[str]:
        return {word for word, _ in self.steps}

    @property
    def accepted(self) -> bool:
        return "99" in self.words

    @property
    def arrived(self) -> bool:
        return "on feed" in self.words

    @property
    def settled(self) -> bool:
        """Nothing more is to come: refused, ended, or receipted and on the other feed."""
        words = self.words
        if "00" in words or "rejected" in words:
            return True
        if RECEIPTED in words:
            return self.arrived or self.function in OPTIONAL_FUNCTIONS
        return bool(words & ENDED)

    def since_submission(self, word: str) -> float | None:
        times = [at for step, at in self.steps if step == word]
        return times[0] - self.steps[0][1] if times else None


class Watch:
    """`refresh()` reads what is new in the ledgers; `documents` is in the order of submission."""

    def __init__(self, ledgers: Mapping[str, Path]) -> None:
        self._tails = {party: Tail(path) for party, path in ledgers.items()}
        self.documents: dict[tuple[str, str], Document] = {}
        self.entries: dict[str, int] = dict.fromkeys(ledgers, 0)
        self.acknowledged: dict[str, int] = dict.fromkeys(ledgers, 0)
        self._early: dict[tuple[str, str, str, str, str], list[float]] = {}

    def refresh(self) -> None:
        for party, tail in self._tails.items():
            for record in tail.new():
                self._read(party, record)
        for document in self.documents.values():
            times = self._early.get(_crossing(document))
            if times and not document.arrived and "00" not in document.words:
                document.steps.append(("on feed", times.pop(0)))

    def of(self, party: str, destination: str | None = None) -> list[Document]:
        return [
            document
            for document in self.documents.values()
            if document.party == party and destination in (None, document.destination)
        ]

    def open_documents(self) -> list[Document]:
        """Documents that have not settled yet, and certificates that still wait for their answer."""
        answered = {
            (document.destination, document.document_type, document.number)
            for document in self.documents.values()
            if document.function == RESPONSE_FUNCTION
        }
        withdrawn = self._withdrawn()
        result = []
        for document in self.documents.values():
            key = (document.party, document.document_type, document.number)
            waits = document.function in ANSWERED_FUNCTIONS and document.arrived and key not in withdrawn
            if not document.settled or (waits and key not in answered):
                result.append(document)
        return result

    def _withdrawn(self) -> set[tuple[str, str, str]]:
        return {
            (document.party, document.document_type, number)
            for document in self.documents.values()
            for number in _withdraws(document)
        }

    def _read(self, party: str, record: Mapping[str, Any]) -> None:
        event, at = record["event"], float(record["at"])
        if event == "planned":
            self.documents[party, record["message_id"]] = Document(
                party=party,
                message_id=record["message_id"],
                document_type=record["document_type"],
                function=record["function"],
                number=record["number"],
                destination=record["destination"],
                status=record["status"],
                replaces=record["replaces"],
                steps=[("submitted", at)],
            )
        elif event == "answer":
            document = self.documents[party, record["message_id"]]
            document.steps.append((record["function"], at))
            document.problems += [f"{code}: {text}" for code, text in record["errors"]]
        elif event == "entry":
            self.entries[party] += 1
            if record["type"] == "21" and (party, record["about"]) in self.documents:
                document = self.documents[party, record["about"]]
                document.steps.append((record["status"], at))
                document.problems += record["problems"]
            elif record["content"] == TECHNICAL_ERROR:
                for document in self.of(party, record["origin"] or None):
                    if document.number == record["number"]:
                        document.problems += record["problems"]
            elif record["type"] == "20":
                key = (record["origin"], party, record["function"], record["number"], record["status"])
                self._early.setdefault(key, []).append(at)
        elif event == "acknowledged":
            self.acknowledged[party] += 1


class Tail:
    """The complete lines that were added to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def new(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._position)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._position += len(line)
                yield json.loads(line)


def _crossing(document: Document) -> tuple[str, str, str, str, str]:
    return document.party, document.destination, document.function, document.number, document.status


def _withdraws(document: Document) -> tuple[str, ...]:
    return (document.number,) if document.function == "03" else (document.replaces,)
