"""POST /as4: a partner's message is checked, committed, and only then answered.

The order of things is the promise of the whole gateway: the receipt leaves after the commit that stores the
message with that very receipt. From then on every duplicate gets the stored receipt, and whatever the
connection does the message is safe. Work that has begun is ended even when the client leaves: its retry
finds the receipt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.python.failure import Failure

from asw_gateway.exchange.inbound import receive, receive_large, refuse
from asw_gateway.logs import Log
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.party import Partner
from asw_gateway.metrics import Metrics
from asw_gateway.partner.admission import Admission, Full
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.intake import Refusal
from asw_gateway.partner.large_body import BrokenOff, LargeBody, Seen, large_request
from asw_gateway.partner.large_intake import LargeIntake
from asw_gateway.partner.reception import COMMIT_LIMIT_SECONDS, Readers, Reception, later
from asw_gateway.spool import Spool
from asw_gateway.store.bodies import StagedBody
from asw_gateway.store.database import RunsUnits, StoreClosed
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.web import Flow, Route, WebAnswer, WebRequest, problem
from asw_gateway.workers import Runs

PATH = "/as4"
BUSY_RETRY_SECONDS = 5
#: Messages too large for memory under way at once; one partner may have half of the places.
LARGE_PLACES = 8
SUSPENDED_RETRY_SECONDS = 600
_MEDIA_TYPES = ("multipart/related", "application/soap+xml")

_log = Log("partner.receiver")


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
        self._workers = workers
        self._now = now
        self._new_message_id = new_message_id
        self._reception = Reception(
            database=database,
            workers=workers,
            metrics=metrics,
            clock=clock,
            now=now,
            readers=lambda: self.readers,
            new_message_id=new_message_id,
            on_received=on_received,
            lease=lease,
            heard_from=heard_from,
            on_feed=on_feed,
        )
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
            self._reception.count_refusal("", "unknown_partner")
            _log.event("message-refused", partner="", reason="unknown_partner", peer=request.peer)
            return problem(403, "Forbidden", "This client certificate belongs to no partner.")
        if partner.status == "suspended":
            self._reception.count_refusal(partner.name, "suspended")
            return later("The exchange with this partner is suspended.", SUSPENDED_RETRY_SECONDS)
        if request.content_type.partition(";")[0].strip().lower() not in _MEDIA_TYPES:
            fault = Refusal("HTTP:415", "unsupported_media_type", request.content_type[:100])
            answer = problem(415, "Unsupported Media Type", f"Expected one of {', '.join(_MEDIA_TYPES)}.")
            return await self._reception.keep_refusal(partner, request, fault, None, answer)
        return partner

    async def too_large(self, request: WebRequest) -> WebAnswer:
        """Answer a body past the limit; the bytes were dropped while they came."""
        answer = problem(413, "Content Too Large", f"A message may have {self._max_body_bytes} bytes.")
        partner = self.partners.of_certificate(request.peer_certificate)
        if partner is None:
            return answer
        fault = Refusal("HTTP:413", "too_large", f"more than {self._max_body_bytes} bytes")
        return await self._reception.keep_refusal(partner, request, fault, None, answer)

    async def too_slow(self, request: WebRequest, part: str) -> None:
        """Keep record of a message whose `header` or `body` did not come in time: the connection was cut."""
        partner = self.partners.of_certificate(request.peer_certificate)
        if partner is not None:
            fault = Refusal("HTTP:408", f"slow_{part}", f"the {part} did not come in time")
            await self._reception.keep_refusal(partner, request, fault, None, problem(408, "Request Timeout"))

    async def _admitted(self, partner: Partner, request: WebRequest) -> WebAnswer:
        try:
            with self._admission.place(partner.name):
                return await self._take(partner, request)
        except Full:
            return later("Too many messages are under way.", BUSY_RETRY_SECONDS)

    async def _receive_large(self, request: WebRequest, body: LargeBody) -> WebAnswer:
        partner = await self._let_in(request)
        if isinstance(partner, WebAnswer):
            return partner
        try:
            with self._admission.place(partner.name), self._large_admission.place(partner.name):
                return await self._take_large(partner, request, body)
        except Full:
            return later("Too many messages are under way.", BUSY_RETRY_SECONDS)

    async def _take(self, partner: Partner, request: WebRequest) -> WebAnswer:
        try:
            judged = await self._workers.run(
                receive, request.content_type, request.body, **self._circumstances(partner)
            )
        except Exception:  # noqa: BLE001  our own fault: the partner is told to send it again later
            return await self._reception.broke(partner)
        return await self._reception.answer(partner, request, judged)

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
            return self._reception.broken_off(partner, request)
        except (StoreUnavailable, StoreClosed, TimeoutError, OSError):
            return self._reception.not_stored(partner)
        except Exception:  # noqa: BLE001  our own fault: the partner is told to send it again later
            return await self._reception.broke(partner)
        else:
            return await self._reception.answer(partner, large_request(request, staged, seen), judged)
        finally:
            await self._reception.discard(staged)

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
