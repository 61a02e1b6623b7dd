"""Reading a message too large for memory: a push parser for its body.

Bytes go in as they come. The SOAP envelope is kept in memory (it has a limit of its own); the octets of every
part go, as they are on the wire, to a store that the shell gives. So no plaintext of an encrypted part is
written anywhere. What was read is judged by :mod:`asw_gateway.messaging.large_verification`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from attrs import field, frozen

from asw_gateway.messaging.envelope_reader import ReceivedEnvelope, read_envelope
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.message import UserMessage
from asw_gateway.messaging.mime import check_first_part, packaging, part_content_id, part_content_type
from asw_gateway.messaging.multipart import MultipartReader, PartData, PartEnded, PartStarted, inconsistent
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.unpacking import check_listed


class PartStore(Protocol):
    """Where the octets of one part lie while the message is read; the shell owns and removes it."""

    def write(self, data: bytes) -> None:
        """Append octets."""

    def pieces(self) -> Iterator[bytes]:
        """All octets from the first, in pieces; as often as asked."""


@frozen(kw_only=True)
class WirePart:
    """A part as it came: its Content-Type and where its octets are."""

    content_type: str
    size_bytes: int
    octets: Callable[[], Iterator[bytes]] = field(repr=False)


@frozen(kw_only=True)
class LargeMessage:
    """A user message whose form is right and whose content is not yet trusted."""

    user_message: UserMessage
    envelope: ReceivedEnvelope = field(repr=False)
    parts: Mapping[str, WirePart] = field(repr=False)


class MessageReader:
    """A push parser of one HTTP body: `feed` bytes, `close` at the end.

    `open_part` gives a store for each part, in their order. Both methods raise :class:`RemoteFault`, with
    the message id where it is known; after a fault the reader must not be used again.
    """

    def __init__(self, content_type: str, limits: Limits, open_part: Callable[[], PartStore]) -> None:
        self._limits = limits
        self._open_part = open_part
        self._parameters = packaging(content_type)
        self._reader = None
        if self._parameters is not None:
            # A part may be a little longer on the wire than its content: that is checked when it is known.
            self._reader = MultipartReader(
                self._parameters.get("boundary", ""),
                max_parts=limits.max_parts + 1,
                max_part_bytes=limits.max_message_bytes,
            )
        self._taken_bytes = 0
        self._soap = bytearray()
        self._envelope: ReceivedEnvelope | None = None
        self._parts: dict[str, WirePart] = {}
        self._headers: Mapping[str, str] = {}
        self._store: PartStore | None = None
        self._part_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take more of the body."""
        self._taken_bytes += len(data)
        limit = self._limits.max_message_bytes
        if self._taken_bytes > limit:
            raise self._of_message(
                RemoteFault("EBMS:0007", "message_too_large", f"the message exceeds {limit} bytes")
            )
        if self._reader is None:
            self._more_soap(data)
            return
        try:
            for event in self._reader.feed(data):
                if isinstance(event, PartStarted):
                    self._begin(event.headers)
                elif isinstance(event, PartData):
                    self._more(event.data)
                elif isinstance(event, PartEnded):
                    self._end()
        except RemoteFault as fault:
            raise self._of_message(fault) from None

    def close(self) -> LargeMessage:
        """The whole message has come."""
        try:
            if self._reader is not None:
                self._reader.close()
            envelope = self._envelope if self._envelope is not None else self._read_envelope()
            message = envelope.user_message
            if message is None:
                raise RemoteFault("EBMS:0008", "unsupported_feature", "a user message was expected")
            check_listed(message, self._parts)
        except RemoteFault as fault:
            raise self._of_message(fault) from None
        return LargeMessage(user_message=message, envelope=envelope, parts=self._parts)

    def _begin(self, headers: Mapping[str, str]) -> None:
        self._headers, self._part_bytes = headers, 0
        content_id = part_content_id(headers)
        if self._envelope is None:
            assert self._parameters is not None
            check_first_part(self._parameters, part_content_type(headers), content_id)
            return
        if not content_id:
            raise RemoteFault("EBMS:0007", "bad_mime", "a part has no Content-ID")
        if content_id in self._parts:
            raise RemoteFault("EBMS:0007", "duplicate_part", "two parts have the same Content-ID")
        self._store = self._open_part()

    def _more(self, data: bytes) -> None:
        if self._store is None:
            self._more_soap(data)
        else:
            self._part_bytes += len(data)
            self._store.write(data)

    def _more_soap(self, data: bytes) -> None:
        self._soap += data
        if len(self._soap) > self._limits.max_header_bytes:
            self._read_envelope()  # says that it is too large

    def _end(self) -> None:
        if self._store is None:
            self._envelope = self._read_envelope()
            return
        self._parts[part_content_id(self._headers)] = WirePart(
            content_type=part_content_type(self._headers),
            size_bytes=self._part_bytes,
            octets=self._store.pieces,
        )

    def _read_envelope(self) -> ReceivedEnvelope:
        if not self._soap:
            raise inconsistent("the multipart body has no parts")
        return read_envelope(bytes(self._soap), max_header_bytes=self._limits.max_header_bytes)

    def _of_message(self, fault: RemoteFault) -> RemoteFault:
        if self._envelope is not None and self._envelope.user_message is not None:
            fault.ref_to_message_id = self._envelope.user_message.message_id
        return fault
