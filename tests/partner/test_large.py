"""Large messages between real sockets, stores and threads: what passes, what is refused, and what is left."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import evolve
from sqlalchemy import select
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from asw_gateway import tls
from asw_gateway.messaging.encryption import ContentSecret
from asw_gateway.messaging.message import Part
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.signal import ErrorSignal, Receipt, read_signal
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.receiver import PartnerReceiver
from asw_gateway.spool import Spool
from asw_gateway.store import inbox, refusals, tables
from asw_gateway.store.statements import Statement
from asw_gateway.store.transaction import Transaction
from asw_gateway.workers import Workers
from tests.messaging.material import certificate, private_key
from tests.partner import world
from tests.partner.test_receiver import readers
from tests.store.databases import sqlite_database

LIMITS = Limits(max_message_bytes=8_000_000, max_parts=4, max_part_bytes=6_000_000, max_header_bytes=40_000)
MAX_BODY_BYTES = 9_000_000


class Client(Protocol):
    """Writes what it is told; `answer` fires with all that came when the connection ends."""

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.answer: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.answer.callback(self.received)


class LargeCase(TestCase):
    """vn sends to the receiver of th."""

    timeout = 60

    def setUp(self) -> Any:
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asw-large-")))
        self.database = stack.enter_context(sqlite_database(node="th-1", reactor=reactor))
        self.workers = Workers(reactor)
        self.addCleanup(self.workers.stop)
        self.received: list[Any] = []
        self.metrics = world.metrics()
        self.metrics.zero(["vn", "th", "id"], message_types=["atiga-form-d/certificate"])
        return Deferred.fromCoroutine(self.open())

    async def open(self, **options: Any) -> None:
        vn = world.partner("vn", seen_by="th")
        self.receiver = PartnerReceiver(
            partners=PartnerDirectory([evolve(vn, inbound=evolve(vn.inbound, limits=LIMITS))]),
            readers=readers(),
            database=self.database,
            workers=self.workers,
            metrics=self.metrics,
            clock=reactor,
            now=time.time,
            new_message_id=lambda: f"{secrets.token_hex(8)}@asw-th.example",
            on_received=lambda *handed: self.received.append(handed),
            spool=Spool(self.directory / "spool"),
            max_body_bytes=MAX_BODY_BYTES,
        )
        pins = [world.key_pair("vn", "tls-client").certificate]
        port = await world.listen(self.receiver.routes(), country="th", pins=pins, **options)
        self.port = port.getHost().port
        self.addCleanup(port.stopListening)

    def sealed(
        self, *contents: bytes, compress: bool = True, secret: ContentSecret | None = None
    ) -> SealedMessage:
        """A message of vn with raw parts."""
        mode = evolve(world.pmode("vn", "th", "https://x/"), compress=compress)
        if secret is not None:
            mode = evolve(mode, security=evolve(mode.security, encrypt=True))
        parts = tuple(
            Part(content_id=f"raw-{n}@vn", content=content, mime_type="application/octet-stream")
            for n, content in enumerate(contents)
        )
        message = world.user_message(now=time.time())
        return pack(message, parts, mode, world.identity("vn"), content_secret=secret)

    async def connect(self) -> Client:
        trust = tls.ClientTls(world.key_pair("vn", "tls-client"), trusted=world.root())
        creator: Any = trust.creatorForNetloc(world.HOST.encode(), self.port)
        plain: Any = TCP4ClientEndpoint(reactor, world.HOST, self.port)
        endpoint = wrapClientTLS(creator, plain)
        client: Client = await connectProtocol(endpoint, Client())
        return client

    @staticmethod
    def head(content_type: str, length: int | None, extra: str = "") -> bytes:
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = f"POST /as4 HTTP/1.1\r\nHost: th\r\nContent-Type: {content_type}\r\n{size}\r\n{extra}"
        return f"{lines}Connection: close\r\n\r\n".encode()

    async def send(self, content_type: str, body: bytes) -> tuple[int, str, bytes]:
        client = await self.connect()
        client.transport.write(self.head(content_type, len(body)) + body)
        return self.parsed(await client.answer)

    @staticmethod
    def parsed(answer: bytes) -> tuple[int, str, bytes]:
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        types = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("content-type")]
        return int(lines[0].split()[1]), types[0], body

    def signal(self, sealed: SealedMessage, answer: tuple[int, str, bytes]) -> Receipt | ErrorSignal:
        them = world.partner("th", seen_by="vn")
        return read_signal(answer[1], answer[2], sent=sealed, partner=them, now=time.time())

    async def refused(self, sealed: SealedMessage, code: str, reason: str, body: bytes | None = None) -> None:
        """The answer, the evidence, and that nothing else is left."""
        answer = await self.send(sealed.content_type, sealed.body if body is None else body)
        signal = self.signal(sealed, answer)
        assert isinstance(signal, ErrorSignal)
        self.assertEqual(signal.errors[0].code, code)
        await self.left(reason)

    async def left(self, reason: str) -> None:
        """One refusal on record, no message, no chunk, no spool file."""
        recorded = await self.database.read(refusals.latest)
        self.assertEqual([each.reason for each in recorded], [reason])
        self.assertIsNone(await self.database.read(inbox.get, 1))
        await self.nothing_staged()
        self.assertEqual(self.received, [])

    async def nothing_staged(self, kept: int = 0) -> None:
        for _ in range(200):
            staged = await self.database.read(staging_ids)
            if len(staged) == kept and not self.spooled():
                return
            await deferLater(reactor, 0.02)
        self.fail(f"{staged} chunk bodies and {self.spooled()} spool files are left")

    def spooled(self) -> list[str]:
        """Spool files, named or still open."""
        named = [str(path) for path in (self.directory / "spool").iterdir()]
        opened = []
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except OSError:
                continue
            if str(self.directory) in target:
                opened.append(target)
        return named + opened


_STAGED = Statement(lambda _: select(tables.body_staging.c.staging_id))


def staging_ids(conn: Transaction) -> list[str]:
    return [row[0] for row in conn.rows(_STAGED, {})]


class Accepted(LargeCase):
    """Good large messages."""

    async def test_stored_in_chunks_with_its_receipt_and_handed_on(self) -> None:
        sealed = self.sealed(secrets.token_bytes(3_000_000))
        answer = await self.send(sealed.content_type, sealed.body)
        self.assertIsInstance(self.signal(sealed, answer), Receipt)
        self.assertEqual(await self.database.read(inbox.body, 1), (sealed.content_type, sealed.body))
        stored = await self.database.read(inbox.stored_body, 1)
        self.assertEqual((stored.chunks, stored.size_bytes), (3, len(sealed.body)))
        self.assertEqual(len(self.received), 1)
        await self.nothing_staged(kept=1)

    async def test_a_duplicate_gets_the_stored_receipt_and_leaves_nothing(self) -> None:
        sealed = self.sealed(secrets.token_bytes(1_200_000))
        first = await self.send(sealed.content_type, sealed.body)
        self.assertEqual(await self.send(sealed.content_type, sealed.body), first)
        await self.nothing_staged(kept=1)

    async def test_without_a_length(self) -> None:
        """A chunked body becomes large while it comes."""
        sealed = self.sealed(secrets.token_bytes(900_000))
        client = await self.connect()
        pieces = [sealed.body[start : start + 50_000] for start in range(0, len(sealed.body), 50_000)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        client.transport.write(self.head(sealed.content_type, None) + chunks)
        self.assertIsInstance(self.signal(sealed, self.parsed(await client.answer)), Receipt)
        await self.nothing_staged(kept=1)


class Refused(LargeCase):
    """Every limit of size, and what is left after it."""

    async def test_gzip_bomb(self) -> None:
        bomb = self.sealed(secrets.token_bytes(400_000), bytes(7_000_000))
        await self.refused(bomb, "EBMS:0303", "expansion_limit")

    async def test_too_many_parts(self) -> None:
        many = self.sealed(*(secrets.token_bytes(100_000) for _ in range(6)))
        await self.refused(many, "EBMS:0007", "too_many_parts")

    async def test_header_too_large(self) -> None:
        sealed = self.sealed(secrets.token_bytes(400_000))
        padded = sealed.body.replace(b"<eb:Messaging", b" " * 50_000 + b"<eb:Messaging", 1)
        answer = await self.send(sealed.content_type, padded)
        self.assertEqual(answer[0], 200)
        await self.left("header_too_large")

    async def test_message_past_the_agreement(self) -> None:
        sealed = self.sealed(secrets.token_bytes(8_400_000), compress=False)
        await self.refused(sealed, "EBMS:0007", "message_too_large")

    async def test_a_part_past_the_agreement(self) -> None:
        sealed = self.sealed(secrets.token_bytes(6_500_000), compress=False)
        await self.refused(sealed, "EBMS:0007", "part_too_large")

    async def test_altered_content(self) -> None:
        sealed = self.sealed(secrets.token_bytes(2_000_000), compress=False)
        at = len(sealed.body) - 1_000_000
        body = sealed.body[:at] + bytes([sealed.body[at] ^ 1]) + sealed.body[at + 1 :]
        await self.refused(sealed, "EBMS:0101", "bad_digest", body)

    async def test_cut_before_its_end(self) -> None:
        """The HTTP body is complete, the multipart body in it is not."""
        sealed = self.sealed(secrets.token_bytes(2_000_000))
        await self.refused(sealed, "EBMS:0007", "bad_mime", sealed.body[:-100_000])

    async def test_the_evidence_speaks_of_all_that_came(self) -> None:
        sealed = self.sealed(*(secrets.token_bytes(1_000_000) for _ in range(2)), compress=False)
        body = sealed.body[:-100]
        await self.refused(sealed, "EBMS:0007", "bad_mime", body)
        [evidence] = await self.database.read(refusals.latest)
        self.assertEqual((evidence.size_bytes, evidence.head), (len(body), body[:65536]))

    async def test_oversize_is_refused_before_it_is_sent(self) -> None:
        """The answer comes on the announced length; nothing of the body is taken."""
        client = await self.connect()
        client.transport.write(self.head("multipart/related; boundary=x", MAX_BODY_BYTES + 1))
        for _ in range(500):
            if b"\r\n\r\n" in client.received:
                break
            await deferLater(reactor, 0.01)
        self.assertIn(b"HTTP/1.1 413", client.received)
        client.transport.abortConnection()
        await client.answer
        await self.left("too_large")

    async def test_a_client_that_asks_first_need_not_send_it(self) -> None:
        client = await self.connect()
        ask = self.head("multipart/related; boundary=x", MAX_BODY_BYTES + 1, "Expect: 100-continue\r\n")
        client.transport.write(ask)
        for _ in range(500):
            if b"\r\n\r\n" in client.received:
                break
            await deferLater(reactor, 0.01)
        self.assertTrue(client.received.startswith(b"HTTP/1.1 413"), client.received[:40])
        client.transport.abortConnection()
        await client.answer

    async def test_a_body_that_never_ends(self) -> None:
        """The connection is lost in mid-body: nothing is stored, nobody is answered."""
        sealed = self.sealed(secrets.token_bytes(3_000_000))
        client = await self.connect()
        client.transport.write(self.head(sealed.content_type, len(sealed.body)) + sealed.body[:2_500_000])
        while not await self.database.read(staging_ids):
            await deferLater(reactor, 0.01)
        client.transport.abortConnection()
        self.assertEqual(await client.answer, b"")
        await self.nothing_staged()
        self.assertIsNone(await self.database.read(inbox.get, 1))
        refusals_counted = world.value(self.metrics.message_refusals, partner="vn", reason="broken_off")
        self.assertEqual(refusals_counted, 1)

    async def test_a_slow_body_is_cut(self) -> None:
        await self.open(read_seconds=0.5)
        sealed = self.sealed(secrets.token_bytes(3_000_000))
        client = await self.connect()
        client.transport.write(self.head(sealed.content_type, len(sealed.body)) + sealed.body[:1_500_000])
        self.assertEqual(await client.answer, b"")
        await self.nothing_staged()


class Encrypted(LargeCase):
    """A part whose tag fails is not looked at any further."""

    async def test_a_failed_tag_releases_nothing(self) -> None:
        vn = world.partner("vn", seen_by="th")
        security = evolve(vn.inbound.security, encrypt=True)
        inbound = evolve(vn.inbound, limits=LIMITS, security=security)
        self.receiver.partners = PartnerDirectory([evolve(vn, inbound=inbound)])
        key: Any = private_key("rsa-sha256", "th encryption")
        known = self.receiver.readers
        self.receiver.readers = evolve(known, identities=evolve(known.identities, decryption_key=key))
        secret = ContentSecret(
            certificate=certificate("th encryption", "rsa-sha256"),
            key=secrets.token_bytes(16),
            vectors=(secrets.token_bytes(12),),
        )
        sealed = self.sealed(secrets.token_bytes(2_000_000), secret=secret)
        at = len(sealed.body) - 500_000
        body = sealed.body[:at] + bytes([sealed.body[at] ^ 1]) + sealed.body[at + 1 :]
        await self.refused(sealed, "EBMS:0102", "bad_decryption", body)
        answer = await self.send(sealed.content_type, sealed.body)
        self.assertIsInstance(self.signal(sealed, answer), Receipt)
        stored = await self.database.read(inbox.stored_body, 1)
        self.assertEqual(stored.size_bytes, len(sealed.body))
