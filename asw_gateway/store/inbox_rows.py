"""Values of the inbox: what goes in, and what comes out."""

from __future__ import annotations

from attrs import field, frozen

from asw_gateway.store import tables
from asw_gateway.store.bodies import StagedBody, Stored
from asw_gateway.store.outbox_rows import ReferenceDigests
from asw_gateway.store.statements import Row


@frozen(kw_only=True)
class NewInbound:
    """A verified message of a partner, with the receipt that will answer it and every duplicate of it.

    `order_key`, when the header tells it, keeps messages about one document in line during conversion. With
    `lease_owner` and `lease_until` the row is born claimed by the receiving node. `signer` is the SHA-256
    fingerprint of the signing certificate, hex. `state` is `received`, or `acknowledged` for what is never
    handed on (a ping).
    """

    partner: str
    message_id: str
    reference_digests: ReferenceDigests
    content_type: str
    body: bytes | StagedBody = field(repr=False)
    receipt_content_type: str
    receipt: bytes = field(repr=False)
    service: str
    action: str
    signer: str
    conversation_id: str | None = None
    ref_to_message_id: str | None = None
    order_key: str | None = None
    priority: int = 2
    state: str = "received"
    lease_owner: str | None = None
    lease_until: float = 0.0


@frozen(kw_only=True)
class InboundRow:
    """A row of the inbox without its bytes; the columns are described in tables.py."""

    id: int
    partner: str
    message_id: str
    digest: str
    service: str
    action: str
    conversation_id: str | None
    ref_to_message_id: str | None
    order_key: str | None
    open_key: str | None
    priority: int
    state: str
    attempt: int
    next_attempt_at: float
    lease_owner: str | None
    lease_until: float
    document_type: str | None
    profile: str | None
    kind: str | None
    document_number: str | None
    document_digest: str | None
    waiting_for: str | None
    signer: str
    received_at: float
    finalized_at: float | None
    last_reason: str | None

    @property
    def subject(self) -> str:
        """The name of this message in the journal and on the feed."""
        return f"inbound:{self.id}"


@frozen(kw_only=True)
class Registered:
    """The message is new and stored; its receipt may leave after the commit."""

    row: InboundRow


@frozen(kw_only=True)
class Duplicate:
    """The partner sent this id before.

    With `same_digests` the stored receipt is the answer; otherwise the message must be refused.
    """

    row: InboundRow
    same_digests: bool
    receipt_content_type: str
    receipt: bytes = field(repr=False)


@frozen(kw_only=True)
class ReceivedMessage:
    """A message claimed for conversion.

    A long body stays in its chunks: `body` is empty then, and `large` says where it stands.
    """

    row: InboundRow
    content_type: str
    body: bytes = field(repr=False)
    reference_digests: ReferenceDigests
    large: Stored | None = None

    @property
    def partner(self) -> str:
        """Name of the partner it came from."""
        return self.row.partner


_NAMES = tuple(tables.inbox.c.keys())


def inbound_row(values: Row) -> InboundRow:
    """A row from the values of all columns, in order."""
    return InboundRow(**dict(zip(_NAMES, values, strict=True)))
