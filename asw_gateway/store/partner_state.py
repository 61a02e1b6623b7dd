"""What must be remembered of each partner: its outage, its next contact, its last sign of life.

The circuit is open while `failures` is above zero and `next_contact_at` lies ahead. Any contact, in either
direction, closes it. The rows survive restarts, so a gateway that comes back does not storm a partner that
is down.
"""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import Executable, bindparam, literal_column, null, or_, select, update
from sqlalchemy import func as sql

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Row, Statement, insert_or_ignore
from asw_gateway.store.transaction import Transaction

_p = tables.partner_state
_NAMES = tuple(_p.c.keys())

_OPEN = Statement(lambda dialect: insert_or_ignore(dialect, _p, "partner").returning(*_p.c))
_GET = Statement(lambda _: select(_p).where(_p.c.partner == bindparam("name")))
_ALL = Statement(lambda _: select(_p).order_by(_p.c.partner))
_FAILED = Statement(
    lambda _: (
        update(_p)
        .where(_p.c.partner == bindparam("name"))
        .values(
            failures=_p.c.failures + literal_column("1"),
            first_failure_at=sql.coalesce(_p.c.first_failure_at, bindparam("now")),
            next_contact_at=bindparam("at"),
            last_reason=bindparam("reason"),
        )
        .returning(*_p.c)
    )
)
_SUSPEND = Statement(
    lambda _: (
        update(_p)
        .where(_p.c.partner == bindparam("name"))
        .values(suspended_at=bindparam("at"))
        .returning(*_p.c)
    )
)


def _contact(column: str) -> Executable:
    return (
        update(_p)
        .where(
            _p.c.partner == bindparam("name"),
            or_(
                _p.c.failures > literal_column("0"),
                _p.c[column].is_(None),
                _p.c[column] <= bindparam("stale", type_=_p.c.last_contact_at.type),
            ),
        )
        .values(
            {
                "failures": literal_column("0"),
                "first_failure_at": null(),
                "next_contact_at": literal_column("0"),
                "last_contact_at": bindparam("now"),
                column: bindparam("now"),
            }
        )
    )


_RECEIVED = Statement(lambda _: _contact("last_received_at"))
_DELIVERED = Statement(lambda _: _contact("last_delivered_at"))


@frozen(kw_only=True)
class PartnerState:
    """One partner as remembered; times are UTC epoch seconds."""

    partner: str
    failures: int
    first_failure_at: float | None
    next_contact_at: float
    last_contact_at: float | None
    last_received_at: float | None
    last_delivered_at: float | None
    suspended_at: float | None
    last_reason: str | None

    def may_contact(self, now: float) -> bool:
        """Whether the back-off is over and no operator stopped sending."""
        return self.suspended_at is None and self.next_contact_at <= now


def get(conn: Transaction, partner: str) -> PartnerState:
    """What is remembered of a partner; a fresh state when nothing is. Writes nothing."""
    row = conn.row(_GET, {"name": partner})
    return (
        _state(row)
        if row
        else PartnerState(
            partner=partner,
            failures=0,
            first_failure_at=None,
            next_contact_at=0.0,
            last_contact_at=None,
            last_received_at=None,
            last_delivered_at=None,
            suspended_at=None,
            last_reason=None,
        )
    )


def everyone(conn: Transaction) -> list[PartnerState]:
    """Every partner that anything is remembered of."""
    return [_state(row) for row in conn.rows(_ALL, {})]


def contact_failed(
    conn: Transaction, partner: str, *, next_contact_at: float, reason: str, now: float
) -> PartnerState:
    """One more failed contact: none before `next_contact_at`."""
    _ensure(conn, partner)
    return _state(
        conn.rows(_FAILED, {"name": partner, "now": now, "at": next_contact_at, "reason": reason})[0]
    )


def contact_succeeded(
    conn: Transaction, partner: str, *, received: bool, now: float, precision_seconds: float = 10.0
) -> bool:
    """A sign of life: a message from them (`received`) or a receipt. Ends the outage; answer whether written.

    The times are kept to `precision_seconds`, so that busy nodes do not queue for this one row at every
    message.
    """
    statement = _RECEIVED if received else _DELIVERED
    given = {"name": partner, "now": now, "stale": now - precision_seconds}
    if conn.run(statement, given) == 1:
        return True
    return _ensure(conn, partner) and conn.run(statement, given) == 1


def suspend(conn: Transaction, partner: str, *, actor: str, reason: str, now: float) -> PartnerState:
    """Stop sending to a partner until `resume`."""
    return _suspended(conn, partner, now, "partner.suspended", actor, reason, now)


def resume(conn: Transaction, partner: str, *, actor: str, reason: str, now: float) -> PartnerState:
    """Send to a suspended partner again."""
    return _suspended(conn, partner, None, "partner.resumed", actor, reason, now)


def _suspended(
    conn: Transaction, partner: str, at: float | None, event: str, actor: str, reason: str, now: float
) -> PartnerState:
    _ensure(conn, partner)
    state = _state(conn.rows(_SUSPEND, {"name": partner, "at": at})[0])
    journal.append(conn, event=event, subject=f"partner:{partner}", actor=actor, detail=reason, now=now)
    return state


def _ensure(conn: Transaction, partner: str) -> bool:
    empty = dict.fromkeys(_NAMES)
    return conn.row(_OPEN, {**empty, "partner": partner, "failures": 0, "next_contact_at": 0.0}) is not None


def _state(row: Row) -> PartnerState:
    return PartnerState(**dict(zip(_NAMES, row, strict=True)))
