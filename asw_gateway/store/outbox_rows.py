"""Values of the outbox: what goes in, and what comes out."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, TypeAlias

from attrs import field, frozen

from asw_gateway.store import tables
from asw_gateway.store.bodies import StagedBody, Stored
from asw_gateway.store.statements import Row

LAST_CLASS = 3
"""Priorities are 0 to LAST_CLASS; whatever lies beyond counts as the nearest."""

INTERRUPTED = "interrupted"
"""Outcome of an attempt whose end this gateway never saw."""

ReferenceDigests: TypeAlias = tuple[tuple[str, str], ...]
"""(URI, base64 digest) of every ds:Reference, in the order of the signature."""


@frozen(kw_only=True)
class NewOutbound:
    """A message to be sent.

    `origin` is `portal` (then `body` is the national envelope and (`sender_identity`,
    `national_message_id`) makes it unique) or `gateway` (then `body` is the ASEAN document of our own
    answer, and both are None). `order_key` must name the partner too. `priority` 0 goes first; classes
    beyond 3 count as 3. With `lease_owner` and `lease_until` the row is born claimed, so that the
    submitting node can convert it without a look at the database.
    """

    origin: str
    partner: str
    document_type: str
    profile: str
    kind: str
    document_number: str
    order_key: str
    priority: int
    expires_at: float
    digest: str
    body: bytes | StagedBody = field(repr=False)
    content_type: str = "application/xml"
    sender_identity: str | None = None
    national_message_id: str | None = None
    dossier: str | None = None
    conversation_id: str | None = None
    ref_to_message_id: str | None = None
    functional_reference: str | None = None
    previous_number: str | None = None
    effect: str | None = None
    lease_owner: str | None = None
    lease_until: float = 0.0


@frozen(kw_only=True)
class OutboundRow:
    """A row of the outbox without its bytes; the columns are described in tables.py."""

    id: int
    message_id: str | None
    origin: str
    sender_identity: str | None
    national_message_id: str | None
    digest: str
    partner: str
    document_type: str
    profile: str
    kind: str
    document_number: str
    order_key: str
    open_key: str | None
    priority: int
    state: str
    attempt: int
    attempted_at: float | None
    next_attempt_at: float
    expires_at: float
    lease_owner: str | None
    lease_until: float
    dossier: str | None
    conversation_id: str | None
    ref_to_message_id: str | None
    previous_number: str | None
    effect: str | None
    functional_reference: str | None
    document_digest: str | None
    created_at: float
    queued_at: float | None
    finalized_at: float | None
    last_reason: str | None
    head: int = 1
    followed: int = 0
    claims: int = 0

    @property
    def body_role(self) -> str:
        """What the submitted bytes are: `national` (an envelope) or `asean` (a document of our own)."""
        return "national" if self.origin == "portal" else "asean"

    @property
    def subject(self) -> str:
        """The name of this message in the journal and on the feed."""
        return f"outbound:{self.id}"


@frozen(kw_only=True)
class Submitted:
    """The message is new and stored."""

    row: OutboundRow


@frozen(kw_only=True)
class Repeated:
    """The sender gave this id before; `same_digest` tells whether the bytes are the same too."""

    row: OutboundRow
    same_digest: bool


@frozen(kw_only=True)
class SubmittedMessage:
    """A message claimed for conversion.

    checked: what the check at the door found, for a message that is handed over in memory; never stored.
    """

    row: OutboundRow
    content_type: str
    body: bytes = field(repr=False)
    checked: Any = field(default=None, eq=False, repr=False)


@frozen(kw_only=True)
class DueMessage:
    """A message claimed for sending: its attempt is recorded, the request may go out.

    A long body stays in its chunks: `body` is empty then, and `large` says where it stands.
    """

    row: OutboundRow
    content_type: str
    body: bytes = field(repr=False)
    reference_digests: ReferenceDigests
    signed_with: str
    large: Stored | None = None


@frozen(kw_only=True)
class Attempt:
    """One attempt that came to an end."""

    outbox_id: int
    attempt: int
    node: str
    started_at: float
    finished_at: float
    outcome: str
    retryable: bool
    reason: str
    detail: str
    answer: bytes | None = field(repr=False)
    answer_content_type: str | None


@frozen(kw_only=True)
class Recorded:
    """What `record_attempt` did: `moved` is False when the row had moved on meanwhile; `row` is as it is now.

    `released` are the held successors that a late receipt set free.
    """

    moved: bool
    row: OutboundRow
    released: tuple[OutboundRow, ...] = ()


_NAMES = tuple(tables.outbox.c.keys())


def outbound_row(values: Row) -> OutboundRow:
    """A row from the values of all columns, in order."""
    return OutboundRow(**dict(zip(_NAMES, values, strict=True)))


def digests_text(digests: ReferenceDigests) -> str:
    """Reference digests as they are stored."""
    return json.dumps(digests, separators=(",", ":"))


def read_digests(text: str) -> ReferenceDigests:
    """Reference digests as they were given."""
    return tuple((uri, digest) for uri, digest in json.loads(text))


def digest_of(digests: ReferenceDigests) -> str:
    """One SHA-256 (hex) that is equal exactly when the same parts are referenced, in whatever order."""
    return sha256(digests_text(tuple(sorted(digests))).encode()).hexdigest()
