"""The relay between gateways: what passes, and what each of its faults does to a connection."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from simulators.chaos.link import Link
from simulators.chaos.link_faults import (
    REQUEST_BYTES,
    AnswerLate,
    AnswerLost,
    CutInBody,
    Fault,
    HalfOpen,
    Slow,
)

REQUEST = b"q" * (REQUEST_BYTES + 100)
ANSWER = b"receipt"


class Server(Protocol):
    """Answers each whole REQUEST."""

    def __init__(self, heard: list[int]) -> None:
        self._heard = heard
        self._missing = len(REQUEST)

    def dataReceived(self, data: bytes) -> None:
        self._heard[0] += len(data)
        self._missing -= len(data)
        if self._missing == 0:
            self._missing = len(REQUEST)
            self.transport.write(ANSWER)


class Client(Protocol):
    """Collects what comes; `answered` fires with a whole answer or the reason of the end."""

    def __init__(self) -> None:
        self.received = b""
        self.answered: Deferred[Any] = Deferred()

    def ask(self) -> Deferred[Any]:
        self.answered = Deferred()
        self.transport.write(REQUEST)
        return self.answered

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(ANSWER) and not self.answered.called:
            self.answered.callback("answer")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.answered.called:
            self.answered.callback(reason.type)


class LinkTests(TestCase):
    async def _open(self, *, upstreams: list[int] | None = None) -> Client:
        self.heard = [0]
        factory: Any = Factory.forProtocol(lambda: Server(self.heard))
        port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        self.link = Link(reactor, "test", [*(upstreams or ()), port.getHost().port])
        self.port = await self.link.listen(0)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.link.close()))
        return await self._connect()

    async def _connect(self) -> Client:
        client: Any = await TCP4ClientEndpoint(reactor, "127.0.0.1", self.port).connect(
            Factory.forProtocol(Client)  # type: ignore[arg-type]
        )
        self.addCleanup(client.transport.abortConnection)
        return client  # type: ignore[no-any-return]

    def _arm(self, fault: Fault) -> list[str]:
        fired: list[str] = []
        fault.fired = lambda: fired.append("fired")
        assert self.link.arm(fault)
        return fired

    async def test_passes_both_ways(self) -> None:
        client = await self._open()
        assert await client.ask() == "answer"
        assert await client.ask() == "answer"
        assert self.heard[0] == 2 * len(REQUEST)

    async def test_a_lost_answer_is_lost_after_the_request_arrived(self) -> None:
        client = await self._open()
        fired = self._arm(AnswerLost())
        assert await client.ask() in (ConnectionLost, ConnectionAborted)
        assert client.received == b""
        assert self.heard[0] == len(REQUEST)
        assert fired == ["fired"]
        assert await (await self._connect()).ask() == "answer"

    async def test_a_late_answer_comes_late(self) -> None:
        client = await self._open()
        fired = self._arm(AnswerLate(0.2))
        asked = client.ask()
        await deferLater(reactor, 0.1)
        assert fired == ["fired"]
        assert not asked.called
        assert await asked == "answer"

    async def test_a_cut_body_arrives_in_part(self) -> None:
        client = await self._open()
        fired = self._arm(CutInBody(1000))
        assert await client.ask() in (ConnectionLost, ConnectionAborted)
        assert self.heard[0] <= 1000
        assert fired == ["fired"]

    async def test_half_open_hears_and_says_nothing_until_it_is_over(self) -> None:
        client = await self._open()
        fired = self._arm(HalfOpen(500, 0.3))
        asked = client.ask()
        await deferLater(reactor, 0.15)
        assert fired == ["fired"]
        assert not asked.called
        assert self.heard[0] == 500
        assert await asked in (ConnectionLost, ConnectionAborted)

    async def test_a_slow_way_brings_everything_in_the_end(self) -> None:
        client = await self._open()
        fired = self._arm(Slow(100, 0.3, step_seconds=0.05))
        asked = client.ask()
        await deferLater(reactor, 0.12)
        assert 0 < self.heard[0] < 1000
        assert await asked == "answer"
        assert await client.ask() == "answer"
        assert fired == ["fired"]

    async def test_away_resets_and_comes_back(self) -> None:
        client = await self._open()
        asked = client.ask()
        self.link.leave(0.2)
        assert await asked in (ConnectionLost, ConnectionAborted)
        other = await self._connect()
        assert await other.ask() != "answer"
        await deferLater(reactor, 0.25)
        assert await (await self._connect()).ask() == "answer"

    async def test_a_dead_upstream_is_passed_over(self) -> None:
        closed: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory())
        nobody = closed.getHost().port
        await closed.stopListening()
        client = await self._open(upstreams=[nobody, nobody, nobody])
        assert await client.ask() == "answer"

    async def test_no_more_than_a_few_faults_wait(self) -> None:
        await self._open()
        assert [self.link.arm(AnswerLost(), most=2) for _ in range(3)] == [True, True, False]
        self.link.disarm()
        assert self.link.take() is None
