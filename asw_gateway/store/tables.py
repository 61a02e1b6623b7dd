"""Every table of the store.

Conventions: `*_at` columns are seconds since 1970-01-01 UTC (double), `*_bytes` are bytes, digests are
lower-case hex SHA-256. States are the words of exchange/lifecycle.py. A queue row is small and changes
often; its bytes stand in a table beside it that is written once (updating a row with a 10 kB tail costs
SQLite a quarter more).

Indexes over unfinished work are partial, so that they stay as small as the work itself however many million
messages are stored.
"""

from asw_gateway.store.columns import Key, body_chunk, body_staging, metadata
from asw_gateway.store.tables_inbound import feed, feed_body, feed_counter, inbox, inbox_body
from asw_gateway.store.tables_outbound import (
    attempts,
    outbox,
    outbox_sealed,
    outbox_submitted,
    outbox_superseded,
)
from asw_gateway.store.tables_records import (
    certificates,
    document_versions,
    documents,
    jobs,
    journal,
    journal_heads,
    partner_state,
    refusals,
    retention,
    revocation_proofs,
    revocation_states,
)
from asw_gateway.store.tables_rules import deadlines, document_draws

__all__ = [
    "Key",
    "SCHEMA_REVISION",
    "attempts",
    "body_chunk",
    "body_staging",
    "certificates",
    "deadlines",
    "document_draws",
    "document_versions",
    "documents",
    "feed",
    "feed_body",
    "feed_counter",
    "inbox",
    "inbox_body",
    "jobs",
    "journal",
    "journal_heads",
    "metadata",
    "outbox",
    "outbox_sealed",
    "outbox_submitted",
    "outbox_superseded",
    "partner_state",
    "refusals",
    "retention",
    "revocation_proofs",
    "revocation_states",
]

SCHEMA_REVISION = "0004"
"""The newest revision in migrations/versions; a database with a higher one is refused."""
