"""Cost of a message when many others wait: a backlog of queued rows in the sender's store.

python -m benchmarks.growth [--rows 0,100000] [--seconds 8] [--engine sqlite]
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from asw_gateway.store import engine as engines
from asw_gateway.store.group import Writer
from benchmarks import floor, run, store_floor
from benchmarks.pair import Pair, Setting, postgresql, running

DIRECTORY = run.WORK / "growth"


def measure(rows: int, seconds: float, engine: str, server: str | None) -> dict[str, Any]:
    """One row of the table: a fresh pair, `rows` queued messages due much later, then traffic."""
    setting = Setting(engine=engine, window=32)
    with running(DIRECTORY, setting, server=server) as pair:
        if rows:
            pair.world.gateways["VN"].stop()
            writer = Writer(engines.open_engine(pair.stores["VN"].url), "bench")
            try:
                store_floor.fill(writer, rows)
            finally:
                writer.close()
            pair.world.start_gateway("VN")
        fresh = Pair(pair.world, pair.stores)
        fresh.pin()
        found = run.measure(fresh, setting, seconds, resting=rows)
    return {"rows": rows} | found


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", default="0,100000", help="backlogs, separated by commas")
    asked.add_argument("--seconds", type=float, default=8.0)
    asked.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    given = asked.parse_args()
    found: list[dict[str, Any]] = []
    with ExitStack() as stack:
        server = None
        if given.engine == "postgresql":
            server = stack.enter_context(postgresql(Path(DIRECTORY) / "server"))
        for rows in map(int, given.rows.split(",")):
            found.append(measure(rows, given.seconds, given.engine, server))
            row = found[-1]
            print(
                f"rows {rows:>9,}: {row['per_second']:7.1f} messages/s, CPU ms VN {row['VN']['cpu_ms']:.2f}"
                f" (database {row['VN']['cpu_ms_by_thread'].get('database', 0):.2f}),"
                f" MB {row['resident_megabytes']['VN']}",
                flush=True,
            )
    ratio = found[-1]["VN"]["cpu_ms"] / found[0]["VN"]["cpu_ms"]
    run.keep("growth", {"machine": floor.machine(), "rows": found, "ratio": round(ratio, 3)})
    print(f"growth: CPU per message with {found[-1]['rows']:,} rows over {found[0]['rows']:,}: {ratio:.2f}")


if __name__ == "__main__":
    main()
