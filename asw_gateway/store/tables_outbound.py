"""Tables of messages to partners."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from asw_gateway.store.columns import Key, body_columns, metadata, row_id

outbox = Table(
    "outbox",
    metadata,
    row_id(),
    Column(
        "message_id",
        Text,
        unique=True,
        comment="AS4 MessageId; NULL until prepared; never changes afterwards",
    ),
    Column("origin", Text, nullable=False, comment="portal = a national document; gateway = our own answer"),
    Column("sender_identity", Text, comment="portal client's organisation; NULL for our own answers"),
    Column("national_message_id", Text, comment="messageId of the VNSW envelope; NULL for our own answers"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the bytes as submitted, hex"),
    Column("partner", Text, nullable=False, comment="name of the partner it goes to"),
    Column("document_type", Text, nullable=False, comment="for example atiga-form-d"),
    Column("profile", Text, nullable=False, comment="profile and version it was accepted under"),
    Column("kind", Text, nullable=False, comment="message kind within the profile"),
    Column("document_number", Text, nullable=False, comment="number of the document it is about"),
    Column("order_key", Text, nullable=False, comment="messages of one key go out one by one, oldest first"),
    Column(
        "open_key", Text, comment="order_key while the row blocks its successors, NULL once it no longer does"
    ),
    Column("priority", Integer, nullable=False, comment="class between keys, 0 first"),
    Column("state", Text, nullable=False, comment="outbound state"),
    Column(
        "head",
        Integer,
        nullable=False,
        server_default="1",
        comment="0 = an older message of the key is open, so no claim looks at this one; 1 = look",
    ),
    Column(
        "followed",
        Integer,
        nullable=False,
        server_default="0",
        comment="1 = a younger message of the key may have head 0: promote it when this one closes",
    ),
    Column(
        "claims", Integer, nullable=False, server_default="0", comment="conversions begun since submitted"
    ),
    Column("attempt", Integer, nullable=False, comment="attempts begun so far"),
    Column("attempted_at", Double, comment="last attempt begun, UTC epoch seconds"),
    Column("next_attempt_at", Double, nullable=False, comment="not before, UTC epoch seconds"),
    Column("expires_at", Double, nullable=False, comment="end of its time-to-live, UTC epoch seconds"),
    Column("lease_owner", Text, comment="node that works on it"),
    Column("lease_until", Double, nullable=False, comment="lease's end, UTC epoch seconds; 0 = not leased"),
    Column("dossier", Text, comment="the portal's reference of the file"),
    Column("conversation_id", Text, comment="AS4 ConversationId"),
    Column("ref_to_message_id", Text, comment="AS4 MessageId it answers"),
    Column("previous_number", Text, comment="document it replaces"),
    Column("effect", Text, comment="what it does to its document: opens, replaces, cancels, answers, ..."),
    Column("functional_reference", Text, comment="FunctionalReferenceID given to the ASEAN document"),
    Column("document_digest", Text, comment="SHA-256 of the ASEAN document that was sealed, hex"),
    Column("created_at", Double, nullable=False, comment="submitted, UTC epoch seconds"),
    Column("queued_at", Double, comment="sealed and queued for the first time, UTC epoch seconds"),
    Column("finalized_at", Double, comment="reached its present final state, UTC epoch seconds"),
    Column("last_reason", Text, comment="bounded word or sentence for the last state or attempt"),
    UniqueConstraint("sender_identity", "national_message_id", name="uq_outbox_national"),
    CheckConstraint("priority BETWEEN 0 AND 3", name="ck_outbox_priority"),
    # Claims for sending: one seek per class, then rows in the order they become due. Rows behind an open one
    # of their key are not in it, however many there are.
    Index(
        "ix_outbox_due",
        "partner",
        "priority",
        "next_attempt_at",
        "id",
        "order_key",
        sqlite_where=text("state = 'queued' AND head = 1"),
        postgresql_where=text("state = 'queued' AND head = 1"),
    ),
    # Is an older message of this key still open? Its predicate is a column that changes once in a life.
    Index(
        "ix_outbox_open",
        "partner",
        "open_key",
        "id",
        sqlite_where=text("open_key IS NOT NULL"),
        postgresql_where=text("open_key IS NOT NULL"),
    ),
    # At most one message of a key is in flight, whatever two nodes do at once.
    Index(
        "uq_outbox_in_flight",
        "partner",
        "order_key",
        unique=True,
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
    Index(
        "ix_outbox_submitted",
        "priority",
        "id",
        sqlite_where=text("state = 'submitted'"),
        postgresql_where=text("state = 'submitted'"),
    ),
    # finalized_at is NULL in every state that can still expire, and changes only when a row comes to rest.
    Index(
        "ix_outbox_expiry",
        "expires_at",
        sqlite_where=text("finalized_at IS NULL"),
        postgresql_where=text("finalized_at IS NULL"),
    ),
    Index(
        "ix_outbox_dead",
        "finalized_at",
        "id",
        "partner",
        sqlite_where=text("state IN ('failed', 'expired')"),
        postgresql_where=text("state IN ('failed', 'expired')"),
    ),
    Index("ix_outbox_document", "document_number", "document_type"),
)

outbox_submitted = Table(
    "outbox_submitted",
    metadata,
    Column("id", Key, ForeignKey("outbox.id"), primary_key=True, autoincrement=False, comment="outbox row"),
    *body_columns(),
)

outbox_sealed = Table(
    "outbox_sealed",
    metadata,
    Column("id", Key, ForeignKey("outbox.id"), primary_key=True, autoincrement=False, comment="outbox row"),
    Column(
        "reference_digests",
        Text,
        nullable=False,
        comment="JSON list of [URI, base64 digest], every ds:Reference",
    ),
    Column(
        "signed_with", Text, nullable=False, comment="SHA-256 fingerprint of our signing certificate, hex"
    ),
    *body_columns(),
)

outbox_superseded = Table(
    "outbox_superseded",
    metadata,
    row_id(),
    Column("outbox_id", Key, ForeignKey("outbox.id"), nullable=False, comment="outbox row"),
    Column("superseded_at", Double, nullable=False, comment="signed again, UTC epoch seconds"),
    Column(
        "signed_with", Text, nullable=False, comment="SHA-256 fingerprint of the certificate before, hex"
    ),
    *body_columns(),
    Index("ix_outbox_superseded", "outbox_id"),
)

attempts = Table(
    "attempts",
    metadata,
    row_id(),
    Column("outbox_id", Key, ForeignKey("outbox.id"), nullable=False, comment="outbox row"),
    Column("attempt", Integer, nullable=False, comment="number of the attempt, from 1"),
    Column("node", Text, nullable=False, comment="node that made it"),
    Column("started_at", Double, nullable=False, comment="request begun, UTC epoch seconds"),
    Column("finished_at", Double, nullable=False, comment="outcome known, UTC epoch seconds"),
    Column("outcome", Text, nullable=False, comment="receipt, error_signal, http_error, ..., interrupted"),
    Column("retryable", Integer, nullable=False, comment="1 = temporary"),
    Column("reason", Text, nullable=False, comment="bounded word"),
    Column("detail", Text, nullable=False, comment="bounded sentence, no payload"),
    Column("answer", LargeBinary, comment="the receipt or error signal as it came, bytes"),
    Column("answer_content_type", Text, comment="media type of the answer"),
    Index("ix_attempts_outbox", "outbox_id"),
)
