"""One attempt over real sockets with mutual TLS: what comes back, and what each failure is called."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, wrapServerTLS
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from asw_gateway import tls
from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.packing import SealedMessage
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.signal import build_error, build_receipt
from asw_gateway.messaging.unpacking import unpack, verify
from asw_gateway.partner.connections import PartnerConnections
from asw_gateway.partner.failures import Standing, standing
from asw_gateway.partner.sender import MAX_ANSWER_BYTES, Sender
from asw_gateway.web import Route, WebAnswer, WebRequest, problem
from tests.doubles import InlineWorkers
from tests.partner import world

SOAP = "application/soap+xml"
#: Content that gzip cannot make smaller.
NOISE = random.Random(7).randbytes(5_000_000)


def honest(request: WebRequest, signer: str = "th") -> WebAnswer:
    """What a true partner answers: a signed receipt."""
    raw = unpack(request.content_type, request.body, Limits())
    us = world.partner("vn", seen_by="th")
    verified = verify(raw, us, us.inbound, world.party("th"), time.time())
    receipt = build_receipt(
        verified, message_id="r.1@asw-th.example", now=time.time(), identity=world.identity(signer)
    )
    return WebAnswer(body=receipt.body, content_type=receipt.content_type)


def refusing(code: str, reason: str, detail: str) -> Callable[[WebRequest], WebAnswer]:
    def answer(request: WebRequest) -> WebAnswer:
        raw = unpack(request.content_type, request.body, Limits())
        assert raw.user_message is not None
        signal = build_error(
            RemoteFault(code, reason, detail),
            message_id="e.1@asw-th.example",
            ref_to_message_id=raw.user_message.message_id,
            now=time.time(),
            identity=world.identity("th"),
        )
        return WebAnswer(status=signal.http_status, body=signal.body, content_type=signal.content_type)

    return answer


class RawPeer(Protocol):
    """A TLS peer that speaks as the test tells it, instead of HTTP."""

    factory: Any

    def dataReceived(self, data: bytes) -> None:
        if self.factory.every_piece:  # small requests come in one piece
            self.factory.behave(self.transport)
            return
        self.factory.taken += len(data)
        if self.factory.taken >= self.factory.answer_after:
            self.factory.answer_after = 1 << 60
            self.factory.behave(self.transport)


class SenderCase(TestCase):
    """Gateway vn sends to a server that plays th."""

    timeout = 30

    def setUp(self) -> None:
        self.requests: list[WebRequest] = []
        self.connections: list[PartnerConnections] = []

    async def serve(self, answer: Callable[[WebRequest], Any], **options: Any) -> int:
        async def handle(request: WebRequest) -> WebAnswer:
            self.requests.append(request)
            found = answer(request)
            if isinstance(found, Deferred):
                found = await found
            assert isinstance(found, WebAnswer)
            return found

        pins = options.pop("pins", [world.key_pair("vn", "tls-client").certificate])
        port = await world.listen(
            [Route("POST", "/as4", handle, max_body_bytes=50_000_000)], country="th", pins=pins, **options
        )
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def serve_raw(
        self, behave: Callable[[Any], object], answer_after: int = 1, every_piece: bool = False
    ) -> int:
        factory: Any = Factory.forProtocol(RawPeer)
        factory.behave, factory.answer_after, factory.taken = behave, answer_after, 0
        factory.every_piece = every_piece
        server = tls.ServerTls(
            world.key_pair("th", "tls-server"), pins=[world.key_pair("vn", "tls-client").certificate]
        )
        endpoint = wrapServerTLS(server, TCP4ServerEndpoint(reactor, 0, interface=world.HOST))
        port = await endpoint.listen(factory)
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def sender(self, port: int, pair: tls.KeyPair | None = None, **options: Any) -> Sender:
        seconds = options.pop("send_timeout_seconds", 10.0)
        trusted = options.pop("trusted", world.root())
        partner = world.partner(
            "th", seen_by="vn", port=port, reception={"send_timeout_seconds": seconds}
        )
        connections = PartnerConnections(
            policy=tls.ClientTls(pair or world.key_pair("vn", "tls-client"), trusted=trusted),
            reactor=reactor,
            kept=4,
        )
        self.connections.append(connections)
        self.addCleanup(connections.close)
        return Sender(
            partner=partner, connections=connections, workers=InlineWorkers(), reactor=reactor, now=time.time
        )

    def message(self, **changes: Any) -> SealedMessage:
        return world.sealed_message(now=time.time(), **changes)

    async def outcome(self, answer: Callable[[WebRequest], Any], **options: Any) -> Outcome:
        port = await self.serve(answer)
        return await self.sender(port, **options).submit(self.message())


class Answers(SenderCase):
    """The partner's gateway is there and says something."""

    async def test_receipt(self) -> None:
        """A valid signed receipt is a receipt, and its bytes are kept as evidence."""
        outcome = await self.outcome(honest)
        self.assertEqual((outcome.kind, outcome.reason), (OutcomeKind.RECEIPT, "receipt"))
        self.assertIn(b"NonRepudiationInformation", outcome.receipt)

    async def test_connections_are_kept(self) -> None:
        """Ten messages one after another use one connection."""
        sender = self.sender(await self.serve(honest))
        for number in range(10):
            outcome = await sender.submit(self.message(number=number))
            self.assertEqual(outcome.kind, OutcomeKind.RECEIPT)
        self.assertEqual(self.connections[0].opened, 1)

    async def test_connection_closed_while_idle(self) -> None:
        """A kept connection that the partner closed meanwhile costs no failed attempt."""
        sender = self.sender(await self.serve(honest, idle_seconds=0.05))
        self.assertEqual((await sender.submit(self.message())).kind, OutcomeKind.RECEIPT)
        await deferLater(reactor, 0.2)
        self.assertEqual((await sender.submit(self.message(number=2))).kind, OutcomeKind.RECEIPT)

    async def test_kept_connection_dies_under_the_request(self) -> None:
        """A kept connection that ends without an answer is replaced at once, within the same attempt."""

        def behave(transport: Any) -> None:
            requests.append(transport)
            if len(requests) == 2:
                transport.loseConnection()
            else:
                transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

        requests: list[Any] = []
        sender = self.sender(await self.serve_raw(behave, every_piece=True))
        await sender.submit(self.message())
        outcome = await sender.submit(self.message(number=2))
        self.assertEqual(outcome.reason, "no_receipt")
        self.assertEqual((len(requests), self.connections[0].opened), (3, 2))

    async def test_large_message(self) -> None:
        """A body far beyond the socket buffers arrives whole."""
        sender = self.sender(await self.serve(honest))
        message = self.message(content=NOISE)
        outcome = await sender.submit(message)
        self.assertEqual(outcome.kind, OutcomeKind.RECEIPT)
        self.assertEqual(self.requests[0].body, message.body)

    async def test_receipt_by_an_unknown_signer(self) -> None:
        """A receipt that no pinned certificate signed proves nothing; the message is sent again later."""
        outcome = await self.outcome(lambda request: honest(request, signer="id"))
        self.assertEqual((outcome.kind, outcome.retryable), (OutcomeKind.INVALID_RECEIPT, True))

    async def test_receipt_for_another_message(self) -> None:
        """A true receipt for something else is no receipt for this."""
        other: list[WebAnswer] = []

        def answer(request: WebRequest) -> WebAnswer:
            other.append(honest(request))
            return other[0]

        sender = self.sender(await self.serve(answer))
        await sender.submit(self.message(number=1))
        outcome = await sender.submit(self.message(number=2))
        self.assertEqual((outcome.kind, outcome.retryable), (OutcomeKind.INVALID_RECEIPT, True))

    async def test_empty_answer(self) -> None:
        """HTTP 200 with nothing in it is a missing receipt."""
        outcome = await self.outcome(lambda request: WebAnswer(content_type=SOAP))
        self.assertEqual((outcome.kind, outcome.reason), (OutcomeKind.INVALID_RECEIPT, "no_receipt"))

    async def test_unreadable_answer(self) -> None:
        """HTTP 200 with something else in it is not a receipt either."""
        outcome = await self.outcome(lambda request: WebAnswer(content_type=SOAP, body=b"<html>hello"))
        self.assertEqual((outcome.kind, outcome.retryable), (OutcomeKind.INVALID_RECEIPT, True))

    async def test_answer_too_large(self) -> None:
        """An endless answer is cut at the limit."""
        body = b"x" * (MAX_ANSWER_BYTES + 1)
        outcome = await self.outcome(lambda request: WebAnswer(content_type=SOAP, body=body))
        self.assertEqual(outcome.reason, "answer_too_large")

    async def test_final_error_signal(self) -> None:
        """An authentication error comes with HTTP 400 and a SOAP fault; the error decides, it is final."""
        outcome = await self.outcome(refusing("EBMS:0101", "bad_signature", "the signature is wrong"))
        self.assertEqual(
            (outcome.kind, outcome.reason, outcome.retryable), (OutcomeKind.ERROR_SIGNAL, "EBMS:0101", False)
        )
        self.assertEqual(outcome.detail, "the signature is wrong")
        self.assertIs(standing(outcome), Standing.REACHED)

    async def test_temporary_error_signal(self) -> None:
        """A delivery failure at their side is worth another attempt."""
        outcome = await self.outcome(refusing("EBMS:0202", "other", "our store is full"))
        self.assertEqual((outcome.reason, outcome.retryable), ("EBMS:0202", True))

    async def test_phase4_before_4_5_calls_a_duplicate_other(self) -> None:
        """EBMS:0004 with a sentence about a duplicate is a duplicate, not a final error."""
        said = "message with Message ID '1@vn' was already handled (this is a duplicate)"
        outcome = await self.outcome(refusing("EBMS:0004", "other", said))
        self.assertEqual((outcome.kind, outcome.retryable), (OutcomeKind.DUPLICATE, False))

    async def test_come_back_later(self) -> None:
        """503 with Retry-After names the wait, and concerns every message."""
        answer = WebAnswer(status=503, headers={"Retry-After": "120"})
        outcome = await self.outcome(lambda request: answer)
        self.assertEqual((outcome.reason, outcome.retry_after_seconds), ("http_503", 120.0))
        self.assertTrue(outcome.retryable)
        self.assertIs(standing(outcome), Standing.AWAY)

    async def test_other_statuses(self) -> None:
        """5xx and a wrong address are retried, a message that is too large is not."""
        for status, retryable in ((500, True), (502, True), (404, True), (413, False), (302, True)):
            outcome = await self.outcome(lambda request, status=status: problem(status, "No"))
            reason = "http_3xx" if status == 302 else f"http_{status}"
            self.assertEqual((outcome.kind, outcome.reason), (OutcomeKind.HTTP_ERROR, reason))
            self.assertEqual(outcome.retryable, retryable, status)


