"""The append-only record of what a simulator did: JSON lines, each on disk before the next step is taken.

A line is `{"at": <UTC epoch seconds>, "party": "VN", "event": "…", …}`.  Events and their fields:

    started        pid
    planned        message_id document_type type function number destination status replaces sha256 digest
                   file
    attempt        message_id attempt
    answer         message_id function ("99" | "00") http_status errors (list of [code, text])
    no-answer      message_id reason
    entry          sequence id kind message_id document_type type function number origin status about
                   problems content digest
    acknowledged   sequence result
    stopped

The words are those of `facts.Facts`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Ledger:
    """Appends records and fsyncs each one.  A torn last line (crash while writing) is cut off when opened."""

    def __init__(self, path: Path, *, party: str, now: Callable[[], float]) -> None:
        self.path = path
        self._party = party
        self._now = now
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        _fsync_directory(path.parent)

    def write(self, event: str, **fields: Any) -> Record:
        """Append one record; returns it once it is on disk.  Raises OSError when the disk refuses."""
        record: Record = {"at": round(self._now(), 6), "party": self._party, "event": event, **fields}
        data = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fdatasync(self._descriptor)
        return record

    def close(self) -> None:
        os.close(self._descriptor)


def read_ledger(path: Path) -> Iterator[Record]:
    """Every complete record of a ledger, in order; an unfinished last line is no record."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n") and line.strip():
                yield json.loads(line)


def write_file_durably(path: Path, data: bytes) -> None:
    """Make `path` hold `data` after a crash at any moment, or not exist: temporary name, fsync, rename."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(path)
    _fsync_directory(path.parent)


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        keep = 0
        step = 65536
        position = size
        while position > 0 and keep == 0:
            start = max(0, position - step)
            stream.seek(start)
            newline = stream.read(position - start).rfind(b"\n")
            keep = start + newline + 1 if newline >= 0 else 0
            position = start
        if keep != size:
            stream.truncate(keep)
            os.fsync(stream.fileno())


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
