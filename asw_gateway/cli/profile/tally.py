"""What `aswctl profile test` has found so far, shown while it works; and which rules are shown to be kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import click
from attrs import frozen

from asw_gateway.cli.output import Output
from asw_gateway.cli.profile.folders import Folder
from asw_gateway.translation.rule_table import KINDS, read_rule_table, uncovered
from asw_gateway.translation.trial import Example

_REDRAW_SECONDS = 0.1
_PLAIN_SECONDS = 2.0
_BAR = 30


class Tally:
    """Counts results; a line with a bar on a terminal, a line now and then elsewhere, nothing for JSON."""

    def __init__(self, *, output: Output, tasks: Collection[object]) -> None:
        self.faults: list[str] = []
        self.examples = self.round_trips = self.declared = self.covered = 0
        self._paths: dict[tuple[str, str], set[str]] = {}
        self._total, self._done = len(tasks), 0
        self._shown = not output.as_json
        self._terminal = sys.stderr.isatty()
        self._drawn_at = time.monotonic()

    def add(
        self,
        faults: Iterable[str],
        profile: str,
        kind: str,
        covered: Iterable[str],
        size: tuple[int, int],
    ) -> None:
        """One task is done; size: its examples and round trips."""
        self.faults.extend(faults)
        self._paths.setdefault((profile, kind), set()).update(covered)
        self.examples += size[0]
        self.round_trips += size[1]
        self._done += 1
        wait = _REDRAW_SECONDS if self._terminal else _PLAIN_SECONDS
        if self._shown and time.monotonic() - self._drawn_at >= wait:
            self._draw()

    def expect(self, profile: str, kind: str, declared: Collection[str]) -> None:
        """These paths are in the schema: those that no generated document used are a fault."""
        missing = sorted(set(declared) - self._paths.get((profile, kind), set()))
        self.declared += len(declared)
        self.covered += len(declared) - len(missing)
        self.faults += [f"{profile}, {kind}: no generated document used {path}" for path in missing]

    def close(self) -> None:
        """Take the live line away."""
        if self._shown and self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        full = _BAR * self._done // max(self._total, 1)
        bar = "█" * full + "·" * (_BAR - full)
        text = (
            f"{bar} {self.examples} examples, {self.round_trips} round trips, {len(self.faults)} differences"
        )
        if self._terminal:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        else:
            click.echo(text, err=True)


@frozen(kw_only=True)
class RuleCounts:
    """Rules by kind, over all profiles, and a sentence for each one that nothing shows."""

    counts: dict[str, int]
    uncovered: tuple[str, ...]

    def sentence(self) -> str:
        """`all (document 3, store 1, …)`, or `all but 2 (…)`."""
        kinds = ", ".join(f"{kind} {self.counts[kind]}" for kind in KINDS)
        return ("all" if not self.uncovered else f"all but {len(self.uncovered)}") + f" ({kinds})"


def rule_counts(found: Iterable[Folder], examples: Mapping[str, Mapping[str, Example]]) -> RuleCounts:
    """Read every rules.csv and see what shows each rule."""
    counts = dict.fromkeys(KINDS, 0)
    lines: list[str] = []
    for folder in found:
        tests = _tests(folder.path)
        broken: dict[str, set[str]] = {}
        by_register: set[str] = set()
        for example in examples[folder.name].values():
            for problem in example.manifest.get("problems", ()):
                broken.setdefault(str(problem.get("rule")), set()).add(example.name)
                if problem.get("side") == "store":
                    by_register.add(example.name)
        rows, faults = read_rule_table(folder.files.get("rules.csv", b""))
        lines += [f"{folder.path / 'rules.csv'}:{line}: {message}" for line, message in faults]
        for row in rows:
            counts[row.kind] += 1
            lost = [name for name in row.examples if name not in examples[folder.name]]
            # a store rule is reported under the reason code that customs know, such as B03
            breaking = by_register & set(row.examples) if row.kind == "store" else broken.get(row.id, set())
            why = f"there is no example {lost[0]}" if lost else uncovered(row, breaking, tests)
            if why:
                lines.append(f"{folder.path / 'rules.csv'}:{row.line}: rule {row.id}: {why}")
    return RuleCounts(counts=counts, uncovered=tuple(lines))


def _tests(folder: Path) -> set[str] | None:
    """The test files of the repository that the profile lies in; None outside of one."""
    root = folder.resolve().parent.parent
    if not (root / "tests").is_dir():
        return None
    return {path.relative_to(root).as_posix() for path in (root / "tests").rglob("test_*.py")}
