"""How the CPU of a message is told apart."""

from __future__ import annotations

import importlib

import pytest

from benchmarks import echo, meter, split, stages, traffic


def test_own_time_is_without_what_is_nested() -> None:
    own = split.own_times({"seal": 100.0, "seal / parse": 30.0, "seal / parse / inner": 10.0, "pack": 5.0})
    assert own == {"seal": 70.0, "seal / parse": 20.0, "seal / parse / inner": 10.0, "pack": 5.0}


def measured() -> dict[str, dict[str, object]]:
    return {
        "stages_us": {"submit": 100.0, "answer": 50.0, "prepare": 200.0, "notice": 0.0, "read_signal": 0.0},
        "parts_us": {
            "submit": {"check national": 60.0, "check national / schema": 20.0},
            "answer": {"rules": 50.0},
            "prepare": {"seal": 100.0, "to_asean": 50.0},
            "notice": {},
            "read_signal": {},
        },
    }


def test_shares_of_the_workers_leave_the_reactors_stage_out() -> None:
    assert split.worker_shares(measured(), "sender") == pytest.approx(
        {
            "rules": 40 / 300,
            "XML": 20 / 300,
            "signature": 100 / 300,
            "translation": 50 / 300,
            "Python": 90 / 300,
        }
    )


def test_parts_add_up_to_the_measured_cpu() -> None:
    threads = {"workers": 3.0, "database": 1.0, "reactor": 0.5, "asw-logs": 0.25}
    found = split.split(5.0, threads, {"XML": 0.5, "Python": 0.5}, 0.3)
    assert sum(found.values()) == pytest.approx(5.0)
    assert (found["XML"], found["SQL"], found["TLS/HTTP"]) == (1.5, 1.0, 0.3)
    assert found["Python"] == pytest.approx(1.5 + 0.2 + 0.25 + 0.25)


def test_transport_is_no_more_than_the_reactor_used() -> None:
    found = split.split(1.0, {"reactor": 0.2, "workers": 0.8}, {"XML": 1.0}, 0.9)
    assert found["TLS/HTTP"] == 0.2
    assert found["Python"] == pytest.approx(0.0)


def test_transport_of_either_side() -> None:
    found = {
        "submission": {"client_us": 1000.0, "server_us": 100.0},
        "message": {"client_us": 200.0, "server_us": 90.0},
    }
    assert echo.per_message_ms(found) == pytest.approx({"VN": 0.3, "TH": 0.09})


@pytest.mark.parametrize(("module", "name", "part"), meter.PARTS)
def test_every_part_names_a_function_that_is_there(module: str, name: str, part: str) -> None:
    assert callable(getattr(importlib.import_module(f"asw_gateway.{module}"), name)), part


def test_every_stage_is_a_workers_or_the_answer() -> None:
    in_workers = {stage for side in split.WORKER_STAGES.values() for stage in side}
    assert set(stages.STAGES) - in_workers == {"answer"}


def test_quantile_of_a_histogram_is_the_end_of_its_bucket() -> None:
    counted = {
        'lag_seconds_bucket{le="0.01"}': 90.0,
        'lag_seconds_bucket{le="0.05"}': 99.0,
        'lag_seconds_bucket{le="+Inf"}': 100.0,
    }
    assert traffic.histogram_quantile(counted, "lag_seconds", 0.99) == 0.05
