"""Every state × every event of the three tables, and the diagrams drawn from them."""

from __future__ import annotations

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from asw_gateway.exchange import lifecycle, state_notes
from asw_gateway.exchange.lifecycle import (
    DocumentEvent,
    DocumentState,
    IllegalMove,
    InboundEvent,
    InboundState,
    OutboundEvent,
    OutboundState,
    document_next,
    inbound_next,
    outbound_next,
)

TABLES: list[Any] = [
    pytest.param(lifecycle.OUTBOUND, OutboundState, OutboundEvent, outbound_next, id="outbound"),
    pytest.param(lifecycle.INBOUND, InboundState, InboundEvent, inbound_next, id="inbound"),
    pytest.param(lifecycle.DOCUMENT, DocumentState, DocumentEvent, document_next, id="document"),
]


@pytest.mark.parametrize(("table", "states", "events", "step"), TABLES)
def test_every_pair_moves_or_is_refused(table: Any, states: Any, events: Any, step: Any) -> None:
    assert set(table) == set(states)
    for state in states:
        for event in events:
            if event in table[state]:
                assert step(state.value, event) is table[state][event]
            else:
                with pytest.raises(IllegalMove, match=event.value) as refused:
                    step(state.value, event)
                assert refused.value.state == state
                assert refused.value.event == event


@pytest.mark.parametrize(("table", "states", "events", "step"), TABLES)
def test_every_event_is_used_and_every_state_is_reachable(
    table: Any, states: Any, events: Any, step: Any
) -> None:
    used = {event for moves in table.values() for event in moves}
    assert used == set(events)
    starts = {
        OutboundState: {OutboundState.SUBMITTED},
        InboundState: set(lifecycle.INBOUND_START),
        DocumentState: {DocumentState.RECEIVED},
    }[states]
    reached: set[StrEnum] = set(starts)
    while True:
        more = {target for state in reached for target in table[state].values()} - reached
        if not more:
            break
        reached |= more
    assert reached == set(states)


def test_the_states_are_those_of_the_design() -> None:
    assert [s.value for s in OutboundState] == (
        ["submitted", "rejected", "queued", "held", "sending", "delivered", "failed", "expired", "cancelled"]
    )
    assert [s.value for s in InboundState] == (
        ["received", "refused", "parked", "unconvertible", "rejected_by_rules", "available", "acknowledged"]
    )
    assert [s.value for s in DocumentState] == ["RCV", "VAL", "UTL", "UTP", "REJ", "SUS", "CAN", "RPL", "EXP"]


def test_a_late_receipt_always_wins() -> None:
    for state in OutboundState:
        if state in (OutboundState.SUBMITTED, OutboundState.REJECTED):
            continue  # nothing was ever packed, so nobody can hold a receipt
        assert outbound_next(state, OutboundEvent.RECEIPT) is OutboundState.DELIVERED


def test_an_unknown_state_is_an_error_not_a_move() -> None:
    with pytest.raises(ValueError, match="awaiting_receipt"):
        outbound_next("awaiting_receipt", OutboundEvent.RECEIPT)


def test_a_utilised_certificate_is_never_cancelled_or_replaced() -> None:
    for state in (DocumentState.UTILISED, DocumentState.UTILISED_IN_PART):
        for event in (DocumentEvent.CANCELLED, DocumentEvent.REPLACED):
            with pytest.raises(IllegalMove):
                document_next(state, event)


def test_nothing_leaves_a_state_without_a_note() -> None:
    assert set(state_notes.OUTBOUND_NOTES) == set(OutboundState)
    assert set(state_notes.INBOUND_NOTES) == set(InboundState)
    assert set(state_notes.DOCUMENT_NOTES) == set(DocumentState)
    every = [state_notes.OUTBOUND_NOTES, state_notes.INBOUND_NOTES, state_notes.DOCUMENT_NOTES]
    for notes in every:
        for note in notes.values():
            assert note.meaning
            assert note.moved_on_by
            assert note.purged


def test_committed_diagrams_equal_the_tables() -> None:
    script = Path(__file__).parents[2] / "docs" / "make_diagrams.py"
    spec = importlib.util.spec_from_file_location("make_diagrams", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.diagrams().items():
        committed = (script.parent / "diagrams" / name).read_text(encoding="utf-8")
        assert committed == text, f"docs/diagrams/{name} is stale: run python docs/make_diagrams.py"
