"""Writing what a settlement decided: registry rows and feed entries, inside one unit of the store."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from hashlib import sha256

from asw_gateway.exchange import balance, clocks
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.notices import FeedDraft, Status, StatusNotice, feed_draft, notice_for
from asw_gateway.exchange.register_rules import follow_register
from asw_gateway.exchange.settlement import OURS, THEIRS, KnownDocument, Settlement, lookups, settle
from asw_gateway.store import deadlines, draws, feed, registry
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.facts import DocumentFacts
from asw_gateway.translation.goods import GoodsLine, Sort, read_written, totals, written
from asw_gateway.translation.rule_table import RuleTable
from asw_gateway.translation.timers import Timer


def settle_here(
    conn: Transaction,
    facts: DocumentFacts,
    effect: str,
    digest: str,
    *,
    partner: str,
    inbound: bool,
    ref_to_message_id: str | None = None,
    timers: tuple[Timer, ...],
    rules: RuleTable,
    goods: tuple[GoodsLine, ...],
    now: float,
) -> Settlement:
    """Read the registry and decide, in the same unit that will write the decision."""
    known: list[KnownDocument | None] = []
    for direction, number in lookups(facts, effect, inbound=inbound):
        row = registry.find(conn, direction, partner, facts.document_type, number)
        known.append(_known(row) if row else None)
    previous = known[1] if len(known) > 1 else None
    settlement = settle(
        facts, effect, digest, known[0], previous, inbound=inbound, ref_to_message_id=ref_to_message_id
    )
    drawing = () if inbound else goods
    return follow_register(
        settlement,
        facts,
        effect,
        known[0],
        previous,
        inbound=inbound,
        timers=timers,
        rules=rules,
        goods=drawing,
        originals=_originals(conn, facts, drawing) if drawing else {},
        now=now,
    )


def _known(row: registry.Document) -> KnownDocument:
    return KnownDocument(
        state=row.state,
        digest=row.digest,
        message_id=row.message_id,
        issued_at=row.issued_at,
        valid_until_at=row.valid_until_at,
        received_at=row.created_at,
        marks=tuple((row.marks or "").split()),
    )


def _originals(
    conn: Transaction, facts: DocumentFacts, lines: Iterable[GoodsLine]
) -> dict[str, balance.Original]:
    """What is known of the proofs that the lines of a back-to-back certificate rest on."""
    found: dict[str, balance.Original] = {}
    for number in {number for line in lines for number in line.originals}:
        for document in registry.by_number(conn, facts.document_type, number):
            if document.direction != THEIRS or document.goods is None:
                continue
            drawn: dict[Sort, Decimal] = {}
            for one in draws.drawn(conn, facts.document_type, number, apart_from=facts.number):
                sort = (one.commodity, one.unit)
                drawn[sort] = drawn.get(sort, Decimal(0)) + Decimal(one.quantity)
            found[number] = balance.Original(
                state=document.state, certified=read_written(document.goods), drawn=drawn
            )
    return found


def write_changes(
    conn: Transaction,
    settlement: Settlement,
    facts: DocumentFacts,
    *,
    partner: str,
    message_id: str,
    national_message_id: str | None,
    functional_reference: str | None,
    timers: tuple[Timer, ...],
    goods: tuple[GoodsLine, ...],
    now: float,
) -> None:
    """Write the registry rows of a settlement, what it draws, and the clocks it starts and stops."""
    for change in settlement.changes:
        if change.digest:
            document = registry.put(
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
                valid_until_at=clocks.valid_until_at(timers, facts.issued_at),
                issued_at=facts.issued_at,
                marks=" ".join(facts.marks) or None,
                goods=written(totals(goods)) or None if change.direction == THEIRS else None,
                now=now,
            )
            if settlement.draws:
                draws.record(conn, document.id, map(_drawn, settlement.draws))
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


def _drawn(draw: balance.Draw) -> draws.Drawn:
    commodity, unit = draw.sort
    return draws.Drawn(original=draw.original, commodity=commodity, unit=unit, quantity=f"{draw.quantity:f}")


def run_clocks(
    conn: Transaction,
    facts: DocumentFacts,
    effect: str,
    timers: tuple[Timer, ...],
    *,
    partner: str,
    inbound: bool,
    message_id: str,
    now: float,
) -> None:
    """Start the clocks that a request starts for whoever must act, and stop those that an answer stops."""
    number = facts.order_key_number
    if effect == "asks":
        for one in clocks.deadlines(timers, facts.kind, now):
            deadlines.begin(
                conn,
                rule=one.rule,
                direction=THEIRS if inbound else OURS,
                party=partner,
                document_type=facts.document_type,
                document_number=number,
                message_id=message_id,
                begun_at=now,
                due_at=one.due_at,
            )
    elif effect == "answers":
        deadlines.end(
            conn,
            clocks.ended(timers, facts.kind),
            party=partner,
            document_type=facts.document_type,
            document_number=number,
            now=now,
        )


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
