"""The short form of `python -m benchmarks.large`: 20 MB parts between two gateways."""

from __future__ import annotations

from pathlib import Path

from benchmarks.large import measure

#: The 100 MB form has 64; most of it is needed whatever the size: page cache, TLS, threads' buffers.
LIMIT_MB = 56.0


def test_memory_hardly_rises_with_two_parts_of_20_mb(tmp_path: Path) -> None:
    """Two messages at once, gzip and raw: neither side holds the 40 MB and the copies they would take."""
    rise = measure(20, tmp_path / "world")
    assert max(rise.packing, rise.sending) < LIMIT_MB, rise
    assert rise.receiving < LIMIT_MB, rise
