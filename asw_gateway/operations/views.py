"""What operators see: rows of the store as JSON values.  No payload is ever among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict

from asw_gateway.messaging.party import Partner
from asw_gateway.store import (
    dead_letters,
    feed,
    inbox,
    journal,
    outbox,
    outlook,
    partner_state,
    search,
    sending,
)
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction

_SUMMARY = (
    "partner",
    "state",
    "document_type",
    "kind",
    "document_number",
    "message_id",
    "last_reason",
)
_ENTRY = (
    "sequence",
    "entry_id",
    "kind",
    "subject",
    "partner",
    "document_type",
    "document_number",
    "created_at",
)
_FACT = ("at", "event", "actor", "detail", "digest")


def depths(conn: Transaction) -> dict[str, Any]:
    """What waits, both ways, and how far the portal is behind."""
    return {
        "outbox": [asdict(depth) for depth in outlook.outbox_depths(conn)],
        "inbox": [asdict(depth) for depth in outlook.inbox_depths(conn)],
        "feed": asdict(feed.backlog(conn)),
    }


def partners(
    conn: Transaction, configured: Mapping[str, Partner], channel_states: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Every configured partner with what is remembered of it and what waits for it."""
    waiting: dict[str, dict[str, int]] = {}
    for depth in outlook.outbox_depths(conn):
        waiting.setdefault(depth.partner, {})[depth.state] = depth.messages
    return [
        {
            "name": name,
            "country": partner.country,
            "party_id": partner.party_id.value,
            "address": partner.outbound.address,
            "configured": partner.status,
            "channel": channel_states.get(name, "none"),
            "waiting": sum(
                count for state, count in waiting.get(name, {}).items() if state not in dead_letters.DEAD
            ),
            "messages": waiting.get(name, {}),
            **_remembered(partner_state.get(conn, name)),
        }
        for name, partner in sorted(configured.items())
    ]


def messages(
    conn: Transaction,
    *,
    directions: Sequence[str],
    partner: str | None,
    states: Sequence[str],
    document_number: str | None,
    before_id: int | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Messages that match, newest first within each direction."""
    wanted: dict[str, Any] = {
        "partner": partner,
        "states": states,
        "document_number": document_number,
        "before_id": before_id,
        "limit": limit,
    }
    found: list[dict[str, Any]] = []
    if "outbound" in directions:
        found += [summary(row) for row in search.outbound(conn, **wanted)]
    if "inbound" in directions:
        found += [summary(row) for row in search.inbound(conn, **wanted)]
    return found


def dead(conn: Transaction, limit: int) -> list[dict[str, Any]]:
    """What needs a person: failed and expired messages, and received ones that no profile can translate."""
    found: list[dict[str, Any]] = [summary(row) for row in dead_letters.dead_letters(conn, limit=limit)]
    unconvertible = search.inbound(conn, states=("unconvertible",), limit=limit)
    return found + [summary(row) for row in reversed(unconvertible)]


def unacknowledged(conn: Transaction, limit: int) -> list[dict[str, Any]]:
    """Feed entries the portal has not confirmed, oldest first."""
    waiting = feed.unacknowledged(conn, limit)
    return [{name: getattr(entry, name) for name in _ENTRY} for entry in waiting]


def summary(row: OutboundRow | InboundRow) -> dict[str, Any]:
    """One line of a list."""
    outbound = isinstance(row, OutboundRow)
    return {
        "id": row.subject,
        "direction": "outbound" if outbound else "inbound",
        **{name: getattr(row, name) for name in _SUMMARY},
        "attempt": row.attempt,
        "at": row.created_at if isinstance(row, OutboundRow) else row.received_at,
        "next_attempt_at": row.next_attempt_at,
        "finalized_at": row.finalized_at,
    }


def detail(conn: Transaction, row: OutboundRow | InboundRow) -> dict[str, Any]:
    """One message with its attempts, its story in the journal, and the sizes of what is stored of it."""
    shown = {**summary(row), **asdict(row), "id": row.subject}
    if isinstance(row, OutboundRow):
        shown["attempts"] = [
            {**asdict(attempt), "answer": len(attempt.answer or b"")}
            for attempt in sending.attempts(conn, row.id)
        ]
        shown["sealed_bytes"] = outbox.sealed_bytes(conn, row.id)
    else:
        shown["body_bytes"] = inbox.stored_body(conn, row.id).size_bytes
    history = journal.about(conn, row.subject)
    shown["history"] = [{name: getattr(fact, name) for name in _FACT} for fact in history]
    return shown


def _remembered(state: partner_state.PartnerState) -> dict[str, Any]:
    remembered = asdict(state)
    del remembered["partner"]
    return remembered
