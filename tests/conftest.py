"""Ends every run with one line that a script can read."""

from __future__ import annotations

import pytest


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print `tests: PASS passed=… failed=… skipped=…` after pytest's own report."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.collectonly:
        return
    count = {kind: len(reporter.stats.get(kind, ())) for kind in ("passed", "failed", "error", "skipped")}
    bad = count["failed"] + count["error"]
    verdict = "PASS" if not bad and count["passed"] else "FAIL"
    print(f"tests: {verdict} passed={count['passed']} failed={bad} skipped={count['skipped']}")
