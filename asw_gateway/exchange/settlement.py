"""What a document means beside what is already known of it: decided inside the commit, from registry values.

The pure stages (schema, rules, translation) look at one document alone.  Duplicates, early cancellations,
replaced certificates and answers depend on what the registry holds at the moment of the commit; these
functions take those values and give the decision, so that two nodes cannot both deliver one document.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from asw_gateway.exchange.lifecycle import DocumentEvent, DocumentState, IllegalMove, document_next
from asw_gateway.exchange.notices import Status
from asw_gateway.translation.facts import DocumentFacts
from asw_gateway.translation.problem import Problem

OURS = "out"  # documents our side issued
THEIRS = "in"  # documents the partner issued


@frozen(kw_only=True)
class KnownDocument:
    """What the registry holds of one document.

    ``digest`` is its newest version's business digest, ``message_id`` the network id that carried it.
    """

    state: str
    digest: str
    message_id: str | None = None


class Verdict(StrEnum):
    """What becomes of the message."""

    PROCEED = "proceed"
    DUPLICATE = "duplicate"  # the same document again: accept silently, hand nothing over
    PARK = "park"  # wait for the original
    FAULTY = "faulty"


@frozen(kw_only=True)
class DocumentChange:
    """A registry row to write: the document's ``state`` becomes this; ``digest`` names a new version."""

    direction: str
    document_number: str
    state: DocumentState
    digest: str = ""
    replaced_by: str = ""


@frozen(kw_only=True)
class Settlement:
    """The decision, the registry rows to write, and the portal's word for an answered document of ours."""

    verdict: Verdict
    changes: tuple[DocumentChange, ...] = ()
    problems: tuple[Problem, ...] = ()
    waiting_for: str = ""
    status: Status | None = None
    conflict: str = ""


#: Which of a message's two documents the registry is asked for: (direction, number).
Lookup = tuple[str, str]

_RESPONSE_EVENTS = {
    "RCV": DocumentEvent.FOUND_VALID,
    "VAL": DocumentEvent.FOUND_VALID,
    "UTL": DocumentEvent.UTILISED,
    "UTP": DocumentEvent.UTILISED_IN_PART,
    "REJ": DocumentEvent.REJECTED,
    "SUS": DocumentEvent.SUSPENDED,
}


def lookups(facts: DocumentFacts, effect: str, *, inbound: bool) -> tuple[Lookup, ...]:
    """Tell which documents ``settle`` must be given: the subject first, then a second one if there is any.

    Answers, refusals and requests speak of a document of the receiving side, but replies and clarifications
    of the issuing side speak of its own; a replacement has the document it replaces beside it.
    """
    sender, receiver = (THEIRS, OURS) if inbound else (OURS, THEIRS)
    number = facts.order_key_number
    if effect in ("answers", "asks"):
        return ((receiver, number), (sender, number))
    subject = (receiver if effect == "refuses" else sender, number)
    if effect == "replaces" and facts.previous_number and facts.previous_number != facts.number:
        return (subject, (sender, facts.previous_number))
    return (subject,)


def settle(
    facts: DocumentFacts,
    effect: str,
    digest: str,
    known: KnownDocument | None,
    previous: KnownDocument | None,
    *,
    inbound: bool,
    ref_to_message_id: str | None = None,
) -> Settlement:
    """Decide about one message; ``known`` and ``previous`` are what ``lookups`` asked for, in its order.

    ``ref_to_message_id`` is the network id that the message answers, where it names one.
    """
    direction, number = lookups(facts, effect, inbound=inbound)[0]
    if effect == "cancels":
        return _cancel(direction, number, known, inbound=inbound)
    if effect == "answers":
        return _answer(facts, direction, number, known, previous)
    if effect == "refuses":
        return _refusal(direction, number, known, ref_to_message_id)
    if effect == "asks":
        return _unknown(number) if known is None and previous is None else Settlement(verdict=Verdict.PROCEED)
    return _document(facts, effect, digest, direction, known, previous, inbound=inbound)


