"""The client library against the feed contract over HTTP, in memory."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from simulators.portal_client import FeedUnavailable, PortalClient
from tests.simulators.fake_feed import FakeFeed, FakeFeedResource
from tests.simulators.story import envelope

T = TypeVar("T")


class PortalClientTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.feed = FakeFeed()
        self.resource = FakeFeedResource(self.feed)
        self.agent = RequestTraversalAgent(self.resource)
        self.clock = Clock()
        self.client = PortalClient(self.agent, "https://gateway.example:8444", reactor=self.clock)

    def finish(self, coroutine: Coroutine[Any, Any, T]) -> T:
        deferred = Deferred.fromCoroutine(coroutine)
        self.agent.flush()
        return self.successResultOf(deferred)

    def fail_with(self, coroutine: Coroutine[Any, Any, Any]) -> str:
        deferred = Deferred.fromCoroutine(coroutine)
        self.agent.flush()
        self.clock.advance(60)
        return str(self.failureResultOf(deferred, FeedUnavailable).value)

    def test_an_accepted_submission(self) -> None:
        answer = self.finish(self.client.submit(envelope("m", number="N").encode()))
        self.assertTrue(answer.accepted)
        self.assertEqual((answer.message_id, answer.errors), ("m", ()))

    def test_a_refusal_names_every_error(self) -> None:
        self.feed.refuse.add("m")
        answer = self.finish(self.client.submit(envelope("m").encode()))
        self.assertFalse(answer.accepted)
        self.assertEqual(answer.errors, (("ERR05_CODE", "no"),))

    def test_entries_after_a_sequence(self) -> None:
        for name in ("a", "b", "c"):
            self.feed.append(envelope(name))
        entries = self.finish(self.client.read(1))
        self.assertEqual([entry.sequence for entry in entries], [2, 3])
        self.assertEqual(entries[0].envelope, envelope("b"))

    def test_an_acknowledgement(self) -> None:
        self.finish(self.client.acknowledge(7, "not-readable", "why"))
        self.assertEqual(self.feed.acknowledged, [(7, "not-readable")])

    def test_not_stored_is_no_answer(self) -> None:
        self.resource.garbage, self.resource.status = b"<Envelope/>", 503
        self.assertIn("503", self.fail_with(self.client.submit(b"<Envelope/>")))

    def test_something_that_is_no_envelope_is_no_answer(self) -> None:
        self.resource.garbage, self.resource.status = b"Bad gateway", 502
        self.assertIn("502", self.fail_with(self.client.submit(b"<Envelope/>")))
        self.assertIn("502", self.fail_with(self.client.read(0)))
        self.assertIn("502", self.fail_with(self.client.acknowledge(1)))

    def test_a_feed_in_another_shape_is_no_answer(self) -> None:
        self.resource.garbage = b'{"entries": [{"sequence": "x"}]}'
        self.fail_with(self.client.read(0))

    def test_silence_ends_with_the_time_out(self) -> None:
        class Silent:
            def request(self, *arguments: Any) -> Deferred[Any]:
                return Deferred()

        client = PortalClient(Silent(), "https://gateway.example", reactor=self.clock, timeout_seconds=5)
        deferred = Deferred.fromCoroutine(client.read(0, wait_seconds=10))
        self.clock.advance(14)
        self.assertNoResult(deferred)
        self.clock.advance(2)
        self.failureResultOf(deferred, FeedUnavailable)
