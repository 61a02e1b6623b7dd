"""docs/refusals.md says what is so: each line has its test, with that answer and that reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from asw_gateway.metrics.labels import LABELS
from tests.messaging.test_refusals import REFUSED_UNREAD, REFUSED_UNVERIFIED
from tests.partner.test_refusals import OTHERS

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "refusals.md").read_text(encoding="utf-8")
LINES = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| refused"))
]
ROWS = {name: (code, reason) for name, *_, code, reason in (*REFUSED_UNREAD, *REFUSED_UNVERIFIED, *OTHERS)}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_a_line_has_its_test(line: tuple[str, str, str, str]) -> None:
    _, answer, reason, test = line
    assert not reason or reason in {*LABELS["refusal"], *LABELS["handshake"]}
    if test.startswith("row: "):
        assert ROWS[test.removeprefix("row: ")] == (answer, reason)
        return
    file, _, function = test.partition("::")
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    assert not function or f"def {function}(" in text


def test_no_line_is_there_twice() -> None:
    assert len({line[0] for line in LINES}) == len(LINES)
