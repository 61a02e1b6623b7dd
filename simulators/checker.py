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
    altered     an entry whose content (its digest) is not that of any submission of that document
    stray       an entry for something that was never submitted, was refused with 00, or was told as rejected
    unfinished  a submission without any answer, or without a final word on the sender's feed, or an entry
                that was not acknowledged

Refused (00) and failed are no findings, for the portal was told; `reasons` says how often each reason was
given, so that nobody has to take them on trust.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulators.facts import ENDED, RECEIPTED, TECHNICAL_ERROR, Facts
from simulators.records import Entry, Key, PartyRecord, Submission, entries, read_run, submissions
from simulators.report import Report

RESPONSE_FUNCTION = "05"
OPENING_FUNCTIONS = frozenset({"01", "02"})
CANCELLING_FUNCTION = "03"


def check(parties: Mapping[str, PartyRecord]) -> Report:
    """Judge a finished run; `parties` is keyed by country code."""
    report = Report()
    submitted = {party: submissions(party, record.ledger) for party, record in parties.items()}
    found = {party: entries(party, record.feed) for party, record in parties.items()}
    for party, record in parties.items():
        _check_feed(report, party, found[party], record.ledger)
    _check_crossings(report, submitted, found)
    _check_contents(report, submitted, found)
    _check_order(report, submitted, found)
    return report


# --- one feed


def _words(found: Iterable[Entry]) -> dict[str, dict[str, str]]:
    """Every word that the feed said about each of the party's own messageIds, with the code it gave."""
    words: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in found:
        if entry.facts.type == "21" and entry.facts.about:
            words[entry.facts.about][entry.facts.status] = _code(entry.facts)
    return words


def _code(facts: Facts) -> str:
    """The code of the first problem, as "B03"."""
    return facts.problems[0].partition(": ")[0] if facts.problems else "no code"


