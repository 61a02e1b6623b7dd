"""What the checker found: counts, a sentence for each finding, and why documents were refused or failed."""

from __future__ import annotations

from collections import Counter

from attrs import Factory, define


@define
class Report:
    """Counts of one run.

    findings: a sentence each; any of them spoils the run.  reasons: why documents were refused or failed, by
    the word and the code that the portal was told.
    """

    documents: int = 0
    responses: int = 0
    receipts: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    stray: int = 0
    altered: int = 0
    unfinished: int = 0
    reasons: Counter[str] = Factory(Counter)
    findings: list[str] = Factory(list)

    @property
    def clean(self) -> bool:
        return not self.findings

    def summary(self) -> str:
        return (
            f"documents={self.documents} receipts={self.receipts} responses={self.responses} "
            f"duplicates={self.duplicates} lost={self.lost} reordered={self.reordered} stray={self.stray} "
            f"altered={self.altered} unfinished={self.unfinished} refused={self.refused} failed={self.failed}"
        )

    def find(self, count: str, sentence: str) -> None:
        """Count a finding ("lost", "duplicates", …) and keep its sentence."""
        setattr(self, count, getattr(self, count) + 1)
        self.findings.append(f"{count}: {sentence}")

    def refuse(self, code: str) -> None:
        self.refused += 1
        self.reasons[f"refused {code}"] += 1

    def fail(self, reason: str) -> None:
        self.failed += 1
        self.reasons[reason] += 1
