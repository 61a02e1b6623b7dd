"""Order keys never collide; a cancellation goes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asw_gateway.exchange import priority

TEXT = st.text(max_size=12)


@given(a=st.tuples(TEXT, TEXT, TEXT), b=st.tuples(TEXT, TEXT, TEXT))
def test_two_documents_share_a_key_only_if_they_are_the_same(
    a: tuple[str, str, str], b: tuple[str, str, str]
) -> None:
    assert (priority.order_key(*a) == priority.order_key(*b)) == (a == b)


def test_separators_in_a_number_do_not_confuse_keys() -> None:
    assert priority.order_key("th", "a", 'b","c') != priority.order_key("th", 'a","b', "c")


@given(wish=st.integers(min_value=-5, max_value=9))
def test_a_cancellation_is_first_whatever_the_profile_says(wish: int) -> None:
    assert priority.effective_priority(wish, "cancels") == priority.TOP
    assert priority.effective_priority(wish, "opens") == max(0, wish)
