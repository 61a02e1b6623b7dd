"""The clocks of the agreements: documents that lose their validity, answers that are overdue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from attrs import frozen

from asw_gateway.exchange import clocks
from asw_gateway.exchange.lifecycle import DocumentEvent, document_next
from asw_gateway.metrics import Metrics
from asw_gateway.schedule.schedule import Job
from asw_gateway.store import deadlines, registry
from asw_gateway.store.database import RunsUnits
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.timers import Timer

BATCH = 100
#: Counted at most: what is overdue beyond it changes nothing in what people have to do.
COUNTED = 10_000
HOUR_SECONDS = 3600.0


@frozen(kw_only=True)
class DeadlineDuties:
    """The jobs of the agreements' clocks; ``timers`` gives those of the profiles in force."""

    database: RunsUnits
    timers: Callable[[], tuple[Timer, ...]]
    metrics: Metrics
    now: Callable[[], float]

    def jobs(self) -> tuple[Job, ...]:
        """Give every job with its interval."""
        return (
            Job(name="end-validity", every_seconds=HOUR_SECONDS, run=self.end_validity, full_at=BATCH),
            Job(name="count-overdue", every_seconds=HOUR_SECONDS, run=self.count_overdue, everywhere=True),
        )

    async def end_validity(self) -> int:
        """Move documents that nobody used within their validity to EXP (OCP Rule 14; rule R-03)."""
        ended: int = await self.database.run(end_validity, self.now(), BATCH)
        return ended

    async def count_overdue(self) -> int:
        """Set the gauge of overdue answers by rule."""
        timers = self.timers()
        found = await self.database.run(deadlines.overdue, periods(timers), self.now(), COUNTED)
        counts = Counter(one.rule for one in found)
        rules = sorted({timer.id for timer in timers})
        self.metrics.admit("rule", rules)
        for rule in rules:
            self.metrics.overdue.labels(rule=rule).set(counts[rule])
        return len(found)


def end_validity(conn: Transaction, now: float, limit: int) -> int:
    """One unit: documents whose validity is over."""
    found = deadlines.expired(conn, now, limit)
    for one in found:
        state = document_next(one.state, DocumentEvent.VALIDITY_OVER)
        reason = f"{clocks.VALIDITY}: valid until {clocks.utc_date(one.valid_until_at).isoformat()}"
        registry.move(conn, one.id, one.state, state.value, reason=reason, now=now)
    return len(found)


def periods(timers: Iterable[Timer]) -> tuple[deadlines.Period, ...]:
    """Give how long partners' documents may wait for an answer."""
    return tuple(
        deadlines.Period(rule=rule, document_type=document_type, seconds=seconds)
        for rule, document_type, seconds in clocks.waiting_times(timers)
    )
