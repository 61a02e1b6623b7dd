"""Orders about a message: replay, resend, discard, cancel."""

from __future__ import annotations

from collections.abc import Callable

from asw_gateway.exchange.lifecycle import OutboundState
from asw_gateway.logs import Log
from asw_gateway.operations import acts, views
from asw_gateway.operations.acts import Order, Teller
from asw_gateway.operations.finding import find_message
from asw_gateway.operations.levers import Levers, Surroundings, TooLate, Unknown
from asw_gateway.operations.requests import BadRequest, body_of, order_of
from asw_gateway.store import inbox
from asw_gateway.store.database import Database
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction
from asw_gateway.web import Handler, WebAnswer, WebRequest, json_answer

_log = Log("operations.messages")
Row = OutboundRow | InboundRow


class MessageOrders:
    """The handlers of `POST /v1/message/…`; `new_id` gives 32 fresh hexadecimal characters."""

    def __init__(
        self,
        *,
        database: Database,
        surroundings: Callable[[], Surroundings],
        levers: Levers,
        now: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._surroundings = surroundings
        self._levers = levers
        self._now = now
        self._new_id = new_id

    def addresses(self) -> dict[str, Handler]:
        """Where each handler hangs."""
        return {
            "/v1/message/replay": self.replay,
            "/v1/message/resend": self.resend,
            "/v1/message/discard": self.discard,
            "/v1/message/cancel": self.cancel,
        }

    async def replay(self, request: WebRequest) -> WebAnswer:
        """Send a dead letter again, or convert an unconvertible message again."""
        return await self._on_message(request, "replay")

    async def resend(self, request: WebRequest) -> WebAnswer:
        """Send a delivered message again, because the partner has lost it."""
        return await self._on_message(request, "resend")

    async def discard(self, request: WebRequest) -> WebAnswer:
        """Give up a dead letter, or a received message that waits for somebody."""
        return await self._on_message(request, "discard")

    async def cancel(self, request: WebRequest) -> WebAnswer:
        """Withdraw a message before it is delivered."""
        return await self._on_message(request, "cancel")

    async def _on_message(self, request: WebRequest, act: str) -> WebAnswer:
        name = str(body_of(request).get("id") or "")
        order = order_of(request, self._now)
        row = await self._database.run(self._act, name, act, order)
        if act == "discard" and isinstance(row, InboundRow):
            gone = await self._levers.give_up(row.id, order.operator, order.reason)
            row = await self._database.read(inbox.get, row.id) if gone else None
        if row is None:
            raise TooLate("Somebody else has just moved the message; look at it again.")
        _log.event("operator-act", act=act, subject=row.subject, operator=order.operator)
        self._wake_after(row)
        return json_answer({"act": act, **views.summary(row)})

    def _act(self, conn: Transaction, name: str, act: str, order: Order) -> Row | None:
        """One unit; the row as it is after the act, None when another hand was faster.

        Discarding a partner's message is only noted here: its answer to the partner is conversion's work.
        """
        around = self._surroundings()
        row = find_message(conn, name, around)
        if isinstance(row, InboundRow):
            if act == "replay":
                return acts.replay_inbound(conn, row, order)
            if act in ("cancel", "resend"):
                raise BadRequest("Only a message of ours can be cancelled or sent again; discard it.")
            acts.may_give_up(row)
            acts.note(conn, act, row.subject, order)
            return row
        teller = Teller(own=around.own, new_id=self._new_id)
        if act in ("replay", "resend"):
            partner = around.partners.get(row.partner)
            if partner is None:
                raise Unknown(f"There is no partner {row.partner} any more.")
            expires_at = order.now + partner.outbound.reception.time_to_live_seconds
            send_again = acts.replay_outbound if act == "replay" else acts.resend_outbound
            return send_again(conn, row, order, teller, expires_at=expires_at)
        withdraw = acts.discard_outbound if act == "discard" else acts.cancel_outbound
        return withdraw(conn, row, order, teller)

    def _wake_after(self, row: Row) -> None:
        if isinstance(row, InboundRow):
            self._levers.received()
        elif row.state == OutboundState.SUBMITTED:
            self._levers.submitted()
        else:
            self._levers.wake(row.partner)
        self._levers.news()
