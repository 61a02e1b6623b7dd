"""The in-memory life of a channel, as a state machine.

Nothing here survives a restart: what must survive (back-off, suspension, claims) is in the store, and a
channel that starts reads it there. Every input is legal in every state; a test walks all pairs.

idle         the partner is well, nothing is in flight
sending      the partner is well, messages are in flight
backing_off  the partner was found away; only probes leave
paused       an operator suspended the partner; nothing leaves
draining     the service stops; what is in flight may finish, nothing new leaves
stopped      nothing is in flight and nothing will be
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from automat import TypeMachineBuilder

IDLE = "idle"
SENDING = "sending"
BACKING_OFF = "backing_off"
PAUSED = "paused"
DRAINING = "draining"
STOPPED = "stopped"
STATES = (IDLE, SENDING, BACKING_OFF, PAUSED, DRAINING, STOPPED)


class Inputs(Protocol):
    """What can happen to a channel."""

    def start(self) -> None:
        """The service starts."""

    def claimed(self) -> None:
        """Messages were claimed and are in flight."""

    def emptied(self) -> None:
        """Nothing is in flight any more and every outcome is committed."""

    def found_away(self) -> None:
        """The partner cannot be reached."""

    def found_well(self) -> None:
        """The partner answered a probe, or was heard from."""

    def pause(self) -> None:
        """The partner was suspended."""

    def resume(self) -> None:
        """The suspension was lifted."""

    def stop(self) -> None:
        """The service stops."""


class Core(Protocol):
    """What the machine acts on."""

    def entered(self, state: str) -> None:
        """The channel is now in `state`, one of STATES, another one than before."""


# input -> state -> next state; a state that is not named stays as it is
TABLE: dict[str, dict[str, str]] = {
    "start": {STOPPED: IDLE},
    "claimed": {IDLE: SENDING},
    "emptied": {SENDING: IDLE, DRAINING: STOPPED},
    "found_away": {IDLE: BACKING_OFF, SENDING: BACKING_OFF},
    "found_well": {BACKING_OFF: IDLE},
    "pause": {IDLE: PAUSED, SENDING: PAUSED, BACKING_OFF: PAUSED},
    "resume": {PAUSED: IDLE},
    "stop": {IDLE: DRAINING, SENDING: DRAINING, BACKING_OFF: DRAINING, PAUSED: DRAINING},
}


def _entering(state: str) -> Callable[[Inputs, Core], None]:
    def enter(inputs: Inputs, core: Core) -> None:
        core.entered(state)

    return enter


def _machine() -> Callable[[Core], Inputs]:
    builder: TypeMachineBuilder[Inputs, Core] = TypeMachineBuilder(Inputs, Core)  # type: ignore[type-abstract]
    # the first state made is the one a machine starts in
    first = builder.state(STOPPED)
    states = {name: first if name == STOPPED else builder.state(name) for name in STATES}
    for name, moves in TABLE.items():
        happening = getattr(Inputs, name)
        for state, typed in states.items():
            if state in moves:
                typed.upon(happening).to(states[moves[state]])(_entering(moves[state]))
            else:
                typed.upon(happening).loop().returns(None)
    return builder.build()


life_cycle = _machine()
"""`life_cycle(core)` gives a machine in state stopped."""
