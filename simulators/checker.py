"""Counts what was lost, doubled or reordered, from ledgers and feed dumps only.

    python -m simulators.checker DIRECTORY        # holds <party>/ledger.jsonl and <party>/feed.jsonl

It shares no code with the gateway and looks into no database: a ledger is what a portal saw and did, a feed
dump is every entry that the party's gateway offers at the end.  A "document" is anything submitted as 10/xx.

    lost        an id answered 99 that is neither on the other portal's feed nor ended by a final word
                (rejected, failed, expired, cancelled) on the sender's, nor answered there by the partner's
                technical error about that document (a cancellation of a document that itself was told as
                rejected or failed waits at the other end, parked: that is no loss); or a feed entry that was
                offered once and is gone, or is not readable, or was never offered to its portal
    duplicated  a second feed entry for the same (party, messageId), the same entry id or sequence, or the
                same document (number, function; so the same digest too) beyond what was submitted
    reordered   within one document type and number, an entry that came after one submitted later
    stray       an entry for something that was never submitted, was refused with 00, or was told as rejected
    unfinished  a submission without any answer, or without a final word on the sender's feed, or an entry
                that was not acknowledged
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Factory, define, frozen

from simulators.facts import ENDED, RECEIPTED, TECHNICAL_ERROR, Facts, read_facts
from simulators.ledger import read_ledger

Key = tuple[str, str, str, str, str, str]  # from, to, document type, function, number, status
RESPONSE_FUNCTION = "05"
OPENING_FUNCTIONS = frozenset({"01", "02"})
CANCELLING_FUNCTION = "03"


@frozen(kw_only=True)
class Submission:
    """One document that a portal gave to its gateway, and the answer: "99", "00" or "" (none)."""

    party: str
    message_id: str
    key: Key
    function: str


@frozen(kw_only=True)
class Entry:
    """One entry of a party's feed."""

    party: str
    sequence: int
    identity: str
    facts: Facts

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


@define
class Report:
    """Counts, and one sentence for each finding."""

    documents: int = 0
    responses: int = 0
    receipts: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    stray: int = 0
    unfinished: int = 0
    findings: list[str] = Factory(list)

    @property
    def clean(self) -> bool:
        return not self.findings

    def summary(self) -> str:
        return (
            f"documents={self.documents} receipts={self.receipts} responses={self.responses} "
            f"duplicates={self.duplicates} lost={self.lost} reordered={self.reordered} stray={self.stray} "
            f"unfinished={self.unfinished} refused={self.refused} failed={self.failed}"
        )


def check(parties: Mapping[str, PartyRecord]) -> Report:
    """Judge a finished run; `parties` is keyed by country code."""
    report = Report()
    submissions = {party: _submissions(party, record.ledger) for party, record in parties.items()}
    entries = {party: _entries(report, party, record.feed) for party, record in parties.items()}
    last_words = {party: _last_words(found) for party, found in entries.items()}
    for party, record in parties.items():
        _check_feed(report, party, entries[party], record.ledger)
    _check_crossings(report, submissions, entries, last_words)
    return report


# --- reading


def _submissions(party: str, ledger: Iterable[Mapping[str, Any]]) -> list[Submission]:
    """In the order in which the portal first sent them."""
    planned: dict[str, Mapping[str, Any]] = {}
    order: dict[str, None] = {}
    answers: dict[str, str] = {}
    for record in ledger:
        event = record["event"]
        if event == "planned":
            planned[record["message_id"]] = record
        elif event == "attempt":
            order.setdefault(record["message_id"])
        elif event == "answer":
            answers[record["message_id"]] = record["function"]
    result = []
    for message_id in [*order, *(name for name in planned if name not in order)]:
        plan = planned[message_id]
        key = (
            party,
            plan["destination"],
            plan["document_type"],
            plan["function"],
            plan["number"],
            plan["status"],
        )
        result.append(
            Submission(party=party, message_id=message_id, key=key, function=answers.get(message_id, ""))
        )
    return result


def _entries(report: Report, party: str, feed: Iterable[Mapping[str, Any]]) -> list[Entry]:
    entries = []
    for line in feed:
        try:
            facts = read_facts(line["envelope"])
        except ValueError as fault:
            _lost(report, f"{party}: entry {line['sequence']} is not readable, {fault}")
            facts = Facts(message_id="")
        entries.append(
            Entry(party=party, sequence=int(line["sequence"]), identity=str(line["id"]), facts=facts)
        )
    return entries


