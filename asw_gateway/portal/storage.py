"""The store as a room of ours sees it: an answer, or one exception that means "ask again"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from asw_gateway.logs import Log
from asw_gateway.metrics import Metrics
from asw_gateway.store.database import Database, StoreClosed
from asw_gateway.store.transaction import Transaction
from asw_gateway.web import WebAnswer, problem

P = ParamSpec("P")
T = TypeVar("T")
RETRY_AFTER_SECONDS = 5
_log = Log("portal.storage")


class StoreUnavailable(Exception):
    """Nothing was written, or nothing could be read; the cause is logged and counted."""


class Storage:
    """`Database` for one address of the feed; `where` names it in the log and the metric."""

    def __init__(self, database: Database, metrics: Metrics, where: str) -> None:
        self._database = database
        self._metrics = metrics
        self._where = where
        metrics.admit("where", [where])

    async def run(
        self, unit: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Commit one unit; returns after the commit, raises StoreUnavailable when there was none."""
        return await self.settle(self._database.run(unit, *args, **kwargs))

    async def read(
        self, query: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Read only; raises StoreUnavailable."""
        return await self.settle(self._database.read(query, *args, **kwargs))

    async def settle(self, doing: Deferred[T]) -> T:
        """The result of work that the store already has; raises StoreUnavailable."""
        try:
            return await doing
        except CancelledError:
            raise
        except StoreClosed as fault:  # we are stopping: no fault, and the client asks again
            raise StoreUnavailable from fault
        except Exception as fault:  # noqa: BLE001  whatever it was, the caller is told to ask again
            self.broken()
            raise StoreUnavailable from fault

    def broken(self) -> None:
        """Log and count the exception that is being handled."""
        _log.failure("internal-error", where=self._where)
        self._metrics.internal_errors.labels(where=self._where).inc()


def unavailable(detail: str = "The store is not available; ask again.", **more: Any) -> WebAnswer:
    """The answer 503 with the time after which to ask again."""
    answer = problem(503, "Service Unavailable", detail, **more)
    return WebAnswer(
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
