"""POST /as4: a partner's message is checked, committed, and only then answered.

The order of things is the promise of the whole gateway: the receipt leaves after the commit that stores the
message with that very receipt. From then on every duplicate gets the stored receipt, and whatever the
connection does the message is safe. Work that has begun is ended even when the client leaves: its retry
finds the receipt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.python.failure import Failure

from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.exchange.inbound import (
    ReceivedMessage,
    RefusalNews,
    RefusedMessage,
    receive,
    receive_large,
    refuse,
)
from asw_gateway.logs import Log
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.signal import SignalBytes, build_error
from asw_gateway.metrics import Metrics
from asw_gateway.partner.admission import Admission, Full
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.intake import ALTERED_DUPLICATE, Refusal, new_inbound, store_message, store_refusal
from asw_gateway.partner.large_body import BrokenOff, LargeBody, Seen, large_request
from asw_gateway.partner.large_intake import LargeIntake
from asw_gateway.spool import Spool
from asw_gateway.store import bodies
from asw_gateway.store.bodies import StagedBody
from asw_gateway.store.database import RunsUnits, StoreClosed
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.inbox_rows import Duplicate, InboundRow, Registered
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.web import Flow, Route, WebAnswer, WebRequest, problem
from asw_gateway.workers import Runs

PATH = "/as4"
#: How long a partner waits for a commit before it is asked to come back; the commit may still happen.
COMMIT_LIMIT_SECONDS = 20.0
BUSY_RETRY_SECONDS = 5
#: Messages too large for memory under way at once; one partner may have half of the places.
LARGE_PLACES = 8
STORE_RETRY_SECONDS = 15
SUSPENDED_RETRY_SECONDS = 600
#: The durable "last heard from" is kept to this precision; every message would cost an update.
_HEARD_SECONDS = 10.0
_MEDIA_TYPES = ("multipart/related", "application/soap+xml")

_log = Log("partner.receiver")


@frozen(kw_only=True)
class Readers:
    """What reading a message takes; replaced as a whole on reload."""

    own: OwnGateway
    identities: Identities
    catalogue: Catalogue


class PartnerReceiver:
    """The partners' door. `routes()` goes into a web.Router that reads tls.peer_certificate.

    `new_message_id` names our signals. `lease` gives (owner, until) so that a stored row is born claimed by
    this node; then `on_received(row, verified)` hands it on in memory, otherwise `on_received()` only says
    that there is work. `heard_from(partner name)` is called for every message that proved to be the
    partner's, `on_feed()` after news for the portal. `clock` is an IReactorTime. Messages too large for
    memory are verified from `spool`.
    """

    def __init__(
        self,
        *,
        partners: PartnerDirectory,
        readers: Readers,
        database: RunsUnits,
        workers: Runs,
        metrics: Metrics,
        clock: Any,
        now: Callable[[], float],
        new_message_id: Callable[[], str],
        on_received: Callable[..., object] = lambda *handed: None,
        lease: Callable[[], tuple[str | None, float]] = lambda: (None, 0.0),
        heard_from: Callable[[str], object] = lambda name: None,
        on_feed: Callable[[], object] = lambda: None,
        admission: Admission | None = None,
        spool: Spool | None = None,
        max_body_bytes: int = 120_000_000,
    ) -> None:
        self.partners = partners
        self.readers = readers
        self._database = database
        self._workers = workers
        self._metrics = metrics
        self._clock = clock
        self._now = now
        self._new_message_id = new_message_id
        self._on_received = on_received
        self._lease = lease
        self._heard_from = heard_from
        self._on_feed = on_feed
        self._admission = admission if admission is not None else Admission()
        self._large_admission = Admission(total=LARGE_PLACES, per_partner=LARGE_PLACES // 2)
        self._large = LargeIntake(
            database=database,
            workers=workers,
            spool=spool if spool is not None else Spool(),
            clock=clock,
            now=now,
            limit_seconds=COMMIT_LIMIT_SECONDS,
        )
        self._max_body_bytes = max_body_bytes
        self._noted_at: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """The routes of the partners' listener."""
        return [
            Route(
                "POST",
                PATH,
                self.receive,
                max_body_bytes=self._max_body_bytes,
                too_large=self.too_large,
                stream=self.stream,
            )
        ]

    async def receive(self, request: WebRequest) -> WebAnswer:
        """Answer one message; 503 with Retry-After when it could not be stored or may not be sent now."""
        partner = await self._let_in(request)
        if isinstance(partner, WebAnswer):
            return partner
        work = Deferred.fromCoroutine(self._admitted(partner, request))
        return await _whatever_the_client_does(work)

    def stream(self, head: WebRequest, flow: Flow) -> LargeBody:
        """Take a message too large for memory while it comes."""
        body = LargeBody(flow)
        body.answer = Deferred.fromCoroutine(self._receive_large(head, body))
        return body

    async def _let_in(self, request: WebRequest) -> Partner | WebAnswer:
        """Whose message it is, or the answer of a closed door."""
        partner = self.partners.of_certificate(request.peer_certificate)
        if partner is None:
            self._count_refusal("", "unknown_partner")
            _log.event("message-refused", partner="", reason="unknown_partner", peer=request.peer)
            return problem(403, "Forbidden", "This client certificate belongs to no partner.")
        if partner.status == "suspended":
            self._count_refusal(partner.name, "suspended")
            return _later("The exchange with this partner is suspended.", SUSPENDED_RETRY_SECONDS)
        if request.content_type.partition(";")[0].strip().lower() not in _MEDIA_TYPES:
            fault = Refusal("HTTP:415", "unsupported_media_type", request.content_type[:100])
            answer = problem(415, "Unsupported Media Type", f"Expected one of {', '.join(_MEDIA_TYPES)}.")
            return await self._keep_refusal(partner, request, fault, None, answer)
        return partner

    async def too_large(self, request: WebRequest) -> WebAnswer:
        """Answer a body past the limit; the bytes were dropped while they came."""
        answer = problem(413, "Content Too Large", f"A message may have {self._max_body_bytes} bytes.")
        partner = self.partners.of_certificate(request.peer_certificate)
        if partner is None:
            return answer
        fault = Refusal("HTTP:413", "too_large", f"more than {self._max_body_bytes} bytes")
        return await self._keep_refusal(partner, request, fault, None, answer)

    async def _admitted(self, partner: Partner, request: WebRequest) -> WebAnswer:
        try:
            with self._admission.place(partner.name):
                return await self._take(partner, request)
        except Full:
            return _later("Too many messages are under way.", BUSY_RETRY_SECONDS)

    async def _receive_large(self, request: WebRequest, body: LargeBody) -> WebAnswer:
        partner = await self._let_in(request)
        if isinstance(partner, WebAnswer):
            return partner
        try:
            with self._admission.place(partner.name), self._large_admission.place(partner.name):
                return await self._take_large(partner, request, body)
        except Full:
            return _later("Too many messages are under way.", BUSY_RETRY_SECONDS)

    async def _take(self, partner: Partner, request: WebRequest) -> WebAnswer:
        try:
            judged = await self._workers.run(
                receive, request.content_type, request.body, **self._circumstances(partner)
            )
        except Exception:  # noqa: BLE001  our own fault: the partner is told to send it again later
            return await self._broke(partner)
        return await self._judged(partner, request, judged)

    async def _take_large(self, partner: Partner, request: WebRequest, body: LargeBody) -> WebAnswer:
        given = self._circumstances(partner)
        staged, seen = StagedBody(staging_id=f"received:{given['signal_id']}"), Seen()
        try:
            try:
                judged = await self._large.take(
                    body,
                    request.content_type,
                    partner.inbound.limits,
                    staged,
                    seen,
                    lambda message: receive_large(message, **given),
                )
            except RemoteFault as fault:
                judged = await self._workers.run(refuse, fault, **given)
        except BrokenOff:
            return self._broken_off(partner, request)
        except (StoreUnavailable, StoreClosed, TimeoutError, OSError):
            return self._not_stored(partner)
        except Exception:  # noqa: BLE001  our own fault: the partner is told to send it again later
            return await self._broke(partner)
        else:
            return await self._judged(partner, large_request(request, staged, seen), judged)
        finally:
            await self._discard(staged)

    def _circumstances(self, partner: Partner) -> dict[str, Any]:
        """What judging a message takes besides its bytes."""
        return {
            "partner": partner,
            "own": self.readers.own,
            "identities": self.readers.identities,
            "catalogue": self.readers.catalogue,
            "now": self._now(),
            "signal_id": self._new_message_id(),
        }

    async def _judged(
        self, partner: Partner, request: WebRequest, judged: ReceivedMessage | RefusedMessage
    ) -> WebAnswer:
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
            return self._not_stored(partner)
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

    def _error_signal(self, fault: RemoteFault, message_id: str | None, partner: Partner) -> SignalBytes:
        return build_error(
            fault,
            message_id=self._new_message_id(),
            ref_to_message_id=message_id,
            now=self._now(),
            identity=self.readers.identities.signing_for(partner.inbound.security),
            pmode=partner.inbound,
        )

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
        return await self._keep_refusal(partner, request, refusal, message_id, _signal(signal), news)

    async def _keep_refusal(
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
            return self._not_stored(partner)
        if told:
            self._on_feed()
        self._count_refusal(partner.name, refusal.reason)
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

    async def _commit(self, unit: Callable[[Transaction], Any]) -> Any:
        committing = self._database.run(unit)
        committing.addTimeout(COMMIT_LIMIT_SECONDS, self._clock)
        return await committing

    async def _discard(self, staged: StagedBody) -> None:
        """Remove what was staged of a large body, unless a message adopted it."""
        try:
            await self._commit(partial(bodies.discard, staged=staged))
        except Exception:  # noqa: BLE001  the store is away; orphans are purged later
            _log.failure("internal-error", where="receiver")

    def _broken_off(self, partner: Partner, request: WebRequest) -> WebAnswer:
        """The client left, or was cut, in mid-body: nobody reads this answer."""
        self._count_refusal(partner.name, "broken_off")
        _log.event("message-refused", partner=partner.name, reason="broken_off", peer=request.peer)
        return problem(400, "Bad Request", "The body was not complete.")

    async def _broke(self, partner: Partner) -> WebAnswer:
        _log.failure("internal-error", where="receiver")
        self._metrics.internal_errors.labels(where="receiver").inc()
        detail = "the message could not be processed, send it again later"
        fault = RemoteFault("EBMS:0202", "internal_error", detail)
        return _signal(await self._workers.run(self._error_signal, fault, None, partner))

    def _not_stored(self, partner: Partner) -> WebAnswer:
        _log.failure("internal-error", where="receiver")
        self._count_refusal(partner.name, "store_unavailable")
        return _later("Nothing can be stored at the moment.", STORE_RETRY_SECONDS)

    def _count_received(self, partner: Partner, message_type: str, outcome: str) -> None:
        self._metrics.messages_received.labels(
            partner=partner.name, message_type=message_type, outcome=outcome
        ).inc()

    def _count_refusal(self, partner: str, reason: str) -> None:
        self._metrics.message_refusals.labels(partner=partner, reason=reason).inc()


def _signal(signal: SignalBytes) -> WebAnswer:
    return WebAnswer(status=signal.http_status, body=signal.body, content_type=signal.content_type)


def _later(detail: str, seconds: int) -> WebAnswer:
    answer = problem(503, "Service Unavailable", detail)
    return WebAnswer(
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
        headers={"Retry-After": str(seconds)},
    )


def _whatever_the_client_does(work: Deferred[WebAnswer]) -> Deferred[WebAnswer]:
    """`work`'s answer; cancelling this leaves the work alone."""
    answer: Deferred[WebAnswer] = Deferred()

    def ended(result: Any) -> None:
        if not answer.called:
            answer.callback(result)
        elif isinstance(result, Failure) and not result.check(CancelledError):
            _log.failure("internal-error", result, where="receiver")

    work.addBoth(ended)
    return answer
