"""The targets themselves, on their first inputs: they run without atheris, and they can find something."""

from __future__ import annotations

import pytest

from asw_gateway.web import WebAnswer
from tests.fuzz.run import TARGETS
from tests.fuzz.targets import Target, check_answer, targets
from tests.partner.test_refusals import Door

ALL: dict[str, Target] = targets()


def test_the_list_of_targets_is_complete() -> None:
    assert tuple(ALL) == TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name: str) -> None:
    for seed in (*ALL[name].seeds, b"", b"\n", bytes(300)):
        ALL[name].run(seed)


@pytest.mark.parametrize(
    "answer",
    [
        WebAnswer(status=500),
        WebAnswer(status=503),
        WebAnswer(status=200, body=bytes(30_000)),
    ],
    ids=["500", "503 without Retry-After", "endless"],
)
def test_a_bad_answer_is_a_find(answer: WebAnswer) -> None:
    door = Door()
    try:
        with pytest.raises((AssertionError, KeyError)):
            check_answer(door, answer)
    finally:
        door.database.close()
