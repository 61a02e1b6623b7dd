"""The web basics, over real sockets where reading is what matters."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from asw_gateway.web import LimitedSite, Route, Router, WebAnswer, WebRequest, json_answer, problem


class Raw(Protocol):
    """Sends bytes, collects all bytes until the connection ends."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.received = b""
        self.ended: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self.data)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure) -> None:
        self.ended.callback(self.received)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def post(path: str, body: bytes, extra: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body


class WebTest(TestCase):
    """One site with a route for each thing to see."""

    timeout = 15

    async def echo(self, request: WebRequest) -> WebAnswer:
        return json_answer(
            {"body": request.body.decode(), "path": dict(request.path), "query": dict(request.query)}
        )

    async def break_it(self, request: WebRequest) -> WebAnswer:
        raise RuntimeError("secret detail")

    async def wait(self, request: WebRequest) -> WebAnswer:
        self.waiting.callback(None)
        try:
            await Deferred()
        except CancelledError:
            self.cancelled.callback(None)
            raise
        return json_answer(None)

    async def too_large(self, request: WebRequest) -> WebAnswer:
        return problem(413, "ours", body_length=len(request.body))

    async def start(self, **options: Any) -> None:
        self.waiting: Deferred[None] = Deferred()
        self.cancelled: Deferred[None] = Deferred()
        self.errors: list[str] = []
        routes = [
            Route("POST", "/messages", self.echo, max_body_bytes=1000, too_large=self.too_large),
            Route("GET", "/messages", self.echo),
            Route("POST", "/messages/{sequence}/acknowledgement", self.echo, max_body_bytes=10),
            Route("GET", "/broken", self.break_it),
            Route("GET", "/wait", self.wait),
        ]
        router = Router(routes, on_internal_error=self.errors.append)
        site = LimitedSite(router, **{"reactor": reactor, **options})
        self.port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
        self.addCleanup(self.port.stopListening)

    async def connect(self, data: bytes) -> Raw:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        raw: Raw = await connectProtocol(endpoint, Raw(data))
        return raw

    async def ask(self, data: bytes) -> tuple[int, Any, bytes]:
        answer = await (await self.connect(data)).ended
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body) if body else None, head

    async def test_path_query_and_body_reach_the_handler(self) -> None:
        await self.start()
        status, value, head = await self.ask(post("/messages/17/acknowledgement?after=3&wait=30", b"ok"))
        self.assertEqual(status, 200)
        self.assertEqual(
            value, {"body": "ok", "path": {"sequence": "17"}, "query": {"after": "3", "wait": "30"}}
        )
        self.assertNotIn(b"Server:", head)

    async def test_unknown_path_and_method(self) -> None:
        await self.start()
        self.assertEqual((await self.ask(get("/nothing")))[0], 404)
        status, value, head = await self.ask(get("/messages/1/acknowledgement"))
        self.assertEqual(status, 405)
        self.assertIn(b"Allow: POST", head)
        self.assertEqual(value["title"], "Method Not Allowed")

    async def test_form_bodies_are_bytes_like_any_other(self) -> None:
        await self.start()
        form = "Content-Type: application/x-www-form-urlencoded\r\n"
        status, value, _ = await self.ask(post("/messages", b"a=b", form))
        self.assertEqual(value["body"], "a=b")

    async def test_announced_and_unannounced_oversize_get_the_route_s_own_answer(self) -> None:
        """The body is drained, not kept; the client reads a complete answer."""
        await self.start()
        status, value, _ = await self.ask(post("/messages", b"x" * 3_000_000))
        self.assertEqual((status, value["title"], value["body_length"]), (413, "ours", 0))
        head = (
            b"POST /messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunks = b"".join(b"%x\r\n%s\r\n" % (500, b"y" * 500) for _ in range(40)) + b"0\r\n\r\n"
        status, value, _ = await self.ask(head + chunks)
        self.assertEqual((status, value["body_length"]), (413, 0))

    async def test_limit_of_the_route_itself(self) -> None:
        await self.start()
        self.assertEqual((await self.ask(post("/messages/1/acknowledgement", b"x" * 11)))[0], 413)
        self.assertEqual((await self.ask(post("/messages/1/acknowledgement", b"x" * 10)))[0], 200)

    async def test_our_fault_is_500_without_details_and_counted(self) -> None:
        await self.start()
        status, value, _ = await self.ask(get("/broken"))
        self.assertEqual(status, 500)
        self.assertNotIn("secret detail", json.dumps(value))
        self.assertEqual(self.errors, ["/broken"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_a_client_that_leaves_cancels_its_handler(self) -> None:
        await self.start()
        client = await self.connect(get("/wait"))
        await self.waiting
        client.transport.abortConnection()
        await self.cancelled
        self.assertEqual(self.errors, [])

    async def test_a_slow_sender_is_cut(self) -> None:
        """Headers and body must be complete in time, however steadily bytes trickle in."""
        await self.start(read_seconds=0.2)
        client = await self.connect(b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nx")
        self.assertEqual(await client.ended, b"")

    async def test_what_was_too_slow_is_told(self) -> None:
        """Header or body, and whose."""
        told: list[tuple[str, str]] = []
        await self.start(
            read_seconds=0.2, on_slow=lambda request, part: told.append((part, request.peer.split(":")[0]))
        )
        for begun in (
            b"POST /messages HTTP/1.1\r\nHost: x\r\nX: ",
            b"POST /m HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        ):
            client = await self.connect(begun)
            self.assertEqual(await client.ended, b"")
        self.assertEqual(told, [("header", "127.0.0.1"), ("body", "127.0.0.1")])

    async def test_an_idle_connection_is_closed(self) -> None:
        """Before its first request, and after one."""
        await self.start(idle_seconds=0.2)
        self.assertEqual(await (await self.connect(b"")).ended, b"")
        keep = get("/messages").replace(b"Connection: close\r\n", b"")
        answer = await (await self.connect(keep)).ended
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 1)

    async def test_connections_are_kept_alive(self) -> None:
        await self.start()
        keep = get("/messages").replace(b"Connection: close\r\n", b"")
        answer = await (await self.connect(keep + get("/messages"))).ended
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 2)


class ClockedSite(TestCase):
    """Nothing is left behind."""

    def test_no_timed_call_survives_an_answer(self) -> None:
        from twisted.internet.testing import StringTransport

        async def answer(request: WebRequest) -> WebAnswer:
            return json_answer(1)

        clock = Clock()
        site = LimitedSite(Router([Route("GET", "/", answer)]), reactor=clock)
        site.startFactory()
        protocol = site.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(get("/"))
        self.assertIn(b"200 OK", transport.value())
        protocol.connectionLost(Failure(CancelledError()))
        site.stopFactory()
        self.assertEqual(clock.getDelayedCalls(), [])
