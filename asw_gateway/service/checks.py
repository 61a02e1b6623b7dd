"""The readiness checks: small functions that look at the thing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asw_gateway.health import OK, Check, CheckResult, ReactorLag, failed
from asw_gateway.store import jobs
from asw_gateway.store.database import Database
from asw_gateway.workers import Workers

MAX_LAG_SECONDS = 5.0


def readiness(
    *,
    database: Database,
    workers: Workers,
    lag: ReactorLag,
    channel_states: Callable[[], Mapping[str, str]],
    now: Callable[[], float],
) -> dict[str, Check]:
    """Checks by name: a real commit, a real job in a worker, a reactor that turns, channels that run."""

    async def store_writes() -> CheckResult:
        await database.run(jobs.claim, f"readiness {database.node}", database.node, now(), 0.0)
        return OK

    async def workers_work() -> CheckResult:
        await workers.run(lambda: None)
        return OK

    async def reactor_turns() -> CheckResult:
        return OK if lag.last < MAX_LAG_SECONDS else failed(f"the reactor was {lag.last:.1f} s late")

    async def channels_run() -> CheckResult:
        stopped = sorted(name for name, state in channel_states().items() if state == "stopped")
        return failed(f"no channel to {', '.join(stopped)}") if stopped else OK

    return {
        "store": store_writes,
        "workers": workers_work,
        "reactor": reactor_turns,
        "channels": channels_run,
    }
