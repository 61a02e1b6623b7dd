"""Back-off, jitter, Retry-After and the failure classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asw_gateway.exchange import retry
from asw_gateway.messaging.pmode import ReceptionAwareness

AWARENESS = ReceptionAwareness(
    initial_delay_seconds=60, multiplier=2, maximum_delay_seconds=3600, jitter=0.2, time_to_live_seconds=86400
)


def test_the_delays_double_up_to_the_cap() -> None:
    assert [retry.delay_seconds(AWARENESS, n) for n in range(1, 9)] == [
        60, 120, 240, 480, 960, 1920, 3600, 3600,
    ]  # fmt: skip


def test_an_absurd_attempt_number_does_not_overflow() -> None:
    assert retry.delay_seconds(AWARENESS, 10**9) == 3600
    assert retry.delay_seconds(AWARENESS, 0) == 60


@given(attempt=st.integers(min_value=1, max_value=10_000), jitter=st.floats(min_value=0, max_value=1))
def test_jitter_stays_within_its_share(attempt: int, jitter: float) -> None:
    plain = retry.delay_seconds(AWARENESS, attempt)
    spread = retry.jittered_seconds(AWARENESS, attempt, jitter)
    assert plain * 0.8 - 1e-6 <= spread <= plain * 1.2 + 1e-6


@given(attempt=st.integers(min_value=1, max_value=200))
def test_half_jitter_changes_nothing_and_delays_never_shrink(attempt: int) -> None:
    assert retry.jittered_seconds(AWARENESS, attempt, 0.5) == retry.delay_seconds(AWARENESS, attempt)
    assert retry.delay_seconds(AWARENESS, attempt + 1) >= retry.delay_seconds(AWARENESS, attempt)


@given(
    jitter=st.floats(min_value=0, max_value=1),
    wish=st.none() | st.floats(min_value=0, max_value=1e9, allow_nan=False),
    now=st.floats(min_value=0, max_value=4e9),
)
def test_the_next_attempt_is_in_the_future_and_retry_after_only_delays(
    jitter: float, wish: float | None, now: float
) -> None:
    own = retry.next_attempt_at(AWARENESS, 3, now=now, jitter=jitter)
    at = retry.next_attempt_at(AWARENESS, 3, now=now, jitter=jitter, retry_after_seconds=wish)
    assert at > now
    assert at >= own
    assert at <= now + retry.RETRY_AFTER_CAP_SECONDS


def test_jitter_outside_its_range_is_our_own_fault() -> None:
    with pytest.raises(ValueError, match="jitter"):
        retry.jittered_seconds(AWARENESS, 1, 1.5)


@pytest.mark.parametrize("code", ["EBMS:0005", "EBMS:0202"])
def test_codes_that_time_can_heal(code: str) -> None:
    assert retry.error_is_retryable(code, "some detail")


@pytest.mark.parametrize(
    "code", ["EBMS:0001", "EBMS:0003", "EBMS:0009", "EBMS:0010", "EBMS:0101", "EBMS:0102", "EBMS:0103",
             "EBMS:0303", "EBMS:9999", ""],
)  # fmt: skip
def test_codes_that_need_a_person(code: str) -> None:
    assert not retry.error_is_retryable(code)


def test_other_is_retried_only_without_detail() -> None:
    assert retry.error_is_retryable("EBMS:0004", "  ")
    assert not retry.error_is_retryable("EBMS:0004", "schema of your agreement is unknown")


@pytest.mark.parametrize(
    ("code", "detail", "duplicate"),
    [
        ("EBMS:4001", "", True),
        ("EBMS:0004", "message with Message ID '1@vn' was already handled (this is a duplicate)", True),
        ("EBMS:0004", "the database is full", False),
        ("EBMS:0003", "this is a duplicate", False),
    ],
)
def test_how_partners_call_a_duplicate(code: str, detail: str, duplicate: bool) -> None:
    assert retry.is_duplicate(code, detail) is duplicate


def test_http_statuses() -> None:
    for status in (500, 502, 503, 504, 429, 408, 425, 401, 403, 404):
        assert retry.http_status_is_retryable(status)
    for status in (400, 406, 411, 413, 415, 422):
        assert not retry.http_status_is_retryable(status)
