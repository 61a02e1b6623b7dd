"""When a partner is tried again, and how fast its backlog leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.messaging.pmode import ReceptionAwareness
from asw_gateway.partner.breaker import PROBE_CAP_SECONDS, STRIKES, Breaker, Judgement, Pace, judge

AWARENESS = ReceptionAwareness(initial_delay_seconds=10, multiplier=2, maximum_delay_seconds=3600)
REFUSED = Outcome(kind=OutcomeKind.CONNECTION_ERROR, retryable=True, reason="connection_refused")
LOST = Outcome(kind=OutcomeKind.CONNECTION_ERROR, retryable=True, reason="connection_lost")
NO_ANSWER = Outcome(kind=OutcomeKind.TIMEOUT, retryable=True, reason="no_answer")
TLS = Outcome(kind=OutcomeKind.TLS_ERROR, retryable=True, reason="alert_certificate_required")
BUSY = Outcome(
    kind=OutcomeKind.HTTP_ERROR, retryable=True, reason="http_503", http_status=503, retry_after_seconds=1000
)
BROKEN = Outcome(kind=OutcomeKind.HTTP_ERROR, retryable=True, reason="http_500", http_status=500)
MOVED = Outcome(kind=OutcomeKind.HTTP_ERROR, retryable=True, reason="http_404", http_status=404)
TOO_LARGE = Outcome(kind=OutcomeKind.HTTP_ERROR, retryable=False, reason="http_413", http_status=413)
RECEIPT = Outcome(kind=OutcomeKind.RECEIPT, retryable=False, reason="receipt", receipt=b"x")
REFUSAL = Outcome(kind=OutcomeKind.ERROR_SIGNAL, retryable=False, reason="EBMS:0101")
INVALID = Outcome(kind=OutcomeKind.INVALID_RECEIPT, retryable=True, reason="bad_signature")
STOPPED = Outcome(kind=OutcomeKind.INTERRUPTED, retryable=True, reason="interrupted")
OPEN = Breaker(failures=2, next_contact_at=90.0)


def judged(
    breaker: Breaker, *attempts: tuple[Outcome, bool], heard: bool = False, strikes: int = 0
) -> Judgement:
    return judge(
        breaker, attempts, heard=heard, strikes=strikes, awareness=AWARENESS, now=100.0, jitter=0.5
    )


@pytest.mark.parametrize("outcome", [REFUSED, TLS, BUSY, MOVED])
def test_a_partner_that_cannot_take_any_message_opens_the_breaker_at_once(outcome: Outcome) -> None:
    after = judged(Breaker(), (outcome, False))
    assert after.breaker.failures == 1
    assert after.breaker.next_contact_at is not None
    assert after.breaker.next_contact_at > 100.0
    assert after.reason == outcome.reason


@pytest.mark.parametrize("outcome", [LOST, NO_ANSWER, BROKEN])
def test_a_doubtful_attempt_opens_it_only_after_a_row_of_them(outcome: Outcome) -> None:
    first = judged(Breaker(), (outcome, False))
    assert not first.breaker.is_open
    assert first.strikes == 1
    last = judged(Breaker(), (outcome, False), strikes=STRIKES - 1)
    assert last.breaker.is_open


@pytest.mark.parametrize("outcome", [RECEIPT, REFUSAL, INVALID, TOO_LARGE])
def test_an_answer_about_one_message_leaves_the_partner_well(outcome: Outcome) -> None:
    assert judged(Breaker(), (outcome, False)) == Judgement(breaker=Breaker(), strikes=0)
    assert not judged(OPEN, (outcome, True)).breaker.is_open


def test_our_own_stop_says_nothing_of_the_partner() -> None:
    assert judged(OPEN, (STOPPED, True)).breaker == OPEN
    assert judged(Breaker(), (STOPPED, False), strikes=2) == Judgement(breaker=Breaker(), strikes=2)


def test_a_whole_window_lost_in_one_outage_is_one_failed_contact() -> None:
    after = judged(Breaker(), *((REFUSED, False) for _ in range(8)))
    assert after.breaker.failures == 1
    assert judged(after.breaker, (REFUSED, False), (REFUSED, False)).breaker == after.breaker


def test_each_failed_probe_waits_longer_up_to_the_cap() -> None:
    breaker, waits = Breaker(), []
    for _ in range(10):
        breaker = judged(breaker, (REFUSED, True)).breaker
        assert breaker.next_contact_at is not None
        waits.append(breaker.next_contact_at - 100.0)
    assert waits[:3] == [10.0, 20.0, 40.0]
    assert waits[-1] == PROBE_CAP_SECONDS


def test_retry_after_is_honoured_beyond_the_cap() -> None:
    assert judged(Breaker(), (BUSY, False)).breaker.next_contact_at == 1100.0


def test_a_refused_certificate_waits_the_longest_at_once() -> None:
    at = judged(Breaker(), (TLS, False)).breaker.next_contact_at
    assert at is not None
    assert at - 100.0 >= 0.8 * PROBE_CAP_SECONDS


def test_hearing_from_the_partner_closes_the_breaker() -> None:
    assert judged(OPEN, heard=True).breaker == Breaker()


def test_catch_up_starts_with_one_and_doubles_after_each_good_round() -> None:
    pace = Pace(window=8, catch_up_per_second=1000.0)
    pace.start_over(0.0)
    widths = []
    for second in range(1, 6):
        width = pace.may_claim(0, float(second))
        widths.append(width)
        pace.claimed(width)
        for _ in range(width):
            pace.went_well()
    assert widths == [1, 2, 4, 8, 8]


def test_catch_up_is_held_to_its_rate_until_the_backlog_is_gone() -> None:
    pace = Pace(window=8, catch_up_per_second=2.0)
    pace.start_over(0.0)
    sent, now = 0, 0.0
    while now < 30.0:
        width = pace.may_claim(0, now)
        pace.claimed(width)
        sent += width
        for _ in range(width):
            pace.went_well()
        now += 0.1
    assert 50 <= sent <= 61
    pace.backlog_gone()
    assert pace.may_claim(0, now) == 8
    assert pace.wait_seconds() == 0.0


@given(
    window=st.integers(1, 32),
    steps=st.lists(st.tuples(st.sampled_from("over well gone claim".split()), st.floats(0, 10)), max_size=60),
)
def test_never_more_in_flight_than_the_window(window: int, steps: list[tuple[str, float]]) -> None:
    pace, in_flight, now = Pace(window=window, catch_up_per_second=5.0), 0, 0.0
    for step, seconds in steps:
        now += seconds
        if step == "over":
            pace.start_over(now)
        elif step == "gone":
            pace.backlog_gone()
        elif step == "well" and in_flight:
            in_flight -= 1
            pace.went_well()
        else:
            width = pace.may_claim(in_flight, now)
            pace.claimed(width)
            in_flight += width
        assert 0 <= in_flight <= window
