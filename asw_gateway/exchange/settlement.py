"""What a document means beside what is already known of it: decided inside the commit, from registry values.

The pure stages (schema, rules, translation) look at one document alone.  Duplicates, early cancellations,
replaced certificates and answers depend on what the registry holds at the moment of the commit; these
functions take those values and give the decision, so that two nodes cannot both deliver one document.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from asw_gateway.exchange.balance import Draw
from asw_gateway.exchange.lifecycle import DocumentEvent, DocumentState, IllegalMove, document_next
from asw_gateway.exchange.notices import Status
from asw_gateway.translation.facts import DocumentFacts
from asw_gateway.translation.problem import PointerStep, Problem

OURS = "out"  # documents our side issued
THEIRS = "in"  # documents the partner issued


@frozen(kw_only=True)
class KnownDocument:
    """What the registry holds of one document.

    ``digest`` is its newest version's business digest, ``message_id`` the network id that carried it;
    ``received_at`` is when it became known here; times are UTC epoch seconds.
    """

    state: str
    digest: str
    message_id: str | None = None
    issued_at: float | None = None
    valid_until_at: float | None = None
    received_at: float | None = None
    marks: tuple[str, ...] = ()


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
    """The decision, the registry rows to write, and the portal's word for an answered document of ours.

    ``problems`` of a message that proceeds are warnings; ``draws`` are quantities it takes from originals.
    """

    verdict: Verdict
    changes: tuple[DocumentChange, ...] = ()
    problems: tuple[Problem, ...] = ()
    waiting_for: str = ""
    status: Status | None = None
    conflict: str = ""
    draws: tuple[Draw, ...] = ()


#: Which of a message's two documents the registry is asked for: (direction, number).
Lookup = tuple[str, str]

#: Where a number stands in an ASEAN document: its path and its WCO pointer.
Place = tuple[str, tuple[PointerStep, ...]]
_NUMBER: Place = ("Declaration/ID", (PointerStep(section="42A", tag="D014"),))
_REPLACED: Place = (
    "Declaration/GoodsShipment/PreviousDocument/ID",
    (PointerStep(section="42A"), PointerStep(section="67A"), PointerStep(section="99A", tag="D018")),
)
_ANSWERED: Place = (
    "Response/Declaration/ID",
    (PointerStep(section="07B"), PointerStep(section="42A", tag="D014")),
)
_OTHER_CONTENT = (
    "{} is already known with other content; use a replacement",
    "{} đã có với nội dung khác; hãy dùng chứng từ thay thế",
)
_CANNOT_REPLACE = ("{} is {} and cannot be replaced", "{} đang ở trạng thái {} nên không thể thay thế")
_CANNOT_CANCEL = ("{} is {} and can no longer be cancelled", "{} đang ở trạng thái {} nên không thể hủy")
_CANNOT_ANSWER = (
    "{} is {} and cannot be answered with {}",
    "{} đang ở trạng thái {} nên không thể trả lời bằng {}",
)
_NOT_KNOWN = ("no document with the number {} is known here", "không có chứng từ nào mang số {} tại đây")

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
            return _faulty("T08", facts.number, *_CANNOT_REPLACE, known.state)
        changes.append(_change(direction, facts.number, DocumentState(known.state), digest))
    elif not inbound and known.state == DocumentState.REJECTED:
        state = document_next(known.state, DocumentEvent.SENT_CORRECTED)
        changes.append(_change(direction, facts.number, state, digest))
    else:
        return _faulty("T08", facts.number, *_OTHER_CONTENT)
    if previous is not None and facts.previous_number:
        try:
            state = document_next(previous.state, DocumentEvent.REPLACED)
        except IllegalMove:
            return _faulty("B03", facts.previous_number, *_CANNOT_REPLACE, previous.state, place=_REPLACED)
        if known is None and previous.state == DocumentState.REPLACED:
            return _faulty("B03", facts.previous_number, *_CANNOT_REPLACE, previous.state, place=_REPLACED)
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
        return _faulty("B03", number, *_CANNOT_CANCEL, known.state)
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
        return _unknown(number, _ANSWERED) if about is None else Settlement(verdict=Verdict.PROCEED)
    if known is None:
        return _unknown(number, _ANSWERED)
    status = Status.REJECTED if event is DocumentEvent.REJECTED else Status.ACCEPTED
    try:
        state = document_next(known.state, event)
    except IllegalMove as illegal:
        if direction == THEIRS:
            word = facts.response_status or ""
            return _faulty("B03", number, *_CANNOT_ANSWER, known.state, word, place=_ANSWERED)
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


def _unknown(number: str, place: Place | None = None) -> Settlement:
    return _faulty("T09", number, *_NOT_KNOWN, place=place)


def _faulty(
    rule: str, number: str, english: str, vietnamese: str, *more: str, place: Place | None = None
) -> Settlement:
    """Refuse a message; ``more`` fills what the sentences leave open behind the number."""
    path, pointer = place or _NUMBER
    problem = Problem(
        rule=rule,
        message=english.format(number, *more),
        message_vi=vietnamese.format(number, *more),
        box="head",
        pointer=pointer,
        path=path,
        value=number,
    )
    return Settlement(verdict=Verdict.FAULTY, problems=(problem,))
