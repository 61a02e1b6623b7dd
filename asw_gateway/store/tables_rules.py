"""Tables that the rules of the trade need beside the register: draws on originals, clocks that run."""

from sqlalchemy import Column, Double, ForeignKey, Index, Table, Text, UniqueConstraint, text

from asw_gateway.store.columns import Key, metadata, row_id

document_draws = Table(
    "document_draws",
    metadata,
    row_id(),
    Column(
        "document_id", Key, ForeignKey("documents.id"), nullable=False, comment="back-to-back certificate"
    ),
    Column("original", Text, nullable=False, comment="number of the original proof it draws on"),
    Column("commodity", Text, nullable=False, comment="first six digits of the commodity code"),
    Column("unit", Text, nullable=False, comment="unit code, masses in KGM"),
    Column("quantity", Text, nullable=False, comment="decimal number"),
    Index("ix_document_draws_original", "original"),
    Index("ix_document_draws_document", "document_id"),
)

deadlines = Table(
    "deadlines",
    metadata,
    row_id(),
    Column("rule", Text, nullable=False, comment="timer's id, for example T-27"),
    Column("direction", Text, nullable=False, comment="out = the partner must act; in = our side must"),
    Column("party", Text, nullable=False, comment="partner's name"),
    Column("document_type", Text, nullable=False, comment="for example atiga-form-d"),
    Column("document_number", Text, nullable=False, comment="document the clock runs for"),
    Column("message_id", Text, nullable=False, comment="AS4 MessageId that started it"),
    Column("begun_at", Double, nullable=False, comment="UTC epoch seconds"),
    Column("due_at", Double, nullable=False, comment="end of its last day, UTC epoch seconds"),
    Column("ended_at", Double, comment="what was asked for came, UTC epoch seconds; NULL = it runs"),
    UniqueConstraint("message_id", "rule", name="uq_deadlines"),
    Index(
        "ix_deadlines_running",
        "due_at",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_deadlines_document", "document_number", "document_type"),
)
