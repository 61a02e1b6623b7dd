"""Tables of messages from partners, and of the feed they go to."""

from sqlalchemy import (
    BigInteger,
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

inbox = Table(
    "inbox",
    metadata,
    row_id(),
    Column("partner", Text, nullable=False, comment="name of the partner it came from"),
    Column("message_id", Text, nullable=False, comment="AS4 MessageId"),
    Column("digest", Text, nullable=False, comment="SHA-256 over all reference digests, sorted, hex"),
    Column("service", Text, nullable=False, comment="AS4 Service"),
    Column("action", Text, nullable=False, comment="AS4 Action"),
    Column("conversation_id", Text, comment="AS4 ConversationId"),
    Column("ref_to_message_id", Text, comment="AS4 RefToMessageId"),
    Column(
        "order_key", Text, comment="messages of one key are converted one by one, oldest first; NULL = free"
    ),
    Column("open_key", Text, comment="order_key while the row blocks its successors, else NULL"),
    Column("priority", Integer, nullable=False, comment="class, 0 first"),
    Column("state", Text, nullable=False, comment="inbound state"),
    Column("attempt", Integer, nullable=False, comment="conversions begun"),
    Column("next_attempt_at", Double, nullable=False, comment="not before, UTC epoch seconds"),
    Column("lease_owner", Text, comment="node that converts it"),
    Column("lease_until", Double, nullable=False, comment="lease's end, UTC epoch seconds; 0 = not leased"),
    Column("document_type", Text, comment="known after conversion"),
    Column("profile", Text, comment="profile and version it was read under"),
    Column("kind", Text, comment="message kind within the profile"),
    Column("document_number", Text, comment="number of the document it is about"),
    Column("document_digest", Text, comment="SHA-256 of the document, hex"),
    Column("waiting_for", Text, comment="parked: the document key whose coming wakes it"),
    Column("signer", Text, nullable=False, comment="SHA-256 fingerprint of the signing certificate, hex"),
    Column("received_at", Double, nullable=False, comment="registered, UTC epoch seconds"),
    Column("finalized_at", Double, comment="reached its present final state, UTC epoch seconds"),
    Column("last_reason", Text, comment="bounded word or sentence for the last state"),
    UniqueConstraint("partner", "message_id", name="uq_inbox_message"),
    CheckConstraint("priority BETWEEN 0 AND 3", name="ck_inbox_priority"),
    Index(
        "ix_inbox_received",
        "priority",
        "id",
        sqlite_where=text("state = 'received'"),
        postgresql_where=text("state = 'received'"),
    ),
    Index(
        "ix_inbox_open",
        "partner",
        "open_key",
        "id",
        sqlite_where=text("open_key IS NOT NULL"),
        postgresql_where=text("open_key IS NOT NULL"),
    ),
    Index(
        "ix_inbox_parked",
        "partner",
        "waiting_for",
        sqlite_where=text("state = 'parked'"),
        postgresql_where=text("state = 'parked'"),
    ),
    Index("ix_inbox_document", "document_number", "document_type"),
)

inbox_body = Table(
    "inbox_body",
    metadata,
    Column("id", Key, ForeignKey("inbox.id"), primary_key=True, autoincrement=False, comment="inbox row"),
    Column(
        "reference_digests",
        Text,
        nullable=False,
        comment="JSON list of [URI, base64 digest], every ds:Reference",
    ),
    Column("receipt_content_type", Text, nullable=False, comment="media type of the receipt"),
    Column(
        "receipt",
        LargeBinary,
        nullable=False,
        comment="the signed receipt, sent again to every duplicate, bytes",
    ),
    *body_columns(),
)

feed = Table(
    "feed",
    metadata,
    Column(
        "sequence",
        Key,
        primary_key=True,
        autoincrement=False,
        comment="position, in order of commit, for ever",
    ),
    Column("entry_id", Text, nullable=False, unique=True, comment="permanent id of the entry"),
    Column("kind", Text, nullable=False, comment="message, status, notice"),
    Column("subject", Text, nullable=False, comment="what it is about, for example inbound:17"),
    Column(
        "inbox_id",
        Key,
        ForeignKey("inbox.id"),
        unique=True,
        comment="the inbound message it delivers, once only",
    ),
    Column("partner", Text, nullable=False, comment="partner concerned; empty = none"),
    Column("document_type", Text, nullable=False, comment="document type; empty = none"),
    Column("document_number", Text, nullable=False, comment="document number; empty = none"),
    Column("created_at", Double, nullable=False, comment="UTC epoch seconds"),
    Column("acknowledged_at", Double, comment="portal confirmed, UTC epoch seconds"),
    Column("result", Text, comment="ok, ok-with-warnings, not-readable"),
    Column("detail", Text, comment="portal's remark, bounded"),
    Index(
        "ix_feed_unacknowledged",
        "sequence",
        sqlite_where=text("acknowledged_at IS NULL"),
        postgresql_where=text("acknowledged_at IS NULL"),
    ),
)

feed_body = Table(
    "feed_body",
    metadata,
    Column(
        "sequence",
        Key,
        ForeignKey("feed.sequence"),
        primary_key=True,
        autoincrement=False,
        comment="feed entry",
    ),
    *body_columns(),
)

feed_counter = Table(
    "feed_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("last", BigInteger, nullable=False, comment="last sequence given out"),
)
