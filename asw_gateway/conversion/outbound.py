"""Outbound conversion: a submitted row becomes a queued one, or the portal is told why not.

read (claim, or handed over in memory) → pure stage in a worker → settle, queue and tell in one unit → wake
the partner's channel.  A row whose stage breaks is our fault: it fails with its trace in the log and the
portal is told; it is never tried in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import evolve
from twisted.internet.defer import CancelledError

from asw_gateway.conversion.outbound_commit import (
    Committed,
    Done,
    Fresh,
    Stage,
    commit,
    fail,
    give_back,
)
from asw_gateway.conversion.setup import Doors, Setup
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.notices import Status, feed_draft, notice_for
from asw_gateway.exchange.outbound import Rejected, pack_ready, prepare
from asw_gateway.exchange.settlement import THEIRS
from asw_gateway.logs import Log
from asw_gateway.messaging.encryption import fresh_secret
from asw_gateway.messaging.party import Partner
from asw_gateway.store import inbox, outbox, registry
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.outbox_rows import OutboundRow, SubmittedMessage
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.problem import Problem, blocking
from asw_gateway.workers import WorkersStopped

#: A row that was claimed this often and never finished kills its process: an operator must look.
MAX_CLAIMS = 5
_log = Log("conversion.outbound")


class OutboundDesk:
    """The lane's claim, work and key for outbound messages."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def claim(self, limit: int) -> list[SubmittedMessage]:
        """Lease rows that wait for conversion."""
        doors = self._doors
        found: list[SubmittedMessage] = await doors.database.run(
            outbox.claim_submitted, doors.node, limit, doors.now(), doors.lease_seconds
        )
        return found

    def key(self, item: SubmittedMessage) -> str:
        """Messages of one order key are settled one after another."""
        return item.row.order_key

    async def give_back(self, items: Sequence[SubmittedMessage]) -> None:
        """Let leases go, so that another node or the next start takes the rows at once."""
        if items:
            await self._doors.database.run(give_back, [item.row.id for item in items], self._doors.now())

    async def work(self, item: SubmittedMessage) -> None:
        """Convert one row and commit it."""
        doors, setup = self._doors, self._doors.setup()
        row = item.row
        partner = setup.partners.get(row.partner)
        if partner is None:
            await self._fail(row, setup, f"partner {row.partner} is not configured any more")
            return
        if row.claims > MAX_CLAIMS:
            await self._fail(row, setup, f"claimed {row.claims} times and never finished")
            return
        started_at = doors.now()
        fresh = self._fresh(setup, partner)
        try:
            row = await self._with_reference(row)
            named = evolve(item, row=row)
            stage = await doors.workers.run(run_stage, named, setup, partner, fresh, started_at)
            committed = await doors.database.run(commit, row, stage, setup.own, fresh, doors.now())
            if committed.done is Done.FAULTY:
                stage = await doors.workers.run(
                    reject_stage, row, committed.problems, setup.own, fresh.notice_id, doors.now()
                )
                committed = await doors.database.run(commit, row, stage, setup.own, fresh, doors.now())
        except (CancelledError, WorkersStopped):
            await self.give_back([item])
            return
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one poisonous row must not stop the lane
            _log.failure("internal-error", where="conversion.outbound")
            doors.metrics.internal_errors.labels(where="conversion.outbound").inc()
            await self._fail(row, setup, f"preparing broke: {type(error).__name__}")
            return
        doors.metrics.conversion_duration.labels(
            message_type=message_type(row), direction="outbound"
        ).observe(doors.now() - started_at)
        self._after(row, stage, committed, fresh)

    def _fresh(self, setup: Setup, partner: Partner) -> Fresh:
        doors = self._doors
        secret = None
        security = partner.outbound.security
        if security.encrypt and partner.encryption_certificate is not None:
            secret = fresh_secret(partner.encryption_certificate, security, 1, doors.fresh_bytes)
        return Fresh(
            message_id=f"{doors.new_id()}@{setup.own.message_host}",
            functional_reference=doors.new_id(),
            notice_id=doors.new_id(),
            secret=secret,
        )

    async def _with_reference(self, row: OutboundRow) -> OutboundRow:
        """Name the message that an answer answers, and stay in its conversation (eDelivery AS4 1.15: a
        response has its request's id in RefToMessageId, and the same ConversationId)."""
        if row.effect not in ("answers", "asks") or row.ref_to_message_id:
            return row
        asked = await self._doors.database.run(answered_message, row)
        if asked is None:
            return row
        message_id, conversation_id = asked
        return evolve(
            row, ref_to_message_id=message_id, conversation_id=conversation_id or row.conversation_id
        )

    async def _fail(self, row: OutboundRow, setup: Setup, reason: str) -> None:
        notice_id = self._doors.new_id()
        failed = await self._doors.database.run(fail, row, setup.own, reason, notice_id, self._doors.now())
        if failed:
            _log.event(
                "message-failed", partner=row.partner, outbound_id=row.id, state="failed", reason=reason
            )
            self._doors.metrics.deliveries.labels(partner=row.partner, outcome="failed").inc()
            self._doors.on_feed()

    def _after(self, row: OutboundRow, stage: Stage, committed: Committed, fresh: Fresh) -> None:
        doors = self._doors
        for found in stage.result.problems:
            doors.metrics.conversion_problems.labels(message_type=message_type(row), rule=found.rule).inc()
        if committed.done is Done.QUEUED:
            _log.event(
                "document-queued",
                outbound_id=row.id,
                message_id=fresh.message_id,
                partner=row.partner,
                message_type=message_type(row),
                document_number=row.document_number,
            )
            doors.on_queued(row.partner)
        elif committed.done is Done.REJECTED:
            doors.metrics.deliveries.labels(partner=row.partner, outcome="rejected").inc()
            _log.event(
                "document-rejected",
                outbound_id=row.id,
                partner=row.partner,
                message_type=message_type(row),
                problems=len(blocking(stage.result.problems)),
            )
        if committed.done not in (Done.GONE, Done.WAITS):
            doors.on_feed()


