"""Doubles shared by tests of several rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred

P = ParamSpec("P")
T = TypeVar("T")


class InlineWorkers:
    """Workers that run each job at once, in the caller's thread."""

    def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """As `asw_gateway.workers.Workers.run`."""
        return maybeDeferred(fn, *args, **kwargs)