class Failures(SenderCase):
    """The partner's gateway is not there, or breaks off."""

    def assert_outcome(self, outcome: Outcome, kind: OutcomeKind, *reasons: str) -> None:
        self.assertEqual(outcome.kind, kind, outcome)
        self.assertIn(outcome.reason, reasons, outcome)
        self.assertTrue(outcome.retryable)

    async def test_nobody_listens(self) -> None:
        """A closed port is a refused connection: the partner is away."""
        port = await self.serve_raw(lambda transport: None)
        await self._cleanups.pop()[0]()  # close it again: now nobody is there
        outcome = await self.sender(port).submit(self.message())
        self.assert_outcome(outcome, OutcomeKind.CONNECTION_ERROR, "connection_refused")
        self.assertIs(standing(outcome), Standing.AWAY)

    async def test_client_certificate_refused(self) -> None:
        """TLS 1.3 tells so only after the handshake; it is found among the reasons all the same."""
        port = await self.serve(honest)
        outcome = await self.sender(port, world.key_pair("id", "tls-client")).submit(self.message())
        self.assertEqual(outcome.kind, OutcomeKind.TLS_ERROR, outcome)
        self.assertIn("alert", outcome.reason)
        self.assertEqual(self.requests, [])
        self.assertIs(standing(outcome), Standing.AWAY)

    async def test_server_certificate_untrusted(self) -> None:
        """A server that none of the partner's roots knows is not spoken to."""
        port = await self.serve(honest)
        stranger = (world.key_pair("id", "tls-server").certificate,)
        outcome = await self.sender(port, trusted=stranger).submit(self.message())
        self.assert_outcome(outcome, OutcomeKind.TLS_ERROR, "server_certificate_untrusted")
        self.assertEqual(self.requests, [])

    async def test_not_tls_at_all(self) -> None:
        """A plain HTTP server behind the address is a TLS error, not a hang."""
        factory: Any = Factory.forProtocol(RawPeer)
        factory.taken, factory.answer_after, factory.every_piece = 0, 1, False
        factory.behave = lambda transport: transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        port = await TCP4ServerEndpoint(reactor, 0, interface=world.HOST).listen(factory)
        self.addCleanup(port.stopListening)
        outcome = await self.sender(port.getHost().port).submit(self.message())
        self.assert_outcome(outcome, OutcomeKind.TLS_ERROR, "handshake")

    async def test_no_answer_in_time(self) -> None:
        """The whole attempt ends after the agreed time, and the connection with it."""
        silent: Deferred[WebAnswer] = Deferred(lambda _: None)
        port = await self.serve(lambda request: silent)
        started = time.monotonic()
        outcome = await self.sender(port, send_timeout_seconds=0.4).submit(self.message())
        self.assert_outcome(outcome, OutcomeKind.TIMEOUT, "no_answer")
        self.assertLess(time.monotonic() - started, 5)

    async def test_answer_stops_in_the_middle(self) -> None:
        """A peer that stops in mid-answer without closing does not hold the attempt."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 1000\r\n\r\nabc"
        port = await self.serve_raw(lambda transport: transport.write(head))
        outcome = await self.sender(port, send_timeout_seconds=0.4).submit(self.message())
        self.assert_outcome(outcome, OutcomeKind.TIMEOUT, "no_answer")

    async def test_answer_cut_short(self) -> None:
        """A connection that ends in mid-answer gives no receipt."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 1000\r\n\r\nabc"

        def behave(transport: Any) -> None:
            transport.write(head)
            transport.loseConnection()

        outcome = await self.sender(await self.serve_raw(behave)).submit(self.message())
        self.assert_outcome(outcome, OutcomeKind.CONNECTION_ERROR, "answer_cut_short")
        self.assertIs(standing(outcome), Standing.DOUBTFUL)

    async def test_reset_in_mid_body(self) -> None:
        """A reset while the message is on its way is a lost connection."""
        port = await self.serve_raw(lambda transport: transport.abortConnection(), answer_after=200_000)
        message = self.message(content=NOISE)
        outcome = await self.sender(port).submit(message)
        self.assert_outcome(outcome, OutcomeKind.CONNECTION_ERROR, "connection_lost", "connection_closed")

    async def test_not_http(self) -> None:
        """An answer that is not HTTP is an HTTP error, worth another attempt."""
        def behave(transport: Any) -> None:
            transport.write(b"220 smtp.example ESMTP\r\n\r\n")
            transport.loseConnection()

        outcome = await self.sender(await self.serve_raw(behave)).submit(self.message())
        self.assert_outcome(outcome, OutcomeKind.HTTP_ERROR, "not_http")

    async def test_our_own_stop(self) -> None:
        """A cancelled attempt is interrupted: it does not count, and it never raises."""
        silent: Deferred[WebAnswer] = Deferred(lambda _: None)
        came: Deferred[None] = Deferred()

        def answer(request: WebRequest) -> Deferred[WebAnswer]:
            came.callback(None)
            return silent

        port = await self.serve(answer)
        attempt = Deferred.fromCoroutine(self.sender(port).submit(self.message()))
        await came
        attempt.cancel()
        outcome = await attempt
        self.assertEqual(outcome.kind, OutcomeKind.INTERRUPTED)
        self.assertIs(standing(outcome), Standing.UNKNOWN)
