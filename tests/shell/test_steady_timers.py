"""The daemon's timers do not follow the wall clock."""

from __future__ import annotations

import time

import pytest
from twisted.internet.selectreactor import SelectReactor

from asw_gateway.tap import use_steady_timers


def test_a_clock_set_back_delays_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = SelectReactor()
    use_steady_timers(reactor)
    fired: list[str] = []
    reactor.callLater(0.02, fired.append, "timer")
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began - 3600.0)
    time.sleep(0.05)
    reactor.runUntilCurrent()
    assert fired == ["timer"]
    assert reactor.timeout() is None or reactor.timeout() >= 0.0
