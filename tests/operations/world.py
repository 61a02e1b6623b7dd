"""A control socket's gateway, in memory: the real store, levers that only note what was moved."""

from __future__ import annotations

from itertools import count
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock

from asw_gateway.exchange.outcome import Outcome
from asw_gateway.health import CheckResult
from asw_gateway.operations.control import Control
from asw_gateway.operations.control_socket import Operator
from asw_gateway.operations.levers import Levers, Running, Surroundings
from asw_gateway.store import dead_letters, inbox, outbox, sending
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction
from asw_gateway.web import Router
from tests.portal.world import NOW, MemoryDatabase, own_gateway, partner
from tests.store.messages import new_inbound, new_outbound, prepared

OPERATOR = Operator(name="lan", user_id=1004)
ORDER_KEY = "th|atiga-form-d|VN-TH 26/02/00001"


@define
class Moved:
    """What the levers were asked to do."""

    calls: list[tuple[Any, ...]] = field(factory=list)
    outcome: Outcome = field(factory=lambda: outcome("receipt"))
    check: CheckResult = field(factory=lambda: CheckResult(True))
    reload_errors: list[str] = field(factory=list)
    given_up: bool = True


def outcome(kind: str, detail: str = "") -> Outcome:
    return Outcome(kind=kind, retryable=True, reason=kind, detail=detail)


class World:
    def __init__(self, database: Any = None) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.database = database if database is not None else MemoryDatabase()
        self.moved = Moved()
        self.partners = {"th": partner("TH"), "id": partner("ID")}
        numbers = count(1)
        self.control = Control(
            database=self.database,
            surroundings=lambda: Surroundings(own=own_gateway(), partners=self.partners),
            running=Running(version="1.0", node="node-a", started_at=NOW - 7200),
            levers=Levers(
                ping=self.ping,
                wake=self.note("wake"),
                channel_states=lambda: {"th": "idle", "id": "backing_off"},
                submitted=self.note("submitted"),
                received=self.note("received"),
                news=self.note("news"),
                give_up=self.give_up,
                reload=self.reload,
                checks=self.checks,
            ),
            now=self.clock.seconds,
            new_id=lambda: f"{next(numbers):032x}",
        )
        self.router = Router(self.control.routes(), peer_certificate=lambda transport: OPERATOR)

    def note(self, name: str) -> Any:
        return lambda *given: self.moved.calls.append((name, *given))

    async def ping(self, name: str) -> Outcome:
        self.moved.calls.append(("ping", name))
        return self.moved.outcome

    async def give_up(self, id: int, operator: str, reason: str) -> bool:
        self.moved.calls.append(("give_up", id, operator, reason))
        if self.moved.given_up:
            await self.database.run(
                inbox.move, id, "unconvertible", "rejected_by_rules", now=self.clock.seconds()
            )
        return self.moved.given_up

    async def reload(self) -> list[str]:
        self.moved.calls.append(("reload",))
        return self.moved.reload_errors

    async def checks(self) -> dict[str, CheckResult]:
        return {"store": self.moved.check}


def submitted(conn: Transaction, **given: Any) -> OutboundRow:
    values = {"document_number": "VN-TH 26/02/00001", "order_key": ORDER_KEY, "sender_identity": "NSW"}
    return outbox.submit(conn, new_outbound(**{**values, "expires_at": NOW + 1000, **given}), NOW).row


def queued(conn: Transaction, **given: Any) -> OutboundRow:
    row = prepared(conn, submitted(conn, **given).id, NOW)
    assert row is not None
    return row


def failed(conn: Transaction, **given: Any) -> OutboundRow:
    """A message that the partner refused; its later ones would be held."""
    row = queued(conn, **given)
    sending.claim_due(conn, row.partner, "node-a", 10, NOW, 60.0)
    sending.record_attempt(
        conn,
        row.id,
        1,
        outcome="error_signal",
        retryable=False,
        reason="EBMS:0004",
        detail="no",
        new_state="failed",
        now=NOW,
    )
    found = outbox.get(conn, row.id)
    assert found is not None
    dead_letters.hold_successors(conn, found, NOW)
    return found


def received(conn: Transaction, state: str = "unconvertible") -> Any:
    row = inbox.register(conn, new_inbound(), NOW).row
    return inbox.move(conn, row.id, "received", state, now=NOW)
