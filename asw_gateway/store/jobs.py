"""Work that is due at a time: each run begins on one node only, and a restart forgets none."""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import bindparam, case, literal_column, null, select, update

from asw_gateway.store import tables
from asw_gateway.store.statements import Statement, insert_or_ignore
from asw_gateway.store.transaction import Transaction

_j = tables.jobs
_NAMES = tuple(_j.c.keys())

_PUT = Statement(lambda dialect: insert_or_ignore(dialect, _j, "name").returning(_j.c.name))
_CLAIM = Statement(
    lambda _: (
        update(_j)
        .where(
            _j.c.name == bindparam("job"),
            _j.c.due_at <= bindparam("now"),
            _j.c.lease_until <= bindparam("now"),
        )
        .values(
            lease_owner=bindparam("node"),
            lease_until=bindparam("until"),
            runs=_j.c.runs + literal_column("1"),
            last_started_at=bindparam("now"),
        )
        .returning(_j.c.name)
    )
)
_FINISH = Statement(
    lambda _: (
        update(_j)
        .where(_j.c.name == bindparam("job"), _j.c.lease_owner == bindparam("node"))
        .values(
            lease_owner=null(),
            lease_until=literal_column("0"),
            due_at=bindparam("next_run_at"),
            last_finished_at=bindparam("now"),
            last_error=bindparam("error"),
            failures=case(
                (bindparam("failed", type_=tables.Key) == 1, _j.c.failures + literal_column("1")),
                else_=literal_column("0"),
            ),
        )
        .returning(_j.c.name)
    )
)
_ALL = Statement(lambda _: select(_j).order_by(_j.c.name))


@frozen(kw_only=True)
class Job:
    """One job; the columns are described in tables.py."""

    name: str
    due_at: float
    lease_owner: str | None
    lease_until: float
    runs: int
    failures: int
    last_started_at: float | None
    last_finished_at: float | None
    last_error: str | None


def claim(
    conn: Transaction, name: str, node: str, now: float, lease_seconds: float, *, first_at: float = 0.0
) -> bool:
    """Begin a run, if the job is due and no node has it; a job not known yet is made, due at `first_at`.

    A node that dies in a run loses it when the lease ends; the job is then due again.
    """
    given = {"job": name, "node": node, "now": now, "until": now + lease_seconds}
    if conn.row(_CLAIM, given) is not None:
        return True
    made = conn.row(
        _PUT,
        {
            **dict.fromkeys(_NAMES),
            "name": name,
            "due_at": first_at,
            "lease_until": 0.0,
            "runs": 0,
            "failures": 0,
        },
    )
    return made is not None and conn.row(_CLAIM, given) is not None


def finish(
    conn: Transaction, name: str, node: str, now: float, *, next_run_at: float, error: str | None = None
) -> bool:
    """End this node's run and set the next; False when the lease was lost meanwhile."""
    given = {
        "job": name,
        "node": node,
        "now": now,
        "next_run_at": next_run_at,
        "error": error,
        "failed": int(error is not None),
    }
    return conn.row(_FINISH, given) is not None


def everything(conn: Transaction) -> list[Job]:
    """Every job, by name."""
    return [Job(**dict(zip(_NAMES, row, strict=True))) for row in conn.rows(_ALL, {})]
