"""What a person sees while a demo runs: a live table with rich on a terminal, plain lines everywhere else."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from simulators.facts import ENDED, RECEIPTED
from simulators.watch import Document, Watch

FUNCTIONS = {
    "01": "document",
    "02": "replacement",
    "03": "cancellation",
    "04": "re-sent",
    "05": "answer",
    "06": "request",
}
ROWS = 16
STEPS = ("99", "queued", RECEIPTED, "on feed")


class Progress(Protocol):
    """`stage` starts a chapter, `say` adds a line to it, `show` is called again and again."""

    def stage(self, title: str) -> None: ...
    def say(self, sentence: str) -> None: ...
    def show(self, watch: Watch, waiting: Mapping[str, int]) -> None: ...
    def close(self) -> None: ...


def make_progress(*, plain: bool = False) -> Progress:
    """The live display where there is a terminal and rich is installed."""
    if not plain and sys.stdout.isatty():
        try:
            importlib.import_module("rich.live")
        except ImportError:
            return PlainProgress()
        return RichProgress()
    return PlainProgress()


class PlainProgress:
    """One line a document when it has settled, one line a second while something waits for a partner."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told: set[tuple[str, str]] = set()
        self._waiting_told_at = 0.0
        self._last_waiting = ""

    def stage(self, title: str) -> None:
        self._print(f"── {title}")

    def say(self, sentence: str) -> None:
        self._print(f"   {sentence}")

    def show(self, watch: Watch, waiting: Mapping[str, int]) -> None:
        for key, document in watch.documents.items():
            if document.settled and key not in self._told:
                self._told.add(key)
                self._print("   " + describe(document))
        line = describe_waiting(waiting)
        if line and line != self._last_waiting and time.monotonic() - self._waiting_told_at >= 1:
            self._waiting_told_at = time.monotonic()
            self._last_waiting = line
            self._print("   " + line)

    def close(self) -> None:
        sys.stdout.flush()

    def _print(self, line: str) -> None:
        print(f"{time.monotonic() - self._began:5.1f} s {line}", flush=True)


class RichProgress:
    """The newest documents as a table that moves, under the sentences of the stage."""

    def __init__(self) -> None:
        self._live = importlib.import_module("rich.live").Live(refresh_per_second=8)
        self._live.start()
        self._began = time.monotonic()

    def stage(self, title: str) -> None:
        self._live.console.print(f"[bold]{time.monotonic() - self._began:5.1f} s ── {title}[/bold]")

    def say(self, sentence: str) -> None:
        self._live.console.print(f"{time.monotonic() - self._began:5.1f} s    {sentence}")

    def show(self, watch: Watch, waiting: Mapping[str, int]) -> None:
        table = importlib.import_module("rich.table").Table(expand=True, show_edge=False)
        for heading in (
            "",
            "document",
            "number",
            "seconds to 99",
            "queued",
            "receipt",
            "other feed",
            "state",
        ):
            table.add_column(heading)
        for document in newest(watch):
            times = [document.since_submission(word) for word in STEPS]
            table.add_row(
                f"{document.party}→{document.destination}",
                f"{_name(document)}{' ' + document.status if document.status else ''}",
                document.number,
                *("" if seconds is None else f"{seconds:.2f}" for seconds in times),
                state(document),
            )
        summary = importlib.import_module("rich.text").Text(
            describe_totals(watch) + "   " + describe_waiting(waiting)
        )
        self._live.update(importlib.import_module("rich.console").Group(table, summary))

    def close(self) -> None:
        self._live.stop()


def newest(watch: Watch, rows: int = ROWS) -> Sequence[Document]:
    """The documents worth a row: all that move, then the youngest settled ones; as submitted."""
    documents = list(watch.documents.values())
    moving = [document for document in documents if not document.settled][-rows:]
    settled = [document for document in documents if document.settled]
    chosen = {id(document) for document in moving + settled[len(settled) - max(0, rows - len(moving)) :]}
    return [document for document in documents if id(document) in chosen]


def state(document: Document) -> str:
    """The word for where a document is now."""
    words = document.words
    if "00" in words:
        return "refused"
    for word in ("rejected", "on feed", RECEIPTED, *sorted(ENDED)):
        if word in words:
            return word
    return document.steps[-1][0]


def describe(document: Document) -> str:
    """One document in one line: where it went, and after how many seconds it took each step."""
    steps = "  ".join(
        f"{word} {seconds:.2f}"
        for word in dict.fromkeys(word for word, _ in document.steps[1:])
        if (seconds := document.since_submission(word)) is not None
    )
    what = f"{_name(document)}{' ' + document.status if document.status else ''}"
    return f"{document.party}→{document.destination or '??'} {what:<22} {document.number:<20} {steps}"


def describe_waiting(waiting: Mapping[str, Any]) -> str:
    """Queue depths that are not zero."""
    parts = [f"{partner}: {depth}" for partner, depth in waiting.items() if depth]
    return "queued for " + ", ".join(parts) if parts else ""


def describe_totals(watch: Watch) -> str:
    documents = list(watch.documents.values())
    settled = sum(document.settled for document in documents)
    read = sum(watch.acknowledged.values())
    return f"{len(documents)} submitted, {settled} settled, {read} feed entries acknowledged"


def _name(document: Document) -> str:
    kind = document.document_type.removeprefix("ASW-")
    return f"{kind} {FUNCTIONS.get(document.function, document.function)}"
