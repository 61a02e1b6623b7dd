"""Look-ups for people: lists by partner, state and document. For the reading thread, not for hot paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, select

from asw_gateway.store import tables
from asw_gateway.store.inbox_rows import InboundRow, inbound_row
from asw_gateway.store.outbox_rows import OutboundRow, outbound_row
from asw_gateway.store.transaction import Transaction


def outbound(
    conn: Transaction,
    *,
    partner: str | None = None,
    states: Sequence[str] = (),
    document_number: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[OutboundRow]:
    """Outbound messages, newest first; `before_id` is the last id of the page before."""
    return [
        outbound_row(row)
        for row in _search(conn, tables.outbox, partner, states, document_number, before_id, limit)
    ]


def inbound(
    conn: Transaction,
    *,
    partner: str | None = None,
    states: Sequence[str] = (),
    document_number: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[InboundRow]:
    """Inbound messages, newest first; `before_id` is the last id of the page before."""
    return [
        inbound_row(row)
        for row in _search(conn, tables.inbox, partner, states, document_number, before_id, limit)
    ]


def _search(
    conn: Transaction,
    table: Table,
    partner: str | None,
    states: Sequence[str],
    document_number: str | None,
    before_id: int | None,
    limit: int,
) -> list[tuple[Any, ...]]:
    found = select(table).order_by(table.c.id.desc()).limit(limit)
    if partner is not None:
        found = found.where(table.c.partner == partner)
    if states:
        found = found.where(table.c.state.in_(states))
    if document_number is not None:
        found = found.where(table.c.document_number == document_number)
    if before_id is not None:
        found = found.where(table.c.id < before_id)
    return [tuple(row) for row in conn.connection.execute(found)]
