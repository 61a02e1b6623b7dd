"""
The operators' port: `/live`, `/ready`, `/metrics`. Read-only, on loopback unless configuration insists.

`/live` says that the reactor turns. `/ready` runs small checks and tells the truth: 200 if all pass, else
503, with every check's answer. A check that raises or does not answer in time has failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import LoopingCall

from asw_gateway.logs import Log
from asw_gateway.metrics import CONTENT_TYPE, Metrics
from asw_gateway.web import LimitedSite, Route, Router, WebAnswer, WebRequest, json_answer

CHECK_SECONDS = 3.0
LAG_INTERVAL_SECONDS = 0.25
_log = Log("health")


@frozen
class CheckResult:
    """`ok`, or not and why, in a few words without secrets."""

    ok: bool
    reason: str = ""


OK = CheckResult(True)


def failed(reason: str) -> CheckResult:
    """A check's bad answer."""
    return CheckResult(False, reason)


Check = Callable[[], Awaitable[CheckResult]]


class Health:
    """
    The checks by name, and the pages that show them.

    `checks` may be added to until the first request. Their answers also go to `asw_readiness_check`, and a
    change of answer to the log.
    """

    def __init__(self, checks: Mapping[str, Check], *, metrics: Metrics, reactor: Any) -> None:
        self.checks: dict[str, Check] = dict(checks)
        self._metrics = metrics
        self._reactor = reactor
        self._last: dict[str, bool] = {}

    def routes(self) -> list[Route]:
        """The three pages."""
        return [
            Route("GET", "/live", self._live),
            Route("GET", "/ready", self._ready),
            Route("GET", "/metrics", self._show_metrics),
        ]

    def site(self) -> LimitedSite:
        """A site of the three pages alone."""
        router = Router(self.routes(), on_internal_error=self._count_error)
        return LimitedSite(router, reactor=self._reactor)

    async def results(self) -> dict[str, CheckResult]:
        """Every check's answer, by name."""
        self._metrics.admit("check", self.checks)
        found = {name: await self._run(check) for name, check in self.checks.items()}
        for name, result in found.items():
            self._metrics.check_ok.labels(check=name).set(result.ok)
            if self._last.get(name, True) != result.ok:
                _log.event("check-changed", check=name, ok=result.ok, reason=result.reason)
            self._last[name] = result.ok
        return found

    async def _run(self, check: Check) -> CheckResult:
        async def ask() -> CheckResult:
            return await check()

        answer = Deferred.fromCoroutine(ask())
        answer.addTimeout(CHECK_SECONDS, self._reactor)
        try:
            return await answer
        except CancelledError:  # whoever asked has gone
            raise
        except TimeoutError:
            return failed(f"no answer within {CHECK_SECONDS:g} seconds")
        except Exception as error:  # noqa: BLE001  a check that breaks is a check that fails
            _log.failure("internal-error", where="readiness check")
            return failed(type(error).__name__)

    async def _live(self, request: WebRequest) -> WebAnswer:
        return json_answer({"live": True})

    async def _ready(self, request: WebRequest) -> WebAnswer:
        found = await self.results()
        ready = all(result.ok for result in found.values())
        checks = {
            name: {"ok": result.ok, **({"reason": result.reason} if result.reason else {})}
            for name, result in found.items()
        }
        return json_answer({"ready": ready, "checks": checks}, status=200 if ready else 503)

    async def _show_metrics(self, request: WebRequest) -> WebAnswer:
        return WebAnswer(body=self._metrics.render(), content_type=CONTENT_TYPE)

    def _count_error(self, where: str) -> None:
        self._metrics.admit("where", [where])
        self._metrics.internal_errors.labels(where=where).inc()


class ReactorLag:
    """Four times a second: how late a timed call runs, into `asw_reactor_lag_seconds`; `last` for a check."""

    def __init__(self, metrics: Metrics, *, reactor: Any) -> None:
        self.last = 0.0
        self._metrics = metrics
        self._reactor = reactor
        self._due = 0.0
        self._loop = LoopingCall(self._sample)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin to sample."""
        self._due = self._reactor.seconds() + LAG_INTERVAL_SECONDS
        self._loop.start(LAG_INTERVAL_SECONDS, now=False)

    def stop(self) -> None:
        """Stop; harmless if it does not run."""
        if self._loop.running:
            self._loop.stop()

    def _sample(self) -> None:
        now = self._reactor.seconds()
        self.last = max(0.0, now - self._due)
        # LoopingCall keeps to its grid: the next call is due on the grid point after now.
        self._due += LAG_INTERVAL_SECONDS * (1 + int(self.last / LAG_INTERVAL_SECONDS))
        self._metrics.reactor_lag.only.observe(self.last)
