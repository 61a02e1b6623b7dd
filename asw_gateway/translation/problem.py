"""What is wrong with a document, said once for machines and once for people.

A `Problem` names the rule, the place (readable path, WCO pointer, box of the form) and says in plain
English and Vietnamese what was found and what was expected.  All problems of a document travel together.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

VALUE_LIMIT = 80


def bounded(text: str, limit: int = VALUE_LIMIT) -> str:
    """`text` on one line, at most `limit` characters; what was left out is shown by an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


@frozen(kw_only=True)
class PointerStep:
    """One step of a WCO pointer: class id (375, such as 68A), tag id (381, such as R031), sequence (006)."""

    section: str
    tag: str = ""
    sequence: int | None = None

    def __str__(self) -> str:
        number = "" if self.sequence is None else f"[{self.sequence}]"
        return self.section + number + (f"/{self.tag}" if self.tag else "")


@frozen(kw_only=True)
class Problem:
    """One fault of a document or envelope.

    rule: "XSD", "R-06", "CODE", "HEADER", "ENVELOPE", …; severity: "error", or "warning", which never blocks.
    error_code: the VNSW error code under which it is listed in an answer 00.
    """

    rule: str
    severity: str = "error"
    message: str
    message_vi: str = ""
    box: str = ""
    pointer: tuple[PointerStep, ...] = ()
    path: str = ""
    value: str = field(default="", converter=bounded)
    error_code: str = "ERR05_CODE"

    def sentence(self, language: str = "en") -> str:
        """The message with its place in front, for people: `Box 8, item 3: …`."""
        text = self.message_vi if language == "vi" and self.message_vi else self.message
        if not self.box:
            return text
        return f"{'Ô' if language == 'vi' else 'Box'} {self.box}: {text}"


def blocking(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Those problems that stop a document."""
    return tuple(problem for problem in problems if problem.severity == "error")
