"""Both sides of the partner room against each other: real sockets, mutual TLS, real stores and threads."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
    wrapClientTLS,
    wrapServerTLS,
)
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from asw_gateway import tls
from asw_gateway.exchange.outcome import OutcomeKind
from asw_gateway.partner import channel as channel_module
from asw_gateway.partner.channel import Channel
from asw_gateway.partner.connections import PartnerConnections
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.receiver import PartnerReceiver
from asw_gateway.partner.sealing import Sealing
from asw_gateway.partner.sender import Sender
from asw_gateway.partner.turn import ChannelTurn
from asw_gateway.store import inbox, outbox, partner_state, refusals, sending
from asw_gateway.store.outbox_rows import NewOutbound
from asw_gateway.web import LimitedSite, Router, WebAnswer, WebRequest
from asw_gateway.workers import Workers
from tests.exchange.builders import own_gateway
from tests.partner import world
from tests.partner.test_receiver import readers
from tests.store.databases import sqlite_database

RECEPTION = {"initial_delay_seconds": 0.2, "maximum_delay_seconds": 0.5, "send_timeout_seconds": 5.0}


class TwoGateways(TestCase):
    """vn sends to th."""

    timeout = 60

    def setUp(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.there = stack.enter_context(sqlite_database(node="th-1", reactor=reactor))
        self.here = stack.enter_context(sqlite_database(node="vn-1", reactor=reactor))
        self.workers = Workers(reactor)
        self.addCleanup(self.workers.stop)
        self.metrics = world.metrics()
        self.received: list[Any] = []
        self.requests = 0
        self.tamper: Callable[[WebAnswer], Any] = lambda answer: answer
        self.directory = PartnerDirectory([world.partner("vn", seen_by="th")])
        self.receiver = PartnerReceiver(
            partners=self.directory,
            readers=readers(),
            database=self.there,
            workers=self.workers,
            metrics=self.metrics,
            clock=reactor,
            now=time.time,
            new_message_id=lambda: f"{secrets.token_hex(8)}@asw-th.example",
            on_received=lambda *handed: self.received.append(handed),
            max_body_bytes=1_000_000,
        )
        self.port: Any = None
        self.port_number = 0

    async def open(self, **options: Any) -> None:
        """th listens; the second time on the port it had before."""

        async def receive(request: WebRequest) -> WebAnswer:
            self.requests += 1
            answer = self.tamper(await self.receiver.receive(request))
            return await answer if isinstance(answer, Deferred) else answer

        [route] = self.receiver.routes()
        site = LimitedSite(
            Router([evolve(route, handler=receive)], peer_certificate=tls.peer_certificate),
            reactor=reactor,
            **options,
        )
        server = tls.ServerTls(
            world.key_pair("th", "tls-server"), pins=[world.key_pair("vn", "tls-client").certificate]
        )
        endpoint = wrapServerTLS(server, TCP4ServerEndpoint(reactor, self.port_number, interface=world.HOST))
        self.port = await endpoint.listen(site)
        self.port_number = self.port.getHost().port
        self.addCleanup(self.shut)

    async def shut(self) -> None:
        port, self.port = self.port, None
        if port is not None:
            await port.stopListening()

    def channel(self, *, signing: str = "vn", client: str = "vn", **reception: Any) -> Channel:
        partner = world.partner(
            "th", seen_by="vn", port=self.port_number or 1, reception={**RECEPTION, **reception}
        )
        connections = PartnerConnections(
            policy=tls.ClientTls(world.key_pair(client, "tls-client"), trusted=world.root()),
            reactor=reactor,
            kept=8,
        )
        sealing = Sealing(
            partner=partner,
            identity=world.identity(signing),
            workers=self.workers,
            now=time.time,
            new_message_id=lambda: f"{secrets.token_hex(8)}@asw-vn.example",
            metrics=self.metrics,
            database=self.here,
        )
        sender = Sender(
            partner=partner, connections=connections, workers=self.workers, reactor=reactor, now=time.time
        )
        channel = Channel(
            partner="th",
            window=8,
            submit=sender.submit,
            prepare=sealing.prepare,
            make_ping=sealing.make_ping,
            take_turn=ChannelTurn(
                partner="th",
                own=own_gateway(),
                awareness=partner.outbound.reception,
                window=8,
                lease_seconds=60.0,
            ),
            database=self.here,
            reactor=reactor,
            now=time.time,
            random=lambda: 0.5,
            new_id=lambda: secrets.token_hex(16),
            metrics=self.metrics,
            poll_seconds=0.3,
        )
        channel.startService()
        self.addCleanup(connections.close)
        self.addCleanup(channel.stopService)
        return channel

    async def queue(self, number: int, *, signed_with: str | None = None, content: bytes = b"<Form/>") -> int:
        now = time.time()
        sealed = world.sealed_message(number=number, now=now, content=content)
        row = await self.here.run(
            outbox.submit,
            NewOutbound(
                origin="portal",
                partner="th",
                document_type="atiga-form-d",
                profile="atiga-form-d-1.0",
                kind="certificate",
                document_number=f"D-{number}",
                order_key=f"th/atiga-form-d/D-{number}",
                priority=2,
                expires_at=now + 1000,
                digest="0" * 64,
                body=b"<Envelope/>",
                sender_identity="moit",
                national_message_id=f"N-{number}",
            ),
            now,
        )
        await self.here.run(
            outbox.mark_queued,
            row.row.id,
            message_id=sealed.message_id,
            content_type=sealed.content_type,
            body=sealed.body,
            reference_digests=sealed.reference_digests,
            signed_with=signed_with or tls.fingerprint(world.identity("vn").certificate),
            document_digest="2" * 64,
            now=now,
        )
        return int(row.row.id)

    async def state(self, id: int) -> str:
        row = await self.here.read(outbox.get, id)
        return str(row.state)

    async def until(self, id: int, state: str, seconds: float = 20.0) -> None:
        limit = time.monotonic() + seconds
        while await self.state(id) != state:
            self.assertLess(time.monotonic(), limit, f"{id} is {await self.state(id)}, not {state}")
            await deferLater(reactor, 0.02)

    async def at_th(self) -> list[str]:
        """The ids of the messages stored at th."""
        rows = [await self.there.read(inbox.get, id) for id in range(1, 60)]
        return [row.message_id for row in rows if row is not None]

    async def test_outage(self) -> None:
        """th is down, 20 documents are queued, th comes up: all 20 arrive exactly once."""
        await self.open()
        await self.shut()
        channel = self.channel()
        ids = [await self.queue(number) for number in range(1, 21)]
        channel.wake()
        await deferLater(reactor, 1.0)
        self.assertEqual(channel.state, "backing_off")
        self.assertEqual({await self.state(id) for id in ids}, {"queued"})
        await self.open()
        for id in ids:
            await self.until(id, "delivered")
        stored = await self.at_th()
        self.assertEqual((len(stored), len(set(stored)), len(self.received)), (20, 20, 20))

    async def test_dropped_receipt(self) -> None:
        """A receipt lost on its way: the same message again, one document there, the stored receipt here."""
        await self.open()
        lost: list[WebAnswer] = []

        def lose_the_first(answer: WebAnswer) -> WebAnswer:
            if lost:
                return answer
            lost.append(answer)
            return WebAnswer(status=502, content_type="text/plain")

        self.tamper = lose_the_first
        self.channel()
        id = await self.queue(1)
        await self.until(id, "delivered")
        self.assertEqual((len(await self.at_th()), len(self.received), self.requests), (1, 1, 2))
        attempts = await self.here.read(sending.attempts, id)
        self.assertEqual([attempt.outcome for attempt in attempts], ["http_error", "receipt"])
        self.assertEqual(attempts[1].answer, lost[0].body)

    async def test_suspended_there(self) -> None:
        """503 with Retry-After opens the breaker; a ping answered by th closes it."""
        await self.open()
        self.directory.replace([world.partner("vn", seen_by="th", status="suspended")])
        channel = self.channel()
        id = await self.queue(1)
        channel.wake()
        await self.until(id, "queued")
        while channel.state != "backing_off":
            await deferLater(reactor, 0.02)
        state = await self.here.read(partner_state.get, "th")
        self.assertGreater(state.next_contact_at, time.time() + 300)
        self.directory.replace([world.partner("vn", seen_by="th")])
        self.assertEqual((await channel.ping()).kind, OutcomeKind.RECEIPT)
        await self.until(id, "delivered")

    async def test_wrong_client_certificate(self) -> None:
        """A certificate that th does not pin: refused at TLS, the message stays queued, nothing arrives."""
        await self.open()
        channel = self.channel(client="id")
        id = await self.queue(1)
        channel.wake()
        while not await self.here.read(sending.attempts, id):
            await deferLater(reactor, 0.02)
        [attempt] = await self.here.read(sending.attempts, id)
        self.assertEqual(attempt.outcome, "tls_error")
        self.assertEqual((await self.state(id), await self.at_th()), ("queued", []))

    async def test_certificate_replaced_while_queued(self) -> None:
        """A message sealed with our last certificate is signed again, and is the same message for th.

        Our store holds the very bytes that th receipted, and those that were signed before.
        """
        await self.open()
        channel = self.channel()
        id = await self.queue(1, signed_with="0" * 64)
        before = await self.here.read(outbox.sealed_body, id)
        channel.wake()
        await self.until(id, "delivered")
        self.assertEqual(world.value(self.metrics.reseals, partner="th"), 1)
        kept, there = await self.here.read(outbox.sealed_body, id), await self.there.read(inbox.body, 1)
        self.assertNotEqual(kept[1], before[1])
        self.assertEqual(kept[1], there[1])
        [superseded] = await self.here.read(outbox.superseded_bodies, id)
        self.assertEqual((superseded.body, superseded.signed_with), (before[1], "0" * 64))

    async def test_unknown_signer_fails_the_message_only(self) -> None:
        """th refuses a signature it does not know: that message fails with the code, the channel goes on."""
        await self.open()
        self.directory.replace([world.partner("vn", seen_by="th", signing_certificates=())])
        channel = self.channel()
        bad = await self.queue(1)
        channel.wake()
        await self.until(bad, "failed")
        row = await self.here.read(outbox.get, bad)
        self.assertEqual(row.last_reason, "EBMS:0101")
        self.directory.replace([world.partner("vn", seen_by="th")])
        good = await self.queue(2)
        channel.wake()
        await self.until(good, "delivered")

    async def test_a_large_message_leaves_from_its_chunk_rows(self) -> None:
        """Neither side holds it; one whose certificate changed meanwhile is signed again in its chunks."""
        self.receiver._max_body_bytes = 8_000_000
        await self.open()
        channel = self.channel()
        ids = [
            await self.queue(1, content=secrets.token_bytes(2_500_000)),
            await self.queue(2, content=secrets.token_bytes(2_500_000), signed_with="0" * 64),
        ]
        channel.wake()
        for id in ids:
            await self.until(id, "delivered")
        for number in (1, 2):
            stored = await self.there.read(inbox.stored_body, number)
            self.assertGreater(stored.size_bytes, 2_500_000)
            self.assertIsNone(stored.body)

    async def test_too_large_for_them(self) -> None:
        """A message past their limit fails at once, with the reason, instead of for ever."""
        await self.open()
        channel = self.channel()
        id = await self.queue(1, content=secrets.token_bytes(1_500_000))
        channel.wake()
        await self.until(id, "failed")
        self.assertEqual((await self.here.read(outbox.get, id)).last_reason, "http_413")

    async def trickle(self, begun: bytes) -> None:
        """Begin a request as vn, send no more; returns when the connection has ended."""
        gone: Deferred[None] = Deferred()

        class Trickle(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(begun)

            def connectionLost(self, reason: Any = None) -> None:
                gone.callback(None)

        policy = tls.ClientTls(world.key_pair("vn", "tls-client"), trusted=world.root())
        endpoint = wrapClientTLS(
            policy.creatorForNetloc(world.HOST.encode(), self.port_number),
            TCP4ClientEndpoint(reactor, world.HOST, self.port_number),
        )
        await connectProtocol(endpoint, Trickle())
        await gone

    async def test_slow_sender_is_cut_off(self) -> None:
        """A partner that trickles its header or its body is disconnected, counted, and on record."""
        kept: list[Deferred[None]] = []

        def slow(request: WebRequest, part: str) -> None:
            kept.append(Deferred.fromCoroutine(self.receiver.too_slow(request, part)))

        await self.open(read_seconds=0.5, on_slow=slow)
        head = b"POST /as4 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/related\r\n"
        await self.trickle(head)
        await self.trickle(head + b"Content-Length: 100\r\n\r\nslow")
        for each in kept:
            await each
        self.assertEqual(await self.at_th(), [])
        found = await self.there.read(refusals.latest)
        rows = sorted((row.party, row.code, row.reason) for row in found)
        self.assertEqual(rows, [("vn", "HTTP:408", "slow_body"), ("vn", "HTTP:408", "slow_header")])
        for reason in ("slow_body", "slow_header"):
            self.assertEqual(world.value(self.metrics.message_refusals, partner="vn", reason=reason), 1)

    async def test_stop_in_mid_request(self) -> None:
        """Stopping while th does not answer gives the claim back in time."""
        self.patch(channel_module, "GRACE_SECONDS", 0.3)
        await self.open()
        self.tamper = lambda answer: Deferred()
        channel = self.channel(send_timeout_seconds=60.0)
        id = await self.queue(1)
        channel.wake()
        while not self.requests:
            await deferLater(reactor, 0.02)
        started = time.monotonic()
        await channel.stopService()
        self.assertLess(time.monotonic() - started, 10)
        row = await self.here.read(outbox.get, id)
        self.assertEqual((row.state, row.attempt), ("queued", 0))
