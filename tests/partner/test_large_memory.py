"""The short form of `python -m benchmarks.large`: 20 MB parts between two gateways."""

from __future__ import annotations

from pathlib import Path

from benchmarks.large import measure

#: What a gateway may need for large messages whatever their size: page cache, TLS, threads' buffers.
BASE_MB = 40.0


def test_memory_hardly_rises_with_two_parts_of_20_mb(tmp_path: Path) -> None:
    """Either side stays below what one copy of both parts would take beside its fixed needs."""
    rise = measure(20, tmp_path / "world")
    assert max(rise.packing, rise.sending) < BASE_MB + 10, rise
    assert rise.receiving < BASE_MB + 10, rise
