"""A clock that was ahead and is set back: what was put into the future meanwhile comes closer by as much.

Otherwise whatever this node wrote while its clock was ahead (the next attempt, a lease, a job's due time, a
partner's back-off) would wait for as long as the clock was ahead.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Executable, Table, bindparam, func, update

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Statement, word
from asw_gateway.store.transaction import Transaction

_o, _i, _jobs, _partners = tables.outbox, tables.inbox, tables.jobs, tables.partner_state
_OUTBOUND_OPEN = [word(state) for state in ("submitted", "queued", "held", "sending")]
_INBOUND_OPEN = [word("received")]


def _closer(table: Table, column: Column[Any], *conditions: Any) -> Statement:
    """Take `seconds` off a time that lies ahead of `now`, but not below `now`."""

    def build(dialect: str) -> Executable:
        later = func.greatest if dialect == "postgresql" else func.max
        moved = later(bindparam("now"), column - bindparam("seconds", type_=column.type))
        return update(table).where(column > bindparam("now"), *conditions).values({column.name: moved})

    return Statement(build)


_TIMES = (
    _closer(_o, _o.c.next_attempt_at, _o.c.state.in_(_OUTBOUND_OPEN)),
    _closer(_i, _i.c.next_attempt_at, _i.c.state.in_(_INBOUND_OPEN)),
    _closer(_jobs, _jobs.c.due_at),
    _closer(_partners, _partners.c.next_contact_at),
)
_OWN_LEASES = tuple(
    _closer(table, table.c.lease_until, table.c.lease_owner == bindparam("node"))
    for table in (_o, _i, _jobs)
)


def ahead(conn: Transaction, now: float) -> float:
    """How many seconds after `now` this node's newest journal entry was written; 0 when none was."""
    newest = journal.last_at(conn, conn.node)
    return 0.0 if newest is None else max(0.0, newest - now)


def set_back(conn: Transaction, seconds: float, now: float) -> int:
    """The clock of this node went back by `seconds` and shows `now`; answer how many times were moved.

    Attempts that other nodes planned may be moved too: they come early, which does no harm. Leases are moved
    only if they are this node's own.
    """
    given = {"seconds": seconds, "now": now}
    moved = sum(conn.run(statement, given) for statement in _TIMES)
    moved += sum(conn.run(statement, {**given, "node": conn.node}) for statement in _OWN_LEASES)
    journal.append(
        conn,
        event="clock.set_back",
        subject=f"node:{conn.node}",
        detail=f"{seconds:.1f} s, {moved} times moved",
        now=now,
    )
    return moved
