"""Every certificate that was ever configured, so that what it signed can be checked when it is long gone."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import bindparam, null, or_, select, update

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Row, Statement, insert_or_ignore, insert_values
from asw_gateway.store.transaction import Transaction

_c = tables.certificates
_NAMES = tuple(_c.c.keys())
_PUT = Statement(
    lambda dialect: (
        insert_or_ignore(dialect, _c, "fingerprint", "party", "use")
        .values(insert_values(_c))
        .returning(_c.c.fingerprint)
    )
)
_ALL = Statement(lambda _: select(_c).order_by(_c.c.party, _c.c.use, _c.c.first_used_at, _c.c.fingerprint))
_ONE = (
    _c.c.fingerprint == bindparam("print"),
    _c.c.party == bindparam("in_party"),
    _c.c.use == bindparam("in_use"),
)
_WITHDRAW = Statement(lambda _: update(_c).where(*_ONE).values(withdrawn_at=bindparam("now")))
_REINSTATE = Statement(lambda _: update(_c).where(*_ONE).values(withdrawn_at=null()))
_BY_FINGERPRINT = Statement(
    lambda _: select(_c).where(_c.c.fingerprint == bindparam("print")).order_by(_c.c.party, _c.c.use)
)
_IN_USE_AT = Statement(
    lambda _: (
        select(_c)
        .where(
            _c.c.party == bindparam("in_party"),
            _c.c.first_used_at <= bindparam("at"),
            or_(_c.c.withdrawn_at.is_(None), _c.c.withdrawn_at >= bindparam("at")),
        )
        .order_by(_c.c.use, _c.c.fingerprint)
    )
)


@frozen(kw_only=True)
class KnownCertificate:
    """A certificate of a party (`own` or a partner's name) and the time in which it was configured."""

    fingerprint: str
    party: str
    use: str
    certificate: bytes = field(repr=False)
    first_used_at: float
    withdrawn_at: float | None = None


def note_in_use(conn: Transaction, found: Sequence[KnownCertificate], now: float) -> int:
    """Record what the configuration in force uses, and that whatever it leaves out is withdrawn.

    Answers how many certificates came or went; each is an entry of the journal.
    """
    known = {_key(one): one for one in everything(conn)}
    wanted = {_key(one): one for one in found}
    changes = 0
    for key, one in wanted.items():
        earlier = known.get(key)
        if earlier is not None and earlier.withdrawn_at is None:
            continue
        if earlier is None:
            values = {name: getattr(one, name) for name in _NAMES}
            conn.row(_PUT, {**values, "first_used_at": now, "withdrawn_at": None})
        else:
            conn.run(_REINSTATE, _where(one))
        _journal(conn, "certificate.in_use", one, now)
        changes += 1
    for key, one in known.items():
        if key not in wanted and one.withdrawn_at is None:
            conn.run(_WITHDRAW, {**_where(one), "now": now})
            _journal(conn, "certificate.withdrawn", one, now)
            changes += 1
    return changes


def everything(conn: Transaction) -> list[KnownCertificate]:
    """All of them, by party and use."""
    return [_known(row) for row in conn.rows(_ALL, {})]


def by_fingerprint(conn: Transaction, fingerprint: str) -> list[KnownCertificate]:
    """One certificate under every party and use it was configured for."""
    return [_known(row) for row in conn.rows(_BY_FINGERPRINT, {"print": fingerprint})]


def in_use_at(conn: Transaction, party: str, at: float) -> list[KnownCertificate]:
    """What the party was configured with at a time."""
    return [_known(row) for row in conn.rows(_IN_USE_AT, {"in_party": party, "at": at})]


def _journal(conn: Transaction, event: str, one: KnownCertificate, now: float) -> None:
    subject = f"certificate:{one.party}:{one.use}"
    journal.append(conn, event=event, subject=subject, digest=one.fingerprint, now=now)


def _where(one: KnownCertificate) -> dict[str, str]:
    return {"print": one.fingerprint, "in_party": one.party, "in_use": one.use}


def _key(one: KnownCertificate) -> tuple[str, str, str]:
    return one.fingerprint, one.party, one.use


def _known(row: Row) -> KnownCertificate:
    return KnownCertificate(**dict(zip(_NAMES, row, strict=True)))
