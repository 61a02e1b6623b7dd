"""AS4 payload compression: deterministic gzip out, bounded gunzip in (AS4 profile §3.1, EBMS:0303)."""

from __future__ import annotations

import struct
import zlib

from asw_gateway.messaging.faults import RemoteFault

LEVEL = 6
ALWAYS_ALLOWED_BYTES = 1_000_000
"""Small contents may expand by any ratio: a document of blanks is no attack."""

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


def decompress(content: bytes, *, max_bytes: int, max_ratio: int) -> bytes:
    """The content of exactly one gzip member; raises :class:`RemoteFault` EBMS:0303 when damaged or too
    expansive."""
    limit = min(max_bytes, max(ALWAYS_ALLOWED_BYTES, len(content) * max_ratio))
    unpacker = zlib.decompressobj(wbits=31)
    try:
        result = unpacker.decompress(content, limit + 1)
    except zlib.error:
        raise RemoteFault("EBMS:0303", "bad_decompression", "a compressed part is damaged") from None
    if len(result) > limit:
        raise RemoteFault("EBMS:0303", "expansion_limit", f"a compressed part expands beyond {limit} bytes")
    if not unpacker.eof:
        raise RemoteFault("EBMS:0303", "bad_decompression", "a compressed part ends too early")
    if unpacker.unused_data:
        raise RemoteFault(
            "EBMS:0303", "bad_decompression", "something follows the compressed content of a part"
        )
    return result
