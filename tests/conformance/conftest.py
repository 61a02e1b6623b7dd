"""One gateway and one simulator for all cases; evidence is kept as they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance import evidence
from tests.conformance.bench import Bench
from tests.conformance.predicates import PREDICATES
from tests.conformance.story import Story


@pytest.fixture(scope="package")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    evidence.begin()
    directory: Path = tmp_path_factory.mktemp("conformance")
    made = Bench(directory)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def holds(bench: Bench) -> Callable[..., None]:
    """Keep the evidence of an assertion, then demand that its predicate finds nothing."""

    def check(name: str, story: Story, aspect: str = "") -> None:
        evidence.keep(name, story, own=bench.config.signing.certificate, aspect=aspect)
        complaints = PREDICATES[name](story)
        assert not complaints, complaints

    return check


@pytest.fixture
def breaks() -> Callable[[str, Story, str], None]:
    """Keep the evidence of a negative twin, then demand that the predicate speaks of what is broken."""

    def check(name: str, story: Story, said: str) -> None:
        complaints = PREDICATES[name](story)
        evidence.keep_twin(name, story, complaints)
        assert complaints and all(said in complaint for complaint in complaints), complaints

    return check
