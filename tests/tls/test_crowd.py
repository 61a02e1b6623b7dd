"""One address cannot take all the room: connections at once, and connections begun."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from asw_gateway.tls import Crowd, CrowdedEndpoint, Refusal


class CrowdTest(SynchronousTestCase):
    def test_so_many_at_once(self) -> None:
        crowd = Crowd(connections=2, handshakes_per_second=100)
        self.assertEqual([crowd.enter("a", 0.0) for _ in range(3)], [None, None, "too_many_connections"])
        self.assertIsNone(crowd.enter("b", 0.0))
        crowd.leave("a")
        self.assertIsNone(crowd.enter("a", 0.0))

    def test_so_many_begun(self) -> None:
        """Also those that were refused, until the window ends."""
        crowd = Crowd(connections=9, handshakes_per_second=0.2, window_seconds=10.0)
        for at, wanted in ((0.0, None), (1.0, None), (9.9, "too_many_handshakes"), (10.0, None)):
            self.assertEqual(crowd.enter("a", at), wanted)
            if wanted is None:
                crowd.leave("a")
        self.assertIsNone(crowd.enter("b", 9.9))

    def test_other_limits_hold_at_once(self) -> None:
        """For those who are here, too: nobody is thrown out, and nobody is let in until there is room."""
        crowd = Crowd(connections=3, handshakes_per_second=100)
        self.assertEqual([crowd.enter("a", 0.0) for _ in range(3)], [None] * 3)
        crowd.limit(connections=1, handshakes_per_second=100)
        for _ in range(3):
            self.assertEqual(crowd.enter("a", 0.0), "too_many_connections")
            crowd.leave("a")
        self.assertIsNone(crowd.enter("a", 0.0))
        crowd.limit(connections=9, handshakes_per_second=0.7)
        self.assertEqual(crowd.enter("a", 0.0), "too_many_handshakes")
        self.assertEqual([crowd.enter("b", 0.0) for _ in range(8)], [None] * 7 + ["too_many_handshakes"])

    def test_addresses_are_forgotten(self) -> None:
        """Memory does not grow with the addresses that were ever seen."""
        crowd = Crowd(connections=9, handshakes_per_second=100, window_seconds=1.0)
        for number in range(1000):
            crowd.enter(f"10.0.0.{number}", 0.0)
            crowd.leave(f"10.0.0.{number}")
        crowd.enter("a", 5.0)
        self.assertEqual(crowd.known, 1)


class Ended(Protocol):
    """A connection that tells its end."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(None)


class Greeting(Protocol):
    def connectionMade(self) -> None:
        self.factory.here.append(self)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.left.callback(None)


class CrowdedEndpointTest(TestCase):
    timeout = 20

    async def test_closed_before_a_byte_and_open_again(self) -> None:
        """The second connection ends at once; when the first has left there is room."""
        refusals: list[Refusal] = []
        factory: Any = Factory.forProtocol(Greeting)
        factory.here, factory.left = [], Deferred()
        endpoint: Any = CrowdedEndpoint(
            TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"),
            Crowd(connections=1, handshakes_per_second=100),
            listener="partner",
            clock=reactor,
            on_refusal=refusals.append,
        )
        port = await endpoint.listen(factory)
        self.addCleanup(port.stopListening)
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        first = await connectProtocol(client, Ended())
        second = await connectProtocol(client, Ended())
        await second.ended
        [refusal] = refusals
        self.assertEqual((refusal.listener, refusal.reason), ("partner", "too_many_connections"))
        self.assertFalse(first.ended.called)
        first.transport.loseConnection()
        await factory.left
        factory.left = Deferred()
        third = await connectProtocol(client, Ended())
        third.transport.loseConnection()
        await third.ended
        await factory.left
        self.assertEqual((len(factory.here), len(refusals)), (2, 1))
