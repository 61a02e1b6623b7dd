"""Metrics: bounded labels, zero at start, names that follow the habits."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from asw_gateway.metrics import CollectorRegistry, Metrics

PACKAGE = Path(__file__).parents[2] / "asw_gateway"


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics(CollectorRegistry())
    made.zero(["th", "id"], message_types=["atiga-form-d/certificate"], version="0.1.0")
    return made


def shown(metrics: Metrics) -> list[str]:
    return metrics.render().decode().splitlines()


def test_known_series_begin_at_zero(metrics: Metrics) -> None:
    lines = shown(metrics)
    assert 'asw_delivery_attempts_total{outcome="tls_error",partner="id"} 0.0' in lines
    assert 'asw_tls_handshake_failures_total{listener="partner",reason="no_certificate"} 0.0' in lines
    assert 'asw_build_info{version="0.1.0"} 1.0' in lines
    assert not any("_created" in line for line in lines)


def test_unknown_values_cannot_make_series(metrics: Metrics) -> None:
    for number in range(50):
        metrics.message_refusals.labels(partner=f"attacker-{number}", reason=f"text {number}").inc()
    assert 'asw_message_refusals_total{partner="other",reason="other"} 50.0' in shown(metrics)
    assert "attacker" not in "\n".join(shown(metrics))


def test_open_sets_are_capped(metrics: Metrics) -> None:
    metrics.admit("rule", [f"R-{number}" for number in range(1000)])
    for number in range(1000):
        metrics.conversion_problems.labels(message_type="atiga-form-d/certificate", rule=f"R-{number}").inc()
    assert sum(line.startswith("asw_conversion_problems_total{") for line in shown(metrics)) == 301
    with pytest.raises(LookupError):
        metrics.admit("outcome", ["surprise"])


def test_reload_keeps_counts(metrics: Metrics) -> None:
    metrics.deliveries.labels(partner="th", outcome="delivered").inc(3)
    metrics.zero(["th", "my"])
    lines = shown(metrics)
    assert 'asw_deliveries_total{outcome="delivered",partner="th"} 3.0' in lines
    assert 'asw_deliveries_total{outcome="delivered",partner="my"} 0.0' in lines


def test_two_gateways_in_one_process_do_not_clash() -> None:
    Metrics(CollectorRegistry())
    Metrics(CollectorRegistry())


def test_names_and_help(metrics: Metrics) -> None:
    for family in metrics.registry.collect():
        assert family.name.startswith("asw_")
        assert not any(unit in family.name for unit in ("_ms", "_millis", "_minutes", "_kb"))
        assert family.documentation.endswith(".") or family.name == "asw_build_info"


def test_every_used_family_exists(metrics: Metrics) -> None:
    """`metrics.xyz` anywhere in our code names a family or method that exists."""
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Attribute):
                continue
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if name in ("metrics", "_metrics") and not hasattr(metrics, node.attr):
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.attr}")
    assert not wrong, wrong
