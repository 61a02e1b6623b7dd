"""What the store is told of a converted message: one unit each, run again unchanged if its group fails.

The registry is read and written in the same unit, so that two nodes cannot both deliver one document.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256

from attrs import frozen

from asw_gateway.conversion import writing
from asw_gateway.exchange import priority
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.lifecycle import InboundEvent, InboundState, inbound_next
from asw_gateway.exchange.notices import feed_draft, notice_for, notice_of_unconvertible
from asw_gateway.exchange.processing import TECHNICAL_ERROR, Answered, Converted, Unconvertible
from asw_gateway.exchange.settlement import Settlement, Verdict
from asw_gateway.messaging.party import Partner
from asw_gateway.store import feed, inbox, journal, outbox
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import NewOutbound
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.problem import Problem, blocking

#: A message behind an earlier one that another node converts looks again after this time.
ORDER_WAIT_SECONDS = 0.2


@frozen(kw_only=True)
class Fresh:
    """Ids for one conversion: of the envelope on the feed, of a status beside it, of an answer."""

    envelope_id: str
    notice_id: str
    functional_reference: str


class Done(StrEnum):
    """What the commit did."""

    AVAILABLE = "available"
    KNOWN = "known"
    PARKED = "parked"
    ANSWERED = "answered"
    UNCONVERTIBLE = "unconvertible"
    WAITS = "waits"
    GONE = "gone"
    FAULTY = "faulty"  # the registry speaks against it; nothing is written yet


@frozen(kw_only=True)
class Committed:
    """The end of a unit."""

    done: Done
    problems: tuple[Problem, ...] = ()
    reason: str = ""
    unparked: int = 0


def commit(
    conn: Transaction,
    row: InboundRow,
    result: Converted | Answered | Unconvertible,
    own: OwnGateway,
    partner: Partner,
    fresh: Fresh,
    now: float,
) -> Committed:
    """One unit: settle, move the row, and write what follows from it."""
    if isinstance(result, Answered):
        return _answer(conn, row, result, partner, InboundEvent.FOUND_FAULTY, now)
    if isinstance(result, Unconvertible):
        rules = ", ".join(sorted({found.rule for found in result.problems}))
        reason = f"{result.reason} {rules}".strip()
        aside = set_aside(conn, row, reason, own, fresh.notice_id, now)
        done = Done.UNCONVERTIBLE if aside else Done.GONE
        return Committed(done=done, reason=reason)
    if inbox.earlier_received(conn, row):
        inbox.release(
            conn,
            [row.id],
            conn.node,
            next_attempt_at=now + ORDER_WAIT_SECONDS,
            reason="waits for an earlier one",
        )
        return Committed(done=Done.WAITS)
    settlement = writing.settle_here(
        conn,
        result.facts,
        result.effect,
        result.business_digest,
        partner=row.partner,
        inbound=True,
        ref_to_message_id=row.ref_to_message_id,
        timers=result.timers,
        rules=result.rules,
        goods=result.goods,
        now=now,
    )
    if settlement.verdict is Verdict.FAULTY:
        return Committed(done=Done.FAULTY, problems=settlement.problems)
    if settlement.verdict is Verdict.PARK:
        waiting_for = priority.order_key(row.partner, result.facts.document_type, settlement.waiting_for)
        reason = f"waits for {settlement.waiting_for}"
        moved = _move(conn, row, InboundEvent.ORIGINAL_UNKNOWN, result, reason, now, waiting_for)
        return Committed(done=Done.PARKED if moved else Done.GONE, reason=reason)
    if settlement.verdict is Verdict.DUPLICATE:
        moved = _move(conn, row, InboundEvent.ALREADY_KNOWN, result, "business duplicate", now)
        return Committed(done=Done.KNOWN if moved else Done.GONE)
    return _deliver(conn, row, result, settlement, own, fresh, now)


def _deliver(
    conn: Transaction,
    row: InboundRow,
    result: Converted,
    settlement: Settlement,
    own: OwnGateway,
    fresh: Fresh,
    now: float,
) -> Committed:
    event = InboundEvent.CONVERTED if result.envelope else InboundEvent.ALREADY_KNOWN
    if _move(conn, row, event, result, settlement.conflict, now) is None:
        return Committed(done=Done.GONE)
    facts = result.facts
    if result.envelope:
        feed.append(
            conn,
            kind="message",
            subject=row.subject,
            body=result.envelope,
            entry_id=fresh.envelope_id,
            inbox_id=row.id,
            partner=row.partner,
            document_type=facts.document_type,
            document_number=facts.order_key_number,
            now=now,
        )
    writing.write_changes(
        conn,
        settlement,
        facts,
        partner=row.partner,
        message_id=row.message_id,
        national_message_id=None,
        functional_reference=facts.functional_reference,
        timers=result.timers,
        goods=result.goods,
        now=now,
    )
    writing.run_clocks(
        conn,
        facts,
        result.effect,
        result.timers,
        partner=row.partner,
        inbound=True,
        message_id=row.message_id,
        now=now,
    )
    for warning in settlement.problems:
        detail = f"{warning.rule}: {warning.message}"
        journal.append(conn, event="document.warning", subject=row.subject, detail=detail, now=now)
    if settlement.conflict:
        journal.append(
            conn, event="document.conflict", subject=row.subject, detail=settlement.conflict, now=now
        )
    _tell_of_answer(conn, row, result, settlement, own, fresh, now)
    unparked = 0
    if any(change.digest for change in settlement.changes):
        key = priority.order_key(row.partner, facts.document_type, facts.number)
        unparked = len(inbox.unpark(conn, row.partner, key, now))
    return Committed(done=Done.AVAILABLE if result.envelope else Done.KNOWN, unparked=unparked)


def _tell_of_answer(
    conn: Transaction,
    row: InboundRow,
    result: Converted,
    settlement: Settlement,
    own: OwnGateway,
    fresh: Fresh,
    now: float,
) -> None:
    """Tell the portal what the answer means for its own message, under the id the portal gave it."""
    if settlement.status is None:
        return
    asked = outbox.by_message_id(conn, row.ref_to_message_id) if row.ref_to_message_id else None
    if asked is None or asked.origin != "portal" or asked.partner != row.partner:
        return
    notice = notice_for(
        asked,
        settlement.status,
        reason=result.facts.response_status or "",
        document_state=settlement.changes[0].state.value if settlement.changes else "",
    )
    draft = feed_draft(notice, own, message_id=fresh.notice_id, now=now)
    writing.append_notice(conn, row.partner, notice, draft, now)


def _answer(
    conn: Transaction, row: InboundRow, result: Answered, partner: Partner, event: InboundEvent, now: float
) -> Committed:
    rules = ", ".join(sorted({found.rule for found in blocking(result.problems)}))
    if _move(conn, row, event, result, rules, now) is None:
        return Committed(done=Done.GONE)
    outbox.submit(conn, answer_row(row, result, partner, now), now)
    return Committed(done=Done.ANSWERED, reason=rules)


def answer_row(row: InboundRow, result: Answered, partner: Partner, now: float) -> NewOutbound:
    """Make the outbox row of our technical error; it is sealed and packed like every other message."""
    return NewOutbound(
        origin="gateway",
        partner=row.partner,
        document_type=result.document_type,
        profile=result.profile,
        kind=TECHNICAL_ERROR,
        document_number=result.document_number,
        order_key=priority.order_key(row.partner, result.document_type, result.document_number),
        priority=priority.effective_priority(result.priority, "refuses"),
        expires_at=now + partner.outbound.reception.time_to_live_seconds,
        digest=sha256(result.document).hexdigest(),
        body=result.document,
        conversation_id=row.conversation_id,
        ref_to_message_id=row.message_id,
        functional_reference=result.functional_reference,
        effect="refuses",
    )


def commit_given_up(
    conn: Transaction,
    row: InboundRow,
    result: Answered | Unconvertible,
    partner: Partner,
    event: InboundEvent,
    reason: str,
    actor: str,
    now: float,
) -> bool:
    """One unit: end a parked or unconvertible message, answering its sender where that is possible."""
    to_state = inbound_next(row.state, event)
    if inbox.move(conn, row.id, row.state, to_state.value, reason=reason, actor=actor, now=now) is None:
        return False
    if isinstance(result, Answered):
        outbox.submit(conn, answer_row(row, result, partner, now), now)
    return True


def set_aside(
    conn: Transaction, row: InboundRow, reason: str, own: OwnGateway, notice_id: str, now: float
) -> bool:
    """One unit: leave a message to an operator, and tell the portal that it is there."""
    to_state = inbound_next(InboundState.RECEIVED, InboundEvent.CANNOT_CONVERT)
    moved = inbox.move(conn, row.id, row.state, to_state.value, reason=reason, now=now)
    if moved is None:
        return False
    notice = notice_of_unconvertible(moved, reason)
    draft = feed_draft(notice, own, message_id=notice_id, now=now)
    writing.append_notice(conn, row.partner, notice, draft, now)
    return True


def _move(
    conn: Transaction,
    row: InboundRow,
    event: InboundEvent,
    result: Converted | Answered,
    reason: str,
    now: float,
    waiting_for: str | None = None,
) -> InboundRow | None:
    facts = result.facts
    return inbox.move(
        conn,
        row.id,
        row.state,
        inbound_next(row.state, event).value,
        now=now,
        reason=reason,
        document_type=facts.document_type if facts is not None else None,
        document_number=facts.order_key_number if facts is not None else None,
        document_digest=result.document_digest if isinstance(result, Converted) else None,
        profile=result.profile,
        kind=facts.kind if facts is not None else None,
        waiting_for=waiting_for,
    )
