"""From py-spy's raw lines to a short list a thread."""

from __future__ import annotations

from benchmarks.profile import read, table

WORKERS = "_work (/x/asw_gateway/workers.py:7);sign (/x/asw_gateway/messaging/keys.py:{line})"
RAW = [
    "thread (11): MainThread;run (twistd.py:1);doPoll (/x/lib/python3.11/site-packages/twisted/epoll.py:5) 3",
    f"thread (12): asw-workers-0;{WORKERS.format(line=1)} 6",
    f"thread (13): asw-workers-1;{WORKERS.format(line=2)} 2",
    "not a sample",
]


def test_samples_are_told_apart_by_thread_and_function() -> None:
    found = read(RAW)
    assert set(found) == {"reactor", "workers"}
    assert found["workers"].samples == 8
    assert found["workers"].own == {"sign (asw_gateway/messaging/keys.py)": 8}
    assert found["workers"].whole["_work (asw_gateway/workers.py)"] == 8
    assert found["reactor"].own == {"doPoll (twisted/epoll.py)": 3}


def test_the_busiest_thread_comes_first_with_shares_of_its_own() -> None:
    lines = [line for line in table(read(RAW)) if line]
    assert lines[0] == "workers: 73% of the process, 8 samples"
    assert lines[2] == "  100.0%  sign (asw_gateway/messaging/keys.py)"
