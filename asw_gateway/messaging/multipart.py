"""A sans-I/O push parser of multipart bodies: bytes in, in any chunks; events out.

Strict: CRLF line ends, no preamble but blank lines, binary transfer encoding. A large message can be read
from a socket or from chunk rows alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import field, frozen

from asw_gateway.messaging.faults import RemoteFault

MAX_PART_HEADER_BYTES = 8192
_HEADER_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")


@frozen
class PartStarted:
    """A part begins; header names are lower-case."""

    headers: Mapping[str, str]


@frozen
class PartData:
    """Some octets of the part that started last."""

    data: bytes = field(repr=False)


@frozen
class PartEnded:
    """The part that started last is complete."""


@frozen
class MultipartEnded:
    """The closing delimiter has been read."""


Event = PartStarted | PartData | PartEnded | MultipartEnded


class MultipartReader:
    """A push parser of one multipart body: ``feed`` bytes, receive events; ``close`` at the end of input.

    Raises :class:`RemoteFault` EBMS:0007; after a fault the reader must not be fed again.
    """

    def __init__(self, boundary: str, *, max_parts: int, max_part_bytes: int) -> None:
        if _BOUNDARY.fullmatch(boundary) is None:
            raise inconsistent("the boundary is missing or malformed")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first delimiter needs no line end before it; pretending one makes all delimiters alike.
        self._buffer = b"\r\n"
        self._position = 0
        self._state = self._preamble
        self._max_parts = max_parts
        self._max_part_bytes = max_part_bytes
        self._parts = 0
        self._part_bytes = 0
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Take more bytes; returns what they completed, in order."""
        rest = self._buffer[self._position :]
        self._buffer = rest + data if rest else data
        self._position = 0
        events: list[Event] = []
        while self._state(events):
            pass
        return events

    def close(self) -> None:
        """Say that no more bytes come; raises when the closing delimiter has not been seen."""
        if not self._ended:
            raise inconsistent("the multipart body ends before its closing delimiter")

    def _preamble(self, events: list[Event]) -> bool:
        at = self._buffer.find(self._delimiter)
        if at < 0 and len(self._buffer) <= len(self._delimiter) + 4:
            return False
        if at < 0 or self._buffer[:at].strip(b"\r\n"):
            raise inconsistent("the multipart body does not begin with its delimiter")
        self._position = at + len(self._delimiter)
        self._state = self._after_delimiter
        return True

    def _after_delimiter(self, events: list[Event]) -> bool:
        start = self._position
        if len(self._buffer) < start + 2:
            return False
        if self._buffer.startswith(b"--", start):
            events.append(MultipartEnded())
            self._ended = True
            self._position = start + 2
            self._state = self._epilogue
            return True
        line_end = self._buffer.find(b"\r\n", start, start + 100)
        if line_end < 0 and len(self._buffer) < start + 100:
            return False
        if line_end < 0 or self._buffer[start:line_end].strip(b" \t"):
            raise inconsistent("a delimiter line carries something else")
        self._parts += 1
        if self._parts > self._max_parts:
            raise RemoteFault("EBMS:0007", "too_many_parts", f"more than {self._max_parts} parts")
        # Stay before the line end: headers end at an empty line, and there may be no header at all.
        self._position = line_end
        self._state = self._headers
        return True

    def _headers(self, events: list[Event]) -> bool:
        start = self._position
        end = self._buffer.find(b"\r\n\r\n", start, start + MAX_PART_HEADER_BYTES)
        if end < 0:
            if len(self._buffer) >= start + MAX_PART_HEADER_BYTES:
                raise RemoteFault("EBMS:0007", "header_too_large", "the MIME headers of a part are too large")
            return False
        events.append(PartStarted(_parse_headers(self._buffer[start + 2 : end])))
        # Stay before the empty line's own end: it may already begin the next delimiter, of an empty part.
        self._position = end + 2
        self._part_bytes = -2
        self._state = self._content
        return True

    def _content(self, events: list[Event]) -> bool:
        start = self._position
        at = self._buffer.find(self._delimiter, start)
        end = at if at >= 0 else len(self._buffer) - len(self._delimiter) + 1
        first = start + (2 if self._part_bytes < 0 else 0)
        if end > first:
            events.append(PartData(self._buffer[first:end]))
            self._part_bytes = max(self._part_bytes, 0) + end - first
            if self._part_bytes > self._max_part_bytes:
                raise RemoteFault(
                    "EBMS:0007", "part_too_large", f"a part exceeds {self._max_part_bytes} bytes"
                )
            self._position = end
        if at < 0:
            return False
        self._position = at + len(self._delimiter)
        events.append(PartEnded())
        self._state = self._after_delimiter
        return True

    def _epilogue(self, events: list[Event]) -> bool:
        if self._buffer[self._position :].strip(b"\r\n \t"):
            raise inconsistent("something follows the closing delimiter")
        self._position = len(self._buffer)
        return False


def _parse_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    if not block:
        return headers
    for line in re.sub(rb"\r\n[ \t]+", b" ", block).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if (
            not colon
            or _HEADER_NAME.fullmatch(name) is None
            or b"\n" in line
            or b"\r" in line
            or b"\0" in line
        ):
            raise inconsistent("a MIME header line is malformed")
        key = name.decode("ascii").lower()
        if key in headers:
            raise inconsistent(f"the MIME header {key} is repeated")
        headers[key] = value.strip().decode("latin-1")
    encoding = headers.get("content-transfer-encoding", "binary").lower()
    if encoding not in ("binary", "8bit", "7bit"):
        raise inconsistent("a part has a transfer encoding other than binary, 8bit or 7bit")
    return headers


def inconsistent(detail: str) -> RemoteFault:
    """A body that is not packaged as agreed: EBMS:0007, MimeInconsistency."""
    return RemoteFault("EBMS:0007", "bad_mime", detail)
