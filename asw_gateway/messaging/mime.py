"""MIME packaging of AS4: multipart/related with the SOAP envelope first (eDelivery AS4 1.15, SOAP with
Attachments).

Sans-I/O: :class:`MultipartReader` takes bytes in any chunks and gives events, so that a large message can be
read from a socket or from chunk rows alike. Strict: CRLF line ends, no preamble but blank lines, binary
transfer
encoding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.namespaces import SOAP_MIME_TYPE
from asw_gateway.messaging.pmode import Limits

MAX_PART_HEADER_BYTES = 8192
_HEADER_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_MEDIA_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127})\s*")
_PARAMETER = re.compile(
    r"\s*;\s*([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100})\s*=\s*"
    r"""(?:"((?:[^"\\]|\\.){0,1000})"|([^\s;"]{1,1000}))\s*"""
)
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")
_UNSAFE_HEADER = re.compile(r"[^\x20-\x7e]")


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


@frozen(kw_only=True)
class MimePart:
    """One whole part with its lower-case headers."""

    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def content_id(self) -> str:
        """The Content-ID without its angle brackets; empty when there is none."""
        value = self.headers.get("content-id", "").strip()
        return value[1:-1] if value.startswith("<") and value.endswith(">") else value

    @property
    def content_type(self) -> str:
        """The Content-Type header, text/plain by default (RFC 2045)."""
        return self.headers.get("content-type", "text/plain")


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """Media type in lower case and its parameters; raises :class:`RemoteFault` EBMS:0007."""
    match = _MEDIA_TYPE.match(value) if len(value) <= 4096 else None
    if match is None:
        raise RemoteFault("EBMS:0007", "bad_content_type", "the Content-Type header is not a media type")
    parameters: dict[str, str] = {}
    position = match.end()
    while position < len(value):
        parameter = _PARAMETER.match(value, position)
        if parameter is None:
            if not value[position:].strip(" ;\t"):
                break
            raise RemoteFault("EBMS:0007", "bad_content_type", "a Content-Type parameter is malformed")
        name = parameter.group(1).lower()
        if name in parameters:
            raise RemoteFault(
                "EBMS:0007", "bad_content_type", f"the Content-Type parameter {name} is repeated"
            )
        quoted = parameter.group(2)
        parameters[name] = parameter.group(3) if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = parameter.end()
    return match.group(1).lower(), parameters


class MultipartReader:
    """A push parser of one multipart body: ``feed`` bytes, receive events; ``close`` at the end of input.

    Raises :class:`RemoteFault` EBMS:0007; after a fault the reader must not be fed again.
    """

    def __init__(self, boundary: str, *, max_parts: int, max_part_bytes: int) -> None:
        if _BOUNDARY.fullmatch(boundary) is None:
            raise _inconsistent("the boundary is missing or malformed")
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
            raise _inconsistent("the multipart body ends before its closing delimiter")

    def _preamble(self, events: list[Event]) -> bool:
        at = self._buffer.find(self._delimiter)
        if at < 0 and len(self._buffer) <= len(self._delimiter) + 4:
            return False
        if at < 0 or self._buffer[:at].strip(b"\r\n"):
            raise _inconsistent("the multipart body does not begin with its delimiter")
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
            raise _inconsistent("a delimiter line carries something else")
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
            raise _inconsistent("something follows the closing delimiter")
        self._position = len(self._buffer)
        return False


def parse_multipart(
    boundary: str, body: bytes, *, max_parts: int = 64, max_part_bytes: int = 100_000_000
) -> list[MimePart]:
    """All parts of a whole body; raises :class:`RemoteFault` EBMS:0007."""
    reader = MultipartReader(boundary, max_parts=max_parts, max_part_bytes=max_part_bytes)
    parts: list[MimePart] = []
    headers: Mapping[str, str] = {}
    chunks: list[bytes] = []
    for event in reader.feed(body):
        if isinstance(event, PartStarted):
            headers, chunks = event.headers, []
        elif isinstance(event, PartData):
            chunks.append(event.data)
        elif isinstance(event, PartEnded):
            parts.append(
                MimePart(headers=headers, content=chunks[0] if len(chunks) == 1 else b"".join(chunks))
            )
    reader.close()
    return parts


def split_body(content_type: str, body: bytes, limits: Limits) -> tuple[bytes, list[MimePart]]:
    """The SOAP envelope and the payload parts of an HTTP body, packaged or plain; raises
    :class:`RemoteFault`."""
    if len(body) > limits.max_message_bytes:
        raise RemoteFault(
            "EBMS:0007", "message_too_large", f"the message exceeds {limits.max_message_bytes} bytes"
        )
    media_type, parameters = parse_content_type(content_type)
    if media_type == SOAP_MIME_TYPE:
        return body, []
    if media_type != "multipart/related":
        raise RemoteFault("EBMS:0007", "bad_content_type", f"{media_type} is not a message of this profile")
    if parameters.get("type", SOAP_MIME_TYPE).lower() != SOAP_MIME_TYPE:
        raise RemoteFault("EBMS:0007", "bad_content_type", "the multipart body does not announce SOAP 1.2")
    parts = parse_multipart(
        parameters.get("boundary", ""),
        body,
        max_parts=limits.max_parts + 1,
        max_part_bytes=limits.max_part_bytes,
    )
    if not parts:
        raise _inconsistent("the multipart body has no parts")
    soap = parts[0]
    if parse_content_type(soap.content_type)[0] != SOAP_MIME_TYPE:
        raise _inconsistent("the first part is not a SOAP 1.2 envelope")
    start = parameters.get("start", "").strip().strip("<>")
    if start and start != soap.content_id:
        raise _inconsistent("the start parameter does not name the first part")
    return soap.content, parts[1:]


def build_multipart(
    soap: bytes, parts: Sequence[tuple[str, str, bytes]], *, message_id: str
) -> tuple[str, bytes]:
    """Content-Type and body of a message; ``parts`` are (content id, content type, octets), in order.

    The boundary follows from the message id, so that packing again gives the same bytes.
    """
    boundary = _free_boundary(message_id, [soap, *(content for _, _, content in parts)])
    start = f"envelope-{hashlib.sha256(message_id.encode()).hexdigest()[:16]}@asw-gateway"
    delimiter = f"--{boundary}\r\n".encode("ascii")
    pieces = [delimiter, _part_headers(start, f"{SOAP_MIME_TYPE}; charset=UTF-8"), soap, b"\r\n"]
    for content_id, content_type, content in parts:
        pieces += (delimiter, _part_headers(content_id, content_type), content, b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode("ascii"))
    content_type = (
        f'multipart/related; type="{SOAP_MIME_TYPE}"; start="<{start}>"; '
        f'start-info="{SOAP_MIME_TYPE}"; boundary="{boundary}"'
    )
    return content_type, b"".join(pieces)


def _part_headers(content_id: str, content_type: str) -> bytes:
    if _UNSAFE_HEADER.search(content_id) or _UNSAFE_HEADER.search(content_type):
        raise LocalFault("a MIME header value must be printable ASCII")
    return (
        f"Content-Type: {content_type}\r\n"
        "Content-Transfer-Encoding: binary\r\n"
        f"Content-ID: <{content_id}>\r\n\r\n"
    ).encode("ascii")


def _free_boundary(message_id: str, contents: Iterable[bytes]) -> str:
    contents = list(contents)
    for attempt in range(16):
        seed = f"{message_id}/{attempt}".encode()
        boundary = "asw_" + hashlib.sha256(seed).hexdigest()[:32]
        mark = b"--" + boundary.encode("ascii")
        if not any(mark in content for content in contents):
            return boundary
    raise LocalFault("no boundary is free of the content; the content was made to prevent it")


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
            raise _inconsistent("a MIME header line is malformed")
        key = name.decode("ascii").lower()
        if key in headers:
            raise _inconsistent(f"the MIME header {key} is repeated")
        headers[key] = value.strip().decode("latin-1")
    encoding = headers.get("content-transfer-encoding", "binary").lower()
    if encoding not in ("binary", "8bit", "7bit"):
        raise _inconsistent("a part has a transfer encoding other than binary, 8bit or 7bit")
    return headers


def _inconsistent(detail: str) -> RemoteFault:
    return RemoteFault("EBMS:0007", "bad_mime", detail)
