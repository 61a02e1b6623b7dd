"""What issuers said of partners' certificates, with the proof."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add two tables; nothing was kept so far."""
    op.create_table(
        "revocation_proofs",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the list or answer, hex"),
        sa.Column("source", sa.Text(), nullable=False, comment="crl or ocsp"),
        sa.Column("proof", sa.LargeBinary(), comment="the list or answer, DER; NULL = too long to be kept"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "revocation_states",
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="SHA-256 of the certificate, hex"),
        sa.Column("digest", sa.Text(), nullable=False, comment="what proves it"),
        sa.Column("state", sa.Text(), nullable=False, comment="good, revoked or unknown"),
        sa.Column(
            "produced_at", sa.Double(), nullable=False, comment="when its issuer said so, UTC epoch seconds"
        ),
        sa.Column(
            "valid_until_at", sa.Double(), nullable=False, comment="end of the proof, UTC epoch seconds"
        ),
        sa.Column("learnt_at", sa.Double(), nullable=False, comment="when we heard of it, UTC epoch seconds"),
        sa.ForeignKeyConstraint(["digest"], ["revocation_proofs.digest"]),
        sa.PrimaryKeyConstraint("fingerprint", "digest"),
    )
