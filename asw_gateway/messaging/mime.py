"""MIME packaging of AS4: multipart/related with the SOAP envelope first (SOAP with Attachments).

Whole bodies here; :mod:`asw_gateway.messaging.multipart` reads them in chunks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from attrs import field, frozen

from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.multipart import MultipartReader, PartData, PartEnded, PartStarted, inconsistent
from asw_gateway.messaging.namespaces import SOAP_MIME_TYPE
from asw_gateway.messaging.pmode import Limits

_MEDIA_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127})\s*")
_PARAMETER = re.compile(
    r"\s*;\s*([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100})\s*=\s*"
    r"""(?:"((?:[^"\\]|\\.){0,1000})"|([^\s;"]{1,1000}))\s*"""
)
_UNSAFE_HEADER = re.compile(r"[^\x20-\x7e]")


@frozen(kw_only=True)
class MimePart:
    """One whole part with its lower-case headers."""

    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def content_id(self) -> str:
        """The Content-ID without its angle brackets; empty when there is none."""
        return part_content_id(self.headers)

    @property
    def content_type(self) -> str:
        """The Content-Type header, text/plain by default (RFC 2045)."""
        return part_content_type(self.headers)


def part_content_id(headers: Mapping[str, str]) -> str:
    """The Content-ID of a part without its angle brackets; empty when there is none."""
    value = headers.get("content-id", "").strip()
    return value[1:-1] if value.startswith("<") and value.endswith(">") else value


def part_content_type(headers: Mapping[str, str]) -> str:
    """The Content-Type of a part, text/plain by default (RFC 2045)."""
    return headers.get("content-type", "text/plain")


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
    parameters = packaging(content_type)
    if parameters is None:
        return body, []
    parts = parse_multipart(
        parameters.get("boundary", ""),
        body,
        max_parts=limits.max_parts + 1,
        max_part_bytes=limits.max_part_bytes,
    )
    if not parts:
        raise inconsistent("the multipart body has no parts")
    soap = parts[0]
    check_first_part(parameters, soap.content_type, soap.content_id)
    return soap.content, parts[1:]


def packaging(content_type: str) -> Mapping[str, str] | None:
    """The parameters of a multipart message's Content-Type, or None for a plain SOAP envelope; raises
    :class:`RemoteFault` for anything else."""
    media_type, parameters = parse_content_type(content_type)
    if media_type == SOAP_MIME_TYPE:
        return None
    if media_type != "multipart/related":
        raise RemoteFault("EBMS:0007", "bad_content_type", f"{media_type} is not a message of this profile")
    if parameters.get("type", SOAP_MIME_TYPE).lower() != SOAP_MIME_TYPE:
        raise RemoteFault("EBMS:0007", "bad_content_type", "the multipart body does not announce SOAP 1.2")
    return parameters


@lru_cache(maxsize=64)
def _media_type(content_type: str) -> str:
    """The media type of a part; every message of a partner names it in the same words."""
    return parse_content_type(content_type)[0]


def check_first_part(parameters: Mapping[str, str], content_type: str, content_id: str) -> None:
    """The first part must be the SOAP envelope that the Content-Type announces; raises
    :class:`RemoteFault`."""
    if _media_type(content_type) != SOAP_MIME_TYPE:
        raise inconsistent("the first part is not a SOAP 1.2 envelope")
    start = parameters.get("start", "").strip().strip("<>")
    if start and start != content_id:
        raise inconsistent("the start parameter does not name the first part")


def build_multipart(
    soap: bytes, parts: Sequence[tuple[str, str, bytes]], *, message_id: str
) -> tuple[str, bytes]:
    """Content-Type and body of a message; ``parts`` are (content id, content type, octets), in order.

    The boundary follows from the message id, so that packing again gives the same bytes.
    """
    frame = Frame(_free_boundary(message_id, [soap, *(content for _, _, content in parts)]), message_id)
    pieces = [frame.before_envelope(), soap]
    for content_id, content_type, content in parts:
        pieces += (frame.before_part(content_id, content_type), content)
    pieces.append(frame.after_last())
    return frame.content_type, b"".join(pieces)


class Frame:
    """What stands between the octets of a message's parts, for a boundary that none of them holds."""

    def __init__(self, boundary: str, message_id: str) -> None:
        self._start = f"envelope-{hashlib.sha256(message_id.encode()).hexdigest()[:16]}@asw-gateway"
        self._boundary = boundary
        self.content_type = (
            f'multipart/related; type="{SOAP_MIME_TYPE}"; start="<{self._start}>"; '
            f'start-info="{SOAP_MIME_TYPE}"; boundary="{boundary}"'
        )

    def before_envelope(self) -> bytes:
        headers = _part_headers(self._start, f"{SOAP_MIME_TYPE}; charset=UTF-8")
        return f"--{self._boundary}\r\n".encode("ascii") + headers

    def before_part(self, content_id: str, content_type: str) -> bytes:
        return f"\r\n--{self._boundary}\r\n".encode("ascii") + _part_headers(content_id, content_type)

    def after_last(self) -> bytes:
        return f"\r\n--{self._boundary}--\r\n".encode("ascii")


def boundary_for(message_id: str, attempt: int = 0) -> str:
    """A boundary that follows from the message id; a later ``attempt`` gives another one."""
    return "asw_" + hashlib.sha256(f"{message_id}/{attempt}".encode()).hexdigest()[:32]


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
        boundary = boundary_for(message_id, attempt)
        mark = b"--" + boundary.encode("ascii")
        if not any(mark in content for content in contents):
            return boundary
    raise LocalFault("no boundary is free of the content; the content was made to prevent it")
