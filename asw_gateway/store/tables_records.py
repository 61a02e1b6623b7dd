"""Tables of what is remembered: refusals, documents, partners, jobs, the journal."""

from sqlalchemy import (
    BigInteger,
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

from asw_gateway.store.columns import Key, metadata, row_id

refusals = Table(
    "refusals",
    metadata,
    row_id(),
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

documents = Table(
    "documents",
    metadata,
    row_id(),
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
    Column("issued_at", Double, comment="day of issue, UTC epoch seconds"),
    Column("marks", Text, comment="codes ticked on the form, blanks between; NULL = none"),
    Column("goods", Text, comment="what it certifies, as commodity unit quantity lines; NULL = not kept"),
    UniqueConstraint("direction", "party", "document_type", "document_number", name="uq_documents"),
    Index("ix_documents_number", "document_number", "document_type"),
    Index(
        "ix_documents_validity",
        "valid_until_at",
        sqlite_where=text("state IN ('RCV', 'VAL')"),
        postgresql_where=text("state IN ('RCV', 'VAL')"),
    ),
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

journal_heads = Table(
    "journal_heads",
    metadata,
    Column("chain", Text, primary_key=True, comment="chain whose head it was"),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False, comment="the head's position"),
    Column("hash", Text, nullable=False, comment="the head's hash"),
    Column("published_at", Double, nullable=False, comment="signed, UTC epoch seconds"),
    Column("signed_with", Text, nullable=False, comment="SHA-256 fingerprint of the seal certificate, hex"),
    Column("statement", LargeBinary, nullable=False, comment="the signed XML statement, bytes"),
)

certificates = Table(
    "certificates",
    metadata,
    Column("fingerprint", Text, primary_key=True, comment="SHA-256 of the certificate, hex"),
    Column("party", Text, primary_key=True, comment="own, or a partner's name"),
    Column("use", Text, primary_key=True, comment="signing, seal, tls-client, tls-server, encryption"),
    Column("certificate", LargeBinary, nullable=False, comment="DER bytes"),
    Column("first_used_at", Double, nullable=False, comment="first configured, UTC epoch seconds"),
    Column("withdrawn_at", Double, comment="no longer configured, UTC epoch seconds; NULL = in use"),
)

revocation_proofs = Table(
    "revocation_proofs",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the list or answer, hex"),
    Column("source", Text, nullable=False, comment="crl or ocsp"),
    Column("proof", LargeBinary, comment="the list or answer, DER; NULL = too long to be kept"),
)

revocation_states = Table(
    "revocation_states",
    metadata,
    Column("fingerprint", Text, primary_key=True, comment="SHA-256 of the certificate, hex"),
    Column(
        "digest", Text, ForeignKey("revocation_proofs.digest"), primary_key=True, comment="what proves it"
    ),
    Column("state", Text, nullable=False, comment="good, revoked or unknown"),
    Column("produced_at", Double, nullable=False, comment="when its issuer said so, UTC epoch seconds"),
    Column("valid_until_at", Double, nullable=False, comment="end of the proof, UTC epoch seconds"),
    Column("learnt_at", Double, nullable=False, comment="when we heard of it, UTC epoch seconds"),
)

retention = Table(
    "retention",
    metadata,
    Column("name", Text, primary_key=True, comment="what is purged, for example outbox payload"),
    Column("done_until", BigInteger, nullable=False, comment="row number up to which nothing is left"),
)
