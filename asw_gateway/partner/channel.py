"""One partner's queue on its way out: claim due messages, send them, record what came back.

Everything about a partner is decided in one place and one after another: the loop in `_work` takes a turn
(one database unit, see `turn`), sends what the turn claimed, and sleeps until something comes back,
somebody calls `wake` or `heard_from`, or the store's next due time. A partner that is away costs the others
nothing: its channel sleeps, wakes for a probe, and nothing of its backlog is held in memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed

from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.logs import Log
from asw_gateway.messaging.packing import SealedMessage
from asw_gateway.metrics import Metrics
from asw_gateway.partner import life_cycle as life
from asw_gateway.partner.breaker import Breaker, Pace
from asw_gateway.partner.channel_report import ChannelReport
from asw_gateway.partner.failures import NOT_PREPARED
from asw_gateway.partner.sender import Submit
from asw_gateway.partner.turn import Finished, TurnOrder, TurnResult
from asw_gateway.store.database import RunsUnits
from asw_gateway.store.outbox_rows import DueMessage

#: After a turn the store could not commit.
_STORE_RETRY_SECONDS = 1.0
#: From stop: how long requests may finish by themselves, and when the service ends whatever happens.
GRACE_SECONDS = 6.0
STOP_LIMIT_SECONDS = 9.0
_SHORTEST_WAIT_SECONDS = 0.01
_ANSWERED = (OutcomeKind.RECEIPT, OutcomeKind.ERROR_SIGNAL, OutcomeKind.DUPLICATE)

_log = Log("partner.channel")


class Channel(Service):
    """The outbound side of one partner.

    `prepare` makes a claimed message ready to go (signed again if our certificate changed), `make_ping` a
    test message, `submit` makes one attempt; `take_turn` is the database unit. `on_feed` is called after a
    commit that put something on the feed. `random` gives a
    number in 0..1, `new_id` 32 hex digits.

    Between `stopService` and its Deferred's firing no message is claimed; requests under way get
    GRACE_SECONDS, then they are dropped and their claims released. After STOP_LIMIT_SECONDS the Deferred
    fires even if the store does not answer: what is still claimed then is rescued when its lease ends.
    """

    def __init__(
        self,
        *,
        partner: str,
        window: int,
        submit: Submit,
        prepare: Callable[[DueMessage], Awaitable[SealedMessage]],
        make_ping: Callable[[], Awaitable[SealedMessage]],
        take_turn: Callable[[Any, TurnOrder], TurnResult],
        database: RunsUnits,
        reactor: Any,
        now: Callable[[], float],
        random: Callable[[], float],
        new_id: Callable[[], str],
        metrics: Metrics,
        on_feed: Callable[[], object] = lambda: None,
        poll_seconds: float = 5.0,
        catch_up_per_second: float = 200.0,
    ) -> None:
        self.partner = partner
        self.name = f"channel-{partner}"
        self.state = life.STOPPED
        self._submit = submit
        self._prepare = prepare
        self._make_ping = make_ping
        self._take_turn = take_turn
        self._database = database
        self._reactor = reactor
        self._now = now
        self._random = random
        self._new_id = new_id
        self._report = ChannelReport(partner, metrics)
        self._on_feed = on_feed
        self._poll_seconds = poll_seconds
        self._life = life.life_cycle(self)
        self._pace = Pace(window=window, catch_up_per_second=catch_up_per_second)
        self._breaker = Breaker()
        self._strikes = 0
        self._in_flight: set[Deferred[None]] = set()
        self._finished: list[Finished] = []
        self._heard = False
        self._nudged = False
        self._sleeping: Deferred[None] | None = None
        self._working: Deferred[None] = succeed(None)

    # what others may call

    def startService(self) -> None:
        """Begin; the first turn reads back-off and suspension from the store."""
        super().startService()
        if self.state == life.STOPPED:
            self._life.start()
            self._working = Deferred.fromCoroutine(self._work())

    def stopService(self) -> Deferred[None]:
        """Stop as the class says; stopping a channel that does not run fires at once."""
        super().stopService()
        if self.state == life.STOPPED:
            return succeed(None)
        if self.state != life.DRAINING:
            self._life.stop()
            timers = [
                self._reactor.callLater(GRACE_SECONDS, self._interrupt),
                self._reactor.callLater(STOP_LIMIT_SECONDS, self._working.cancel),
            ]
            self._working.addBoth(lambda _: [timer.cancel() for timer in timers if timer.active()])
        self.wake()
        stopped: Deferred[None] = Deferred()
        self._working.addBoth(lambda _: stopped.callback(None))
        return stopped

    def wake(self) -> None:
        """There may be something to send, or an operator changed the partner. Cheap; call it at will."""
        self._nudged = True
        if self._sleeping is not None:
            sleeping, self._sleeping = self._sleeping, None
            sleeping.callback(None)

    def heard_from(self) -> None:
        """The partner contacted us: its back-off ends. Cheap while there is none."""
        if self._breaker.is_open and not self._heard:
            self._heard = True
            self.wake()

    async def ping(self) -> Outcome:
        """Send one test message now, whatever the state of the channel; tells what came of it, never raises.

        An answer ends the partner's back-off.
        """
        outcome = await self._outcome_of(self._make_ping)
        if outcome.kind in _ANSWERED:
            self.heard_from()
        return outcome

    def entered(self, state: str) -> None:
        """The life cycle moved on."""
        self._report.state(self.state, state, self._breaker)
        self.state = state

    # the loop

    async def _work(self) -> None:
        while True:
            try:
                wait_seconds = await self._step()
            except CancelledError:
                return
            except Exception:  # noqa: BLE001  the store failed: outcomes are kept and offered again
                _log.failure("internal-error", where=self.name)
                wait_seconds = _STORE_RETRY_SECONDS
                self._nudged = False
            if self.state == life.STOPPED:
                return
            await self._sleep(wait_seconds)

    async def _step(self) -> float:
        """Take a turn if there is anything to decide; the seconds until the next one is due."""
        self._nudged = False
        order = self._order()
        due_in = self._poll_seconds
        if order is not None:
            self._heard = False
            try:
                result = await self._database.run(self._take_turn, order)
            except BaseException:
                self._heard = order.heard
                raise
            del self._finished[: len(order.finished)]
            due_in = self._follow(order, result)
        if not self._in_flight and not self._finished:
            self._life.emptied()
        return due_in

    def _order(self) -> TurnOrder | None:
        now = self._now()
        limit = 0
        if self.state not in (life.DRAINING, life.STOPPED):
            limit = self._pace.may_claim(len(self._in_flight), now)
        if not (limit or self._finished or self._heard):
            return None
        return TurnOrder(
            now=now,
            jitter=self._random(),
            limit=limit,
            finished=tuple(self._finished),
            heard=self._heard,
            was_open=self._breaker.is_open,
            strikes=self._strikes,
        )

    def _follow(self, order: TurnOrder, result: TurnResult) -> float:
        """Bring the channel in line with what was committed, and send what was claimed."""
        self._strikes = result.strikes
        if result.breaker.is_open and not self._breaker.is_open:
            self._pace.start_over(order.now)
        self._breaker = result.breaker
        (self._life.pause if result.suspended else self._life.resume)()
        (self._life.found_away if result.breaker.is_open else self._life.found_well)()
        self._report.turn(result)
        for finished, decision in result.decisions:
            self._report.attempt(finished, decision)
        decisions = [decision for _, decision in result.decisions if decision is not None]
        # The end of a message may tell the portal of its successors, even if it was not the portal's own.
        if any(decision.notice or decision.next_attempt_at is None for decision in decisions):
            self._on_feed()
        self._pace.claimed(len(result.claimed))
        for due in result.claimed:
            self._send(due, probe=result.probing)
        if result.ping:
            self._send(None, probe=True)
        if self._in_flight:
            self._life.claimed()
        return self._due_in(order, result)

    def _due_in(self, order: TurnOrder, result: TurnResult) -> float:
        waits = [self._poll_seconds]
        if result.breaker.next_contact_at is not None:
            waits.append(result.breaker.next_contact_at - order.now)
        elif order.limit and len(result.claimed) < order.limit:
            self._pace.backlog_gone()
            if result.next_due_at is not None and result.next_due_at > order.now:
                waits.append(result.next_due_at - order.now)
        elif pause := self._pace.wait_seconds():
            waits.append(pause)
        return max(_SHORTEST_WAIT_SECONDS, min(waits))

    async def _sleep(self, seconds: float) -> None:
        if self._nudged:
            return
        self._sleeping = Deferred()
        alarm = self._reactor.callLater(seconds, self.wake)
        try:
            await self._sleeping
        finally:
            self._sleeping = None
            if alarm.active():
                alarm.cancel()

    # one attempt

    def _send(self, due: DueMessage | None, *, probe: bool) -> None:
        attempt = Deferred.fromCoroutine(self._attempt(due, probe=probe))
        self._in_flight.add(attempt)
        attempt.addBoth(lambda _: self._came_back(attempt))
        if attempt.called:
            self._in_flight.discard(attempt)

    async def _attempt(self, due: DueMessage | None, *, probe: bool) -> None:
        started_at = self._now()
        if self.state == life.DRAINING:  # the stop came while the claim was being committed
            outcome = Outcome(kind=OutcomeKind.INTERRUPTED, retryable=True, reason="interrupted")
        elif due is None:
            outcome = await self._outcome_of(self._make_ping)
        else:
            outcome = await self._outcome_of(lambda: self._prepare(due))
        if outcome.kind in _ANSWERED:
            self._pace.went_well()
        self._finished.append(
            Finished(
                due=due,
                outcome=outcome,
                started_at=started_at,
                finished_at=self._now(),
                probe=probe,
                jitter=self._random(),
                notice_id=self._new_id(),
            )
        )

    async def _outcome_of(self, make: Callable[[], Awaitable[SealedMessage]]) -> Outcome:
        try:
            sealed = await make()
        except CancelledError:
            return Outcome(kind=OutcomeKind.INTERRUPTED, retryable=True, reason="interrupted")
        except Exception as problem:  # noqa: BLE001  our own fault: the message waits, an operator is told
            _log.failure("internal-error", where=self.name)
            detail = type(problem).__name__
            return Outcome(
                kind=OutcomeKind.CONNECTION_ERROR, retryable=True, reason=NOT_PREPARED, detail=detail
            )
        return await self._submit(sealed)

    def _came_back(self, attempt: Deferred[None]) -> None:
        self._in_flight.discard(attempt)
        self.wake()

    # the end

    def _interrupt(self) -> None:
        for attempt in tuple(self._in_flight):
            attempt.cancel()
