"""The statements behind inbox.py."""

from __future__ import annotations

from sqlalchemy import Select, bindparam, case, exists, func, insert, null, select, update

from asw_gateway.store import bodies, tables
from asw_gateway.store.statements import Statement, insert_or_ignore, insert_values, number, word

_FINAL = frozenset({"rejected_by_rules", "acknowledged"})
_CLASSES = 3

_i, _b = tables.inbox, tables.inbox_body
_RECEIVED, _PARKED = word("received"), word("parked")

REGISTER = Statement(
    lambda dialect: (
        insert_or_ignore(dialect, _i, "partner", "message_id").values(insert_values(_i)).returning(_i.c.id)
    )
)
PUT_BODY = Statement(lambda _: insert(_b))
EARLIER = Statement(
    lambda _: (
        select(*_i.c, _b.c.receipt_content_type, _b.c.receipt)
        .join_from(_i, _b, _i.c.id == _b.c.id)
        .where(_i.c.partner == bindparam("partner"), _i.c.message_id == bindparam("message_id"))
    )
)
GET = Statement(lambda _: select(_i).where(_i.c.id == bindparam("row")))
BY_MESSAGE_ID = Statement(
    lambda _: select(_i).where(
        _i.c.partner == bindparam("partner"), _i.c.message_id == bindparam("message_id")
    )
)
BY_DOCUMENT = Statement(
    lambda _: (
        select(_i)
        .where(_i.c.document_type == bindparam("type"), _i.c.document_number == bindparam("number"))
        .order_by(_i.c.id)
    )
)
BODY = Statement(
    lambda _: select(_b.c.reference_digests, *bodies.body_columns(_b)).where(_b.c.id == bindparam("row"))
)
RECEIPT = Statement(
    lambda _: select(_b.c.receipt_content_type, _b.c.receipt).where(_b.c.id == bindparam("row"))
)


def _first_received(_: str) -> Select[tuple[int]]:
    earlier = _i.alias("earlier")
    return (
        select(_i.c.id)
        .where(
            _i.c.state == _RECEIVED,
            _i.c.lease_until <= bindparam("now"),
            _i.c.next_attempt_at <= bindparam("now"),
            ~exists().where(
                earlier.c.partner == _i.c.partner,
                earlier.c.open_key == _i.c.order_key,
                earlier.c.id < _i.c.id,
            ),
        )
        .order_by(_i.c.priority, _i.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True, of=_i)
    )


CLAIM = Statement(
    lambda dialect: (
        update(_i)
        .where(_i.c.id.in_(select(_first_received(dialect).cte("picked").c.id)))
        .values(
            attempt=_i.c.attempt + number(1),
            lease_owner=bindparam("node"),
            lease_until=bindparam("until"),
        )
        .returning(*_i.c)
    )
)
RELEASE = Statement(
    lambda _: (
        update(_i)
        .where(_i.c.id == bindparam("row"), _i.c.state == _RECEIVED, _i.c.lease_owner == bindparam("node"))
        .values(
            lease_owner=null(),
            lease_until=number(0),
            attempt=_i.c.attempt - number(1),
            next_attempt_at=func.coalesce(bindparam("at"), _i.c.next_attempt_at),
            last_reason=func.coalesce(bindparam("reason"), _i.c.last_reason),
        )
    )
)
FORGET_OWN = Statement(
    lambda _: (
        update(_i)
        .where(_i.c.state == _RECEIVED, _i.c.lease_owner == bindparam("node"))
        .values(lease_owner=null(), lease_until=number(0))
    )
)
MOVE = Statement(
    lambda _: (
        update(_i)
        .where(_i.c.id == bindparam("row"), _i.c.state == bindparam("from_state"))
        .values(
            state=bindparam("to_state"),
            open_key=case((bindparam("open_", type_=tables.Key) == 1, _i.c.order_key), else_=null()),
            finalized_at=bindparam("finalized"),
            lease_owner=null(),
            lease_until=number(0),
            next_attempt_at=number(0),
            last_reason=bindparam("reason"),
            waiting_for=bindparam("waiting"),
            document_type=func.coalesce(bindparam("type"), _i.c.document_type),
            profile=func.coalesce(bindparam("profile_"), _i.c.profile),
            kind=func.coalesce(bindparam("kind_"), _i.c.kind),
            document_number=func.coalesce(bindparam("number"), _i.c.document_number),
            document_digest=func.coalesce(bindparam("digest_"), _i.c.document_digest),
        )
        .returning(*_i.c)
    )
)
UNPARK = Statement(
    lambda _: (
        update(_i)
        .where(
            _i.c.partner == bindparam("in_partner"),
            _i.c.waiting_for == bindparam("key"),
            _i.c.state == _PARKED,
        )
        .values(state=_RECEIVED, waiting_for=null(), next_attempt_at=number(0), last_reason=null())
        .returning(*_i.c)
    )
)
PARKED_SINCE = Statement(
    lambda _: (
        select(_i)
        .where(_i.c.state == _PARKED, _i.c.received_at < bindparam("before"))
        .order_by(_i.c.id)
        .limit(bindparam("limit"))
    )
)
OLDER = Statement(
    lambda _: (
        select(_i.c.id)
        .where(
            _i.c.partner == bindparam("partner"),
            _i.c.open_key == bindparam("key"),
            _i.c.id < bindparam("row"),
        )
        .limit(number(1))
    )
)
