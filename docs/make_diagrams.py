"""Draw the life-cycle diagrams (Mermaid in Markdown) from the tables in asw_gateway.exchange.

Run ``python docs/make_diagrams.py``; a test fails when a committed diagram differs from its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from asw_gateway.exchange import lifecycle, state_notes
from asw_gateway.exchange.lifecycle import StateNote

FOLDER = Path(__file__).parent / "diagrams"


def draw(
    title: str,
    table: Mapping[Any, Mapping[Any, Any]],
    notes: Mapping[Any, StateNote],
    start: tuple[StrEnum, ...],
    final: frozenset[Any],
) -> str:
    """Give one page: a Mermaid state diagram and the table of what every state means."""
    lines = [f"# {title}", "", "Drawn by `docs/make_diagrams.py` from the tables; do not edit.", ""]
    lines += ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state.value}" for state in start]
    for state, moves in table.items():
        by_target: dict[Any, list[str]] = {}
        for event, target in moves.items():
            by_target.setdefault(target, []).append(event.value)
        for target, events in by_target.items():
            lines.append(f"    {state.value} --> {target.value}: {', '.join(events)}")
    lines += [f"    {state.value} --> [*]" for state in table if state in final]
    lines += ["```", "", "| state | meaning | moved on by | purged |", "| --- | --- | --- | --- |"]
    for state in table:
        note = notes[state]
        mark = " (final)" if state in final else ""
        lines.append(f"| `{state.value}`{mark} | {note.meaning} | {note.moved_on_by} | {note.purged} |")
    return "\n".join(lines) + "\n"


def diagrams() -> dict[str, str]:
    """Give every page as file name → text."""
    return {
        "outbound.md": draw(
            "Outbound message",
            lifecycle.OUTBOUND,
            state_notes.OUTBOUND_NOTES,
            (lifecycle.OUTBOUND_START,),
            lifecycle.OUTBOUND_FINAL,
        ),
        "inbound.md": draw(
            "Inbound message",
            lifecycle.INBOUND,
            state_notes.INBOUND_NOTES,
            lifecycle.INBOUND_START,
            lifecycle.INBOUND_FINAL,
        ),
        "document.md": draw(
            "Document",
            lifecycle.DOCUMENT,
            state_notes.DOCUMENT_NOTES,
            (lifecycle.DOCUMENT_START,),
            lifecycle.DOCUMENT_FINAL,
        ),
    }


def main() -> None:
    """Write the pages beside this script."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in diagrams().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
