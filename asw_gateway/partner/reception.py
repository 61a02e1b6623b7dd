"""What is stored and told of a partner's message, and the answer that leaves after the commit.

Evidence first: an acceptance, a duplicate and a refusal are all answers to something that is committed. When
the store cannot commit, the partner is asked to come back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import frozen

from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.exchange.inbound import ReceivedMessage, RefusalNews, RefusedMessage
from asw_gateway.logs import Log
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.signal import SignalBytes, build_error
from asw_gateway.metrics import Metrics
from asw_gateway.partner.intake import ALTERED_DUPLICATE, Refusal, new_inbound, store_message, store_refusal
from asw_gateway.store import bodies
from asw_gateway.store.bodies import StagedBody
from asw_gateway.store.database import RunsUnits
from asw_gateway.store.inbox_rows import Duplicate, InboundRow, Registered
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.web import WebAnswer, WebRequest, problem
from asw_gateway.workers import Runs

#: How long a partner waits for a commit before it is asked to come back; the commit may still happen.
COMMIT_LIMIT_SECONDS = 20.0
STORE_RETRY_SECONDS = 15
#: The durable "last heard from" is kept to this precision; every message would cost an update.
_HEARD_SECONDS = 10.0

_log = Log("partner.receiver")


@frozen(kw_only=True)
class Readers:
    """What reading a message takes; replaced as a whole on reload."""

    own: OwnGateway
    identities: Identities
    catalogue: Catalogue


class Reception:
    """The receiver's hand in the store, in metrics and in the log.

    `readers` gives what is in force; the other callables are those of `PartnerReceiver`.
    """

    def __init__(
        self,
        *,
        database: RunsUnits,
        workers: Runs,
        metrics: Metrics,
        clock: Any,
        now: Callable[[], float],
        readers: Callable[[], Readers],
        new_message_id: Callable[[], str],
        on_received: Callable[..., object],
        lease: Callable[[], tuple[str | None, float]],
        heard_from: Callable[[str], object],
        on_feed: Callable[[], object],
    ) -> None:
        self._database = database
        self._workers = workers
        self._metrics = metrics
        self._clock = clock
        self._now = now
        self._readers = readers
        self._new_message_id = new_message_id
        self._on_received = on_received
        self._lease = lease
        self._heard_from = heard_from
        self._on_feed = on_feed
        self._noted_at: dict[str, float] = {}

    async def answer(
        self, partner: Partner, request: WebRequest, judged: ReceivedMessage | RefusedMessage
    ) -> WebAnswer:
        """Commit what was judged of a message, then give its receipt or error signal; 503 if it failed."""
        if isinstance(judged, RefusedMessage):
            return await self._refuse(
                partner, request, judged.fault, judged.message_id, judged.signal, judged.news
            )
        self._heard_from(partner.name)
        owner, until = (None, 0.0) if judged.is_ping else self._lease()
        new = new_inbound(judged, request, owner, until)
        try:
            result = await self._commit(
                partial(store_message, new=new, note_contact=self._is_news(partner.name), now=self._now())
            )
        except Exception:  # noqa: BLE001  whatever the store said: not committed, not acknowledged
            return self.not_stored(partner)
        if isinstance(result, Registered):
            return self._accepted(partner, judged, result.row)
        return await self._again(partner, request, judged, result)

    def _accepted(self, partner: Partner, judged: ReceivedMessage, row: InboundRow) -> WebAnswer:
        now = self._now()
        if self._is_news(partner.name):
            self._noted_at[partner.name] = now
        self._metrics.partner_last_success.labels(partner=partner.name, direction="inbound").set(now)
        self._count_received(partner, judged.message_type, "ping" if judged.is_ping else "accepted")
        if judged.is_ping:
            _log.event("ping-received", partner=partner.name, message_id=judged.message_id)
        else:
            _log.event(
                "message-received",
                partner=partner.name,
                message_id=judged.message_id,
                inbound_id=row.id,
                message_type=judged.message_type,
            )
            if row.lease_owner is not None:
                self._on_received(row, judged.verified)
            else:
                self._on_received()
        return _signal(judged.receipt)

    def _is_news(self, partner: str) -> bool:
        return self._now() - self._noted_at.get(partner, 0.0) >= _HEARD_SECONDS

    async def _again(
        self, partner: Partner, request: WebRequest, judged: ReceivedMessage, known: Duplicate
    ) -> WebAnswer:
        """A known id: the stored receipt for the same content, a refusal and an alarm for any other."""
        if known.same_digests:
            self._metrics.duplicates.labels(partner=partner.name).inc()
            self._count_received(partner, judged.message_type, "duplicate")
            _log.event("message-duplicate", partner=partner.name, message_id=judged.message_id)
            return WebAnswer(body=known.receipt, content_type=known.receipt_content_type)
        self._metrics.altered_duplicates.labels(partner=partner.name).inc()
        _log.event("message-altered", partner=partner.name, message_id=judged.message_id)
        detail = "this message id was used before, for other content"
        fault = RemoteFault("EBMS:0003", ALTERED_DUPLICATE, detail, ref_to_message_id=judged.message_id)
        signal = await self._workers.run(self._error_signal, fault, judged.message_id, partner)
        return await self._refuse(partner, request, fault, judged.message_id, signal)

    async def _refuse(
        self,
        partner: Partner,
        request: WebRequest,
        fault: RemoteFault,
        message_id: str | None,
        signal: SignalBytes,
        news: RefusalNews | None = None,
    ) -> WebAnswer:
        refusal = Refusal(fault.code, fault.reason, fault.detail)
        return await self.keep_refusal(partner, request, refusal, message_id, _signal(signal), news)

    async def keep_refusal(
        self,
        partner: Partner,
        request: WebRequest,
        refusal: Refusal,
        message_id: str | None,
        answer: WebAnswer,
        news: RefusalNews | None = None,
    ) -> WebAnswer:
        """Commit the evidence of a refusal, then give it; 503 when the store could not."""
        unit = partial(
            store_refusal,
            partner=partner.name,
            request=request,
            refusal=refusal,
            message_id=message_id,
            answer=answer.body,
            news=news,
            now=self._now(),
        )
        try:
            told = await self._commit(unit)
        except Exception:  # noqa: BLE001  a refusal without evidence is not given
            return self.not_stored(partner)
        if told:
            self._on_feed()
        self.count_refusal(partner.name, refusal.reason)
        self._count_received(partner, "", "refused")
        _log.event(
            "message-refused",
            partner=partner.name,
            message_id=message_id,
            code=refusal.code,
            reason=refusal.reason,
            detail=refusal.detail,
            peer=request.peer,
        )
        return answer

    def broken_off(self, partner: Partner, request: WebRequest) -> WebAnswer:
        """The client left, or was cut, in mid-body: nobody reads this answer."""
        self.count_refusal(partner.name, "broken_off")
        _log.event("message-refused", partner=partner.name, reason="broken_off", peer=request.peer)
        return problem(400, "Bad Request", "The body was not complete.")

    async def broke(self, partner: Partner) -> WebAnswer:
        """Called while an exception of ours is handled: logged, and answered with EBMS:0202."""
        _log.failure("internal-error", where="receiver")
        self._metrics.internal_errors.labels(where="receiver").inc()
        detail = "the message could not be processed, send it again later"
        fault = RemoteFault("EBMS:0202", "internal_error", detail)
        return _signal(await self._workers.run(self._error_signal, fault, None, partner))

    def _error_signal(self, fault: RemoteFault, message_id: str | None, partner: Partner) -> SignalBytes:
        return build_error(
            fault,
            message_id=self._new_message_id(),
            ref_to_message_id=message_id,
            now=self._now(),
            identity=self._readers().identities.signing_for(partner.inbound.security),
            pmode=partner.inbound,
        )

    def not_stored(self, partner: Partner) -> WebAnswer:
        """Called while the store's exception is handled: logged, and answered with 503."""
        _log.failure("internal-error", where="receiver")
        self.count_refusal(partner.name, "store_unavailable")
        return later("Nothing can be stored at the moment.", STORE_RETRY_SECONDS)

    async def discard(self, staged: StagedBody) -> None:
        """Remove what was staged of a large body, unless a message adopted it."""
        try:
            await self._commit(partial(bodies.discard, staged=staged))
        except Exception:  # noqa: BLE001  the store is away; orphans are purged later
            _log.failure("internal-error", where="receiver")

    async def _commit(self, unit: Callable[[Transaction], Any]) -> Any:
        committing = self._database.run(unit)
        committing.addTimeout(COMMIT_LIMIT_SECONDS, self._clock)
        return await committing

    def _count_received(self, partner: Partner, message_type: str, outcome: str) -> None:
        self._metrics.messages_received.labels(
            partner=partner.name, message_type=message_type, outcome=outcome
        ).inc()

    def count_refusal(self, partner: str, reason: str) -> None:
        """Count what was refused; `partner` is empty for a stranger."""
        self._metrics.message_refusals.labels(partner=partner, reason=reason).inc()


def _signal(signal: SignalBytes) -> WebAnswer:
    return WebAnswer(status=signal.http_status, body=signal.body, content_type=signal.content_type)


def later(detail: str, seconds: int) -> WebAnswer:
    """503 with Retry-After."""
    answer = problem(503, "Service Unavailable", detail)
    return WebAnswer(
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
        headers={"Retry-After": str(seconds)},
    )
