"""The feed over real sockets with mutual TLS, the real store on disk, real workers, and aswctl submit."""

from __future__ import annotations

import json
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, wrapServerTLS
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool, ResponseNeverReceived
from twisted.web.http_headers import Headers

from asw_gateway import tls
from asw_gateway.cli.main import main
from asw_gateway.metrics import Metrics
from asw_gateway.portal.clients import PortalClients
from asw_gateway.portal.feed import Feed, FeedLimits
from asw_gateway.portal.parts import Parts
from asw_gateway.portal.routes import portal_routes
from asw_gateway.portal.status import StatusQuery
from asw_gateway.portal.submit import SubmissionRules, Submissions
from asw_gateway.store import feed, search
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import SubmittedMessage
from asw_gateway.web import LimitedSite, Router
from asw_gateway.workers import Workers
from certs.make_dev_pki import Pair, make_pki
from tests.portal.world import (
    MAX_BODY_BYTES,
    NOW,
    KnownClient,
    catalogue,
    form_d,
    openers,
    own_gateway,
    partner,
)


class _Body(Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.whole: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.whole.callback(self.data)


class OverTlsTest(TestCase):
    timeout = 60

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.pki = make_pki(cls.folder.name, ["vn", "th"], bad=True)
        cls.root = tls.load_certificates(cls.pki.root)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def pair(self, files: Pair) -> tls.KeyPair:
        return tls.load_key_pair(files.key, files.certificate)

    def setUp(self) -> Any:
        self.portal = self.pair(self.pki.gateways["vn"]["portal"])
        self.refusals: list[tls.Refusal] = []
        self.submitted: list[SubmittedMessage] = []
        self.pool = HTTPConnectionPool(reactor, persistent=True)
        self.addCleanup(self.pool.closeCachedConnections)
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.database = Database.open(f"sqlite:///{scratch.name}/db", node="node-a", reactor=reactor)
        self.addCleanup(self.database.close)
        self.workers = Workers(reactor)
        self.addCleanup(self.workers.stop)
        return Deferred.fromCoroutine(self.listen())

    async def listen(self) -> None:
        metrics = Metrics(CollectorRegistry())
        clients = PortalClients([KnownClient("vnsw", self.portal.certificate)])
        self.feed = Feed(
            database=self.database,
            clients=clients,
            metrics=metrics,
            clock=reactor,
            now=lambda: NOW,
            limits=FeedLimits(recheck_seconds=30),
        )
        rules = SubmissionRules(
            catalogue=catalogue(), partners={"TH": partner()}, own=own_gateway(), max_bytes=MAX_BODY_BYTES
        )
        submissions = Submissions(
            database=self.database,
            workers=self.workers,
            rules=lambda: rules,
            clients=clients,
            metrics=metrics,
            now=lambda: NOW,
            new_id=lambda: "ab" * 16,
            on_submitted=self.submitted.append,
            lease=lambda: ("node-a", NOW + 60),
        )
        status = StatusQuery(
            database=self.database, metrics=metrics, procedures=lambda: {}, portal_identity=lambda: "NSW"
        )
        routes = portal_routes(
            submissions=submissions,
            feed=self.feed,
            status=status,
            parts=Parts(
                database=self.database, workers=self.workers, openers=openers, metrics=metrics
            ),
            clients=clients,
            max_body_bytes=MAX_BODY_BYTES,
        )
        site = LimitedSite(Router(routes, peer_certificate=tls.peer_certificate), reactor=reactor)
        server = tls.ServerTls(
            self.pair(self.pki.gateways["vn"]["tls-server"]), pins=[self.portal.certificate]
        )
        endpoint = wrapServerTLS(server, TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        self.turned_away: Deferred[tls.Refusal] = Deferred()
        port = await endpoint.listen(tls.watched(site, "portal", self.turned_away.callback))
        self.addCleanup(port.stopListening)
        self.address = f"https://127.0.0.1:{port.getHost().port}"

    async def ask(
        self, method: str, path: str, body: bytes | None = None, pair: tls.KeyPair | None = None
    ) -> tuple[int, bytes]:
        agent = Agent(reactor, tls.ClientTls(pair or self.portal, trusted=self.root), pool=self.pool)
        response = await agent.request(
            method.encode(),
            (self.address + path).encode(),
            Headers({"Content-Type": ["application/xml"]}),
            None if body is None else FileBodyProducer(BytesIO(body)),
        ).addTimeout(20, reactor)
        collector = _Body()
        response.deliverBody(collector)
        return response.code, await collector.whole.addTimeout(20, reactor)

    async def test_the_whole_way(self) -> None:
        status, answer = await self.ask("POST", "/feed/v1/messages", form_d())
        self.assertEqual((status, b"<function>99<" in answer), (200, True), answer)
        self.assertEqual(len(self.submitted), 1)
        self.assertEqual(await self.ask("POST", "/feed/v1/messages", form_d()), (status, answer))

        reading = Deferred.fromCoroutine(self.ask("GET", "/feed/v1/messages?wait=30"))
        await self.database.run(
            feed.append, kind="status", subject="outbound:1", body=b"<A/>", now=NOW, entry_id="e1"
        )
        self.feed.wake()
        status, page = await reading
        self.assertEqual((status, json.loads(page)["next"]), (200, 1))

        acknowledgement = json.dumps({"result": "ok", "detail": ""}).encode()
        first = await self.ask("POST", "/feed/v1/messages/1/acknowledgement", acknowledgement)
        self.assertEqual(first[0], 200)
        again = await self.ask("POST", "/feed/v1/messages/1/acknowledgement", acknowledgement)
        self.assertEqual(again, first)

        status, known = await self.ask("GET", f"/feed/v1/status?messageId={1:032x}")
        self.assertEqual((status, json.loads(known)["sent"][0]["state"]), (200, "submitted"))

    async def test_many_at_once_are_all_stored_once(self) -> None:
        envelopes = [form_d(serial) for serial in range(1, 13)]
        asked = [
            Deferred.fromCoroutine(self.ask("POST", "/feed/v1/messages", each)) for each in envelopes * 2
        ]
        answers = [await each for each in asked]
        self.assertTrue(all(b"<function>99<" in body for _, body in answers))
        self.assertEqual(answers[:12], answers[12:])
        self.assertEqual(len(await self.database.read(search.outbound)), 12)

    async def test_an_oversize_body_is_refused_while_it_is_read(self) -> None:
        status, answer = await self.ask("POST", "/feed/v1/messages", b" " * (MAX_BODY_BYTES * 3))
        self.assertEqual((status, b"ERR02_CODE" in answer), (413, True))
        self.assertEqual(await self.database.read(search.outbound), [])

    async def test_a_reader_that_hangs_up_frees_its_place(self) -> None:
        reading = Deferred.fromCoroutine(self.ask("GET", "/feed/v1/messages?wait=30"))
        while not self.feed.waiting:
            await _next_turn()
        reading.cancel()
        reading.addErrback(lambda failure: None)
        while self.feed.waiting:
            await _next_turn()

    async def test_a_partners_certificate_is_turned_away_in_the_handshake(self) -> None:
        stranger = self.pair(self.pki.gateways["th"]["portal"])
        with self.assertRaises(ResponseNeverReceived):
            await self.ask("POST", "/feed/v1/messages", form_d(), stranger)
        refusal = await self.turned_away
        self.assertEqual((refusal.listener, refusal.reason), ("portal", "unknown_certificate"))
        self.assertEqual(await self.database.read(search.outbound), [])

    async def test_an_expired_certificate_is_turned_away_in_the_handshake(self) -> None:
        with self.assertRaises(ResponseNeverReceived):
            await self.ask("GET", "/feed/v1/messages", pair=self.pair(self.pki.bad["expired"]))
        self.assertIn((await self.turned_away).reason, ("expired_certificate", "unknown_certificate"))

    # aswctl submit

    def submit(self, *files: Path, as_json: bool = False, client: Pair | None = None) -> Deferred[Any]:
        used = client or self.pki.gateways["vn"]["portal"]
        options = ["--certificate", used.certificate, "--key", used.key, "--ca", self.pki.root]
        command = [*(["--json"] if as_json else []), "submit", *files, "--url", self.address, *options]
        return deferToThread(CliRunner().invoke, main, [str(each) for each in command])

    def file(self, name: str, body: bytes) -> Path:
        path = Path(self.folder.name) / name
        path.write_bytes(body)
        return path

    async def test_aswctl_submits(self) -> None:
        good = self.file("good.xml", form_d())
        done = await self.submit(good)
        self.assertEqual(done.exit_code, 0, done.output)
        self.assertRegex(done.output, r"good\.xml +99 +received 2026-11-")
        self.assertEqual(len(self.submitted), 1)

    async def test_aswctl_shows_every_fault_and_exits_1(self) -> None:
        good = self.file("good.xml", form_d())
        bad = self.file("bad.xml", form_d(2).replace(b"ASW-EFORMD", b"ASW-NOTHING"))
        done = await self.submit(good, bad)
        self.assertEqual(done.exit_code, 1, done.output)
        self.assertRegex(done.output, r"bad\.xml +00 +ERR01_CODE +\S")
        found = json.loads((await self.submit(good, bad, as_json=True)).output)
        self.assertEqual([answer["answer"] for answer in found], ["99", "00"])
        self.assertEqual(found[1]["errors"][0]["code"], "ERR01_CODE")

    async def test_aswctl_without_a_certificate_we_know_exits_2(self) -> None:
        done = await self.submit(self.file("good.xml", form_d()), client=self.pki.gateways["th"]["portal"])
        self.assertEqual(done.exit_code, 2)
        self.assertRegex(done.output, "^aswctl: .*good.xml: https://")


def _next_turn() -> Deferred[None]:
    turn: Deferred[None] = Deferred()
    reactor.callLater(0.01, turn.callback, None)
    return turn
