"""The first schema: outbox, inbox, feed, registry, partner state, jobs, journal."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table, and the one row of the feed's counter."""
    op.create_table(
        "body_staging",
        sa.Column("staging_id", sa.Text(), nullable=False, comment="random name the writer chose"),
        sa.Column(
            "created_at", sa.Double(), nullable=False, comment="first chunk written, UTC epoch seconds"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="sum of the chunks so far, bytes"),
        sa.Column(
            "adopted_at",
            sa.Double(),
            nullable=True,
            comment="a message took it over, UTC epoch seconds; NULL = still an orphan",
        ),
        sa.PrimaryKeyConstraint("staging_id"),
    )
    op.create_index(
        "ix_body_staging_orphans",
        "body_staging",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("adopted_at IS NULL"),
        postgresql_where=sa.text("adopted_at IS NULL"),
    )
    op.create_table(
        "documents",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column("direction", sa.Text(), nullable=False, comment="out = we sent it; in = the partner did"),
        sa.Column("party", sa.Text(), nullable=False, comment="partner's name"),
        sa.Column("document_type", sa.Text(), nullable=False, comment="for example atiga-form-d"),
        sa.Column("document_number", sa.Text(), nullable=False, comment="number given by the issuer"),
        sa.Column("state", sa.Text(), nullable=False, comment="document state"),
        sa.Column("version", sa.Integer(), nullable=False, comment="versions recorded so far"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the newest version, hex"),
        sa.Column("kind", sa.Text(), nullable=False, comment="message kind that brought the newest version"),
        sa.Column(
            "message_id", sa.Text(), nullable=True, comment="AS4 MessageId that brought the newest version"
        ),
        sa.Column("national_message_id", sa.Text(), nullable=True, comment="messageId of its VNSW envelope"),
        sa.Column(
            "functional_reference",
            sa.Text(),
            nullable=True,
            comment="FunctionalReferenceID of the newest version",
        ),
        sa.Column("replaced_by", sa.Text(), nullable=True, comment="document number of its replacement"),
        sa.Column("valid_until_at", sa.Double(), nullable=True, comment="end of validity, UTC epoch seconds"),
        sa.Column("created_at", sa.Double(), nullable=False, comment="first known, UTC epoch seconds"),
        sa.Column("updated_at", sa.Double(), nullable=False, comment="last change, UTC epoch seconds"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("direction", "party", "document_type", "document_number", name="uq_documents"),
    )
    op.create_index("ix_documents_number", "documents", ["document_number", "document_type"], unique=False)
    op.create_table(
        "feed_counter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="last sequence given out"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "inbox",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column("partner", sa.Text(), nullable=False, comment="name of the partner it came from"),
        sa.Column("message_id", sa.Text(), nullable=False, comment="AS4 MessageId"),
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="SHA-256 over all reference digests, sorted, hex"
        ),
        sa.Column("service", sa.Text(), nullable=False, comment="AS4 Service"),
        sa.Column("action", sa.Text(), nullable=False, comment="AS4 Action"),
        sa.Column("conversation_id", sa.Text(), nullable=True, comment="AS4 ConversationId"),
        sa.Column("ref_to_message_id", sa.Text(), nullable=True, comment="AS4 RefToMessageId"),
        sa.Column(
            "order_key",
            sa.Text(),
            nullable=True,
            comment="messages of one key are converted one by one, oldest first; NULL = free",
        ),
        sa.Column(
            "open_key",
            sa.Text(),
            nullable=True,
            comment="order_key while the row blocks its successors, else NULL",
        ),
        sa.Column("priority", sa.Integer(), nullable=False, comment="class, 0 first"),
        sa.Column("state", sa.Text(), nullable=False, comment="inbound state"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="conversions begun"),
        sa.Column("next_attempt_at", sa.Double(), nullable=False, comment="not before, UTC epoch seconds"),
        sa.Column("lease_owner", sa.Text(), nullable=True, comment="node that converts it"),
        sa.Column(
            "lease_until",
            sa.Double(),
            nullable=False,
            comment="lease's end, UTC epoch seconds; 0 = not leased",
        ),
        sa.Column("document_type", sa.Text(), nullable=True, comment="known after conversion"),
        sa.Column("profile", sa.Text(), nullable=True, comment="profile and version it was read under"),
        sa.Column("kind", sa.Text(), nullable=True, comment="message kind within the profile"),
        sa.Column("document_number", sa.Text(), nullable=True, comment="number of the document it is about"),
        sa.Column("document_digest", sa.Text(), nullable=True, comment="SHA-256 of the document, hex"),
        sa.Column(
            "waiting_for", sa.Text(), nullable=True, comment="parked: the document key whose coming wakes it"
        ),
        sa.Column(
            "signer", sa.Text(), nullable=False, comment="SHA-256 fingerprint of the signing certificate, hex"
        ),
        sa.Column("received_at", sa.Double(), nullable=False, comment="registered, UTC epoch seconds"),
        sa.Column(
            "finalized_at",
            sa.Double(),
            nullable=True,
            comment="reached its present final state, UTC epoch seconds",
        ),
        sa.Column(
            "last_reason", sa.Text(), nullable=True, comment="bounded word or sentence for the last state"
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 3", name="ck_inbox_priority"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("partner", "message_id", name="uq_inbox_message"),
    )
    op.create_index("ix_inbox_document", "inbox", ["document_number", "document_type"], unique=False)
    op.create_index(
        "ix_inbox_open",
        "inbox",
        ["partner", "open_key", "id"],
        unique=False,
        sqlite_where=sa.text("open_key IS NOT NULL"),
        postgresql_where=sa.text("open_key IS NOT NULL"),
    )
    op.create_index(
        "ix_inbox_parked",
        "inbox",
        ["partner", "waiting_for"],
        unique=False,
        sqlite_where=sa.text("state = 'parked'"),
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "ix_inbox_received",
        "inbox",
        ["priority", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'received'"),
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_table(
        "jobs",
        sa.Column(
            "name", sa.Text(), nullable=False, comment="what is to be done, with its subject if it has one"
        ),
        sa.Column("due_at", sa.Double(), nullable=False, comment="not before, UTC epoch seconds"),
        sa.Column("lease_owner", sa.Text(), nullable=True, comment="node that does it now"),
        sa.Column(
            "lease_until",
            sa.Double(),
            nullable=False,
            comment="lease's end, UTC epoch seconds; 0 = not leased",
        ),
        sa.Column("runs", sa.BigInteger(), nullable=False, comment="times begun"),
        sa.Column(
            "failures", sa.BigInteger(), nullable=False, comment="times in a row it ended with an error"
        ),
        sa.Column("last_started_at", sa.Double(), nullable=True, comment="UTC epoch seconds"),
        sa.Column("last_finished_at", sa.Double(), nullable=True, comment="UTC epoch seconds"),
        sa.Column(
            "last_error", sa.Text(), nullable=True, comment="bounded sentence; NULL = the last run was well"
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "journal",
        sa.Column("chain", sa.Text(), nullable=False, comment="node that wrote it: one chain a node"),
        sa.Column(
            "sequence",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="position in the chain, from 1",
        ),
        sa.Column("at", sa.Double(), nullable=False, comment="UTC epoch seconds"),
        sa.Column("event", sa.Text(), nullable=False, comment="what happened"),
        sa.Column("subject", sa.Text(), nullable=False, comment="to what, for example outbound:17"),
        sa.Column("actor", sa.Text(), nullable=False, comment="who: gateway, a partner, an operator's name"),
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="SHA-256 of the bytes concerned, hex; empty = none"
        ),
        sa.Column("detail", sa.Text(), nullable=False, comment="why, bounded"),
        sa.Column(
            "previous_hash",
            sa.Text(),
            nullable=False,
            comment="hash of the entry before; 64 zeros for the first",
        ),
        sa.Column("hash", sa.Text(), nullable=False, comment="SHA-256 over all of the above, hex"),
        sa.PrimaryKeyConstraint("chain", "sequence"),
    )
    op.create_index("ix_journal_subject", "journal", ["subject"], unique=False)
    op.create_table(
        "outbox",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column(
            "message_id",
            sa.Text(),
            nullable=True,
            comment="AS4 MessageId; NULL until prepared; never changes afterwards",
        ),
        sa.Column(
            "origin",
            sa.Text(),
            nullable=False,
            comment="portal = a national document; gateway = our own answer",
        ),
        sa.Column(
            "sender_identity",
            sa.Text(),
            nullable=True,
            comment="portal client's organisation; NULL for our own answers",
        ),
        sa.Column(
            "national_message_id",
            sa.Text(),
            nullable=True,
            comment="messageId of the VNSW envelope; NULL for our own answers",
        ),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the bytes as submitted, hex"),
        sa.Column("partner", sa.Text(), nullable=False, comment="name of the partner it goes to"),
        sa.Column("document_type", sa.Text(), nullable=False, comment="for example atiga-form-d"),
        sa.Column("profile", sa.Text(), nullable=False, comment="profile and version it was accepted under"),
        sa.Column("kind", sa.Text(), nullable=False, comment="message kind within the profile"),
        sa.Column("document_number", sa.Text(), nullable=False, comment="number of the document it is about"),
        sa.Column(
            "order_key",
            sa.Text(),
            nullable=False,
            comment="messages of one key go out one by one, oldest first",
        ),
        sa.Column(
            "open_key",
            sa.Text(),
            nullable=True,
            comment="order_key while the row blocks its successors, NULL once it no longer does",
        ),
        sa.Column("priority", sa.Integer(), nullable=False, comment="class between keys, 0 first"),
        sa.Column("state", sa.Text(), nullable=False, comment="outbound state"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="attempts begun so far"),
        sa.Column(
            "attempted_at", sa.Double(), nullable=True, comment="last attempt begun, UTC epoch seconds"
        ),
        sa.Column("next_attempt_at", sa.Double(), nullable=False, comment="not before, UTC epoch seconds"),
        sa.Column(
            "expires_at", sa.Double(), nullable=False, comment="end of its time-to-live, UTC epoch seconds"
        ),
        sa.Column("lease_owner", sa.Text(), nullable=True, comment="node that works on it"),
        sa.Column(
            "lease_until",
            sa.Double(),
            nullable=False,
            comment="lease's end, UTC epoch seconds; 0 = not leased",
        ),
        sa.Column("dossier", sa.Text(), nullable=True, comment="the portal's reference of the file"),
        sa.Column("conversation_id", sa.Text(), nullable=True, comment="AS4 ConversationId"),
        sa.Column("ref_to_message_id", sa.Text(), nullable=True, comment="AS4 MessageId it answers"),
        sa.Column("previous_number", sa.Text(), nullable=True, comment="document it replaces"),
        sa.Column(
            "effect",
            sa.Text(),
            nullable=True,
            comment="what it does to its document: opens, replaces, cancels, answers, ...",
        ),
        sa.Column(
            "functional_reference",
            sa.Text(),
            nullable=True,
            comment="FunctionalReferenceID given to the ASEAN document",
        ),
        sa.Column(
            "document_digest",
            sa.Text(),
            nullable=True,
            comment="SHA-256 of the ASEAN document that was sealed, hex",
        ),
        sa.Column("created_at", sa.Double(), nullable=False, comment="submitted, UTC epoch seconds"),
        sa.Column(
            "queued_at",
            sa.Double(),
            nullable=True,
            comment="sealed and queued for the first time, UTC epoch seconds",
        ),
        sa.Column(
            "finalized_at",
            sa.Double(),
            nullable=True,
            comment="reached its present final state, UTC epoch seconds",
        ),
        sa.Column(
            "last_reason",
            sa.Text(),
            nullable=True,
            comment="bounded word or sentence for the last state or attempt",
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 3", name="ck_outbox_priority"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id"),
        sa.UniqueConstraint("sender_identity", "national_message_id", name="uq_outbox_national"),
    )
    op.create_index(
        "ix_outbox_dead",
        "outbox",
        ["finalized_at", "id", "partner"],
        unique=False,
        sqlite_where=sa.text("state IN ('failed', 'expired')"),
        postgresql_where=sa.text("state IN ('failed', 'expired')"),
    )
    op.create_index("ix_outbox_document", "outbox", ["document_number", "document_type"], unique=False)
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["partner", "priority", "next_attempt_at", "id", "order_key"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_outbox_expiry",
        "outbox",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("finalized_at IS NULL"),
        postgresql_where=sa.text("finalized_at IS NULL"),
    )
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["partner", "open_key", "id"],
        unique=False,
        sqlite_where=sa.text("open_key IS NOT NULL"),
        postgresql_where=sa.text("open_key IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_submitted",
        "outbox",
        ["priority", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'submitted'"),
        postgresql_where=sa.text("state = 'submitted'"),
    )
    op.create_index(
        "uq_outbox_in_flight",
        "outbox",
        ["partner", "order_key"],
        unique=True,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_table(
        "partner_state",
        sa.Column("partner", sa.Text(), nullable=False, comment="partner's name"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="failed contacts in a row"),
        sa.Column(
            "first_failure_at",
            sa.Double(),
            nullable=True,
            comment="start of the present outage, UTC epoch seconds",
        ),
        sa.Column(
            "next_contact_at",
            sa.Double(),
            nullable=False,
            comment="no attempt before, UTC epoch seconds; 0 = at once",
        ),
        sa.Column(
            "last_contact_at",
            sa.Double(),
            nullable=True,
            comment="last sign of life in either direction, UTC epoch seconds",
        ),
        sa.Column(
            "last_received_at",
            sa.Double(),
            nullable=True,
            comment="last message accepted from them, UTC epoch seconds",
        ),
        sa.Column(
            "last_delivered_at",
            sa.Double(),
            nullable=True,
            comment="last receipt from them, UTC epoch seconds",
        ),
        sa.Column(
            "suspended_at",
            sa.Double(),
            nullable=True,
            comment="operator stopped sending, UTC epoch seconds; NULL = not suspended",
        ),
        sa.Column("last_reason", sa.Text(), nullable=True, comment="bounded word for the last failure"),
        sa.PrimaryKeyConstraint("partner"),
    )
    op.create_table(
        "refusals",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column("side", sa.Text(), nullable=False, comment="partner or portal"),
        sa.Column(
            "party",
            sa.Text(),
            nullable=False,
            comment="partner or portal client the channel belongs to; empty = unknown",
        ),
        sa.Column(
            "message_id", sa.Text(), nullable=True, comment="the message's own id when it could be read"
        ),
        sa.Column("code", sa.Text(), nullable=False, comment="EBMS:nnnn or a national error code"),
        sa.Column("reason", sa.Text(), nullable=False, comment="bounded word"),
        sa.Column("detail", sa.Text(), nullable=False, comment="bounded sentence"),
        sa.Column("refused_at", sa.Double(), nullable=False, comment="UTC epoch seconds"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the whole refused body, hex"),
        sa.Column(
            "size_bytes", sa.BigInteger(), nullable=False, comment="length of the whole refused body, bytes"
        ),
        sa.Column("content_type", sa.Text(), nullable=False, comment="media type it claimed"),
        sa.Column("head", sa.LargeBinary(), nullable=False, comment="its first bytes, at most 64 KiB"),
        sa.Column("answer", sa.LargeBinary(), nullable=True, comment="what we answered, bytes"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_refusals_at", "refusals", ["refused_at"], unique=False)
    op.create_index("ix_refusals_message", "refusals", ["message_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column("outbox_id", KEY, nullable=False, comment="outbox row"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="number of the attempt, from 1"),
        sa.Column("node", sa.Text(), nullable=False, comment="node that made it"),
        sa.Column("started_at", sa.Double(), nullable=False, comment="request begun, UTC epoch seconds"),
        sa.Column("finished_at", sa.Double(), nullable=False, comment="outcome known, UTC epoch seconds"),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="receipt, error_signal, http_error, ..., interrupted",
        ),
        sa.Column("retryable", sa.Integer(), nullable=False, comment="1 = temporary"),
        sa.Column("reason", sa.Text(), nullable=False, comment="bounded word"),
        sa.Column("detail", sa.Text(), nullable=False, comment="bounded sentence, no payload"),
        sa.Column(
            "answer", sa.LargeBinary(), nullable=True, comment="the receipt or error signal as it came, bytes"
        ),
        sa.Column("answer_content_type", sa.Text(), nullable=True, comment="media type of the answer"),
        sa.ForeignKeyConstraint(
            ["outbox_id"],
            ["outbox.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attempts_outbox", "attempts", ["outbox_id"], unique=False)
    op.create_table(
        "body_chunk",
        sa.Column("staging_id", sa.Text(), nullable=False, comment="body it is part of"),
        sa.Column("number", sa.Integer(), nullable=False, comment="position from 0"),
        sa.Column("data", sa.LargeBinary(), nullable=False, comment="at most 1 MiB of the body"),
        sa.ForeignKeyConstraint(
            ["staging_id"],
            ["body_staging.staging_id"],
        ),
        sa.PrimaryKeyConstraint("staging_id", "number"),
    )
    op.create_table(
        "document_versions",
        sa.Column("document_id", KEY, nullable=False, comment="document"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of this version, hex"),
        sa.Column("kind", sa.Text(), nullable=False, comment="message kind that brought it"),
        sa.Column("message_id", sa.Text(), nullable=True, comment="AS4 MessageId that brought it first"),
        sa.Column("recorded_at", sa.Double(), nullable=False, comment="UTC epoch seconds"),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
        ),
        sa.PrimaryKeyConstraint("document_id", "digest"),
    )
    op.create_table(
        "feed",
        sa.Column(
            "sequence",
            KEY,
            autoincrement=False,
            nullable=False,
            comment="position, in order of commit, for ever",
        ),
        sa.Column("entry_id", sa.Text(), nullable=False, comment="permanent id of the entry"),
        sa.Column("kind", sa.Text(), nullable=False, comment="message, status, notice"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it is about, for example inbound:17"),
        sa.Column("inbox_id", KEY, nullable=True, comment="the inbound message it delivers, once only"),
        sa.Column("partner", sa.Text(), nullable=False, comment="partner concerned; empty = none"),
        sa.Column("document_type", sa.Text(), nullable=False, comment="document type; empty = none"),
        sa.Column("document_number", sa.Text(), nullable=False, comment="document number; empty = none"),
        sa.Column("created_at", sa.Double(), nullable=False, comment="UTC epoch seconds"),
        sa.Column(
            "acknowledged_at", sa.Double(), nullable=True, comment="portal confirmed, UTC epoch seconds"
        ),
        sa.Column("result", sa.Text(), nullable=True, comment="ok, ok-with-warnings, not-readable"),
        sa.Column("detail", sa.Text(), nullable=True, comment="portal's remark, bounded"),
        sa.ForeignKeyConstraint(
            ["inbox_id"],
            ["inbox.id"],
        ),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("entry_id"),
        sa.UniqueConstraint("inbox_id"),
    )
    op.create_index(
        "ix_feed_unacknowledged",
        "feed",
        ["sequence"],
        unique=False,
        sqlite_where=sa.text("acknowledged_at IS NULL"),
        postgresql_where=sa.text("acknowledged_at IS NULL"),
    )
    op.create_table(
        "inbox_body",
        sa.Column("id", KEY, autoincrement=False, nullable=False, comment="inbox row"),
        sa.Column(
            "reference_digests",
            sa.Text(),
            nullable=False,
            comment="JSON list of [URI, base64 digest], every ds:Reference",
        ),
        sa.Column("receipt_content_type", sa.Text(), nullable=False, comment="media type of the receipt"),
        sa.Column(
            "receipt",
            sa.LargeBinary(),
            nullable=False,
            comment="the signed receipt, sent again to every duplicate, bytes",
        ),
        sa.Column(
            "content_type", sa.Text(), nullable=False, comment="media type, with parameters, of the bytes"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="length of the whole body, bytes"),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=True,
            comment="the bytes when short enough to stand inline, else NULL",
        ),
        sa.Column(
            "staging_id",
            sa.Text(),
            nullable=True,
            comment="where the chunks are when the body is long, else NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"],
            ["inbox.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outbox_sealed",
        sa.Column("id", KEY, autoincrement=False, nullable=False, comment="outbox row"),
        sa.Column(
            "reference_digests",
            sa.Text(),
            nullable=False,
            comment="JSON list of [URI, base64 digest], every ds:Reference",
        ),
        sa.Column(
            "signed_with",
            sa.Text(),
            nullable=False,
            comment="SHA-256 fingerprint of our signing certificate, hex",
        ),
        sa.Column(
            "content_type", sa.Text(), nullable=False, comment="media type, with parameters, of the bytes"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="length of the whole body, bytes"),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=True,
            comment="the bytes when short enough to stand inline, else NULL",
        ),
        sa.Column(
            "staging_id",
            sa.Text(),
            nullable=True,
            comment="where the chunks are when the body is long, else NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"],
            ["outbox.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outbox_submitted",
        sa.Column("id", KEY, autoincrement=False, nullable=False, comment="outbox row"),
        sa.Column(
            "content_type", sa.Text(), nullable=False, comment="media type, with parameters, of the bytes"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="length of the whole body, bytes"),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=True,
            comment="the bytes when short enough to stand inline, else NULL",
        ),
        sa.Column(
            "staging_id",
            sa.Text(),
            nullable=True,
            comment="where the chunks are when the body is long, else NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"],
            ["outbox.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "feed_body",
        sa.Column("sequence", KEY, autoincrement=False, nullable=False, comment="feed entry"),
        sa.Column(
            "content_type", sa.Text(), nullable=False, comment="media type, with parameters, of the bytes"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="length of the whole body, bytes"),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=True,
            comment="the bytes when short enough to stand inline, else NULL",
        ),
        sa.Column(
            "staging_id",
            sa.Text(),
            nullable=True,
            comment="where the chunks are when the body is long, else NULL",
        ),
        sa.ForeignKeyConstraint(
            ["sequence"],
            ["feed.sequence"],
        ),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.execute("INSERT INTO feed_counter (id, last) VALUES (1, 0)")
