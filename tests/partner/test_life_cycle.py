"""The channel's life cycle: every state takes every input."""

from __future__ import annotations

import pytest

from asw_gateway.partner.life_cycle import (
    BACKING_OFF,
    DRAINING,
    IDLE,
    PAUSED,
    SENDING,
    STATES,
    STOPPED,
    TABLE,
    Inputs,
    life_cycle,
)

WAY_TO: dict[str, tuple[str, ...]] = {
    STOPPED: (),
    IDLE: ("start",),
    SENDING: ("start", "claimed"),
    BACKING_OFF: ("start", "found_away"),
    PAUSED: ("start", "pause"),
    DRAINING: ("start", "stop"),
}
INPUTS = tuple(TABLE)


class Recorder:
    def __init__(self) -> None:
        self.state = STOPPED
        self.entries: list[str] = []

    def entered(self, state: str) -> None:
        assert state != self.state
        self.state = state
        self.entries.append(state)


def channel_in(state: str) -> tuple[Recorder, Inputs]:
    recorder = Recorder()
    inputs = life_cycle(recorder)
    for name in WAY_TO[state]:
        getattr(inputs, name)()
    assert recorder.state == state
    return recorder, inputs


def test_every_input_of_the_protocol_is_in_the_table() -> None:
    declared = {name for name in vars(Inputs) if not name.startswith("_")}
    assert declared == set(TABLE)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("happening", INPUTS)
def test_every_state_takes_every_input(state: str, happening: str) -> None:
    recorder, inputs = channel_in(state)
    getattr(inputs, happening)()
    assert recorder.state == TABLE[happening].get(state, state)


@pytest.mark.parametrize("happening", [name for name in INPUTS if name != "start"])
def test_a_stopped_channel_only_wakes_by_start(happening: str) -> None:
    recorder, inputs = channel_in(STOPPED)
    getattr(inputs, happening)()
    assert recorder.state == STOPPED


@pytest.mark.parametrize("happening", [name for name in INPUTS if name != "emptied"])
def test_nothing_brings_a_draining_channel_back_to_work(happening: str) -> None:
    recorder, inputs = channel_in(DRAINING)
    getattr(inputs, happening)()
    assert recorder.state == DRAINING


def test_a_paused_channel_stays_paused_whatever_the_partner_does() -> None:
    recorder, inputs = channel_in(PAUSED)
    for name in ("found_away", "found_well", "claimed", "emptied"):
        getattr(inputs, name)()
    assert recorder.state == PAUSED
    inputs.resume()
    assert recorder.state == IDLE


def test_a_channel_can_start_again() -> None:
    recorder, inputs = channel_in(DRAINING)
    inputs.emptied()
    inputs.start()
    assert recorder.entries[-2:] == [STOPPED, IDLE]