def _last_words(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Every word that the feed said about each of the party's own messageIds, in order."""
    words: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.facts.type == "21" and entry.facts.about:
            words[entry.facts.about].append(entry.facts.status)
    return words


# --- one feed


def _check_feed(
    report: Report, party: str, entries: Sequence[Entry], ledger: Iterable[Mapping[str, Any]]
) -> None:
    offered: dict[int, str] = {}
    acknowledged: set[int] = set()
    for record in ledger:
        if record["event"] == "entry":
            offered[record["sequence"]] = record["id"]
        elif record["event"] == "acknowledged":
            acknowledged.add(record["sequence"])

    identities: Counter[str] = Counter()
    messages: Counter[tuple[str, str]] = Counter()
    by_sequence: dict[int, str] = {}
    for entry in entries:
        if entry.sequence in by_sequence:
            _duplicate(report, f"{party}: sequence {entry.sequence} is used twice")
        by_sequence[entry.sequence] = entry.identity
        identities[entry.identity] += 1
        if identities[entry.identity] == 2:
            _duplicate(report, f"{party}: entry {entry.identity} is on the feed twice")
        if entry.delivered:
            message = (entry.facts.across_from(party), entry.facts.message_id)
            messages[message] += 1
            if messages[message] == 2:
                _duplicate(report, f"{party}: message {message[1]} from {message[0]} is on the feed twice")
        if entry.sequence not in offered:
            _lost(report, f"{party}: entry {entry.sequence} never reached the portal")
        elif entry.sequence not in acknowledged:
            _unfinished(report, f"{party}: entry {entry.sequence} was not acknowledged")
    for sequence, identity in offered.items():
        if by_sequence.get(sequence) != identity:
            _lost(
                report, f"{party}: entry {sequence} ({identity}) was offered once and is not on the feed now"
            )


# --- from one party to another


def _check_crossings(
    report: Report,
    submissions: Mapping[str, Sequence[Submission]],
    entries: Mapping[str, Sequence[Entry]],
    words: Mapping[str, Mapping[str, Sequence[str]]],
) -> None:
    arrived: dict[Key, list[Entry]] = defaultdict(list)
    for found in entries.values():
        for entry in found:
            if entry.delivered:
                arrived[entry.key].append(entry)

    due: dict[Key, list[Submission]] = defaultdict(list)
    sent: Counter[Key] = Counter()
    for party, made in submissions.items():
        for submission in made:
            said = words[party].get(submission.message_id, ())
            if submission.function == "00":
                report.refused += 1
                continue
            sent[submission.key] += 1
            if submission.function != "99":
                _unfinished(report, f"{party}: {submission.message_id} was never answered")
                continue
            receipted = RECEIPTED in said
            ended = "rejected" in said or (not receipted and any(word in ENDED for word in said))
            if receipted:
                report.receipts += 1
            if "rejected" in said:
                sent[submission.key] -= 1
            if ended:
                report.failed += 1
                continue
            if not receipted:
                _unfinished(report, f"{party}: {submission.message_id} has no final word on its feed")
            due[submission.key].append(submission)

    answered = _technical_errors(entries)
    opened = {key[:3] + key[4:5] for key in due if key[3] in OPENING_FUNCTIONS}
    for key, expected in due.items():
        for submission in expected[len(arrived.get(key, ())) :]:
            about = (key[0], key[2], key[4])
            if key[3] == CANCELLING_FUNCTION and key[:3] + key[4:5] not in opened:
                report.failed += 1  # of a document that never left: it is parked at the other end
                continue
            if answered[about] > 0:  # arrived, and the partner's gateway said what is wrong with it
                answered[about] -= 1
                report.failed += 1
                continue
            _lost(
                report,
                f"{_name(key)}: {submission.message_id} was answered 99 and is not on the feed of {key[1]}",
            )
    for key, found in arrived.items():
        if sent[key] == 0:
            report.stray += 1
            report.findings.append(
                f"stray: {_name(key)} is on the feed of {key[1]}, not sent or told as rejected"
            )
        for entry in found[max(sent[key], 1) :]:
            _duplicate(report, f"{_name(key)}: a second entry, {entry.sequence}, on the feed of {key[1]}")
        if key[3] == RESPONSE_FUNCTION:
            report.responses += len(found)
        else:
            report.documents += len(found)
    _check_order(report, submissions, entries)


def _technical_errors(entries: Mapping[str, Sequence[Entry]]) -> Counter[tuple[str, str, str]]:
    """How many of a party's own documents were answered by a technical error: by (party, type, number)."""
    return Counter(
        (party, entry.facts.document_type, entry.facts.number)
        for party, found in entries.items()
        for entry in found
        if entry.facts.content == TECHNICAL_ERROR
    )


def _check_order(
    report: Report, submissions: Mapping[str, Sequence[Submission]], entries: Mapping[str, Sequence[Entry]]
) -> None:
    """Compare, for each (from, to, type, number), the order of sending with the order of arrival."""
    sent: dict[tuple[str, str, str, str], list[Key]] = defaultdict(list)
    for made in submissions.values():
        for submission in made:
            if submission.function == "99":
                sent[_order_key(submission.key)].append(submission.key)
    came: dict[tuple[str, str, str, str], list[Key]] = defaultdict(list)
    for found in entries.values():
        for entry in sorted(found, key=lambda entry: entry.sequence):
            if entry.delivered:
                came[_order_key(entry.key)].append(entry.key)
    for order_key, arrivals in came.items():
        positions: dict[Key, list[int]] = defaultdict(list)
        for position, key in enumerate(sent[order_key]):
            positions[key].append(position)
        latest = -1
        for key in arrivals:
            places = positions.get(key)
            if not places:
                continue
            position = places.pop(0)
            if position < latest:
                report.reordered += 1
                report.findings.append(f"reordered: {_name(key)} came after a message that was sent later")
            latest = max(latest, position)


def _order_key(key: Key) -> tuple[str, str, str, str]:
    return key[0], key[1], key[2], key[4]


def _name(key: Key) -> str:
    status = f" {key[5]}" if key[5] else ""
    return f"{key[0]}→{key[1]} {key[2]} {key[4]} function {key[3]}{status}"


def _lost(report: Report, sentence: str) -> None:
    report.lost += 1
    report.findings.append("lost: " + sentence)


def _duplicate(report: Report, sentence: str) -> None:
    report.duplicates += 1
    report.findings.append("duplicated: " + sentence)


def _unfinished(report: Report, sentence: str) -> None:
    report.unfinished += 1
    report.findings.append("unfinished: " + sentence)


# --- by hand


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


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m simulators.checker DIRECTORY", file=sys.stderr)
        return 2
    parties = read_run(Path(arguments[0]))
    if not parties:
        print(f"checker: FAIL no <party>/ledger.jsonl under {arguments[0]}")
        return 1
    report = check(parties)
    for finding in report.findings:
        print(finding)
    print(f"checker: {'PASS' if report.clean else 'FAIL'} {report.summary()}")
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
