"""What the tables share: the metadata, key types, and the columns of a body."""

from sqlalchemy import (
    BigInteger,
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
    text,
)

metadata = MetaData()

Key = BigInteger().with_variant(Integer, "sqlite")
"""64-bit on both engines: SQLite gives an automatic row id only to a column spelled INTEGER."""


def row_id() -> Column[int]:
    return Column(
        "id", Key, Identity(), primary_key=True, comment="row number, in order of insertion on one node"
    )


def body_columns() -> list[Column[object]]:
    return [
        Column("content_type", Text, nullable=False, comment="media type, with parameters, of the bytes"),
        Column("size_bytes", BigInteger, nullable=False, comment="length of the whole body, bytes"),
        Column("body", LargeBinary, comment="the bytes when short enough to stand inline, else NULL"),
        # No foreign key: deleting an orphan would search every table that has bodies.
        Column("staging_id", Text, comment="where the chunks are when the body is long, else NULL"),
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
