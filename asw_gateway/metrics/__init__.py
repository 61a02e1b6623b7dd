"""
Every metric family of the gateway, on an injected registry.

Prometheus habits: prefix `asw_`, base units, `_total` for counters, time stamps rather than ages so that
a stuck exporter is visible. Every label is bounded: a value outside its set becomes `other`. No message
id, trader or free text is ever a label. Label sets that are known at start begin at zero.
"""

from prometheus_client import CollectorRegistry

from asw_gateway.metrics.family import Family
from asw_gateway.metrics.gateway import CONTENT_TYPE, Metrics
from asw_gateway.metrics.labels import LABELS

__all__ = ["CONTENT_TYPE", "LABELS", "CollectorRegistry", "Family", "Metrics"]
