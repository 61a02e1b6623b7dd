"""AS4 payload compression: deterministic gzip out, bounded gunzip in (AS4 profile §3.1, EBMS:0303)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from asw_gateway.messaging.faults import RemoteFault

LEVEL = 3
"""Half the CPU of zlib's default, for 106 more bytes of a 7,000-byte message."""
ALWAYS_ALLOWED_BYTES = 1_000_000
"""Small contents may expand by any ratio: a document of blanks is no attack."""
STEP_BYTES = 256 * 1024

# No file name, modification time 0, unknown operating system: the same content gives the same bytes.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def compress(content: bytes) -> bytes:
    """One gzip member with modification time 0; the same content always gives the same bytes."""
    return b"".join(
        (
            _HEADER,
            zlib.compress(content, LEVEL, wbits=-15),
            struct.pack("<LL", zlib.crc32(content), len(content) & 0xFFFFFFFF),
        )
    )


class Packer:
    """:func:`compress` piece by piece: the same content gives the same bytes, however it is cut."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, wbits=-15)
        self._checksum = 0
        self._size_bytes = 0
        self._head = _HEADER

    def feed(self, piece: bytes) -> bytes:
        """Take more content; gives what is ready of the compressed form, often nothing."""
        self._checksum = zlib.crc32(piece, self._checksum)
        self._size_bytes += len(piece)
        head, self._head = self._head, b""
        return head + self._deflate.compress(piece)

    def close(self) -> bytes:
        """The rest of the compressed form."""
        trailer = struct.pack("<LL", self._checksum, self._size_bytes & 0xFFFFFFFF)
        return self._head + self._deflate.flush() + trailer


def expanded(
    pieces: Iterable[bytes], size_bytes: int, *, max_bytes: int, max_ratio: int
) -> Iterator[bytes]:
    """:func:`decompress` piece by piece, for ``size_bytes`` of compressed content.

    No piece is longer than STEP_BYTES, however much the content expands. Raises :class:`RemoteFault`
    EBMS:0303 as soon as a limit is passed or damage is met; what came before is then worthless.
    """
    limit = min(max_bytes, max(ALWAYS_ALLOWED_BYTES, size_bytes * max_ratio))
    unpacker = zlib.decompressobj(wbits=31)
    total = 0
    for piece in pieces:
        while piece and not unpacker.eof:
            try:
                result = unpacker.decompress(piece, STEP_BYTES)
            except zlib.error:
                raise damaged("a compressed part is damaged") from None
            total += len(result)
            if total > limit:
                raise RemoteFault(
                    "EBMS:0303", "expansion_limit", f"a compressed part expands beyond {limit} bytes"
                )
            yield result
            piece = unpacker.unconsumed_tail or unpacker.unused_data
        if piece:
            raise damaged("something follows the compressed content of a part")
    if not unpacker.eof:
        raise damaged("a compressed part ends too early")


def damaged(detail: str) -> RemoteFault:
    """A compressed part that cannot be expanded: EBMS:0303, DecompressionFailure."""
    return RemoteFault("EBMS:0303", "bad_decompression", detail)


def decompress(content: bytes, *, max_bytes: int, max_ratio: int) -> bytes:
    """The content of exactly one gzip member; raises :class:`RemoteFault` EBMS:0303 when damaged or too
    expansive."""
    limit = min(max_bytes, max(ALWAYS_ALLOWED_BYTES, len(content) * max_ratio))
    unpacker = zlib.decompressobj(wbits=31)
    try:
        result = unpacker.decompress(content, limit + 1)
    except zlib.error:
        raise damaged("a compressed part is damaged") from None
    if len(result) > limit:
        raise RemoteFault("EBMS:0303", "expansion_limit", f"a compressed part expands beyond {limit} bytes")
    if not unpacker.eof:
        raise damaged("a compressed part ends too early")
    if unpacker.unused_data:
        raise damaged("something follows the compressed content of a part")
    return result
