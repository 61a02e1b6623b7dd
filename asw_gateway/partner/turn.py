"""A channel's one database unit: commit what came back, judge the partner, claim what goes out next.

One unit a turn keeps the store's work per message at the least, and puts the next messages' attempts on
record in the same commit as the outcomes of the last ones. Everything a unit needs of time and chance comes
with its TurnOrder, so that the store may run it again.
"""

from __future__ import annotations

import hashlib

from attrs import evolve, field, frozen

from asw_gateway.exchange.attempts import AttemptDecision, OutboundFacts, after_attempt
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.lifecycle import OUTBOUND_BLOCKS_KEY
from asw_gateway.exchange.notices import Status, StatusNotice, feed_draft, notice_for
from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.messaging.pmode import ReceptionAwareness
from asw_gateway.partner.breaker import Breaker, judge
from asw_gateway.store import dead_letters, feed, partner_state, sending
from asw_gateway.store.outbox_rows import DueMessage, OutboundRow
from asw_gateway.store.transaction import Transaction


@frozen(kw_only=True)
class Finished:
    """One attempt that ended. `due` is None for a ping; `notice_id` names the feed entry, if one is due."""

    due: DueMessage | None
    outcome: Outcome
    started_at: float
    finished_at: float
    probe: bool
    jitter: float
    notice_id: str


@frozen(kw_only=True)
class TurnOrder:
    """What the channel asks for: `limit` more messages may leave if the partner is well.

    `was_open` is what the channel last knew of its breaker: the receiver, or another node, may have closed
    it in the store since, and what waits must be hastened all the same.
    """

    now: float
    jitter: float
    limit: int
    finished: tuple[Finished, ...] = ()
    heard: bool = False
    was_open: bool = False
    strikes: int = 0


@frozen(kw_only=True)
class TurnResult:
    """What the unit did. `claimed` are on record as being sent: each must come back as Finished."""

    breaker: Breaker
    came_back: bool
    strikes: int
    suspended: bool
    reason: str
    claimed: tuple[DueMessage, ...] = field(default=(), repr=False)
    probing: bool = False
    ping: bool = False
    next_due_at: float | None = None
    decisions: tuple[tuple[Finished, AttemptDecision | None], ...] = field(default=(), repr=False)


@frozen(kw_only=True)
class ChannelTurn:
    """The unit for one partner; an instance is called by the database, again if the group was rolled back.

    `lease_seconds` must outlast an attempt: after it the claim is rescued and sent by another node.
    """

    partner: str
    own: OwnGateway
    awareness: ReceptionAwareness
    window: int
    lease_seconds: float
    suspended: bool = False

    def __call__(self, conn: Transaction, order: TurnOrder) -> TurnResult:
        """Commit, judge, claim, as the module says."""
        decisions = tuple((each, self._record(conn, each)) for each in order.finished)
        known = partner_state.get(conn, self.partner)
        before = Breaker(failures=known.failures, next_contact_at=known.next_contact_at or None)
        verdict = judge(
            before,
            [(each.outcome, each.probe) for each in order.finished],
            heard=order.heard,
            strikes=order.strikes,
            awareness=self.awareness,
            now=order.now,
            jitter=order.jitter,
        )
        if verdict.breaker.failures > before.failures:
            partner_state.contact_failed(
                conn,
                self.partner,
                next_contact_at=verdict.breaker.next_contact_at or order.now,
                reason=verdict.reason,
                now=order.now,
            )
        came_back = (before.is_open or order.was_open) and not verdict.breaker.is_open
        delivered = any(each.outcome.receipt is not None for each in order.finished)
        if came_back or delivered:
            partner_state.contact_succeeded(conn, self.partner, received=not delivered, now=order.now)
        if came_back:
            sending.hasten(conn, self.partner, order.now)
        result = TurnResult(
            breaker=verdict.breaker,
            came_back=came_back,
            strikes=verdict.strikes,
            suspended=self.suspended or known.suspended_at is not None,
            reason=verdict.reason,
            decisions=decisions,
        )
        return self._claim(conn, order, result)

    def _record(self, conn: Transaction, finished: Finished) -> AttemptDecision | None:
        """Write one outcome. None when another hand had moved the row on and this outcome changes nothing."""
        if finished.due is None:
            return None
        row, outcome, now = finished.due.row, finished.outcome, finished.finished_at
        decision = self._decide(conn, row, finished)
        recorded = sending.record_attempt(
            conn,
            row.id,
            row.attempt,
            outcome=str(outcome.kind),
            retryable=outcome.retryable,
            reason=outcome.reason,
            detail=outcome.detail,
            new_state=str(decision.state),
            now=now,
            next_attempt_at=decision.next_attempt_at,
            receipt=outcome.receipt,
            receipt_content_type=outcome.receipt_content_type,
            counts=decision.counts,
        )
        if not recorded.moved:
            return None
        if decision.notice is not None:
            self._tell(conn, decision.notice, finished.notice_id, now)
        if decision.state in OUTBOUND_BLOCKS_KEY:
            for held in dead_letters.hold_successors(conn, recorded.row, now):
                self._tell_of(conn, held, Status.HELD, "predecessor_failed", finished)
        for freed in recorded.released:
            self._tell_of(conn, freed, Status.QUEUED, "predecessor_delivered", finished)
        return decision

    def _decide(self, conn: Transaction, row: OutboundRow, finished: Finished) -> AttemptDecision:
        earlier: tuple[str, ...] = ()
        if finished.outcome.kind is OutcomeKind.DUPLICATE:
            earlier = tuple(attempt.outcome for attempt in sending.attempts(conn, row.id))
        return after_attempt(
            OutboundFacts.of(row),
            finished.outcome,
            awareness=self.awareness,
            now=finished.finished_at,
            jitter=finished.jitter,
            earlier=earlier,
        )

    def _tell_of(
        self, conn: Transaction, row: OutboundRow, status: Status, reason: str, finished: Finished
    ) -> None:
        if row.origin != "portal":
            return
        # another entry of the same turn: its id follows from the first one's, so that a re-run gives it again
        entry_id = hashlib.sha256(f"{finished.notice_id}:{row.id}".encode()).hexdigest()[:32]
        self._tell(conn, notice_for(row, status, reason=reason), entry_id, finished.finished_at)

    def _tell(self, conn: Transaction, notice: StatusNotice, entry_id: str, now: float) -> None:
        draft = feed_draft(notice, self.own, message_id=entry_id, now=now)
        feed.append(
            conn,
            kind=draft.kind,
            subject=draft.subject,
            body=draft.body,
            entry_id=draft.message_id,
            partner=self.partner,
            document_type=notice.document_type,
            document_number=notice.document_number,
            now=now,
        )

    def _claim(self, conn: Transaction, order: TurnOrder, result: TurnResult) -> TurnResult:
        if order.limit < 1 or result.suspended:
            return result
        if not result.breaker.is_open:
            claimed = self._take(conn, order.limit, order.now)
            more = len(claimed) < order.limit
            next_due_at = sending.next_due_at(conn, self.partner) if more else None
            return evolve(result, claimed=tuple(claimed), next_due_at=next_due_at)
        if not result.breaker.probe_due(order.now):
            return result
        # A due message is the best probe; with none due (each waits after its own failure) an AS4 ping asks.
        claimed = self._take(conn, 1, order.now)
        return evolve(result, claimed=tuple(claimed), probing=True, ping=not claimed)

    def _take(self, conn: Transaction, limit: int, now: float) -> list[DueMessage]:
        return sending.claim_due(
            conn, self.partner, conn.node, limit, now, self.lease_seconds, window=self.window
        )
