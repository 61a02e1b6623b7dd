"""Writing what a settlement decided: registry rows and feed entries, inside one unit of the store."""

from __future__ import annotations

from calendar import timegm
from hashlib import sha256

from asw_gateway.exchange import clocks
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.notices import FeedDraft, Status, StatusNotice, feed_draft, notice_for
from asw_gateway.exchange.settlement import KnownDocument, Settlement, lookups, settle
from asw_gateway.store import feed, registry
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.facts import DocumentFacts

_CERTIFICATES = frozenset({"certificate", "replacement", "re-transmission"})


def settle_here(
    conn: Transaction,
    facts: DocumentFacts,
    effect: str,
    digest: str,
    *,
    partner: str,
    inbound: bool,
    ref_to_message_id: str | None = None,
) -> Settlement:
    """Read the registry and decide, in the same unit that will write the decision."""
    known: list[KnownDocument | None] = []
    for direction, number in lookups(facts, effect, inbound=inbound):
        row = registry.find(conn, direction, partner, facts.document_type, number)
        known.append(
            KnownDocument(state=row.state, digest=row.digest, message_id=row.message_id) if row else None
        )
    return settle(
        facts,
        effect,
        digest,
        known[0],
        known[1] if len(known) > 1 else None,
        inbound=inbound,
        ref_to_message_id=ref_to_message_id,
    )


def write_changes(
    conn: Transaction,
    settlement: Settlement,
    facts: DocumentFacts,
    *,
    partner: str,
    message_id: str,
    national_message_id: str | None,
    functional_reference: str | None,
    now: float,
) -> None:
    """Write the registry rows of a settlement."""
    for change in settlement.changes:
        if change.digest:
            registry.put(
                conn,
                direction=change.direction,
                party=partner,
                document_type=facts.document_type,
                document_number=change.document_number,
                state=change.state.value,
                digest=change.digest,
                kind=facts.kind,
                message_id=message_id,
                national_message_id=national_message_id,
                functional_reference=functional_reference,
                valid_until_at=valid_until_at(facts),
                now=now,
            )
            continue
        known = registry.find(conn, change.direction, partner, facts.document_type, change.document_number)
        if known is not None:
            registry.move(
                conn,
                known.id,
                known.state,
                change.state.value,
                now=now,
                reason=f"{facts.kind} {message_id}",
                replaced_by=change.replaced_by or None,
            )


def valid_until_at(facts: DocumentFacts) -> float | None:
    """Give the end of a certificate's validity (OCP Rule 14): the last second of its last day, UTC."""
    if facts.issued_at is None or facts.kind not in _CERTIFICATES:
        return None
    last_day = clocks.certificate_expires_on(facts.issued_at)
    return float(timegm((last_day.year, last_day.month, last_day.day, 23, 59, 59)))


def tell(
    conn: Transaction, row: OutboundRow, status: Status, own: OwnGateway, entry_id: str, now: float
) -> None:
    """Put a status of one of the portal's messages on the feed; our own answers are nobody's business."""
    if row.origin == "portal":
        notice = notice_for(row, status, reason=row.last_reason or "")
        append_notice(conn, row.partner, notice, feed_draft(notice, own, message_id=entry_id, now=now), now)


def append_notice(
    conn: Transaction, partner: str, notice: StatusNotice, draft: FeedDraft, now: float
) -> None:
    """Append a notice whose envelope is already written."""
    feed.append(
        conn,
        kind=draft.kind,
        subject=draft.subject,
        body=draft.body,
        entry_id=draft.message_id,
        partner=partner,
        document_type=notice.document_type,
        document_number=notice.document_number,
        now=now,
    )


def following_id(entry_id: str, number: int) -> str:
    """Give the id of a further entry of the same unit, the same again when the unit is run again."""
    return sha256(f"{entry_id}:{number}".encode("ascii")).hexdigest()[:32]
