"""Disposable files for what is too large for memory while it is worked on.

A file loses its name as soon as it is open, so it is gone when it is closed, when the process ends and when
it is killed. `sweep` removes what a process left that was killed between these two steps. Nothing in a spool
is ever needed again: what must survive is in the store.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: Below the size from which the C library gives every buffer a mapping of its own.
PIECE_BYTES = 64 * 1024


class SpoolFile:
    """One file: written once from start to end, then read as often as needed, by any thread at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Append. Raises OSError when the disk is full."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._open(), view, self.size_bytes)
            self.size_bytes += written
            view = view[written:]

    def pieces(self) -> Iterator[bytes]:
        """The content from its start, at most PIECE_BYTES at a time."""
        position = 0
        while position < self.size_bytes:
            piece = os.pread(self._open(), PIECE_BYTES, position)
            if not piece:
                raise OSError("a spool file is shorter than what was written")
            position += len(piece)
            yield piece

    def close(self) -> None:
        """Free the space; no harm twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError("the spool file is closed")
        return self._descriptor


class Spool:
    """A directory for spool files (mode 0700, files 0600); the system's temporary one when none is given."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = Path(tempfile.gettempdir()) if directory is None else directory
        if directory is not None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def sweep(self) -> int:
        """Remove files that an earlier process left; answer how many. Never for the temporary directory."""
        left = [path for path in self._directory.glob("spool-*") if path.is_file()]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def open(self) -> SpoolFile:
        """A new empty file. Raises OSError."""
        path = self._directory / f"spool-{secrets.token_hex(16)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        return SpoolFile(descriptor)


class Folder:
    """The spool files of one piece of work, closed together at the end of a `with` block."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._files: list[SpoolFile] = []

    def open(self) -> SpoolFile:
        """Another file of this work."""
        file = self._spool.open()
        self._files.append(file)
        return file

    def close(self) -> None:
        """Close all of them."""
        while self._files:
            self._files.pop().close()

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
