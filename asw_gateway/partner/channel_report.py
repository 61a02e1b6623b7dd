"""What a channel tells its operators: metrics and log events, drawn from committed results only."""

from __future__ import annotations

from asw_gateway.exchange.attempts import AttemptDecision
from asw_gateway.exchange.lifecycle import OutboundState
from asw_gateway.logs import Log
from asw_gateway.metrics import Metrics
from asw_gateway.partner import life_cycle as life
from asw_gateway.partner.breaker import Breaker
from asw_gateway.partner.turn import Finished, TurnResult

_log = Log("partner.channel")
_ORDINARY = frozenset({life.IDLE, life.SENDING})
_ENDS = frozenset({OutboundState.DELIVERED, OutboundState.FAILED, OutboundState.EXPIRED})


class ChannelReport:
    """Counts and logs for one partner."""

    def __init__(self, partner: str, metrics: Metrics) -> None:
        self._partner = partner
        self._metrics = metrics

    def state(self, before: str, after: str, breaker: Breaker) -> None:
        """The life cycle moved on; idle and sending alternate too often to be news."""
        gauge = self._metrics.channel_state
        gauge.labels(partner=self._partner, state=before).set(0)
        gauge.labels(partner=self._partner, state=after).set(1)
        if not (before in _ORDINARY and after in _ORDINARY):
            _log.event(
                "channel-changed",
                partner=self._partner,
                state=after,
                failures=breaker.failures,
                next_contact_at=breaker.next_contact_at,
            )

    def turn(self, result: TurnResult) -> None:
        """The breaker as it is committed."""
        self._metrics.partner_failures.labels(partner=self._partner).set(result.breaker.failures)
        self._metrics.partner_next_contact.labels(partner=self._partner).set(
            result.breaker.next_contact_at or 0.0
        )

    def attempt(self, finished: Finished, decision: AttemptDecision | None) -> None:
        """One attempt; `decision` is None for a ping and for a message another hand had moved on."""
        outcome, partner = finished.outcome, self._partner
        metrics = self._metrics
        metrics.delivery_attempts.labels(partner=partner, outcome=str(outcome.kind)).inc()
        metrics.attempt_duration.labels(partner=partner).observe(finished.finished_at - finished.started_at)
        if outcome.receipt is not None:
            success = metrics.partner_last_success.labels(partner=partner, direction="outbound")
            success.set(finished.finished_at)
        row = finished.due.row if finished.due is not None else None
        _log.event(
            "attempt-finished",
            partner=partner,
            message_id=row.message_id if row is not None else "ping",
            outbound_id=row.id if row is not None else None,
            attempt=row.attempt if row is not None else None,
            outcome=str(outcome.kind),
            reason=outcome.reason,
            detail=outcome.detail,
            next_attempt_at=decision.next_attempt_at if decision is not None else None,
        )
        if row is None or decision is None or decision.state not in _ENDS:
            return
        metrics.deliveries.labels(partner=partner, outcome=str(decision.state)).inc()
        if decision.state is OutboundState.DELIVERED:
            if row.queued_at is not None:
                waited = finished.finished_at - row.queued_at
                metrics.delivery_duration.labels(partner=partner).observe(max(0.0, waited))
            _log.event(
                "message-delivered",
                partner=partner,
                message_id=row.message_id,
                outbound_id=row.id,
                attempt=row.attempt,
            )
        else:
            _log.event(
                "message-failed",
                partner=partner,
                message_id=row.message_id,
                outbound_id=row.id,
                state=str(decision.state),
                reason=decision.reason,
            )
