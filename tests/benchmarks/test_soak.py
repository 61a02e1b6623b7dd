"""What counts as growth in a soak, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.soak import judge


def sample(
    megabytes: float = 150.0, descriptors: int = 60, threads: int = 8, p99: float = 0.05
) -> dict[str, Any]:
    side = {"megabytes": megabytes, "descriptors": descriptors, "threads": threads}
    return {"p50": 0.01, "p99": p99, "VN": side, "TH": side}


def test_a_steady_one_passes_although_it_began_small() -> None:
    warming = [sample(megabytes=120.0 + 5 * n, p99=0.5) for n in range(5)]
    assert judge(warming + [sample() for _ in range(15)]) == []


def test_one_odd_sample_decides_nothing() -> None:
    samples = [sample() for _ in range(19)] + [sample(p99=9.0)]
    assert judge(samples) == []


@pytest.mark.parametrize(
    ("name", "grow"),
    [
        ("megabytes", lambda n: sample(megabytes=150.0 + 2 * n)),
        ("descriptors", lambda n: sample(descriptors=60 + n)),
        ("threads", lambda n: sample(threads=8 + n // 4)),
        ("p99", lambda n: sample(p99=0.05 + 0.01 * n)),
    ],
)
def test_growth_is_named(name: str, grow: Any) -> None:
    grown = judge([grow(n) for n in range(20)])
    assert grown and all(name in text for text in grown)


def test_no_receipts_are_not_steady() -> None:
    assert judge([sample() for _ in range(14)] + [sample(p99=float("nan")) for _ in range(6)])


def test_too_few_samples_tell_nothing() -> None:
    with pytest.raises(ValueError, match="at least"):
        judge([sample()] * 3)