def _check_feed(
    report: Report, party: str, found: Sequence[Entry], ledger: Iterable[Mapping[str, Any]]
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
    for entry in found:
        if entry.fault:
            report.find("lost", f"{party}: entry {entry.sequence} is not readable, {entry.fault}")
        if entry.sequence in by_sequence:
            report.find("duplicates", f"{party}: sequence {entry.sequence} is used twice")
        by_sequence[entry.sequence] = entry.identity
        identities[entry.identity] += 1
        if identities[entry.identity] == 2:
            report.find("duplicates", f"{party}: entry {entry.identity} is on the feed twice")
        if entry.delivered:
            message = (entry.facts.across_from(party), entry.facts.message_id)
            messages[message] += 1
            if messages[message] == 2:
                report.find(
                    "duplicates", f"{party}: message {message[1]} from {message[0]} is on the feed twice"
                )
        if entry.sequence not in offered:
            report.find("lost", f"{party}: entry {entry.sequence} never reached the portal")
        elif entry.sequence not in acknowledged:
            report.find("unfinished", f"{party}: entry {entry.sequence} was not acknowledged")
    for sequence, identity in offered.items():
        if by_sequence.get(sequence) != identity:
            report.find(
                "lost", f"{party}: entry {sequence} ({identity}) was offered once and is not on the feed now"
            )


# --- from one party to another


def _check_crossings(
    report: Report, submitted: Mapping[str, Sequence[Submission]], found: Mapping[str, Sequence[Entry]]
) -> None:
    arrived: dict[Key, list[Entry]] = defaultdict(list)
    for entry in _delivered(found):
        arrived[entry.key].append(entry)
    due, sent = _due(report, submitted, found)
    _check_losses(report, due, arrived, found)
    for key, came in arrived.items():
        if sent[key] == 0:
            report.find("stray", f"{_name(key)} is on the feed of {key[1]}, not sent or told as rejected")
        for entry in came[max(sent[key], 1) :]:
            report.find(
                "duplicates", f"{_name(key)}: a second entry, {entry.sequence}, on the feed of {key[1]}"
            )
        if key[3] == RESPONSE_FUNCTION:
            report.responses += len(came)
        else:
            report.documents += len(came)


def _due(
    report: Report, submitted: Mapping[str, Sequence[Submission]], found: Mapping[str, Sequence[Entry]]
) -> tuple[dict[Key, list[Submission]], Counter[Key]]:
    """What must be on the other feed, and how often each document may be there."""
    due: dict[Key, list[Submission]] = defaultdict(list)
    sent: Counter[Key] = Counter()
    for party, made in submitted.items():
        words = _words(found[party])
        for submission in made:
            said = words.get(submission.message_id, {})
            if submission.function == "00":
                report.refuse((*submission.errors, "no code")[0].partition(": ")[0])
                continue
            sent[submission.key] += 1
            if submission.function != "99":
                report.find("unfinished", f"{party}: {submission.message_id} was never answered")
                continue
            if RECEIPTED in said:
                report.receipts += 1
            if "rejected" in said:
                sent[submission.key] -= 1
                report.fail(f"rejected {said['rejected']}")
                continue
            if RECEIPTED not in said:
                if ended := [word for word in said if word in ENDED]:
                    report.fail(f"{ended[-1]} {said[ended[-1]]}")
                    continue
                report.find("unfinished", f"{party}: {submission.message_id} has no final word on its feed")
            due[submission.key].append(submission)
    return due, sent


def _check_losses(
    report: Report,
    due: Mapping[Key, Sequence[Submission]],
    arrived: Mapping[Key, Sequence[Entry]],
    found: Mapping[str, Sequence[Entry]],
) -> None:
    answered = _technical_errors(found)
    opened = {_order_key(key) for key in due if key[3] in OPENING_FUNCTIONS}
    for key, expected in due.items():
        for submission in expected[len(arrived.get(key, ())) :]:
            errors = answered[key[0], key[2], key[4]]
            if key[3] == CANCELLING_FUNCTION and _order_key(key) not in opened:
                report.fail("parked, for its document never left")
            elif errors:  # arrived, and the partner's gateway said what is wrong with it
                report.fail(f"technical error {_code(errors.pop().facts)}")
            else:
                report.find(
                    "lost",
                    f"{_name(key)}: {submission.message_id} was answered 99, not on the feed of {key[1]}",
                )


def _technical_errors(found: Mapping[str, Sequence[Entry]]) -> dict[tuple[str, str, str], list[Entry]]:
    """The technical errors that answer a party's own documents, by (party, type, number)."""
    errors: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for party, feed in found.items():
        for entry in feed:
            if entry.facts.content == TECHNICAL_ERROR:
                errors[party, entry.facts.document_type, entry.facts.number].append(entry)
    return errors


def _check_contents(
    report: Report, submitted: Mapping[str, Sequence[Submission]], found: Mapping[str, Sequence[Entry]]
) -> None:
    """What arrived is what was handed in, as far as the ledgers keep its digest."""
    contents: dict[Key, set[str]] = defaultdict(set)
    for made in submitted.values():
        for submission in made:
            contents[submission.key].add(submission.content)
    for entry in _delivered(found):
        known = contents.get(entry.key, set()) - {""}
        if known and entry.facts.digest not in known:
            report.find("altered", f"{_name(entry.key)} arrived with another content")


def _delivered(found: Mapping[str, Sequence[Entry]]) -> Iterator[Entry]:
    for feed in found.values():
        for entry in feed:
            if entry.delivered:
                yield entry


def _check_order(
    report: Report, submitted: Mapping[str, Sequence[Submission]], found: Mapping[str, Sequence[Entry]]
) -> None:
    """Compare, for each (from, to, type, number), the order of sending with the order of arrival."""
    sent: dict[tuple[str, str, str, str], list[Key]] = defaultdict(list)
    for made in submitted.values():
        for submission in made:
            if submission.function == "99":
                sent[_order_key(submission.key)].append(submission.key)
    came: dict[tuple[str, str, str, str], list[Key]] = defaultdict(list)
    for feed in found.values():
        for entry in sorted(feed, key=lambda entry: entry.sequence):
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
                report.find("reordered", f"{_name(key)} came after a message that was sent later")
            latest = max(latest, position)


def _order_key(key: Key) -> tuple[str, str, str, str]:
    return key[0], key[1], key[2], key[4]


def _name(key: Key) -> str:
    status = f" {key[5]}" if key[5] else ""
    return f"{key[0]}→{key[1]} {key[2]} {key[4]} function {key[3]}{status}"


# --- by hand


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
    for reason, many in report.reasons.most_common():
        print(f"{reason}: {many}")
    print(f"checker: {'PASS' if report.clean else 'FAIL'} {report.summary()}")
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
