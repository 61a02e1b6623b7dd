"""Messages made ready to go: a claimed one (signed again if our certificate changed), or a ping."""

from __future__ import annotations

from collections.abc import Callable

from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.message import PING_ACTION, PING_SERVICE, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack, reseal
from asw_gateway.messaging.party import Partner
from asw_gateway.metrics import Metrics
from asw_gateway.partner.large_sending import RunsUnit, StoredMessage, extra_seconds, reseal_stored
from asw_gateway.store import outbox
from asw_gateway.store.bodies import Stored
from asw_gateway.store.database import RunsUnits
from asw_gateway.store.large_bodies import StagedWriter, extend_lease
from asw_gateway.store.outbox_rows import DueMessage
from asw_gateway.tls import fingerprint
from asw_gateway.workers import Runs


class Sealing:
    """For one partner, with our present signing identity.

    CPU work runs in `workers`; `read` is `Database.read` (else `database.run`), for bodies that stay there.
    """

    def __init__(
        self,
        *,
        partner: Partner,
        identity: SigningIdentity,
        workers: Runs,
        now: Callable[[], float],
        new_message_id: Callable[[], str],
        metrics: Metrics,
        database: RunsUnits,
        read: RunsUnit | None = None,
    ) -> None:
        self._partner = partner
        self._identity = identity
        self._signed_with = fingerprint(identity.certificate)
        self._workers = workers
        self._now = now
        self._new_message_id = new_message_id
        self._metrics = metrics
        self._database = database
        self._read: RunsUnit = read if read is not None else database.run

    async def prepare(self, due: DueMessage) -> SealedMessage:
        """The stored bytes; signed again, with the same id and digests, when our certificate is another now.

        What was signed again is stored before it leaves, so that the store holds every byte a partner may
        have receipted. Raises LocalFault when the stored bytes cannot be read.
        """
        if due.large is not None:
            return await self._prepare_large(due, due.large)
        if due.signed_with == self._signed_with:
            assert due.row.message_id is not None  # no row is queued without one
            return SealedMessage(
                message_id=due.row.message_id,
                content_type=due.content_type,
                body=due.body,
                reference_digests=due.reference_digests,
            )
        sealed = await self._workers.run(reseal, due.content_type, due.body, self._identity)
        await self._database.run(
            outbox.reseal,
            due.row.id,
            content_type=sealed.content_type,
            body=sealed.body,
            signed_with=self._signed_with,
            now=self._now(),
        )
        self._metrics.reseals.labels(partner=self._partner.name).inc()
        return sealed

    async def _prepare_large(self, due: DueMessage, stored: Stored) -> StoredMessage:
        """The same for a body that stays in its chunks, and more time for this node's claim."""
        assert due.row.message_id is not None
        if due.signed_with != self._signed_with:
            staging_id = f"outbound:{due.row.id}:{self._signed_with}:{self._new_message_id()}"
            writer = StagedWriter(self._database, staging_id, self._now)
            try:
                stored = await reseal_stored(
                    stored, self._identity, writer, read=self._read, workers=self._workers
                )
                await self._database.run(
                    outbox.reseal,
                    due.row.id,
                    content_type=stored.content_type,
                    body=writer.staged,
                    signed_with=self._signed_with,
                    now=self._now(),
                )
            except BaseException:
                await writer.discard()
                raise
            self._metrics.reseals.labels(partner=self._partner.name).inc()
        sealed = StoredMessage(
            message_id=due.row.message_id,
            content_type=stored.content_type,
            body=b"",
            reference_digests=due.reference_digests,
            stored=stored,
            read=self._read,
        )
        until = due.row.lease_until + extra_seconds(sealed)
        await self._database.run(extend_lease, due.row.id, until)
        return sealed

    async def make_ping(self) -> SealedMessage:
        """A test message (eDelivery AS4 1.15, test service): receipted, never delivered."""
        pmode = self._partner.outbound
        message_id = self._new_message_id()
        message = UserMessage(
            message_id=message_id,
            timestamp_at=self._now(),
            from_party=pmode.initiator,
            from_role=pmode.initiator_role,
            to_party=pmode.responder,
            to_role=pmode.responder_role,
            agreement=pmode.agreement,
            agreement_type=pmode.agreement_type,
            service=PING_SERVICE,
            action=PING_ACTION,
            conversation_id=message_id,
        )
        return await self._workers.run(pack, message, (), pmode, self._identity)
