"""The count when all is quiet: ledgers and feeds by simulators.checker, journals by their chains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import Factory, define

from asw_gateway.store import chains
from simulators.chaos.pair import Pair
from simulators.chaos.processes import COMMITS
from simulators.chaos.table import read_store
from simulators.checker import check
from simulators.records import read_run
from simulators.report import Report

SPOILING = (
    "lost",
    "duplicated",
    "reordered",
    "stray",
    "altered",
    "unfinished",
    "refused",
    "chain_breaks",
)
"""What must be zero.  All documents of a run are good ones, so that a gateway that refuses one is wrong."""

GIVEN_UP = ("failed", "expired")


@define(kw_only=True)
class Verdict:
    """One engine, or all.

    commits: at how many of the commits that are aimed at a gateway was killed.  complaints: everything that
    is wrong and not a count of documents.  excused: starts that ended while the
    database was away.  reasons: why documents were refused or failed.
    """

    engine: str
    seconds: float = 0.0
    faults: Counter[str] = Factory(Counter)
    commits: int = 0
    messages: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    stray: int = 0
    altered: int = 0
    unfinished: int = 0
    refused: int = 0
    failed: int = 0
    excused: int = 0
    journal_entries: int = 0
    chain_breaks: int = 0
    complaints: list[str] = Factory(list)
    findings: list[str] = Factory(list)
    reasons: Counter[str] = Factory(Counter)

    @property
    def zeros(self) -> bool:
        return not (any(getattr(self, count) for count in SPOILING) or self.complaints)

    def enough(self, faults: int, messages: int, *, commits: int = 0) -> bool:
        return self.faults.total() >= faults and self.messages >= messages and self.commits >= commits

    def add(self, report: Report) -> None:
        self.messages += report.documents + report.responses
        self.duplicated += report.duplicates
        for name in ("lost", "reordered", "stray", "altered", "unfinished", "refused", "failed"):
            setattr(self, name, getattr(self, name) + getattr(report, name))
        self.reasons += report.reasons
        self.findings += report.findings
        # Times to live are longer than the run: whoever gives a message up for its delivery's sake is wrong.
        self.complaints += [
            f"{many} documents ended as {reason}"
            for reason, many in report.reasons.items()
            if reason.startswith(GIVEN_UP)
        ]

    def counts(self) -> str:
        chain = "ok" if self.chain_breaks == 0 else f"{self.chain_breaks} breaks"
        return (
            f"faults={self.faults.total()} messages={self.messages} lost={self.lost} "
            f"duplicated={self.duplicated + self.stray} reordered={self.reordered} chain={chain}"
        )

    def line(self) -> str:
        """What there is to say of one engine."""
        return (
            f"chaos: {self.engine} {self.counts()} altered={self.altered} unfinished={self.unfinished} "
            f"commits={self.commits}/{len(COMMITS)} refused={self.refused} failed={self.failed} "
            f"excused={self.excused} complaints={len(self.complaints)} journal={self.journal_entries} "
            f"seconds={self.seconds:.0f}"
        )


def count_pairs(verdict: Verdict, pairs: Iterable[Pair]) -> None:
    """Add what the portals' ledgers and the feed dumps of every pair say."""
    for pair in pairs:
        verdict.add(check(read_run(pair.portals_directory)))


def verify_chains(verdict: Verdict, pairs: Iterable[Pair]) -> None:
    """Walk the journal of every database; the gateways must have ended."""
    for url in dict.fromkeys(node.database_url for pair in pairs for node in pair.nodes):
        report = read_store(url, chains.verify)
        verdict.journal_entries += sum(report.entries.values())
        verdict.chain_breaks += len(report.breaks)
        verdict.findings += [f"chain: {broken}" for broken in report.breaks]


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The sum of all engines."""
    total = Verdict(engine="all")
    for verdict in verdicts:
        total.faults += verdict.faults
        for name in ("messages", *SPOILING):
            setattr(total, name, getattr(total, name) + getattr(verdict, name))
        total.complaints += verdict.complaints
    return total
