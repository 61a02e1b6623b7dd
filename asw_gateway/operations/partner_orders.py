"""Orders about a partner: suspend, resume, wake, ping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import asdict

from asw_gateway.logs import Log
from asw_gateway.operations import acts
from asw_gateway.operations.acts import Order
from asw_gateway.operations.levers import Levers, Surroundings, Unknown
from asw_gateway.operations.requests import order_of
from asw_gateway.store.database import Database
from asw_gateway.store.partner_state import PartnerState
from asw_gateway.store.transaction import Transaction
from asw_gateway.web import Handler, WebAnswer, WebRequest, json_answer

_log = Log("operations.partners")


class PartnerOrders:
    """The handlers of `POST /v1/partners/{name}/…`."""

    def __init__(
        self,
        *,
        database: Database,
        surroundings: Callable[[], Surroundings],
        levers: Levers,
        now: Callable[[], float],
    ) -> None:
        self._database = database
        self._surroundings = surroundings
        self._levers = levers
        self._now = now

    def addresses(self) -> dict[str, Handler]:
        """Where each handler hangs."""
        place = "/v1/partners/{name}/"
        return {
            place + "suspend": self.suspend,
            place + "resume": self.resume,
            place + "wake": self.wake,
            place + "ping": self.ping,
        }

    async def suspend(self, request: WebRequest) -> WebAnswer:
        """Send nothing to a partner until it is resumed."""
        return await self._on_partner(request, "suspend", acts.suspend_partner)

    async def resume(self, request: WebRequest) -> WebAnswer:
        """Send to a suspended partner again."""
        return await self._on_partner(request, "resume", acts.resume_partner)

    async def wake(self, request: WebRequest) -> WebAnswer:
        """Try what waits for a partner now."""
        return await self._on_partner(request, "wake", acts.wake_partner, needs_reason=False)

    async def ping(self, request: WebRequest) -> WebAnswer:
        """Send one test message to a partner."""
        name = self._partner(request)
        order = order_of(request, self._now, needs_reason=False)
        await self._database.run(acts.note, "ping", f"partner:{name}", order)
        _log.event("operator-act", act="ping", subject=f"partner:{name}", operator=order.operator)
        outcome = await self._levers.ping(name)
        seconds = round(self._now() - order.now, 3)
        return json_answer(
            {
                "partner": name,
                "outcome": str(outcome.kind),
                "reason": outcome.reason,
                "detail": outcome.detail,
                "seconds": seconds,
            }
        )

    async def _on_partner(
        self,
        request: WebRequest,
        act: str,
        unit: Callable[[Transaction, str, Order], PartnerState | int],
        *,
        needs_reason: bool = True,
    ) -> WebAnswer:
        name = self._partner(request)
        order = order_of(request, self._now, needs_reason=needs_reason)
        done = await self._database.run(unit, name, order)
        _log.event("operator-act", act=act, subject=f"partner:{name}", operator=order.operator)
        self._levers.wake(name)
        result: dict[str, Any] = {"hastened": done} if isinstance(done, int) else asdict(done)
        return json_answer({**result, "partner": name, "act": act})

    def _partner(self, request: WebRequest) -> str:
        name = request.path["name"]
        if name not in self._surroundings().partners:
            raise Unknown(f"There is no partner {name[:64]}.")
        return name
