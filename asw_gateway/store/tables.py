"""Every table of the store.

Conventions: `*_at` columns are seconds since 1970-01-01 UTC (double), `*_bytes` are bytes, digests are lower-case hex
SHA-256. States are the words of exchange/lifecycle.py. A queue row is small and changes often; its bytes stand in a
table beside it that is written once (updating a row with a 10 kB tail costs SQLite a quarter more).

Indexes over unfinished work are partial, so that they stay as small as the work itself however many million
messages are stored.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA_REVISION = "0001"
"""The newest revision in migrations/versions; a database with a higher one is refused."""

metadata = MetaData()

Key = BigInteger().with_variant(Integer, "sqlite")
"""64-bit on both engines: SQLite gives an automatic row id only to a column spelled INTEGER."""


def _id() -> Column[int]:
    return Column(
        "id", Key, Identity(), primary_key=True, comment="row number, in order of insertion on one node"
    )


def _body_columns() -> list[Column[object]]:
    return [
        Column("content_type", Text, nullable=False, comment="media type, with parameters, of the bytes"),
        Column("size_bytes", BigInteger, nullable=False, comment="length of the whole body, bytes"),
        Column("body", LargeBinary, comment="the bytes when short enough to stand inline, else NULL"),
        Column(
            "staging_id",
            Text,
            ForeignKey("body_staging.staging_id"),
            comment="where the chunks are when the body is long, else NULL",
        ),
    ]


body_staging = Table(
    "body_staging",
    metadata,
    Column("staging_id", Text, primary_key=True, comment="random name the writer chose"),
    Column("created_at", Double, nullable=False, comment="first chunk written, UTC epoch seconds"),
    Column("size_bytes", BigInteger, nullable=False, comment="sum of the chunks so far, bytes"),
    Column("adopted_at", Double, comment="a message took it over, UTC epoch seconds; NULL = still an orphan"),
    Index(
        "ix_body_staging_orphans",
        "created_at",
        sqlite_where=text("adopted_at IS NULL"),
        postgresql_where=text("adopted_at IS NULL"),
    ),
)

body_chunk = Table(
    "body_chunk",
    metadata,
    Column(
        "staging_id",
        Text,
        ForeignKey("body_staging.staging_id"),
        primary_key=True,
        comment="body it is part of",
    ),
    Column("number", Integer, primary_key=True, comment="position from 0"),
    Column("data", LargeBinary, nullable=False, comment="at most 1 MiB of the body"),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
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
    # Claims for sending: one seek per class, then rows in the order they become due.
    Index(
        "ix_outbox_due",
        "partner",
        "priority",
        "next_attempt_at",
        "id",
        "order_key",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
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
    Index("ix_outbox_document", "document_type", "document_number"),
)

outbox_submitted = Table(
    "outbox_submitted",
    metadata,
    Column("id", Key, ForeignKey("outbox.id"), primary_key=True, autoincrement=False, comment="outbox row"),
    *_body_columns(),
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
    *_body_columns(),
)

attempts = Table(
    "attempts",
    metadata,
    _id(),
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

inbox = Table(
    "inbox",
    metadata,
    _id(),
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
    Index("ix_inbox_document", "document_type", "document_number"),
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
    *_body_columns(),
)

refusals = Table(
    "refusals",
    metadata,
    _id(),
    Column("side", Text, nullable=False, comment="partner or portal"),
    Column(
        "party",
        Text,
        nullable=False,
        comment="partner or portal client the channel belongs to; empty = unknown",
    ),
    Column("message_id", Text, comment="the message's own id when it could be read"),
    Column("code", Text, nullable=False, comment="EBMS:nnnn or a national error code"),
    Column("reason", Text, nullable=False, comment="bounded word"),
    Column("detail", Text, nullable=False, comment="bounded sentence"),
    Column("refused_at", Double, nullable=False, comment="UTC epoch seconds"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the whole refused body, hex"),
    Column("size_bytes", BigInteger, nullable=False, comment="length of the whole refused body, bytes"),
    Column("content_type", Text, nullable=False, comment="media type it claimed"),
    Column("head", LargeBinary, nullable=False, comment="its first bytes, at most 64 KiB"),
    Column("answer", LargeBinary, comment="what we answered, bytes"),
    Index("ix_refusals_at", "refused_at"),
    Index("ix_refusals_message", "message_id"),
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
    *_body_columns(),
)

feed_counter = Table(
    "feed_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("last", BigInteger, nullable=False, comment="last sequence given out"),
)

documents = Table(
    "documents",
    metadata,
    _id(),
    Column("direction", Text, nullable=False, comment="out = we sent it; in = the partner did"),
    Column("party", Text, nullable=False, comment="partner's name"),
    Column("document_type", Text, nullable=False, comment="for example atiga-form-d"),
    Column("document_number", Text, nullable=False, comment="number given by the issuer"),
    Column("state", Text, nullable=False, comment="document state"),
    Column("version", Integer, nullable=False, comment="versions recorded so far"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the newest version, hex"),
    Column("kind", Text, nullable=False, comment="message kind that brought the newest version"),
    Column("message_id", Text, comment="AS4 MessageId that brought the newest version"),
    Column("national_message_id", Text, comment="messageId of its VNSW envelope"),
    Column("functional_reference", Text, comment="FunctionalReferenceID of the newest version"),
    Column("replaced_by", Text, comment="document number of its replacement"),
    Column("valid_until_at", Double, comment="end of validity, UTC epoch seconds"),
    Column("created_at", Double, nullable=False, comment="first known, UTC epoch seconds"),
    Column("updated_at", Double, nullable=False, comment="last change, UTC epoch seconds"),
    UniqueConstraint("direction", "party", "document_type", "document_number", name="uq_documents"),
)

document_versions = Table(
    "document_versions",
    metadata,
    Column("document_id", Key, ForeignKey("documents.id"), primary_key=True, comment="document"),
    Column("digest", Text, primary_key=True, comment="SHA-256 of this version, hex"),
    Column("kind", Text, nullable=False, comment="message kind that brought it"),
    Column("message_id", Text, comment="AS4 MessageId that brought it first"),
    Column("recorded_at", Double, nullable=False, comment="UTC epoch seconds"),
)

partner_state = Table(
    "partner_state",
    metadata,
    Column("partner", Text, primary_key=True, comment="partner's name"),
    Column("failures", Integer, nullable=False, comment="failed contacts in a row"),
    Column("first_failure_at", Double, comment="start of the present outage, UTC epoch seconds"),
    Column(
        "next_contact_at", Double, nullable=False, comment="no attempt before, UTC epoch seconds; 0 = at once"
    ),
    Column("last_contact_at", Double, comment="last sign of life in either direction, UTC epoch seconds"),
    Column("last_received_at", Double, comment="last message accepted from them, UTC epoch seconds"),
    Column("last_delivered_at", Double, comment="last receipt from them, UTC epoch seconds"),
    Column(
        "suspended_at", Double, comment="operator stopped sending, UTC epoch seconds; NULL = not suspended"
    ),
    Column("last_reason", Text, comment="bounded word for the last failure"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True, comment="what is to be done, with its subject if it has one"),
    Column("due_at", Double, nullable=False, comment="not before, UTC epoch seconds"),
    Column("lease_owner", Text, comment="node that does it now"),
    Column("lease_until", Double, nullable=False, comment="lease's end, UTC epoch seconds; 0 = not leased"),
    Column("runs", BigInteger, nullable=False, comment="times begun"),
    Column("failures", BigInteger, nullable=False, comment="times in a row it ended with an error"),
    Column("last_started_at", Double, comment="UTC epoch seconds"),
    Column("last_finished_at", Double, comment="UTC epoch seconds"),
    Column("last_error", Text, comment="bounded sentence; NULL = the last run was well"),
)

journal = Table(
    "journal",
    metadata,
    Column("chain", Text, primary_key=True, comment="node that wrote it: one chain a node"),
    Column(
        "sequence", BigInteger, primary_key=True, autoincrement=False, comment="position in the chain, from 1"
    ),
    Column("at", Double, nullable=False, comment="UTC epoch seconds"),
    Column("event", Text, nullable=False, comment="what happened"),
    Column("subject", Text, nullable=False, comment="to what, for example outbound:17"),
    Column("actor", Text, nullable=False, comment="who: gateway, a partner, an operator's name"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the bytes concerned, hex; empty = none"),
    Column("detail", Text, nullable=False, comment="why, bounded"),
    Column("previous_hash", Text, nullable=False, comment="hash of the entry before; 64 zeros for the first"),
    Column("hash", Text, nullable=False, comment="SHA-256 over all of the above, hex"),
    Index("ix_journal_subject", "subject"),
)
