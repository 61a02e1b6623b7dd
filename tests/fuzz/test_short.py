"""The short form of `make fuzz`: the targets that hold all others, for a moment."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.run import fuzz


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed; `make fuzz` installs it")
@pytest.mark.parametrize("target", ["two-readers", "signed", "receiver"])
def test_nothing_is_found_in_a_moment(target: str, tmp_path: Path) -> None:
    outcome = fuzz(target, 2, tmp_path)
    assert outcome.found == ""
    assert outcome.executions > 0
