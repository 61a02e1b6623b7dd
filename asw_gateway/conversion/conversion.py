"""The service over both lanes: hand-over in memory, wake-ups, acts of operators, start and stop."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from asw_gateway.conversion.inbound import InboundDesk, Received
from asw_gateway.conversion.lane import Lane
from asw_gateway.conversion.outbound import OutboundDesk
from asw_gateway.conversion.setup import Doors
from asw_gateway.exchange import clocks
from asw_gateway.exchange.lifecycle import InboundEvent, InboundState, inbound_next
from asw_gateway.logs import Log
from asw_gateway.messaging.unpacking import VerifiedMessage
from asw_gateway.store import bodies, inbox
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import SubmittedMessage
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.problem import Problem

_log = Log("conversion")


class Conversion(Service):
    """Both directions of conversion on this node; ``clock`` is an IReactorTime.

    ``width`` messages of each direction are in work at once: enough to keep two worker threads and the
    database busy, and no more in memory than that.
    """

    name = "conversion"

    def __init__(self, doors: Doors, *, clock: Any, width: int = 8, poll_seconds: float = 5.0) -> None:
        self._doors = doors
        self._outbound_desk = OutboundDesk(doors)
        self._inbound_desk = InboundDesk(doors, on_answer=self.on_submitted, on_unparked=self.on_received)
        self._outbound: Lane[SubmittedMessage] = Lane(
            claim=self._outbound_desk.claim,
            work=self._outbound_desk.work,
            key=self._outbound_desk.key,
            on_failure=self._failed,
            clock=clock,
            width=width,
            poll_seconds=poll_seconds,
        )
        self._inbound: Lane[Received] = Lane(
            claim=self._inbound_desk.claim,
            work=self._inbound_desk.work,
            key=self._inbound_desk.key,
            on_failure=self._failed,
            clock=clock,
            width=width,
            poll_seconds=poll_seconds,
        )

    def startService(self) -> None:
        """Take up what waits in the store."""
        super().startService()
        self._outbound.start()
        self._inbound.start()

    def stopService(self) -> Deferred[None]:
        """Finish what is in work and give back what is not begun; fires when nothing of ours is leased."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        inbound = Deferred.fromCoroutine(self._inbound.stop())
        await self._outbound_desk.give_back(await self._outbound.stop())
        await self._inbound_desk.give_back(await inbound)

    def lease(self) -> tuple[str | None, float]:
        """Give owner and end of the lease that a new row may be born with, so that it can be handed over.

        Without room (or before the start) it is (None, 0.0): store the row unleased and call on_submitted or
        on_received without arguments.
        """
        if not (self._outbound.has_room and self._inbound.has_room):
            return None, 0.0
        return self._doors.node, self._doors.now() + self._doors.lease_seconds

    def on_submitted(self, message: SubmittedMessage | None = None) -> None:
        """A submission is committed; with ``message`` (leased to this node) the store is not read again."""
        if message is None or message.row.lease_owner != self._doors.node:
            self._outbound.wake()
        elif not self._outbound.offer(message):
            giving_back = Deferred.fromCoroutine(self._outbound_desk.give_back([message]))
            giving_back.addCallbacks(lambda _: self._outbound.wake(), self._failed)

    def on_received(self, row: InboundRow | None = None, verified: VerifiedMessage | None = None) -> None:
        """A partner's message is committed; one that is leased to this node is not read from the store."""
        if row is None or row.lease_owner != self._doors.node:
            self._inbound.wake()
            return
        received = Received(row=row, verified=verified)
        if not self._inbound.offer(received):
            giving_back = Deferred.fromCoroutine(self._inbound_desk.give_back([received]))
            giving_back.addCallbacks(lambda _: self._inbound.wake(), self._failed)

    async def convert_again(self, inbound_id: int, *, actor: str) -> bool:
        """Operator's act: convert an unconvertible message again; False if it is not one."""
        moved: bool = await self._doors.database.run(reconvert, inbound_id, actor, self._doors.now())
        if moved:
            self._inbound.wake()
        return moved

    async def give_up(self, inbound_id: int, *, reason: str, actor: str) -> bool:
        """Operator's act: answer an unconvertible or parked message with a technical error."""
        found = await self._doors.database.run(waiting_message, inbound_id)
        if found is None:
            return False
        problem = Problem(
            rule="T14", message=f"the receiving gateway could not process the document: {reason}"
        )
        return await self._inbound_desk.give_up(found, InboundEvent.GIVEN_UP, problem, reason, actor)

    async def end_parking(self, *, limit: int = 100) -> int:
        """Answer cancellations whose original never came (scheduled); gives how many."""
        doors = self._doors
        before = doors.now() - clocks.PARKING_SECONDS
        rows: list[InboundRow] = await doors.database.run(inbox.parked, before=before, limit=limit)
        ended = 0
        for row in rows:
            found = await doors.database.run(waiting_message, row.id)
            if found is None:
                continue
            problem = Problem(rule="T09", message="the document that this message cancels never came")
            reason = "its original never came"
            ended += await self._inbound_desk.give_up(
                found, InboundEvent.PARKING_OVER, problem, reason, "gateway"
            )
        return ended

    def _failed(self, failure: Failure) -> None:
        """An exception that left a lane's work: the store is away, or we have a bug; the leases will end."""
        _log.failure("internal-error", failure, where="conversion")
        self._doors.metrics.internal_errors.labels(where="conversion").inc()


def reconvert(conn: Transaction, inbound_id: int, actor: str, now: float) -> bool:
    """One unit: put an unconvertible message back to received."""
    row = inbox.get(conn, inbound_id)
    if row is None or row.state != InboundState.UNCONVERTIBLE:
        return False
    state = inbound_next(row.state, InboundEvent.CONVERT_AGAIN)
    moved = inbox.move(conn, row.id, row.state, state.value, reason="convert again", actor=actor, now=now)
    return moved is not None


def waiting_message(conn: Transaction, inbound_id: int) -> Received | None:
    """Read a parked or unconvertible message with its bytes; None if there is none."""
    row = inbox.get(conn, inbound_id)
    if row is None or row.state not in (InboundState.PARKED, InboundState.UNCONVERTIBLE):
        return None
    stored = inbox.stored_body(conn, row.id)
    if stored.staging_id is not None:
        return Received(row=row, content_type=stored.content_type, large=stored)
    return Received(row=row, content_type=stored.content_type, body=bodies.load(conn, stored))
