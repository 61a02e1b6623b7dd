"""Calendar days and treaty deadlines."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from asw_gateway.exchange import clocks
from asw_gateway.translation.timers import Timer
from tests.profiles import shelf


def test_the_day_changes_at_midnight_in_viet_nam() -> None:
    five_pm_utc = 1_781_974_800.0  # 2026-06-20T17:00:00Z
    assert clocks.national_date(five_pm_utc - 1) == date(2026, 6, 20)
    assert clocks.national_date(five_pm_utc) == date(2026, 6, 21)
    assert clocks.utc_date(five_pm_utc) == date(2026, 6, 20)


def test_a_leap_day_certificate_ends_on_the_28th() -> None:
    assert clocks.add_months(date(2028, 2, 29), 12) == date(2029, 2, 28)
    validity = shelf.profile("atiga-form-d-2022").timer("R-03")
    assert validity is not None
    assert clocks.last_day(validity, 1_781_974_800.0) == date(2027, 6, 20)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def form_d_timers() -> tuple[Timer, ...]:
    return shelf.profile("atiga-form-d-2022").timers


def test_a_certificate_is_valid_to_the_last_second_of_its_last_day() -> None:
    until = clocks.valid_until_at(form_d_timers(), at("2026-11-20"))
    assert until == at("2027-11-20T23:59:59")
    assert clocks.valid_until_at(form_d_timers(), None) is None
    assert clocks.valid_until_at(shelf.profile("acdd-1.08").timers, at("2026-11-20")) is None


def test_a_rejection_is_late_after_the_sixtieth_day_of_receipt() -> None:
    received = at("2026-09-23T15:00:00")
    assert not clocks.is_late(form_d_timers(), "T-25", received, at("2026-11-22T23:59:58"))
    assert clocks.is_late(form_d_timers(), "T-25", received, at("2026-11-23T00:00:00"))


def test_a_retroactive_check_is_answered_in_90_days_and_ended_in_180() -> None:
    begun = at("2026-01-01")
    assert [
        (one.rule, one.due_at) for one in clocks.deadlines(form_d_timers(), "verification-request", begun)
    ] == [
        ("T-27", at("2026-04-01T23:59:59")),
        ("T-27-end", at("2026-06-30T23:59:59")),
    ]
    assert clocks.ended(form_d_timers(), "verification-reply") == ("T-27",)
    assert "T-27-end" in clocks.ended(form_d_timers(), "customs-response")


def test_the_use_of_a_certificate_is_told_within_its_validity() -> None:
    use = shelf.profile("atiga-form-d-2022").timer("T-24")
    assert use is not None and use.stops == ("customs-response",)
    assert clocks.ends_at(use, at("2026-11-20")) == clocks.valid_until_at(form_d_timers(), at("2026-11-20"))


def test_records_are_kept_at_least_three_years() -> None:
    kept = shelf.profile("atiga-form-d-2022").timer("T-29")
    assert kept is not None
    assert clocks.last_day(kept, at("2026-11-20")) == date(2029, 11, 20)


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2200, 1, 1)), st.integers(0, 60))
def test_months_are_added_without_drifting(day: date, months: int) -> None:
    later = clocks.add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day <= day.day
    assert day.day - later.day <= 3
