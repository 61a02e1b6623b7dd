"""Inbound conversion: a receipted message reaches the feed, is answered, waits, or is left to an operator.

read (claim, or handed over in memory) → pure stage in a worker → settle and write in one unit → wake the
feed's readers or the conversion of our answer.  Whatever happens, the row leaves ``received`` or its lease
ends: a message that breaks our code becomes ``unconvertible`` with its trace in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, field, frozen
from twisted.internet.defer import CancelledError

from asw_gateway.conversion.inbound_commit import (
    Committed,
    Done,
    Fresh,
    commit,
    commit_given_up,
    set_aside,
)
from asw_gateway.conversion.large import open_stored
from asw_gateway.conversion.setup import Doors, Setup
from asw_gateway.exchange.former_certificates import configured, with_certificates
from asw_gateway.exchange.inbound import reopen
from asw_gateway.exchange.lifecycle import InboundEvent
from asw_gateway.exchange.processing import Answered, Converted, Unconvertible, answer_for, process
from asw_gateway.logs import Log
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.unpacking import VerifiedMessage
from asw_gateway.store import certificates, inbox
from asw_gateway.store.bodies import Stored
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.inbox_rows import InboundRow, ReceivedMessage
from asw_gateway.translation.problem import Problem, blocking
from asw_gateway.workers import WorkersStopped

#: A row that was claimed this often and never finished kills its process: an operator must look.
MAX_CLAIMS = 5
#: A stored message older than this may have been receipted under certificates that were replaced since.
YOUNG_SECONDS = 60.0
_log = Log("conversion.inbound")


@frozen(kw_only=True)
class Received:
    """A stored message to convert: its bytes, or ``verified`` when it was handed over in memory.

    A body too large for memory stays in its chunks: ``large`` says where.
    """

    row: InboundRow
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)
    large: Stored | None = None
    verified: VerifiedMessage | None = field(default=None, repr=False, eq=False)


class InboundDesk:
    """The lane's claim, work and key for inbound messages.

    ``on_answer`` wakes the conversion of our own answers, ``on_unparked`` this lane.
    """

    def __init__(
        self, doors: Doors, *, on_answer: Callable[[], object], on_unparked: Callable[[], object]
    ) -> None:
        self._doors = doors
        self._on_answer = on_answer
        self._on_unparked = on_unparked

    async def claim(self, limit: int) -> list[Received]:
        """Lease rows that wait for conversion."""
        doors = self._doors
        found: list[ReceivedMessage] = await doors.database.run(
            inbox.claim_received, doors.node, limit, doors.now(), doors.lease_seconds
        )
        return [
            Received(row=one.row, content_type=one.content_type, body=one.body, large=one.large)
            for one in found
        ]

    def key(self, item: Received) -> str | None:
        """Messages about one document are settled one after another, if the sender named the document."""
        return item.row.order_key

    async def give_back(self, items: Sequence[Received]) -> None:
        """Let leases go, so that another node or the next start takes the rows at once."""
        if items:
            doors = self._doors
            await doors.database.run(inbox.release, [item.row.id for item in items], doors.node)

    async def work(self, item: Received) -> None:
        """Convert one row and commit it."""
        doors, setup = self._doors, self._doors.setup()
        row = item.row
        partner = setup.partners.get(row.partner)
        if partner is None:
            await self._unconvertible(row, f"partner {row.partner} is not configured any more")
            return
        if row.attempt > MAX_CLAIMS:
            await self._unconvertible(row, f"claimed {row.attempt} times and never finished")
            return
        fresh = Fresh(
            envelope_id=doors.new_id(), notice_id=doors.new_id(), functional_reference=doors.new_id()
        )
        started_at = doors.now()
        try:
            partner = await self._as_receipted(item, partner)
            item = await self._loaded(item, setup, partner)
            result = await doors.workers.run(run_stage, item, setup, partner, fresh, started_at)
            committed = await doors.database.run(commit, row, result, setup.own, partner, fresh, doors.now())
            if committed.done is Done.FAULTY:
                result = await doors.workers.run(
                    refuse_stage, item, committed.problems, setup, partner, fresh, doors.now()
                )
                committed = await doors.database.run(
                    commit, row, result, setup.own, partner, fresh, doors.now()
                )
        except (CancelledError, WorkersStopped):
            await self.give_back([item])
            return
        except StoreUnavailable:
            raise
        except RemoteFault as fault:
            await self._unconvertible(row, f"stored message no longer verifies: {fault.reason}")
            return
        except Exception as error:  # noqa: BLE001 - one poisonous row must not stop the lane
            _log.failure("internal-error", where="conversion.inbound")
            doors.metrics.internal_errors.labels(where="conversion.inbound").inc()
            await self._unconvertible(row, f"converting broke: {type(error).__name__}")
            return
        self._after(row, result, committed, doors.now() - started_at)

    async def give_up(
        self, item: Received, event: InboundEvent, problem: Problem, reason: str, actor: str
    ) -> bool:
        """Answer a parked or unconvertible message with a technical error; False if it has moved on."""
        doors, setup = self._doors, self._doors.setup()
        partner = setup.partners.get(item.row.partner)
        if partner is None:
            return False
        fresh = Fresh(envelope_id="", notice_id="", functional_reference=doors.new_id())
        try:
            partner = await self._as_receipted(item, partner)
            item = await self._loaded(item, setup, partner)
        except RemoteFault:
            return False
        result = await doors.workers.run(refuse_stage, item, (problem,), setup, partner, fresh, doors.now())
        done: bool = await doors.database.run(
            commit_given_up, item.row, result, partner, event, reason, actor, doors.now()
        )
        if done and isinstance(result, Answered):
            self._on_answer()
        return done

    async def _as_receipted(self, item: Received, partner: Partner) -> Partner:
        """The partner with the certificates we receipted its message under, though they be withdrawn since.

        A message in hand was verified a moment ago; only a stored one may be older than the configuration.
        """
        row = item.row
        young = self._doors.now() - row.received_at < YOUNG_SECONDS
        if item.verified is not None or (young and configured(partner, row.signer)):
            return partner
        known = await self._doors.database.run(certificates.in_use_at, partner.name, row.received_at)
        return with_certificates(partner, [(one.use, one.certificate) for one in known])

    async def _loaded(self, item: Received, setup: Setup, partner: Partner) -> Received:
        """Open a message whose body is too large for memory; the stages then work on what it holds."""
        if item.large is None or item.verified is not None:
            return item
        verified = await open_stored(self._doors, setup, partner, item.row, item.large)
        return evolve(item, verified=verified)

    async def _unconvertible(self, row: InboundRow, reason: str) -> None:
        doors = self._doors
        own, notice_id = doors.setup().own, doors.new_id()
        moved = await doors.database.run(set_aside, row, reason, own, notice_id, doors.now())
        if moved:
            doors.on_feed()
            _log.event(
                "document-unconvertible",
                inbound_id=row.id,
                message_id=row.message_id,
                partner=row.partner,
                reason=reason,
            )

    def _after(
        self,
        row: InboundRow,
        result: Converted | Answered | Unconvertible,
        committed: Committed,
        seconds: float,
    ) -> None:
        doors, kind = self._doors, label_of(result)
        doors.metrics.conversion_duration.labels(message_type=kind, direction="inbound").observe(seconds)
        for found in result.problems:
            doors.metrics.conversion_problems.labels(message_type=kind, rule=found.rule).inc()
        fields = {"inbound_id": row.id, "message_id": row.message_id, "partner": row.partner}
        if committed.done is Done.AVAILABLE and isinstance(result, Converted):
            number = result.facts.order_key_number
            _log.event("document-available", **fields, message_type=kind, document_number=number)
        elif committed.done is Done.ANSWERED:
            _log.event(
                "document-answered", **fields, message_type=kind, problems=len(blocking(result.problems))
            )
            self._on_answer()
        elif committed.done is Done.PARKED:
            _log.event("document-parked", **fields, message_type=kind, reason=committed.reason)
        elif committed.done is Done.UNCONVERTIBLE:
            _log.event("document-unconvertible", **fields, reason=committed.reason)
        if committed.done in (Done.AVAILABLE, Done.KNOWN, Done.UNCONVERTIBLE):
            doors.on_feed()
        if committed.unparked:
            self._on_unparked()


def label_of(result: Converted | Answered | Unconvertible) -> str:
    """Give the message type for metrics and logs, ``other`` where it could not be read."""
    if isinstance(result, Answered):
        return f"{result.document_type}/{result.kind}"
    return f"{result.facts.document_type}/{result.facts.kind}" if result.facts is not None else "other"


def opened(item: Received, setup: Setup, partner: Partner) -> VerifiedMessage:
    """Give the message's content: as handed over, or read and verified again from the stored bytes."""
    if item.verified is not None:
        return item.verified
    return reopen(
        item.content_type,
        item.body,
        partner=partner,
        own=setup.own,
        identities=setup.identities,
        received_at=item.row.received_at,
    )


def run_stage(
    item: Received, setup: Setup, partner: Partner, fresh: Fresh, now: float
) -> Converted | Answered | Unconvertible:
    """Do the whole pure stage of one message; runs in a worker thread."""
    try:
        verified = opened(item, setup, partner)
    except RemoteFault as fault:
        return Unconvertible(reason=f"stored message no longer verifies: {fault.reason}")
    return process(
        verified,
        catalogue=setup.catalogue,
        partner=partner,
        own=setup.own,
        received_at=item.row.received_at,
        now=now,
        national_message_id=fresh.envelope_id,
        functional_reference=fresh.functional_reference,
    )


def refuse_stage(
    item: Received, problems: tuple[Problem, ...], setup: Setup, partner: Partner, fresh: Fresh, now: float
) -> Answered | Unconvertible:
    """Write the technical error for a message that the registry or an operator speaks against."""
    try:
        verified = opened(item, setup, partner)
    except RemoteFault as fault:
        return Unconvertible(reason=f"stored message no longer verifies: {fault.reason}", problems=problems)
    return answer_for(
        verified,
        problems,
        catalogue=setup.catalogue,
        own=setup.own,
        received_at=item.row.received_at,
        now=now,
        functional_reference=fresh.functional_reference,
    )
