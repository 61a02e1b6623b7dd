"""The collector and what lives long."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from asw_gateway.service.long_lived import leave_out


class Profile:
    """Something with a reference to itself, as a schema tree has."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_full_round_no_longer_sees_what_was_there() -> None:
    kept = Profile()
    leave_out()
    assert gc.get_freeze_count() > 1000
    assert not any(seen is kept for seen in gc.get_objects())


def test_what_a_reload_replaced_is_freed() -> None:
    profile = Profile()
    alive = weakref.ref(profile)
    leave_out()
    del profile
    gc.collect()
    assert alive() is not None  # a round of the collector does not look there
    leave_out()
    assert alive() is None
