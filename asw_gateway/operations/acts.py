"""What an operator may do to messages and partners: one database unit an act, by the life-cycle tables.

Every act leaves two entries in the journal, with the operator's name: what the operator did and why, and the
change of state that followed.  The portal is told on its feed whatever happens to its own messages.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.lifecycle import (
    OUTBOUND_DEAD_LETTERS,
    InboundEvent,
    InboundState,
    OutboundEvent,
    OutboundState,
    inbound_next,
    outbound_next,
)
from asw_gateway.exchange.notices import Status, feed_draft, notice_for
from asw_gateway.store import dead_letters, feed, inbox, journal, outbox, partner_state, sending
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction


@frozen(kw_only=True)
class Order:
    """Who asks for an act, why, and when."""

    operator: str
    reason: str
    now: float


@frozen(kw_only=True)
class Teller:
    """What is needed to put a status on the feed; `new_id` gives 32 fresh hexadecimal characters."""

    own: OwnGateway
    new_id: Callable[[], str]

    def tell(self, conn: Transaction, row: OutboundRow, status: Status, order: Order) -> None:
        """Tell the portal of its own message; the gateway's own answers are nobody's business."""
        if row.origin != "portal":
            return
        notice = notice_for(row, status, reason="operator", detail=order.reason)
        draft = feed_draft(notice, self.own, message_id=self.new_id(), now=order.now)
        feed.append(
            conn,
            kind=draft.kind,
            subject=draft.subject,
            body=draft.body,
            entry_id=draft.message_id,
            partner=row.partner,
            document_type=row.document_type,
            document_number=row.document_number,
            now=order.now,
        )


def replay_outbound(
    conn: Transaction, row: OutboundRow, order: Order, teller: Teller, *, expires_at: float
) -> OutboundRow | None:
    """Send a failed or expired message again under its own id; what it held back follows it.

    Raises IllegalMove in any other state; None when another hand was faster.
    """
    event = OutboundEvent.CONVERT_AGAIN if row.message_id is None else OutboundEvent.REPLAYED
    outbound_next(row.state, event)
    held = _held_behind(conn, row)
    moved = dead_letters.replay(conn, row.id, expires_at=expires_at, actor=order.operator, now=order.now)
    if moved is not None:
        note(conn, "replay", row.subject, order)
        if moved.state == OutboundState.QUEUED:
            teller.tell(conn, moved, Status.QUEUED, order)
        _tell_released(conn, held, teller, order)
    return moved


def resend_outbound(
    conn: Transaction, row: OutboundRow, order: Order, teller: Teller, *, expires_at: float
) -> OutboundRow | None:
    """Send a delivered message again, because the partner lost it; raises IllegalMove in another state."""
    outbound_next(row.state, OutboundEvent.RESENT)
    moved = dead_letters.resend(conn, row.id, expires_at=expires_at, actor=order.operator, now=order.now)
    if moved is not None:
        note(conn, "resend", row.subject, order)
        teller.tell(conn, moved, Status.QUEUED, order)
    return moved


def cancel_outbound(conn: Transaction, row: OutboundRow, order: Order, teller: Teller) -> OutboundRow | None:
    """Withdraw a message that was not delivered; what it held back goes on.

    Raises IllegalMove once it is delivered, and while an attempt is under way.
    """
    to_state = outbound_next(row.state, OutboundEvent.CANCELLED)
    held = _held_behind(conn, row)
    if row.state in OUTBOUND_DEAD_LETTERS:
        moved = dead_letters.discard(conn, row.id, reason=order.reason, actor=order.operator, now=order.now)
    else:
        moved = outbox.move(
            conn, row.id, row.state, to_state, now=order.now, reason=order.reason, actor=order.operator
        )
    if moved is not None:
        note(conn, "cancel", row.subject, order)
        teller.tell(conn, moved, Status.CANCELLED, order)
        _tell_released(conn, held, teller, order)
    return moved


def discard_outbound(conn: Transaction, row: OutboundRow, order: Order, teller: Teller) -> OutboundRow | None:
    """Give up a failed or expired message; raises NotDead for one that may still arrive by itself."""
    if row.state not in OUTBOUND_DEAD_LETTERS:
        raise NotDead(row.state)
    return cancel_outbound(conn, row, order, teller)


class NotDead(Exception):
    """The message is no dead letter, so there is nothing to discard."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the message is {state}; only a failed or expired one can be discarded")


def replay_inbound(conn: Transaction, row: InboundRow, order: Order) -> InboundRow | None:
    """Convert a message again after a profile was mended; raises IllegalMove unless it is `unconvertible`."""
    to_state = inbound_next(row.state, InboundEvent.CONVERT_AGAIN)
    moved = inbox.move(
        conn, row.id, row.state, to_state, now=order.now, reason=order.reason, actor=order.operator
    )
    if moved is not None:
        note(conn, "replay", row.subject, order)
    return moved


def may_give_up(row: InboundRow) -> None:
    """Raise IllegalMove unless the message waits for somebody: `parked` or `unconvertible`."""
    inbound_next(InboundState(row.state), InboundEvent.GIVEN_UP)


def suspend_partner(conn: Transaction, partner: str, order: Order) -> partner_state.PartnerState:
    """Send nothing to a partner until it is resumed; its messages stay queued."""
    state = partner_state.suspend(conn, partner, actor=order.operator, reason=order.reason, now=order.now)
    note(conn, "suspend", f"partner:{partner}", order)
    return state


def resume_partner(conn: Transaction, partner: str, order: Order) -> partner_state.PartnerState:
    """Send to a suspended partner again."""
    state = partner_state.resume(conn, partner, actor=order.operator, reason=order.reason, now=order.now)
    note(conn, "resume", f"partner:{partner}", order)
    return state


def wake_partner(conn: Transaction, partner: str, order: Order) -> int:
    """Make every waiting message of a partner due now; answer how many were waiting for a later attempt."""
    hastened = sending.hasten(conn, partner, order.now)
    note(conn, "wake", f"partner:{partner}", order)
    return hastened


def note(conn: Transaction, act: str, subject: str, order: Order) -> None:
    """Write into the journal what the operator did, and why."""
    journal.append(
        conn,
        event=f"operator.{act}",
        subject=subject,
        actor=order.operator,
        detail=order.reason,
        now=order.now,
    )


def _held_behind(conn: Transaction, row: OutboundRow) -> list[int]:
    same_document = outbox.by_document(conn, row.document_type, row.document_number)
    return [
        later.id
        for later in same_document
        if later.order_key == row.order_key and later.id > row.id and later.state == OutboundState.HELD
    ]


def _tell_released(conn: Transaction, held: list[int], teller: Teller, order: Order) -> None:
    for id in held:
        row = outbox.get(conn, id)
        if row is not None and row.state == OutboundState.QUEUED:
            teller.tell(conn, row, Status.QUEUED, order)
