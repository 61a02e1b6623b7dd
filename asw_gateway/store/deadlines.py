"""Clocks of the agreement that run, and documents whose time is over."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from attrs import frozen
from sqlalchemy import bindparam, literal_column, select, update

from asw_gateway.store import tables
from asw_gateway.store.statements import Statement, insert_or_ignore, insert_values
from asw_gateway.store.transaction import Transaction

_t, _d = tables.deadlines, tables.documents
_OPEN = "state IN ('RCV', 'VAL')"
_BEGIN = Statement(
    lambda dialect: insert_or_ignore(dialect, _t, "message_id", "rule").values(insert_values(_t))
)
_RUNNING = Statement(
    lambda _: select(_t.c.id, _t.c.rule).where(
        _t.c.document_number == bindparam("in_number"),
        _t.c.document_type == bindparam("in_type"),
        _t.c.party == bindparam("in_party"),
        _t.c.ended_at.is_(None),
    )
)
_END = Statement(lambda _: update(_t).where(_t.c.id == bindparam("row")).values(ended_at=bindparam("now")))
_OVER = Statement(
    lambda _: (
        select(_t.c.rule, _t.c.direction, _t.c.party, _t.c.document_type, _t.c.document_number, _t.c.due_at)
        .where(_t.c.ended_at.is_(None), _t.c.due_at < bindparam("now"))
        .order_by(_t.c.due_at)
        .limit(bindparam("most"))
    )
)
_UNANSWERED = Statement(
    lambda _: (
        select(_d.c.direction, _d.c.party, _d.c.document_type, _d.c.document_number, _d.c.created_at)
        .where(
            literal_column(_OPEN),
            _d.c.valid_until_at.is_not(None),
            _d.c.direction == literal_column("'in'"),
            _d.c.document_type == bindparam("in_type"),
            _d.c.created_at < bindparam("before"),
        )
        .order_by(_d.c.valid_until_at)
        .limit(bindparam("most"))
    )
)
_EXPIRED = Statement(
    lambda _: (
        select(_d.c.id, _d.c.state, _d.c.document_type, _d.c.document_number, _d.c.valid_until_at)
        .where(literal_column(_OPEN), _d.c.valid_until_at < bindparam("now"))
        .order_by(_d.c.valid_until_at)
        .limit(bindparam("most"))
    )
)


@frozen(kw_only=True)
class Overdue:
    """A clock that is over: `direction` in = our side must act, out = the partner; due_at in UTC seconds."""

    rule: str
    direction: str
    party: str
    document_type: str
    document_number: str
    due_at: float


@frozen(kw_only=True)
class Period:
    """How long a partner's document of a type may wait for its first answer, by a rule."""

    rule: str
    document_type: str
    seconds: float


@frozen(kw_only=True)
class Expired:
    """A document nobody has used within its validity."""

    id: int
    state: str
    document_type: str
    document_number: str
    valid_until_at: float


def begin(
    conn: Transaction,
    *,
    rule: str,
    direction: str,
    party: str,
    document_type: str,
    document_number: str,
    message_id: str,
    begun_at: float,
    due_at: float,
) -> None:
    """Start a clock; the same message starts it once."""
    conn.run(
        _BEGIN,
        {
            "rule": rule,
            "direction": direction,
            "party": party,
            "document_type": document_type,
            "document_number": document_number,
            "message_id": message_id,
            "begun_at": begun_at,
            "due_at": due_at,
            "ended_at": None,
        },
    )


def end(
    conn: Transaction,
    rules: Collection[str],
    *,
    party: str,
    document_type: str,
    document_number: str,
    now: float,
) -> None:
    """Stop the clocks of these rules that run for a document."""
    running = conn.rows(_RUNNING, {"in_number": document_number, "in_type": document_type, "in_party": party})
    for row, rule in running:
        if rule in rules:
            conn.run(_END, {"row": row, "now": now})


def over(conn: Transaction, now: float, limit: int) -> list[Overdue]:
    """Clocks that ran out, the oldest first."""
    return [
        Overdue(
            rule=rule, direction=side, party=party, document_type=kind, document_number=number, due_at=due
        )
        for rule, side, party, kind, number, due in conn.rows(_OVER, {"now": now, "most": limit})
    ]


def unanswered(conn: Transaction, period: Period, now: float, limit: int) -> list[Overdue]:
    """Partners' documents that nobody here has answered within a period, oldest validity first."""
    rows = conn.rows(
        _UNANSWERED,
        {"in_type": period.document_type, "before": now - period.seconds, "most": limit},
    )
    return [
        Overdue(
            rule=period.rule,
            direction="in",
            party=party,
            document_type=kind,
            document_number=number,
            due_at=created_at + period.seconds,
        )
        for _, party, kind, number, created_at in rows
    ]


def overdue(conn: Transaction, periods: Iterable[Period], now: float, limit: int) -> list[Overdue]:
    """Everything whose time is over, at most `limit` a rule, the oldest first."""
    found = over(conn, now, limit)
    for period in periods:
        found += unanswered(conn, period, now, limit)
    return sorted(found, key=lambda one: one.due_at)


def expired(conn: Transaction, now: float, limit: int) -> list[Expired]:
    """Documents that are still open after the end of their validity, the oldest first."""
    return [
        Expired(id=id, state=state, document_type=kind, document_number=number, valid_until_at=until)
        for id, state, kind, number, until in conn.rows(_EXPIRED, {"now": now, "most": limit})
    ]
