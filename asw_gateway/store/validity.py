"""Certificates by number alone, with their whole story: what a question for validity needs."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from asw_gateway.store import journal, registry, tables
from asw_gateway.store.statements import Statement
from asw_gateway.store.transaction import Transaction

_d = tables.documents
_NAMES = tuple(_d.c.keys())
_BY_NUMBER = Statement(
    lambda _: select(_d).where(_d.c.document_number == bindparam("number")).order_by(_d.c.id).limit(100)
)


def stories(conn: Transaction, number: str) -> list[tuple[registry.Document, list[journal.Fact]]]:
    """Every document with exactly this number, whatever type and partner, with its entries of the journal."""
    rows = conn.rows(_BY_NUMBER, {"number": number})
    documents = [registry.Document(**dict(zip(_NAMES, row, strict=True))) for row in rows]
    return [(document, journal.about(conn, document.subject)) for document in documents]
