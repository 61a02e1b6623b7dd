"""What ledgers and feed dumps say of one run: who submitted what, and what stands on whose feed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from simulators.facts import TECHNICAL_ERROR, Facts, read_facts
from simulators.ledger import read_ledger

Key = tuple[str, str, str, str, str, str]  # from, to, document type, function, number, status


@frozen(kw_only=True)
class Submission:
    """One document that a portal gave to its gateway, and the answer: "99", "00" or "" (none).

    content: SHA-256 of the canonical content, "" when the ledger does not say.  errors: codes and texts of
    the answer.
    """

    party: str
    message_id: str
    key: Key
    function: str
    content: str = ""
    errors: tuple[str, ...] = ()


@frozen(kw_only=True)
class Entry:
    """One entry of a party's feed; `fault` says why its envelope cannot be read, "" when it can."""

    party: str
    sequence: int
    identity: str
    facts: Facts
    fault: str = ""

    @property
    def key(self) -> Key:
        facts = self.facts
        sender = facts.across_from(self.party)
        return sender, self.party, facts.document_type, facts.function, facts.number, facts.status

    @property
    def delivered(self) -> bool:
        """A document from another portal; a technical error comes from a gateway, not from a portal."""
        return self.facts.type == "20" and self.facts.content != TECHNICAL_ERROR


@frozen(kw_only=True)
class PartyRecord:
    """What is known of one party: the records of its portal's ledger, the dump of its gateway's feed."""

    ledger: Sequence[Mapping[str, Any]]
    feed: Sequence[Mapping[str, Any]]


def submissions(party: str, ledger: Iterable[Mapping[str, Any]]) -> list[Submission]:
    """In the order in which the portal first sent them."""
    planned: dict[str, Mapping[str, Any]] = {}
    order: dict[str, None] = {}
    answers: dict[str, Mapping[str, Any]] = {}
    for record in ledger:
        event = record["event"]
        if event == "planned":
            planned[record["message_id"]] = record
        elif event == "attempt":
            order.setdefault(record["message_id"])
        elif event == "answer":
            answers[record["message_id"]] = record
    return [
        _submission(party, planned[message_id], answers.get(message_id, {}))
        for message_id in [*order, *(name for name in planned if name not in order)]
    ]


def _submission(party: str, plan: Mapping[str, Any], answer: Mapping[str, Any]) -> Submission:
    key = (
        party,
        plan["destination"],
        plan["document_type"],
        plan["function"],
        plan["number"],
        plan["status"],
    )
    return Submission(
        party=party,
        message_id=plan["message_id"],
        key=key,
        function=answer.get("function", ""),
        content=plan.get("digest", ""),
        errors=tuple(": ".join(error) for error in answer.get("errors", ())),
    )


def entries(party: str, feed: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """In the order of the dump."""
    return [_entry(party, line) for line in feed]


def _entry(party: str, line: Mapping[str, Any]) -> Entry:
    try:
        facts, fault = read_facts(line["envelope"]), ""
    except ValueError as unreadable:
        facts, fault = Facts(message_id=""), str(unreadable)
    return Entry(
        party=party, sequence=int(line["sequence"]), identity=str(line["id"]), facts=facts, fault=fault
    )


def read_party(directory: Path) -> PartyRecord:
    """Read `ledger.jsonl` and `feed.jsonl` of one party."""
    feed = [
        json.loads(line)
        for line in (directory / "feed.jsonl").read_text(encoding="utf-8").splitlines()
        if line
    ]
    return PartyRecord(ledger=list(read_ledger(directory / "ledger.jsonl")), feed=feed)


def read_run(directory: Path) -> dict[str, PartyRecord]:
    """Every subdirectory that holds a ledger is one party, named in capitals."""
    return {
        path.parent.name.upper(): read_party(path.parent) for path in sorted(directory.glob("*/ledger.jsonl"))
    }
