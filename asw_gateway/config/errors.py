"""What is wrong with configuration: everything at once, each with its place and what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

MAX_VALUE_CHARS = 80


@frozen(kw_only=True)
class ConfigError:
    """One fault. `key` is the dotted path inside `file`, empty for the file itself; `value` is bounded."""

    file: Path
    key: str
    value: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else str(self.file)
        found = f" is {self.value}" if self.value else ""
        return f"{where}{found}; expected {self.expected}"


class ConfigErrors(Exception):
    """Configuration cannot be used; `errors` lists every reason."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


class StartFault(Exception):
    """The gateway cannot start; the text is one sentence for the person who started it."""


class Findings:
    """Collects errors and warnings while files are read."""

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []
        self.warnings: list[ConfigError] = []

    def error(self, file: Path, key: str, value: object, expected: str) -> None:
        """Configuration cannot be used because of this."""
        self.errors.append(ConfigError(file=file, key=key, value=shown(value), expected=expected))

    def warning(self, file: Path, key: str, value: object, expected: str) -> None:
        """Configuration works, but somebody should look."""
        self.warnings.append(ConfigError(file=file, key=key, value=shown(value), expected=expected))


def shown(value: object) -> str:
    """A bounded form of a value for an error line; nothing for a missing one."""
    if value is None or value == "":
        return "" if value is None else '""'
    text = repr(value) if isinstance(value, str | int | float | list | dict | bool) else str(value)
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
