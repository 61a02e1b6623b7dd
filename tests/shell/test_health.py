"""The operators' pages tell the truth."""

from __future__ import annotations

import json
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import readBody

from asw_gateway.health import LAG_INTERVAL_SECONDS, OK, CheckResult, Health, ReactorLag, failed
from asw_gateway.metrics import CollectorRegistry, Metrics
from asw_gateway.web import Router


class Pages(SynchronousTestCase):
    """The real resource, asked in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics(CollectorRegistry())
        self.answer: Any = OK
        self.health = Health({"store": self.check}, metrics=self.metrics, reactor=self.clock)
        self.agent = RequestTraversalAgent(Router(self.health.routes()))

    async def check(self) -> CheckResult:
        if isinstance(self.answer, Exception):
            raise self.answer
        result: CheckResult = await self.answer if isinstance(self.answer, Deferred) else self.answer
        return result

    def get(self, path: str) -> tuple[int, bytes]:
        asked = self.agent.request(b"GET", f"http://localhost{path}".encode())
        self.agent.flush()
        self.clock.advance(10)
        self.agent.flush()
        response = self.successResultOf(asked)
        return response.code, self.successResultOf(readBody(response))

    def test_live(self) -> None:
        self.assertEqual(self.get("/live"), (200, b'{"live": true}'))

    def test_ready(self) -> None:
        status, body = self.get("/ready")
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body), {"ready": True, "checks": {"store": {"ok": True}}})

    def test_a_failing_check_says_why(self) -> None:
        self.answer = failed("disk full")
        status, body = self.get("/ready")
        self.assertEqual(status, 503)
        self.assertEqual(json.loads(body)["checks"]["store"], {"ok": False, "reason": "disk full"})
        self.assertIn(b'asw_readiness_check{check="store"} 0.0', self.get("/metrics")[1])

    def test_a_broken_check_has_failed(self) -> None:
        self.answer = RuntimeError("password=hunter2")
        status, body = self.get("/ready")
        self.assertEqual(status, 503)
        self.assertIn(b"RuntimeError", body)
        self.assertNotIn(b"hunter2", body)
        self.flushLoggedErrors(RuntimeError)

    def test_a_check_that_hangs_has_failed(self) -> None:
        self.answer = Deferred()
        status, body = self.get("/ready")
        self.assertEqual(status, 503)
        self.assertIn(b"no answer within 3 seconds", body)

    def test_a_probe_that_hangs_up_says_nothing_of_the_check(self) -> None:
        self.get("/ready")
        self.answer = Deferred()
        asked = Deferred.fromCoroutine(self.health.results())
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertIn(b'asw_readiness_check{check="store"} 1.0', self.metrics.render())

    def test_metrics(self) -> None:
        status, body = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertIn(b"# TYPE asw_reactor_lag_seconds histogram", body)

    def test_nothing_can_be_changed_here(self) -> None:
        for path in ("/live", "/ready", "/metrics"):
            asked = self.agent.request(b"POST", f"http://localhost{path}".encode())
            self.agent.flush()
            self.assertEqual(self.successResultOf(asked).code, 405)


class Lag(SynchronousTestCase):
    """The reactor's lateness, with a clock in the hand."""

    def test_late_calls_are_measured(self) -> None:
        clock = Clock()
        lag = ReactorLag(Metrics(CollectorRegistry()), reactor=clock)
        lag.start()
        clock.advance(LAG_INTERVAL_SECONDS)
        self.assertEqual(lag.last, 0)
        clock.advance(LAG_INTERVAL_SECONDS + 0.9)
        self.assertAlmostEqual(lag.last, 0.9)
        clock.advance(0.1)
        clock.advance(LAG_INTERVAL_SECONDS)
        self.assertAlmostEqual(lag.last, 0, places=6)
        lag.stop()
        lag.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
