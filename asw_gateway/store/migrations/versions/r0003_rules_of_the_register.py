"""What the rules of the register need: marks and goods of documents, draws on originals, running clocks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add columns and tables; documents known so far have no marks, goods or day of issue."""
    for name, kind, comment in (
        ("issued_at", sa.Double(), "day of issue, UTC epoch seconds"),
        ("marks", sa.Text(), "codes ticked on the form, blanks between; NULL = none"),
        ("goods", sa.Text(), "what it certifies, as commodity unit quantity lines; NULL = not kept"),
    ):
        op.add_column("documents", sa.Column(name, kind, nullable=True, comment=comment))
    op.create_table(
        "document_draws",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column("document_id", KEY, nullable=False, comment="back-to-back certificate"),
        sa.Column("original", sa.Text(), nullable=False, comment="number of the original proof it draws on"),
        sa.Column("commodity", sa.Text(), nullable=False, comment="first six digits of the commodity code"),
        sa.Column("unit", sa.Text(), nullable=False, comment="unit code, masses in KGM"),
        sa.Column("quantity", sa.Text(), nullable=False, comment="decimal number"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_document_draws_original", "document_draws", ["original"])
    op.create_index("ix_document_draws_document", "document_draws", ["document_id"])
    op.create_table(
        "deadlines",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column("rule", sa.Text(), nullable=False, comment="timer's id, for example T-27"),
        sa.Column(
            "direction", sa.Text(), nullable=False, comment="out = the partner must act; in = our side must"
        ),
        sa.Column("party", sa.Text(), nullable=False, comment="partner's name"),
        sa.Column("document_type", sa.Text(), nullable=False, comment="for example atiga-form-d"),
        sa.Column("document_number", sa.Text(), nullable=False, comment="document the clock runs for"),
        sa.Column("message_id", sa.Text(), nullable=False, comment="AS4 MessageId that started it"),
        sa.Column("begun_at", sa.Double(), nullable=False, comment="UTC epoch seconds"),
        sa.Column("due_at", sa.Double(), nullable=False, comment="end of its last day, UTC epoch seconds"),
        sa.Column(
            "ended_at", sa.Double(), comment="what was asked for came, UTC epoch seconds; NULL = it runs"
        ),
        sa.UniqueConstraint("message_id", "rule", name="uq_deadlines"),
        sa.PrimaryKeyConstraint("id"),
    )
    running = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_deadlines_running", "deadlines", ["due_at"], sqlite_where=running, postgresql_where=running
    )
    op.create_index("ix_deadlines_document", "deadlines", ["document_number", "document_type"])
