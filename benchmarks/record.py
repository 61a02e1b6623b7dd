"""Results on disk: written with date and commit, and the committed ones read again."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import floor

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_name("results")
WORK = REPOSITORY / "build" / "bench"


def keep(kind: str, results: dict[str, Any]) -> Path:
    """Write benchmarks/results/<day>-<kind>-<commit>.json."""
    RESULTS.mkdir(exist_ok=True)
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    path = RESULTS / f"{day}-{kind}-{commit().rstrip('+')}.json"
    path.write_text(json.dumps(heading() | results, indent=1) + "\n", encoding="utf-8")
    return path


def heading() -> dict[str, Any]:
    """When, of which commit, on what."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": commit(),
        "machine": floor.machine(),
    }


def commit() -> str:
    """The short name of the commit, with + when files differ from it."""
    return _git("describe", "--always", "--dirty=+", "--abbrev=8", "--exclude=*").strip() or "unknown"


def committed(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Every committed result of a kind, as it was committed: file and content."""
    names = _git("ls-tree", "--name-only", "HEAD", "benchmarks/results/").split()
    return [(name, json.loads(_git("show", f"HEAD:{name}"))) for name in names if f"-{kind}-" in name]


def newest_ratios(results: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, tuple[float, str]]:
    """Each ratio as it was measured last, and the file that says so.

    Ratios to a floor of another list of parts are not of this measure and are left out.
    """
    found: dict[str, tuple[float, str]] = {}
    for name, content in sorted(results, key=lambda each: str(each[1].get("date", ""))):
        same = content.get("floor_list") == floor_list()
        for ratio, value in content.get("ratios", {}).items():
            if same or not ratio.startswith("floor "):
                found[ratio] = (float(value), name)
    return found


def floor_list() -> str:
    """A short digest of what the floor consists of: names, sides, how often, which calls."""
    kept = [[part[key] for key in ("name", "side", "calls", "call")] for part in floor.parts()]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:12]


def _git(*words: str) -> str:
    command = [shutil.which("git") or "git", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout
