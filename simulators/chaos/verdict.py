"""The count when all is quiet: ledgers and feeds by simulators.checker, journals by their chains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import Factory, define

from asw_gateway.store import journal
from simulators.chaos.pair import Pair
from simulators.chaos.table import read_store
from simulators.checker import Report, check, read_run


@define(kw_only=True)
class Verdict:
    """One engine, or all.  complaints: everything that is wrong and not a count of documents."""

    engine: str
    seconds: float = 0.0
    faults: Counter[str] = Factory(Counter)
    messages: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    stray: int = 0
    unfinished: int = 0
    failed: int = 0
    journal_entries: int = 0
    chain_breaks: int = 0
    complaints: list[str] = Factory(list)
    findings: list[str] = Factory(list)

    @property
    def zeros(self) -> bool:
        counts = (self.lost, self.duplicated, self.reordered, self.stray, self.unfinished, self.chain_breaks)
        return not any(counts) and not self.complaints

    def enough(self, faults: int, messages: int) -> bool:
        return self.faults.total() >= faults and self.messages >= messages

    def add(self, report: Report) -> None:
        self.messages += report.documents + report.responses
        self.lost += report.lost
        self.duplicated += report.duplicates
        self.reordered += report.reordered
        self.stray += report.stray
        self.unfinished += report.unfinished
        self.failed += report.failed
        self.findings += report.findings

    def counts(self) -> str:
        chain = "ok" if self.chain_breaks == 0 else f"{self.chain_breaks} breaks"
        return (
            f"faults={self.faults.total()} messages={self.messages} lost={self.lost} "
            f"duplicated={self.duplicated + self.stray} reordered={self.reordered} chain={chain}"
        )

    def line(self) -> str:
        """What there is to say of one engine."""
        return (
            f"chaos: {self.engine} {self.counts()} unfinished={self.unfinished} failed={self.failed} "
            f"complaints={len(self.complaints)} journal={self.journal_entries} seconds={self.seconds:.0f}"
        )


def count_pairs(verdict: Verdict, pairs: Iterable[Pair]) -> None:
    """Add what the portals' ledgers and the feed dumps of every pair say."""
    for pair in pairs:
        verdict.add(check(read_run(pair.portals_directory)))


def verify_chains(verdict: Verdict, pairs: Iterable[Pair]) -> None:
    """Walk the journal of every database; the gateways must have ended."""
    for url in dict.fromkeys(node.database_url for pair in pairs for node in pair.nodes):
        report = read_store(url, journal.verify)
        verdict.journal_entries += sum(report.entries.values())
        verdict.chain_breaks += len(report.breaks)
        verdict.findings += [f"chain: {broken}" for broken in report.breaks]


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The sum of all engines."""
    total = Verdict(engine="all")
    for verdict in verdicts:
        total.faults += verdict.faults
        for name in ("messages", "lost", "duplicated", "reordered", "stray", "unfinished", "chain_breaks"):
            setattr(total, name, getattr(total, name) + getattr(verdict, name))
        total.complaints += verdict.complaints
    return total
