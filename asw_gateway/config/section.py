"""Reads one TOML table key by key, noting every fault and every key nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from asw_gateway.config.errors import Findings

T = TypeVar("T")
_REQUIRED: Any = object()


class Section:
    """
    One table of a file. A faulty value is noted and replaced by None (or the default) so that reading goes
    on; whoever builds a value from a section asks `sound` first.
    """

    def __init__(self, findings: Findings, file: Path, table: Mapping[str, Any], prefix: str = "") -> None:
        self.findings = findings
        self.file = file
        self._table = table
        self._prefix = prefix
        self._asked: set[str] = set()
        self._faults = 0

    @property
    def sound(self) -> bool:
        """No fault was noted through this section."""
        return self._faults == 0

    def key(self, key: str) -> str:
        """The dotted path of `key`."""
        return f"{self._prefix}{key}"

    def fault(self, key: str, value: object, expected: str) -> None:
        """Note a fault of `key`."""
        self._faults += 1
        self.findings.error(self.file, self.key(key), value, expected)

    def names(self) -> tuple[str, ...]:
        """The keys that are there, for tables whose keys are free."""
        return tuple(self._table)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def text(
        self,
        key: str,
        default: Any = _REQUIRED,
        *,
        pattern: str = r"[^\x00-\x1f\x7f]{1,1024}",
        expected: str = "a text",
    ) -> Any:
        """A text that matches the whole pattern."""
        value = self._value(key, str, default, expected)
        if isinstance(value, str) and value is not default and not re.fullmatch(pattern, value):
            self.fault(key, value, expected)
            return None
        return value

    def choice(self, key: str, options: Sequence[str], default: Any = _REQUIRED) -> Any:
        """One of `options`."""
        expected = "one of " + ", ".join(options)
        value = self._value(key, str, default, expected)
        if isinstance(value, str) and value not in options:
            self.fault(key, value, expected + _hint(value, options))
            return None
        return value

    def number(
        self,
        key: str,
        default: Any = _REQUIRED,
        *,
        least: float = 0,
        most: float = 10**12,
        whole: bool = False,
        unit: str = "",
    ) -> Any:
        """A number (an integer with `whole`) from `least` to `most`."""
        kind = "a whole number" if whole else "a number"
        expected = f"{kind} from {least:g} to {most:g}{' ' + unit if unit else ''}"
        value = self._value(key, int if whole else (int, float), default, expected)
        if isinstance(value, int | float) and not least <= value <= most:
            self.fault(key, value, expected)
            return None
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._value(key, bool, default, "true or false")
        return default if value is None else bool(value)

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts."""
        value = self._value(key, list, None, "a list of texts")
        if value is None:
            return default
        if not all(isinstance(item, str) and item for item in value):
            self.fault(key, value, "a list of texts")
            return default
        return tuple(value)

    def path(self, key: str, default: Any = _REQUIRED, *, expected: str = "a path") -> Path | None:
        """A path, relative to the file that names it."""
        value = self._value(key, str, default, expected)
        if value == "":
            self.fault(key, value, expected)
            return None
        return None if value is None else self.file.parent / value

    def section(self, key: str) -> Section:
        """The table `key`; an empty one where it is missing, whose required keys then speak for it."""
        value = self._value(key, dict, {}, f"a table [{self.key(key)}]")
        return Section(self.findings, self.file, value, f"{self.key(key)}.")

    def sections(self, key: str) -> list[Section]:
        """The array of tables `key`."""
        value = self._value(key, list, [], f"tables [[{self.key(key)}]]") or []
        if not all(isinstance(item, dict) for item in value):
            self.fault(key, value, f"tables [[{self.key(key)}]]")
            return []
        return [
            Section(self.findings, self.file, item, f"{self.key(key)}[{index}].")
            for index, item in enumerate(value, 1)
        ]

    def done(self, *parts: Section) -> bool:
        """Note unknown keys here and in `parts`; True if all of them are sound."""
        for part in (self, *parts):
            for key in part._table:
                if key not in part._asked:
                    known = ", ".join(sorted(part._asked))
                    part.fault(key, part._table[key], f"no such key{_hint(key, part._asked)}; known: {known}")
        return all(part.sound for part in (self, *parts))

    def build(self, make: Callable[..., T], key: str = "", **values: Any) -> T | None:
        """`make(**values)`, or None where something was faulty; what `make` refuses becomes a fault."""
        if not self.sound:
            return None
        try:
            return make(**values)
        except ValueError as error:
            self.fault(key, None, str(error.args[0] if error.args else error))
            return None

    def _value(self, key: str, kind: Any, default: Any, expected: str) -> Any:
        self._asked.add(key)
        if key not in self._table:
            if default is _REQUIRED:
                self.fault(key, None, f"{expected}; it is missing")
                return None
            return default
        value = self._table[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fault(key, value, expected)
            return None if default is _REQUIRED else default
        return value


def _hint(word: str, known: Sequence[str] | set[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
