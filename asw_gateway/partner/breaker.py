"""When a partner is worth another try, and how fast its backlog may leave.

Nothing here looks at a clock or draws a number: time and jitter are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field, frozen

from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.exchange.retry import RETRY_AFTER_CAP_SECONDS, jittered_seconds
from asw_gateway.messaging.pmode import ReceptionAwareness
from asw_gateway.partner.failures import Standing, standing

#: A partner is never left alone for longer: one small probe every five minutes hurts nobody.
PROBE_CAP_SECONDS = 300.0
#: Doubtful attempts in a row (lost underway, 5xx) after which the partner counts as away.
STRIKES = 3


@frozen(kw_only=True)
class Breaker:
    """Whether the partner may be contacted.

    `failures` counts the contacts in a row that found it away; 0 means it is well. `next_contact_at` (UTC
    epoch seconds) is when the next probe is due, None while the partner is well. This is the durable part:
    it is read from and written to the store by `turn`.
    """

    failures: int = 0
    next_contact_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self.failures > 0

    def probe_due(self, now: float) -> bool:
        return self.is_open and (self.next_contact_at is None or self.next_contact_at <= now)


def found_away(
    breaker: Breaker, outcome: Outcome, awareness: ReceptionAwareness, *, now: float, jitter: float
) -> Breaker:
    """The breaker after a contact that found the partner away.

    A TLS refusal waits the longest at once: people must mend it, and each try alarms the other side. The
    partner's own Retry-After is honoured up to a day, also beyond the probe cap.
    """
    failures = breaker.failures + 1
    wait = min(jittered_seconds(awareness, failures, jitter), PROBE_CAP_SECONDS)
    if outcome.kind is OutcomeKind.TLS_ERROR:
        longest = min(awareness.maximum_delay_seconds, PROBE_CAP_SECONDS)
        wait = max(wait, longest * (1.0 - awareness.jitter * jitter))
    if outcome.retry_after_seconds is not None:
        wait = max(wait, min(outcome.retry_after_seconds, RETRY_AFTER_CAP_SECONDS))
    return Breaker(failures=failures, next_contact_at=now + wait)


@frozen(kw_only=True)
class Judgement:
    """The breaker after some attempts, the doubtful attempts in a row, and why it opened if it did."""

    breaker: Breaker
    strikes: int
    reason: str = ""


def judge(
    breaker: Breaker,
    attempts: Iterable[tuple[Outcome, bool]],
    *,
    heard: bool,
    strikes: int,
    awareness: ReceptionAwareness,
    now: float,
    jitter: float,
) -> Judgement:
    """Judge the partner by what came back: (outcome, was it a probe) in the order of arrival.

    Any answer, and hearing from the partner (`heard`), closes the breaker. It opens at once when the
    partner is away, and after STRIKES doubtful attempts in a row. What was in flight when it opened does
    not count again: eight messages lost in one outage are one failed contact.
    """
    attempts = tuple(attempts)
    if heard or any(standing(outcome) is Standing.REACHED for outcome, _ in attempts):
        return Judgement(breaker=Breaker(), strikes=0)
    for outcome, probe in attempts:
        verdict = standing(outcome)
        if breaker.is_open and not probe:
            continue
        if verdict is Standing.DOUBTFUL:
            strikes += 1
        if verdict is Standing.AWAY or (verdict is Standing.DOUBTFUL and (probe or strikes >= STRIKES)):
            opened = found_away(breaker, outcome, awareness, now=now, jitter=jitter)
            return Judgement(breaker=opened, strikes=0, reason=outcome.reason)
    return Judgement(breaker=breaker, strikes=strikes)


@define(kw_only=True)
class Pace:
    """How many messages may be in flight.

    Normally `window`. After an outage the partner is given one message, and twice as many after each round
    that came back well; until the backlog is gone no more than `catch_up_per_second` leave, so that a
    partner that has just got up is not knocked down again.
    """

    window: int
    catch_up_per_second: float
    _allowance: int = field(init=False)
    _round: int = field(init=False, default=0)
    _tokens: float | None = field(init=False, default=None)
    _counted_at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._allowance = self.window

    @property
    def catching_up(self) -> bool:
        return self._tokens is not None

    def start_over(self, now: float) -> None:
        """The partner was away: begin with a single message."""
        self._allowance, self._round = 1, 0
        self._tokens, self._counted_at = 1.0, now

    def went_well(self) -> None:
        """One message came back with an answer."""
        if self._allowance < self.window:
            self._round += 1
            if self._round >= self._allowance:
                self._allowance, self._round = min(self._allowance * 2, self.window), 0

    def backlog_gone(self) -> None:
        """A claim found nothing more: pacing ends, the window grows on."""
        self._tokens = None

    def may_claim(self, in_flight: int, now: float) -> int:
        """How many more messages may leave now."""
        free = max(0, self._allowance - in_flight)
        if self._tokens is None:
            return free
        self._tokens = min(
            float(self.window), self._tokens + max(0.0, now - self._counted_at) * self.catch_up_per_second
        )
        self._counted_at = now
        return min(free, int(self._tokens))

    def claimed(self, count: int) -> None:
        if self._tokens is not None:
            self._tokens -= count

    def wait_seconds(self) -> float:
        """How long until pacing allows one more; 0 when it is not what holds us back."""
        if self._tokens is None or self._tokens >= 1.0:
            return 0.0
        return (1.0 - self._tokens) / self.catch_up_per_second
