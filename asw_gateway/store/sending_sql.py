"""The statements behind sending.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    bindparam,
    case,
    exists,
    func,
    insert,
    null,
    select,
    union_all,
    update,
)

from asw_gateway.store import bodies, tables
from asw_gateway.store.outbox_rows import INTERRUPTED, LAST_CLASS
from asw_gateway.store.statements import Statement, insert_values, number, word

_o = tables.outbox
_sealed, _attempts = tables.outbox_sealed, tables.attempts
ATTEMPT_COLUMNS = tuple(column.name for column in _attempts.c if column.name != "id")
_QUEUED, _SENDING = word("queued"), word("sending")


def _free_rows(klass: int) -> tuple[Any, Select[tuple[int, float]]]:
    """Queued rows of one partner and class that no message of their key stands before, as they become due.

    The column `head` keeps blocked rows out of the index; the two conditions decide, for the case that two
    nodes took in messages of one key at the same moment.
    """
    o, earlier, flying = _o.alias(f"o{klass}"), _o.alias(f"earlier{klass}"), _o.alias(f"flying{klass}")
    rows = (
        select(o.c.id, o.c.next_attempt_at)
        .where(
            o.c.partner == bindparam("partner"),
            o.c.state == _QUEUED,
            o.c.head == number(1),
            o.c.priority == number(klass),
            ~exists().where(
                earlier.c.partner == o.c.partner, earlier.c.open_key == o.c.order_key, earlier.c.id < o.c.id
            ),
            ~exists().where(
                flying.c.partner == o.c.partner,
                flying.c.order_key == o.c.order_key,
                flying.c.state == _SENDING,
            ),
        )
        .order_by(o.c.next_attempt_at, o.c.id)
    )
    return o, rows


def _room_left(dialect: str) -> ColumnElement[int]:
    """How many more may fly: the partner's window less what is in flight on all nodes."""
    flying = _o.alias("window")
    used = (
        select(func.count())
        .select_from(flying)
        .where(flying.c.partner == bindparam("partner"), flying.c.state == _SENDING)
        .scalar_subquery()
    )
    left = bindparam("window", type_=tables.Key) - used
    return func.greatest(0, left) if dialect == "postgresql" else func.max(0, left)


def _claim(dialect: str) -> Executable:
    branches = []
    for klass in range(LAST_CLASS + 1):
        o, rows = _free_rows(klass)
        due = rows.where(o.c.next_attempt_at <= bindparam("now")).limit(bindparam("limit"))
        due = due.with_for_update(skip_locked=True, of=o)
        branches.append(select(due.subquery(f"class{klass}").c.id))
    picked = union_all(*branches).limit(bindparam("limit")).cte("picked")
    within = select(picked.c.id).limit(_room_left(dialect))
    return (
        update(_o)
        .where(_o.c.id.in_(within))
        .values(
            state=_SENDING,
            attempt=_o.c.attempt + number(1),
            attempted_at=bindparam("now"),
            lease_owner=bindparam("node"),
            lease_until=bindparam("until"),
        )
        .returning(*_o.c)
    )


def _next_due(_: str) -> Executable:
    firsts = [
        select(_free_rows(klass)[1].limit(number(1)).subquery(f"class{klass}").c.next_attempt_at)
        for klass in range(LAST_CLASS + 1)
    ]
    return select(func.min(union_all(*firsts).subquery("firsts").c.next_attempt_at))


CLAIM = Statement(_claim)
NEXT_DUE = Statement(_next_due)
SEALED = Statement(
    lambda _: select(_sealed.c.reference_digests, _sealed.c.signed_with, *bodies.body_columns(_sealed)).where(
        _sealed.c.id == bindparam("id")
    )
)
# Only one node at a time counts a partner's window; another one finds nothing and looks again.
TRY_PARTNER = Statement(
    lambda _: select(func.pg_try_advisory_xact_lock(func.hashtextextended(bindparam("partner"), number(0))))
)
FINISH = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.id == bindparam("row"),
            _o.c.state == _SENDING,
            _o.c.attempt == bindparam("made"),
            _o.c.lease_owner == bindparam("node"),
        )
        .values(
            state=bindparam("to_state"),
            attempt=bindparam("counted"),
            open_key=case((bindparam("open_", type_=tables.Key) == 1, _o.c.order_key), else_=null()),
            finalized_at=bindparam("finalized"),
            next_attempt_at=func.coalesce(bindparam("at"), _o.c.next_attempt_at),
            lease_owner=null(),
            lease_until=number(0),
            last_reason=bindparam("reason"),
        )
        .returning(*_o.c)
    )
)
DELIVER_LATE = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.id == bindparam("row"), _o.c.state == bindparam("from_state"))
        .values(
            state=word("delivered"),
            open_key=null(),
            finalized_at=bindparam("finalized"),
            lease_owner=null(),
            lease_until=number(0),
            last_reason=bindparam("reason"),
        )
        .returning(*_o.c)
    )
)
NOTE = Statement(lambda _: insert(_attempts).values(insert_values(_attempts)))
ATTEMPTS = Statement(
    lambda _: (
        select(*(_attempts.c[name] for name in ATTEMPT_COLUMNS))
        .where(_attempts.c.outbox_id == bindparam("row"))
        .order_by(_attempts.c.id)
    )
)


def _interrupt(*conditions: Any) -> Executable:
    return (
        update(_o)
        .where(_o.c.state == _SENDING, *conditions)
        .values(
            state=_QUEUED,
            attempt=_o.c.attempt - number(1),
            next_attempt_at=bindparam("now"),
            lease_owner=null(),
            lease_until=number(0),
            last_reason=word(INTERRUPTED),
        )
        .returning(*_o.c)
    )


RESCUE = Statement(lambda _: _interrupt(_o.c.lease_until <= bindparam("now")))
RESCUE_OWN = Statement(lambda _: _interrupt(_o.c.lease_owner == bindparam("node")))
RELEASE = Statement(lambda _: _interrupt(_o.c.id == bindparam("row"), _o.c.lease_owner == bindparam("node")))
FORGET_OWN = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.state == word("submitted"), _o.c.lease_owner == bindparam("node"))
        .values(lease_owner=null(), lease_until=number(0))
    )
)
HASTEN = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.partner == bindparam("in_partner"),
            _o.c.state == _QUEUED,
            _o.c.head == number(1),
            _o.c.priority.in_([number(klass) for klass in range(LAST_CLASS + 1)]),
            _o.c.next_attempt_at > bindparam("now"),
            _o.c.attempt > number(0),
        )
        .values(next_attempt_at=bindparam("now"))
    )
)
