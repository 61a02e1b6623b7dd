"""Was a certificate valid at a moment, and what proves it: judged from what the register and journal hold.

A certificate is valid from its day of issue to the end of its validity (OCP Rule 14: twelve months) unless
it was cancelled or replaced (Rule 29).  It is usable while it is valid and neither used up, refused nor
suspended (Rules 16(3), 18, 30).  Nothing is claimed about a time when this gateway did not know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from attrs import frozen

from asw_gateway.exchange.clocks import utc_date
from asw_gateway.exchange.lifecycle import DocumentState

_EVENT = "document."
_ENDED = {
    DocumentState.CANCELLED: "the issuer cancelled it",
    DocumentState.REPLACED: "the issuer replaced it",
    DocumentState.EXPIRED: "its validity had ended without use",
}
_NOT_USABLE = {
    DocumentState.UTILISED: "it was used in full",
    DocumentState.REJECTED: "customs of the importing country refused preference",
    DocumentState.SUSPENDED: "customs of the importing country suspended it",
}


class KnownDocument(Protocol):
    """What is needed of a row of the register."""

    @property
    def subject(self) -> str: ...
    @property
    def issued_at(self) -> float | None: ...
    @property
    def valid_until_at(self) -> float | None: ...
    @property
    def replaced_by(self) -> str | None: ...


class JournalFact(Protocol):
    """What is needed of an entry of the journal."""

    @property
    def chain(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def event(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def hash(self) -> str: ...


@frozen(kw_only=True)
class Evidence:
    """One entry of the journal: where it stands (chain and sequence), its hash, and what it says."""

    chain: str
    sequence: int
    hash: str
    at: float
    state: str
    actor: str
    detail: str
    digest: str


@frozen(kw_only=True)
class Verdict:
    """The answer.  valid and usable: None where the gateway cannot tell.  state: the document state then.

    evidence: the journal's entries up to the moment, the last of which decides; afterwards: later entries,
    which do not count but which a reader will want to know.  Times are UTC epoch seconds.
    """

    valid: bool | None
    usable: bool | None
    state: str
    reasons: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    afterwards: tuple[Evidence, ...]


def judge(document: KnownDocument, facts: Iterable[JournalFact], at: float) -> Verdict:
    """Judge one document at a moment.  facts: the journal's entries about it, in order of time."""
    history = [_evidence(fact) for fact in facts if fact.event.startswith(_EVENT)]
    before = tuple(one for one in history if one.at <= at)
    after = tuple(one for one in history if one.at > at)
    if document.issued_at is not None and utc_date(at) < utc_date(document.issued_at):
        reason = f"it was issued later, on {utc_date(document.issued_at).isoformat()}"
        return _verdict(False, False, "", [reason], before, after)
    if not before:
        known = f", it came to know it at {moment(after[0].at)}" if after else ""
        return _verdict(None, None, "", [f"this gateway did not know it then{known}"], before, after)
    state = before[-1].state
    reasons = []
    if state in _ENDED:
        by = f" by {document.replaced_by}" if state == DocumentState.REPLACED and document.replaced_by else ""
        reasons.append(_ENDED[DocumentState(state)] + by)
    if (
        document.valid_until_at is not None
        and at > document.valid_until_at
        and state != DocumentState.EXPIRED
    ):
        reasons.append(f"its validity ended on {utc_date(document.valid_until_at).isoformat()}")
    valid = not reasons
    if state in _NOT_USABLE:
        reasons.append(_NOT_USABLE[DocumentState(state)])
    return _verdict(valid, not reasons, state, reasons, before, after)


def _verdict(
    valid: bool | None,
    usable: bool | None,
    state: str,
    reasons: Sequence[str],
    before: tuple[Evidence, ...],
    after: tuple[Evidence, ...],
) -> Verdict:
    return Verdict(
        valid=valid, usable=usable, state=state, reasons=tuple(reasons), evidence=before, afterwards=after
    )


def _evidence(fact: JournalFact) -> Evidence:
    return Evidence(
        chain=fact.chain,
        sequence=fact.sequence,
        hash=fact.hash,
        at=fact.at,
        state=fact.event.removeprefix(_EVENT),
        actor=fact.actor,
        detail=fact.detail,
        digest=fact.digest,
    )


def moment(at: float) -> str:
    """`2026-11-22 03:01:47 UTC`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
