"""A metric family that cannot grow without bound."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)

OTHER = "other"


class Family(Generic[M]):
    """A metric family whose labels are bounded. `labels(partner="th").inc()`, or `only` without labels."""

    def __init__(self, metric: M, sets: Mapping[str, str], values: Mapping[str, dict[str, None]]) -> None:
        self._metric = metric
        self._sets = sets  # label name -> name of its set of values
        self._values = values
        self._series: dict[tuple[tuple[str, str], ...], M] = {}

    @property
    def only(self) -> M:
        """The single series of a family without labels."""
        return self._metric

    def labels(self, **labels: str) -> M:
        """The series for these labels, each forced into its set."""
        asked = tuple(labels.items())
        series = self._series.get(asked)
        if series is None:
            bounded = {name: self._bounded(name, value) for name, value in asked}
            series = self._metric.labels(**bounded)
            # Kept only for values of the sets, whose number is bounded; a set may still grow around another.
            if bounded == labels:
                self._series[asked] = series
        return series

    def zero(self) -> None:
        """Make every combination of known label values visible."""
        names = list(self._sets)
        for combination in product(*(self._values[self._sets[name]] for name in names)):
            self._metric.labels(**dict(zip(names, combination, strict=True)))

    def _bounded(self, name: str, value: str) -> str:
        return value if value in self._values[self._sets[name]] else OTHER