def answered_message(conn: Transaction, row: OutboundRow) -> tuple[str, str | None] | None:
    """One unit: MessageId and ConversationId of the partner's message about the row's document."""
    known = registry.find(conn, THEIRS, row.partner, row.document_type, row.document_number)
    if known is None or known.message_id is None:
        return None
    asked = inbox.by_message_id(conn, row.partner, known.message_id)
    return known.message_id, asked.conversation_id if asked is not None else None


def message_type(row: OutboundRow) -> str:
    """Give the label of a message in metrics and logs."""
    return f"{row.document_type}/{row.kind}"


def run_stage(item: SubmittedMessage, setup: Setup, partner: Partner, fresh: Fresh, now: float) -> Stage:
    """Do the whole pure stage of one message; runs in a worker thread."""
    row = item.row
    ready = pack_ready if row.origin == "gateway" else partial(prepare, checked=item.checked)
    result = ready(
        item.body,
        row,
        catalogue=setup.catalogue,
        partner=partner,
        own=setup.own,
        identities=setup.identities,
        message_id=fresh.message_id,
        functional_reference=row.functional_reference or fresh.functional_reference,
        now=now,
        content_secret=fresh.secret,
    )
    if isinstance(result, Rejected):
        return reject_stage(row, result.problems, setup.own, fresh.notice_id, now)
    if row.origin != "portal":
        return Stage(result=result, notice=None, draft=None)
    notice = notice_for(
        evolve(row, message_id=fresh.message_id), Status.QUEUED, problems=result.problems + result.losses
    )
    draft = feed_draft(notice, setup.own, message_id=fresh.notice_id, now=now)
    return Stage(result=result, notice=notice, draft=draft)


def reject_stage(
    row: OutboundRow, problems: tuple[Problem, ...], own: OwnGateway, notice_id: str, now: float
) -> Stage:
    """Write the portal's news of a rejected document, with every problem."""
    if row.origin != "portal":
        return Stage(result=Rejected(problems=problems), notice=None, draft=None)
    notice = notice_for(row, Status.REJECTED, reason="content", problems=problems)
    draft = feed_draft(notice, own, message_id=notice_id, now=now)
    return Stage(result=Rejected(problems=problems), notice=notice, draft=draft)
