"""What commands write: aligned tables for people, or one JSON value for scripts."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

FOUND_SOMETHING = 1
COULD_NOT = 2


class Output:
    """Writes to standard output in the form that was asked for."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def rows(
        self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], empty: str = "none"
    ) -> None:
        """A table of `columns` (field → heading); as JSON the whole rows."""
        if self.as_json:
            self.value(list(rows))
        elif not rows:
            click.echo(empty)
        else:
            click.echo(
                table([[_text(row.get(field)) for field in columns] for row in rows], list(columns.values()))
            )

    def value(self, value: Any) -> None:
        """One value, always as JSON."""
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))

    def line(self, text: str) -> None:
        """A sentence for people; nothing where JSON was asked for."""
        if not self.as_json:
            click.echo(text)

    def fail(self, sentence: str, status: int = COULD_NOT) -> NoReturn:
        """Say in one sentence on standard error why it could not be done, and exit."""
        if self.as_json:
            self.value({"error": sentence})
        click.echo(f"aswctl: {sentence}", err=True)
        raise SystemExit(status)


def table(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> str:
    """Left-aligned columns, two spaces apart, headings first."""
    widths = [max(map(_width, column)) for column in zip(headings, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in [headings, *rows]
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _width(text: str) -> int:
    """Columns on a terminal: accents combine, Chinese characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
