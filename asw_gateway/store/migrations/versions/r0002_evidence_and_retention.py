"""Evidence that outlives certificates, signed heads of the journal, retention, heads of order keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DUE = ["partner", "priority", "next_attempt_at", "id", "order_key"]


def upgrade() -> None:
    """Add columns and tables; every stored message counts as the head of its key until it is claimed."""
    for name, start, comment in (
        ("head", "1", "0 = an older message of the key is open, so no claim looks at this one; 1 = look"),
        (
            "followed",
            "0",
            "1 = a younger message of the key may have head 0: promote it when this one closes",
        ),
        ("claims", "0", "conversions begun since submitted"),
    ):
        op.add_column(
            "outbox", sa.Column(name, sa.Integer(), nullable=False, server_default=start, comment=comment)
        )
    op.drop_index("ix_outbox_due", "outbox")
    due = sa.text("state = 'queued' AND head = 1")
    op.create_index("ix_outbox_due", "outbox", DUE, sqlite_where=due, postgresql_where=due)
    valid = sa.text("state IN ('RCV', 'VAL')")
    op.create_index(
        "ix_documents_validity", "documents", ["valid_until_at"], sqlite_where=valid, postgresql_where=valid
    )
    op.create_table(
        "outbox_superseded",
        sa.Column(
            "id", KEY, sa.Identity(), nullable=False, comment="row number, in order of insertion on one node"
        ),
        sa.Column("outbox_id", KEY, nullable=False, comment="outbox row"),
        sa.Column("superseded_at", sa.Double(), nullable=False, comment="signed again, UTC epoch seconds"),
        sa.Column(
            "signed_with",
            sa.Text(),
            nullable=False,
            comment="SHA-256 fingerprint of the certificate before, hex",
        ),
        sa.Column(
            "content_type", sa.Text(), nullable=False, comment="media type, with parameters, of the bytes"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="length of the whole body, bytes"),
        sa.Column(
            "body", sa.LargeBinary(), comment="the bytes when short enough to stand inline, else NULL"
        ),
        sa.Column("staging_id", sa.Text(), comment="where the chunks are when the body is long, else NULL"),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outbox_superseded", "outbox_superseded", ["outbox_id"])
    op.create_table(
        "journal_heads",
        sa.Column("chain", sa.Text(), nullable=False, comment="chain whose head it was"),
        sa.Column(
            "sequence", sa.BigInteger(), autoincrement=False, nullable=False, comment="the head's position"
        ),
        sa.Column("hash", sa.Text(), nullable=False, comment="the head's hash"),
        sa.Column("published_at", sa.Double(), nullable=False, comment="signed, UTC epoch seconds"),
        sa.Column(
            "signed_with",
            sa.Text(),
            nullable=False,
            comment="SHA-256 fingerprint of the seal certificate, hex",
        ),
        sa.Column("statement", sa.LargeBinary(), nullable=False, comment="the signed XML statement, bytes"),
        sa.PrimaryKeyConstraint("chain", "sequence"),
    )
    op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="SHA-256 of the certificate, hex"),
        sa.Column("party", sa.Text(), nullable=False, comment="own, or a partner's name"),
        sa.Column(
            "use", sa.Text(), nullable=False, comment="signing, seal, tls-client, tls-server, encryption"
        ),
        sa.Column("certificate", sa.LargeBinary(), nullable=False, comment="DER bytes"),
        sa.Column(
            "first_used_at", sa.Double(), nullable=False, comment="first configured, UTC epoch seconds"
        ),
        sa.Column(
            "withdrawn_at", sa.Double(), comment="no longer configured, UTC epoch seconds; NULL = in use"
        ),
        sa.PrimaryKeyConstraint("fingerprint", "party", "use"),
    )
    op.create_table(
        "retention",
        sa.Column("name", sa.Text(), nullable=False, comment="what is purged, for example outbox payload"),
        sa.Column(
            "done_until", sa.BigInteger(), nullable=False, comment="row number up to which nothing is left"
        ),
        sa.PrimaryKeyConstraint("name"),
    )