def _document(
    facts: DocumentFacts,
    effect: str,
    digest: str,
    direction: str,
    known: KnownDocument | None,
    previous: KnownDocument | None,
    *,
    inbound: bool,
) -> Settlement:
    changes: list[DocumentChange] = []
    if known is None:
        state = DocumentState.VALID if inbound else DocumentState.RECEIVED
        changes.append(_change(direction, facts.number, state, digest))
    elif known.digest == digest:
        # A re-transmission was asked for, so it is handed over although nothing in it is new.
        again = effect == "repeats" or not inbound
        return Settlement(verdict=Verdict.PROCEED if again else Verdict.DUPLICATE)
    elif effect == "replaces":
        if known.state not in (DocumentState.RECEIVED, DocumentState.VALID):
            return _faulty("T08", f"{facts.number} is {known.state} and cannot be replaced", facts.number)
        changes.append(_change(direction, facts.number, DocumentState(known.state), digest))
    elif not inbound and known.state == DocumentState.REJECTED:
        state = document_next(known.state, DocumentEvent.SENT_CORRECTED)
        changes.append(_change(direction, facts.number, state, digest))
    else:
        text = f"{facts.number} is already known with other content; use a replacement"
        return _faulty("T08", text, facts.number)
    if previous is not None and facts.previous_number:
        try:
            state = document_next(previous.state, DocumentEvent.REPLACED)
        except IllegalMove:
            text = f"{facts.previous_number} is {previous.state} and cannot be replaced"
            return _faulty("B03", text, facts.previous_number)
        changes.append(_change(direction, facts.previous_number, state, replaced_by=facts.number))
    return Settlement(verdict=Verdict.PROCEED, changes=tuple(changes))


def _cancel(direction: str, number: str, known: KnownDocument | None, *, inbound: bool) -> Settlement:
    if known is None:
        if inbound:
            return Settlement(verdict=Verdict.PARK, waiting_for=number)
        # Documents issued before this gateway was in service are cancelled too; the partner knows them.
        return Settlement(verdict=Verdict.PROCEED)
    if known.state == DocumentState.CANCELLED:
        return Settlement(verdict=Verdict.DUPLICATE if inbound else Verdict.PROCEED)
    try:
        state = document_next(known.state, DocumentEvent.CANCELLED)
    except IllegalMove:
        return _faulty("B03", f"{number} is {known.state} and can no longer be cancelled", number)
    return Settlement(verdict=Verdict.PROCEED, changes=(_change(direction, number, state),))


def _answer(
    facts: DocumentFacts,
    direction: str,
    number: str,
    known: KnownDocument | None,
    senders_own: KnownDocument | None,
) -> Settlement:
    event = _RESPONSE_EVENTS.get(facts.response_status or "")
    if event is None:
        about = known or senders_own
        return _unknown(number) if about is None else Settlement(verdict=Verdict.PROCEED)
    if known is None:
        return _unknown(number)
    status = Status.REJECTED if event is DocumentEvent.REJECTED else Status.ACCEPTED
    try:
        state = document_next(known.state, event)
    except IllegalMove as illegal:
        if direction == THEIRS:
            text = f"{number} is {known.state} and cannot be answered with {facts.response_status}"
            return _faulty("B03", text, number)
        # What the importing customs says is handed over as said; only our register does not follow it.
        return Settlement(verdict=Verdict.PROCEED, conflict=str(illegal))
    return Settlement(verdict=Verdict.PROCEED, changes=(_change(direction, number, state),), status=status)


def _refusal(
    direction: str, number: str, known: KnownDocument | None, ref_to_message_id: str | None
) -> Settlement:
    if known is None or direction == THEIRS:
        return Settlement(verdict=Verdict.PROCEED)
    if ref_to_message_id and known.message_id and ref_to_message_id != known.message_id:
        # A refused cancellation or response says nothing about the document itself.
        return Settlement(verdict=Verdict.PROCEED)
    try:
        state = document_next(known.state, DocumentEvent.REFUSED_TECHNICALLY)
    except IllegalMove as illegal:
        return Settlement(verdict=Verdict.PROCEED, conflict=str(illegal), status=Status.REJECTED)
    return Settlement(
        verdict=Verdict.PROCEED, changes=(_change(direction, number, state),), status=Status.REJECTED
    )


def _change(
    direction: str, number: str, state: DocumentState, digest: str = "", replaced_by: str = ""
) -> DocumentChange:
    return DocumentChange(
        direction=direction, document_number=number, state=state, digest=digest, replaced_by=replaced_by
    )


def _unknown(number: str) -> Settlement:
    return _faulty("T09", f"no document with the number {number} is known here", number)


def _faulty(rule: str, message: str, value: str) -> Settlement:
    return Settlement(verdict=Verdict.FAULTY, problems=(Problem(rule=rule, message=message, value=value),))
