"""Rules that one document cannot show by itself: they need what the register knows of other documents.

``settle`` decides what becomes of a message; these rules are asked after it, with the same values from the
registry, inside the same commit.  An error refuses the document like any other rule, a warning never blocks;
which of them a rule is, and from which day, is told by its row in ``rules.csv``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from attrs import evolve

from asw_gateway.exchange import balance, clocks
from asw_gateway.exchange.settlement import KnownDocument, Settlement, Verdict
from asw_gateway.translation.facts import DocumentFacts
from asw_gateway.translation.goods import GoodsLine
from asw_gateway.translation.problem import PointerStep, Problem, blocking
from asw_gateway.translation.rule_table import RuleTable
from asw_gateway.translation.timers import Timer

#: The mark of box 13 for partial cumulation: such goods get no preference (Annex 6(c), overleaf note 16).
PARTIAL_CUMULATION = "PCU"
#: Rows of ``rules.csv``.
RE_ISSUE, NO_PREFERENCE, USED_LATE, TOLD_LATE = "R-21", "R-08-response", "R-03-clock", "T-25-late"
_ISSUE_DATE = (PointerStep(section="42A", tag="D011"),)
_STATUS = (PointerStep(section="07B"), PointerStep(section="12B", tag="379"))


def follow_register(
    settlement: Settlement,
    facts: DocumentFacts,
    effect: str,
    known: KnownDocument | None,
    previous: KnownDocument | None,
    *,
    inbound: bool,
    timers: Iterable[Timer],
    rules: RuleTable,
    goods: Iterable[GoodsLine] = (),
    originals: Mapping[str, balance.Original] | None = None,
    now: float,
) -> Settlement:
    """Add what the register's rules say to a settlement that lets the message proceed.

    ``known`` and ``previous`` are what ``settle`` was given; ``goods`` are the lines of a back-to-back
    certificate of ours, ``originals`` what is known of the proofs they rest on.
    """
    if settlement.verdict is not Verdict.PROCEED:
        return settlement
    timers = tuple(timers)
    found: list[tuple[str, Problem]] = []
    if effect == "replaces":
        found += _re_issue(facts, previous or known, timers)
    if effect == "answers" and known is not None:
        found += _answer(facts, known, timers, now=now)
    draws: tuple[balance.Draw, ...] = ()
    if not inbound and effect in ("opens", "replaces"):
        draws, drawn_problems = balance.draw(goods, originals or {})
        found += drawn_problems
    day = datetime.fromtimestamp(facts.issued_at if facts.issued_at is not None else now, UTC).date()
    # What another country's customs decided is handed over as said; our own is told before it is sent.
    theirs = inbound and effect == "answers"
    problems = [
        evolve(problem, severity="warning" if theirs else severity)
        for rule, problem in found
        if (severity := rules.severity(rule, day, problem.severity)) is not None
    ]
    if blocking(problems):
        return Settlement(verdict=Verdict.FAULTY, problems=tuple(problems))
    return evolve(settlement, problems=settlement.problems + tuple(problems), draws=draws)


def _re_issue(
    facts: DocumentFacts, original: KnownDocument | None, timers: tuple[Timer, ...]
) -> Iterator[tuple[str, Problem]]:
    """OCP Rule 29(1): an e-Form D is issued anew within one year of the original's issue."""
    if original is None or original.issued_at is None or facts.issued_at is None:
        return
    if clocks.is_late(timers, clocks.RE_ISSUE, original.issued_at, facts.issued_at):
        day = clocks.utc_date(original.issued_at).isoformat()
        problem = Problem(
            rule=clocks.RE_ISSUE,
            message=f"the original was issued on {day}, more than a year before this replacement",
            message_vi=f"C/O gốc được cấp ngày {day}, quá một năm trước C/O thay thế này",
            box="12",
            pointer=_ISSUE_DATE,
            path="Declaration/IssueDateTime/DateTimeString",
            value=clocks.utc_date(facts.issued_at).isoformat(),
        )
        yield RE_ISSUE, problem


def _answer(
    facts: DocumentFacts, known: KnownDocument, timers: tuple[Timer, ...], *, now: float
) -> Iterator[tuple[str, Problem]]:
    """What a customs response says against what is known of the certificate it answers."""
    status = facts.response_status or ""
    if status == "UTL" and PARTIAL_CUMULATION in known.marks:
        yield NO_PREFERENCE, _about_status(
            "R-08",
            "error",
            status,
            "preference is given for all items, but goods under partial cumulation get none",
            "toàn bộ mặt hàng được hưởng ưu đãi, nhưng hàng cộng gộp từng phần không được hưởng",
        )
    if status in ("UTL", "UTP") and known.valid_until_at is not None and known.valid_until_at < now:
        day = clocks.utc_date(known.valid_until_at).isoformat()
        yield USED_LATE, _about_status(
            clocks.VALIDITY,
            "warning",
            status,
            f"the certificate was valid until {day}; it counts only if it was lodged late for a good reason",
            f"C/O có hiệu lực đến {day}; chỉ được chấp nhận nộp muộn khi có lý do chính đáng",
        )
    if (
        status == "REJ"
        and known.received_at
        and clocks.is_late(timers, clocks.REJECTION, known.received_at, now)
    ):
        day = clocks.utc_date(known.received_at).isoformat()
        yield TOLD_LATE, _about_status(
            clocks.REJECTION,
            "warning",
            status,
            f"the certificate was received on {day}: the time in which a rejection must be told is over",
            f"C/O được nhận ngày {day}: đã hết thời hạn thông báo từ chối",
        )


def _about_status(rule: str, severity: str, status: str, message: str, message_vi: str) -> Problem:
    return Problem(
        rule=rule,
        severity=severity,
        message=message,
        message_vi=message_vi,
        box="4",
        pointer=_STATUS,
        path="Response/Status/NameCode",
        value=status,
    )
