"""Calendar days and treaty deadlines."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from asw_gateway.exchange import clocks


def test_the_day_changes_at_midnight_in_viet_nam() -> None:
    five_pm_utc = 1_781_974_800.0  # 2026-06-20T17:00:00Z
    assert clocks.national_date(five_pm_utc - 1) == date(2026, 6, 20)
    assert clocks.national_date(five_pm_utc) == date(2026, 6, 21)
    assert clocks.utc_date(five_pm_utc) == date(2026, 6, 20)


def test_a_leap_day_certificate_ends_on_the_28th() -> None:
    assert clocks.add_months(date(2028, 2, 29), 12) == date(2029, 2, 28)
    assert clocks.certificate_expires_on(1_781_974_800.0) == date(2027, 6, 20)


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2200, 1, 1)), st.integers(0, 60))
def test_months_are_added_without_drifting(day: date, months: int) -> None:
    later = clocks.add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day <= day.day
    assert day.day - later.day <= 3
