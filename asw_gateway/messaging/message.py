"""What an AS4 user message says: header values and the parts it carries."""

from __future__ import annotations

import re

from attrs import field, frozen, validators

from asw_gateway.messaging.values import PartyId, bounded_text

PING_SERVICE = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/service"
PING_ACTION = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/test"

MESSAGE_ID_PATTERN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,190}@[A-Za-z0-9\[\]:.-]{1,190}")
"""RFC 2822 msg-id without angle brackets (ebMS 3.0 core §5.2.2.1), bounded."""

CONTENT_ID_PATTERN = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~.@-]{1,250}")
"""A content id that needs no escaping inside a cid: URI, apart from ``%``, which readers decode."""


def _message_id(instance: object, attribute: object, value: str) -> None:
    if not isinstance(value, str) or MESSAGE_ID_PATTERN.fullmatch(value) is None:
        raise ValueError("a message id has the form unique@host, without angle brackets")


@frozen(kw_only=True)
class MessageProperty:
    """A named value, of the message or of one of its parts."""

    name: str = field(validator=bounded_text())
    value: str
    type: str | None = None


@frozen(kw_only=True)
class Part:
    """A payload as the two business sides see it: plain content, neither compressed nor encrypted."""

    content_id: str
    content: bytes = field(repr=False)
    mime_type: str
    character_set: str | None = None
    properties: tuple[MessageProperty, ...] = ()
    withheld_bytes: int | None = None
    """The size of a content that was checked but is too large to be held; ``content`` is empty then."""

    @property
    def size_bytes(self) -> int:
        """The size of the content, held or not."""
        return len(self.content) if self.withheld_bytes is None else self.withheld_bytes


@frozen(kw_only=True)
class PartInfo:
    """What the header says about one part; ``properties`` leaves out the three that have their own field."""

    content_id: str
    mime_type: str
    character_set: str | None = None
    compression_type: str | None = None
    properties: tuple[MessageProperty, ...] = ()


@frozen(kw_only=True)
class UserMessage:
    """The header of a user message; ``timestamp_at`` is UTC epoch seconds.

    On sending, ``parts`` may be left empty: packing fills it from the parts it is given, in their order.
    """

    message_id: str = field(validator=_message_id)
    timestamp_at: float
    ref_to_message_id: str | None = field(default=None, validator=validators.optional(_message_id))
    from_party: PartyId
    from_role: str = field(validator=bounded_text())
    to_party: PartyId
    to_role: str = field(validator=bounded_text())
    agreement: str | None = None
    agreement_type: str | None = None
    pmode_id: str | None = None
    service: str = field(validator=bounded_text())
    service_type: str | None = None
    action: str = field(validator=bounded_text())
    conversation_id: str = field(validator=bounded_text(shortest=0))
    properties: tuple[MessageProperty, ...] = ()
    parts: tuple[PartInfo, ...] = ()

    @property
    def is_ping(self) -> bool:
        """A connection test: receipted, never delivered (ebMS 3.0 core §5.2.2.9, eDelivery AS4 1.15 test
        service)."""
        return self.service == PING_SERVICE and self.action == PING_ACTION
