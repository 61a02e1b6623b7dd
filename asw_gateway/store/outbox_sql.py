"""The statements behind outbox.py."""

from __future__ import annotations

from sqlalchemy import Select, bindparam, case, exists, func, insert, null, or_, select, update

from asw_gateway.store import bodies, tables
from asw_gateway.store.statements import Statement, insert_or_ignore, insert_values, number, word

LAST_CLASS = 3

_o = tables.outbox
_body, _sealed = tables.outbox_submitted, tables.outbox_sealed
_superseded = tables.outbox_superseded

SUBMIT = Statement(
    lambda dialect: (
        insert_or_ignore(dialect, _o, "sender_identity", "national_message_id")
        .values(insert_values(_o))
        .returning(_o.c.id)
    )
)
PUT_BODY = Statement(lambda _: insert(_body))
PUT_SEALED = Statement(lambda _: insert(_sealed))
# Waits for whoever is closing one of these rows on another node: afterwards the row is closed, or will
# promote its successor (PROMOTE).
FOLLOW = Statement(
    lambda dialect: (
        update(_o)
        .where(
            _o.c.partner == bindparam("in_partner"),
            _o.c.open_key == bindparam("in_key"),
            _o.c.id < bindparam("row"),
            or_(_o.c.followed == number(0), _o.c.priority > bindparam("class_")),
        )
        .values(
            followed=number(1),
            priority=(func.least if dialect == "postgresql" else func.min)(
                _o.c.priority, bindparam("class_", type_=tables.Key)
            ),
        )
        .returning(_o.c.id)
    )
)
BEHIND = Statement(lambda _: update(_o).where(_o.c.id == bindparam("row")).values(head=number(0)))
_first = _o.alias("first_")
PROMOTE = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.id
            == select(_first.c.id)
            .where(_first.c.partner == bindparam("in_partner"), _first.c.open_key == bindparam("in_key"))
            .order_by(_first.c.id)
            .limit(number(1))
            .scalar_subquery()
        )
        # Whether anybody follows the new head is not known here; at its end it looks.
        .values(head=number(1), followed=number(1))
    )
)
BY_ID = Statement(lambda _: select(_o).where(_o.c.id == bindparam("id")))
BY_MESSAGE_ID = Statement(lambda _: select(_o).where(_o.c.message_id == bindparam("message_id")))
BY_NATIONAL_ID = Statement(
    lambda _: select(_o).where(
        _o.c.sender_identity == bindparam("sender"), _o.c.national_message_id == bindparam("national")
    )
)
BY_DOCUMENT = Statement(
    lambda _: (
        select(_o)
        .where(_o.c.document_type == bindparam("type"), _o.c.document_number == bindparam("number"))
        .order_by(_o.c.id)
    )
)


def _submitted_first(_: str) -> Select[tuple[int]]:
    return (
        select(_o.c.id)
        .where(
            _o.c.state == word("submitted"),
            _o.c.lease_until <= bindparam("now"),
            _o.c.next_attempt_at <= bindparam("now"),
        )
        .order_by(_o.c.priority, _o.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )


CLAIM_SUBMITTED = Statement(
    lambda dialect: (
        update(_o)
        .where(_o.c.id.in_(select(_submitted_first(dialect).cte("picked").c.id)))
        .values(
            lease_owner=bindparam("node"),
            lease_until=bindparam("until"),
            claims=_o.c.claims + number(1),
        )
        .returning(*_o.c)
    )
)
BODY = Statement(lambda _: select(*bodies.body_columns(_body)).where(_body.c.id == bindparam("id")))
SEALED_BODY = Statement(
    lambda _: select(*bodies.body_columns(_sealed)).where(_sealed.c.id == bindparam("id"))
)
DEFER = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.id == bindparam("row"),
            _o.c.state == word("submitted"),
            _o.c.lease_owner == bindparam("node"),
        )
        .values(
            lease_owner=null(),
            lease_until=number(0),
            claims=_o.c.claims - number(1),
            next_attempt_at=bindparam("at"),
            last_reason=bindparam("reason"),
        )
    )
)

_earlier = _o.alias("earlier")
BLOCKED = exists().where(
    _earlier.c.partner == _o.c.partner,
    _earlier.c.open_key == _o.c.order_key,
    _earlier.c.id < _o.c.id,
    _earlier.c.state.in_([word("failed"), word("expired")]),
)
QUEUE = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.id == bindparam("row"), _o.c.state == word("submitted"))
        .values(
            state=case((BLOCKED, word("held")), else_=word("queued")),
            message_id=bindparam("as4_id"),
            document_digest=bindparam("document"),
            functional_reference=func.coalesce(bindparam("reference"), _o.c.functional_reference),
            conversation_id=func.coalesce(bindparam("conversation"), _o.c.conversation_id),
            next_attempt_at=bindparam("at"),
            queued_at=bindparam("now"),
            lease_owner=null(),
            lease_until=number(0),
            last_reason=null(),
        )
        .returning(*_o.c)
    )
)
SUPERSEDE = Statement(
    lambda _: insert(_superseded).from_select(
        ["outbox_id", "superseded_at", "signed_with", "content_type", "size_bytes", "body", "staging_id"],
        select(
            _sealed.c.id,
            bindparam("now", type_=_superseded.c.superseded_at.type),
            _sealed.c.signed_with,
            *bodies.body_columns(_sealed),
        ).where(_sealed.c.id == bindparam("row")),
    )
)
SUPERSEDED = Statement(
    lambda _: (
        select(_superseded.c.superseded_at, _superseded.c.signed_with, *bodies.body_columns(_superseded))
        .where(_superseded.c.outbox_id == bindparam("row"))
        .order_by(_superseded.c.id)
    )
)
RESEAL = Statement(
    lambda _: (
        update(_sealed)
        .where(_sealed.c.id == bindparam("row"))
        .values(
            content_type=bindparam("type"),
            size_bytes=bindparam("size"),
            body=bindparam("bytes"),
            staging_id=bindparam("staged"),
            signed_with=bindparam("certificate"),
        )
    )
)
MOVE = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.id == bindparam("row"), _o.c.state == bindparam("from_state"))
        .values(
            state=bindparam("to_state"),
            open_key=case((bindparam("open_", type_=tables.Key) == 1, _o.c.order_key), else_=null()),
            finalized_at=bindparam("finalized"),
            lease_owner=null(),
            lease_until=number(0),
            next_attempt_at=func.coalesce(bindparam("at"), _o.c.next_attempt_at),
            last_reason=bindparam("reason"),
        )
        .returning(*_o.c)
    )
)
OLDER_SUBMITTED = Statement(
    lambda _: (
        select(_o.c.id)
        .where(
            _o.c.partner == bindparam("partner"),
            _o.c.open_key == bindparam("key"),
            _o.c.id < bindparam("row"),
            _o.c.state == word("submitted"),
        )
        .limit(number(1))
    )
)
