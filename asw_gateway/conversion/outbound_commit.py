"""What the store is told of a prepared message: one unit each, run again unchanged if its group fails."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from attrs import evolve, field, frozen

from asw_gateway.conversion import writing
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.lifecycle import OutboundEvent, OutboundState, outbound_next
from asw_gateway.exchange.notices import FeedDraft, Status, StatusNotice, feed_draft
from asw_gateway.exchange.outbound import Prepared, Rejected
from asw_gateway.exchange.settlement import Verdict
from asw_gateway.messaging.encryption import ContentSecret
from asw_gateway.store import dead_letters, outbox
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.problem import Problem, blocking

#: A message behind an earlier one that another node converts looks again after this time.
ORDER_WAIT_SECONDS = 0.2


@frozen(kw_only=True)
class Fresh:
    """Ids and key material for one conversion; a fresh set each time, because pure code makes none."""

    message_id: str
    functional_reference: str
    notice_id: str
    secret: ContentSecret | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Stage:
    """What the worker brings: the result, and the portal's news of it, already written as an envelope."""

    result: Prepared | Rejected
    notice: StatusNotice | None
    draft: FeedDraft | None = field(repr=False)


class Done(StrEnum):
    """What the commit did."""

    QUEUED = "queued"
    HELD = "held"
    REJECTED = "rejected"
    FAILED = "failed"
    WAITS = "waits"
    GONE = "gone"  # another hand has moved the row on
    FAULTY = "faulty"  # the registry speaks against it; nothing is written yet


@frozen(kw_only=True)
class Committed:
    """The end of a unit; ``problems`` are those that the registry showed."""

    done: Done
    problems: tuple[Problem, ...] = ()


def commit(
    conn: Transaction, row: OutboundRow, stage: Stage, own: OwnGateway, fresh: Fresh, now: float
) -> Committed:
    """One unit: settle the document against the registry, then queue or reject it and tell the portal."""
    if isinstance(stage.result, Rejected):
        return _reject(conn, row, stage, now)
    if outbox.earlier_submitted(conn, row):
        until = now + ORDER_WAIT_SECONDS
        outbox.defer_submitted(
            conn, row.id, conn.node, next_attempt_at=until, reason="waits for an earlier one"
        )
        return Committed(done=Done.WAITS)
    result = stage.result
    settlement = writing.settle_here(
        conn,
        result.facts,
        result.effect,
        result.business_digest,
        partner=row.partner,
        inbound=False,
        timers=result.timers,
        rules=result.rules,
        goods=result.goods,
        now=now,
    )
    if settlement.verdict is Verdict.FAULTY:
        return Committed(done=Done.FAULTY, problems=settlement.problems)
    queued = outbox.mark_queued(
        conn,
        row.id,
        message_id=result.sealed.message_id,
        content_type=result.sealed.content_type,
        body=result.sealed.body,
        reference_digests=result.sealed.reference_digests,
        signed_with=result.signed_with,
        document_digest=result.document_digest,
        functional_reference=result.functional_reference,
        now=now,
    )
    if queued is None:
        return Committed(done=Done.GONE)
    writing.write_changes(
        conn,
        settlement,
        result.facts,
        partner=row.partner,
        message_id=result.sealed.message_id,
        national_message_id=row.national_message_id,
        functional_reference=result.functional_reference,
        timers=result.timers,
        goods=result.goods,
        now=now,
    )
    writing.run_clocks(
        conn,
        result.facts,
        result.effect,
        result.timers,
        partner=row.partner,
        inbound=False,
        message_id=result.sealed.message_id,
        now=now,
    )
    if queued.state == OutboundState.HELD:
        writing.tell(conn, queued, Status.HELD, own, fresh.notice_id, now)
        return Committed(done=Done.HELD)
    if stage.notice is not None and stage.draft is not None:
        notice, draft = stage.notice, stage.draft
        if settlement.problems:
            # Rare: the register warns, so the news that the worker wrote is written anew with the warnings.
            notice = evolve(notice, problems=notice.problems + settlement.problems)
            draft = feed_draft(notice, own, message_id=fresh.notice_id, now=now)
        writing.append_notice(conn, row.partner, notice, draft, now)
    return Committed(done=Done.QUEUED, problems=settlement.problems)


def _reject(conn: Transaction, row: OutboundRow, stage: Stage, now: float) -> Committed:
    rules = ", ".join(sorted({found.rule for found in blocking(stage.result.problems)}))
    state = outbound_next(OutboundState.SUBMITTED, OutboundEvent.FOUND_FAULTY)
    moved = outbox.move(conn, row.id, row.state, state.value, reason=rules, now=now)
    if moved is None:
        return Committed(done=Done.GONE)
    if stage.notice is not None and stage.draft is not None:
        writing.append_notice(conn, row.partner, stage.notice, stage.draft, now)
    return Committed(done=Done.REJECTED)


def fail(
    conn: Transaction, row: OutboundRow, own: OwnGateway, reason: str, notice_id: str, now: float
) -> bool:
    """One unit: a message we cannot prepare fails, its queued successors are held, and the portal is told."""
    state = outbound_next(OutboundState.SUBMITTED, OutboundEvent.PREPARATION_BROKE)
    moved = outbox.move(conn, row.id, row.state, state.value, reason=reason, now=now)
    if moved is None:
        return False
    writing.tell(conn, moved, Status.FAILED, own, notice_id, now)
    for number, held in enumerate(dead_letters.hold_successors(conn, moved, now), 1):
        writing.tell(conn, held, Status.HELD, own, writing.following_id(notice_id, number), now)
    return True


def give_back(conn: Transaction, ids: Sequence[int], now: float) -> None:
    """One unit: let go the leases of rows that this node will not convert."""
    for id in ids:
        outbox.defer_submitted(conn, id, conn.node, next_attempt_at=now, reason="given back")
