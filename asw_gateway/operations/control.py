"""The operators' acts: a small JSON API behind the control socket, which `aswctl` talks to.

    GET   /v1/status                       what runs, what waits
    GET   /v1/partners                     every partner and its state
    POST  /v1/partners/{name}/suspend      also resume, ping, wake
    GET   /v1/messages                     ?direction= &partner= &state= &number= &before= &limit=
    GET   /v1/messages/dead                what needs a person
    GET   /v1/message?id=                  one message with attempts and history
    POST  /v1/message/replay               also resend, discard, cancel; {"id": …, "reason": …}
    GET   /v1/feed/unacknowledged          what the portal has not confirmed
    POST  /v1/reload                       read the configuration again

Whoever can open the socket may act (its mode is 0600); who it was comes from the kernel.  Every act is
journalled with the operator's name and reason before it is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import asdict

from asw_gateway.exchange.validity_question import BadQuestion, answer, read_question
from asw_gateway.logs import Log
from asw_gateway.operations import acts, views
from asw_gateway.operations.finding import find_message
from asw_gateway.operations.levers import Levers, Running, Surroundings, explained
from asw_gateway.operations.message_orders import MessageOrders
from asw_gateway.operations.partner_orders import PartnerOrders
from asw_gateway.operations.requests import (
    MAX_BODY_BYTES,
    MAX_LIMIT,
    BadRequest,
    number,
    operator_name,
    order_of,
)
from asw_gateway.store import deadlines, validity
from asw_gateway.store.database import Database
from asw_gateway.store.transaction import Transaction
from asw_gateway.web import Handler, Route, WebAnswer, WebRequest, json_answer, problem

_log = Log("operations.control")


class Control:
    """The handlers of the control socket."""

    def __init__(
        self,
        *,
        database: Database,
        surroundings: Callable[[], Surroundings],
        running: Running,
        levers: Levers,
        now: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._surroundings = surroundings
        self._running = running
        self._levers = levers
        self._now = now
        self._partners = PartnerOrders(database=database, surroundings=surroundings, levers=levers, now=now)
        self._messages = MessageOrders(
            database=database, surroundings=surroundings, levers=levers, now=now, new_id=new_id
        )

    def routes(self) -> list[Route]:
        """For `web.Router(…, peer_certificate=operator_of)`."""
        asks: dict[str, Handler] = {
            "/v1/status": self.status,
            "/v1/partners": self.partners,
            "/v1/messages": self.messages,
            "/v1/messages/dead": self.dead,
            "/v1/message": self.message,
            "/v1/validity": self.validity,
            "/v1/feed/unacknowledged": self.unacknowledged,
            "/v1/overdue": self.overdue,
        }
        does: dict[str, Handler] = {
            **self._partners.addresses(),
            **self._messages.addresses(),
            "/v1/reload": self.reload,
        }
        return [
            *(Route("GET", path, explained(handler)) for path, handler in asks.items()),
            *(
                Route("POST", path, explained(handler), max_body_bytes=MAX_BODY_BYTES)
                for path, handler in does.items()
            ),
        ]

    # questions

    async def status(self, request: WebRequest) -> WebAnswer:
        """What runs, what waits, and whether it is well."""
        now = self._now()
        found = await self._database.read(views.depths)
        checks = await self._levers.checks()
        return json_answer(
            {
                **asdict(self._running),
                "now": now,
                "party": self._surroundings().own.party_id.value,
                "environment": self._surroundings().own.environment,
                "checks": {name: _plain(result) for name, result in checks.items()},
                "partners": dict(self._levers.channel_states()),
                **found,
            }
        )

    async def partners(self, request: WebRequest) -> WebAnswer:
        """Every partner."""
        configured, channels = self._surroundings().partners, self._levers.channel_states()
        return json_answer(await self._database.read(views.partners, configured, channels))

    async def messages(self, request: WebRequest) -> WebAnswer:
        """Messages that match the query."""
        direction = request.query.get("direction")
        if direction not in (None, "outbound", "inbound"):
            raise BadRequest("direction must be outbound or inbound.")
        before = number(request, "before", default=0)
        states = tuple(filter(None, request.query.get("state", "").split(",")))
        found = await self._database.read(
            views.messages,
            directions=("outbound", "inbound") if direction is None else (direction,),
            partner=request.query.get("partner"),
            states=states,
            document_number=request.query.get("number"),
            before_id=before or None,
            limit=_limit(request),
        )
        return json_answer(found)

    async def dead(self, request: WebRequest) -> WebAnswer:
        """The dead letters."""
        return json_answer(await self._database.read(views.dead, _limit(request)))

    async def unacknowledged(self, request: WebRequest) -> WebAnswer:
        """Feed entries that the portal has not confirmed."""
        return json_answer(await self._database.read(views.unacknowledged, _limit(request)))

    async def overdue(self, request: WebRequest) -> WebAnswer:
        """What the clocks of the agreements say is overdue."""
        found = await self._database.read(
            deadlines.overdue, self._surroundings().waiting_times, self._now(), _limit(request)
        )
        return json_answer([asdict(one) for one in found])

    async def validity(self, request: WebRequest) -> WebAnswer:
        """Whether a certificate was valid at a moment, and by what evidence."""
        try:
            question = read_question(request.query)
        except BadQuestion as fault:
            raise BadRequest(str(fault)) from None
        told = answer(question, await self._database.read(validity.stories, question.number))
        if told is None:
            return problem(404, "Not Found", "No certificate of that number and date is known.")
        return json_answer(told)

    async def message(self, request: WebRequest) -> WebAnswer:
        """One message."""
        return json_answer(await self._database.read(self._show, request.query.get("id", "")))

    def _show(self, conn: Transaction, name: str) -> dict[str, Any]:
        return views.detail(conn, find_message(conn, name, self._surroundings()))

    # the gateway itself

    async def reload(self, request: WebRequest) -> WebAnswer:
        """Read the configuration again; the old one stays when the new one has errors."""
        order = order_of(request, self._now, needs_reason=False)
        await self._database.run(acts.note, "reload", "gateway", order)
        _log.event("operator-act", act="reload", subject="gateway", operator=order.operator)
        errors = await self._levers.reload()
        if errors:
            said = "The new configuration has errors; the old one stays."
            return problem(409, "Conflict", said, errors=errors)
        return json_answer({"act": "reload", "operator": operator_name(request)})


def _limit(request: WebRequest) -> int:
    return number(request, "limit", default=50, least=1, most=MAX_LIMIT)


def _plain(result: Any) -> dict[str, Any]:
    return {"ok": bool(result.ok), "reason": str(result.reason)}
