"""The register of documents: the business state of each one, and every version seen."""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import bindparam, literal_column, select, update
from sqlalchemy import func as sql

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Row, Statement, insert_or_ignore, insert_values
from asw_gateway.store.transaction import Transaction

_d, _v = tables.documents, tables.document_versions
_NAMES = tuple(_d.c.keys())

_PUT = Statement(
    lambda dialect: (
        insert_or_ignore(dialect, _d, "direction", "party", "document_type", "document_number")
        .values(insert_values(_d))
        .returning(*_d.c)
    )
)
_RENEW = Statement(
    lambda _: (
        update(_d)
        .where(
            _d.c.direction == bindparam("in_direction"),
            _d.c.party == bindparam("in_party"),
            _d.c.document_type == bindparam("in_type"),
            _d.c.document_number == bindparam("in_number"),
        )
        .values(
            state=bindparam("to_state"),
            version=_d.c.version + literal_column("1"),
            digest=bindparam("new_digest"),
            kind=bindparam("new_kind"),
            message_id=sql.coalesce(bindparam("new_message_id"), _d.c.message_id),
            national_message_id=sql.coalesce(bindparam("new_national_id"), _d.c.national_message_id),
            functional_reference=sql.coalesce(bindparam("new_reference"), _d.c.functional_reference),
            valid_until_at=sql.coalesce(bindparam("new_validity"), _d.c.valid_until_at),
            issued_at=sql.coalesce(bindparam("new_issue"), _d.c.issued_at),
            marks=sql.coalesce(bindparam("new_marks"), _d.c.marks),
            goods=sql.coalesce(bindparam("new_goods"), _d.c.goods),
            updated_at=bindparam("now"),
        )
        .returning(*_d.c)
    )
)
_VERSION = Statement(
    lambda dialect: insert_or_ignore(dialect, _v, "document_id", "digest").returning(_v.c.document_id)
)
_FIND = Statement(
    lambda _: select(_d).where(
        _d.c.direction == bindparam("in_direction"),
        _d.c.party == bindparam("in_party"),
        _d.c.document_type == bindparam("in_type"),
        _d.c.document_number == bindparam("in_number"),
    )
)
_BY_NUMBER = Statement(
    lambda _: (
        select(_d)
        .where(_d.c.document_type == bindparam("in_type"), _d.c.document_number == bindparam("in_number"))
        .order_by(_d.c.id)
    )
)
_KNOWN = Statement(
    lambda _: select(_v.c.message_id).where(
        _v.c.document_id == bindparam("row"), _v.c.digest == bindparam("digest")
    )
)
_MOVE = Statement(
    lambda _: (
        update(_d)
        .where(_d.c.id == bindparam("row"), _d.c.state == bindparam("from_state"))
        .values(
            state=bindparam("to_state"),
            replaced_by=sql.coalesce(bindparam("replacement"), _d.c.replaced_by),
            updated_at=bindparam("now"),
        )
        .returning(*_d.c)
    )
)


@frozen(kw_only=True)
class Document:
    """A document as we know it; the columns are described in tables.py."""

    id: int
    direction: str
    party: str
    document_type: str
    document_number: str
    state: str
    version: int
    digest: str
    kind: str
    message_id: str | None
    national_message_id: str | None
    functional_reference: str | None
    replaced_by: str | None
    valid_until_at: float | None
    created_at: float
    updated_at: float
    issued_at: float | None = None
    marks: str | None = None
    goods: str | None = None

    @property
    def subject(self) -> str:
        """The name of this document in the journal."""
        return f"document:{self.id}"


def find(
    conn: Transaction, direction: str, party: str, document_type: str, document_number: str
) -> Document | None:
    """The document with this number; `direction` is `out` (we sent it) or `in`."""
    return _one(
        conn.row(
            _FIND,
            {
                "in_direction": direction,
                "in_party": party,
                "in_type": document_type,
                "in_number": document_number,
            },
        )
    )


def by_number(conn: Transaction, document_type: str, document_number: str) -> list[Document]:
    """Documents with this number, whatever partner and direction."""
    return [
        _document(row)
        for row in conn.rows(_BY_NUMBER, {"in_type": document_type, "in_number": document_number})
    ]


def put(
    conn: Transaction,
    *,
    direction: str,
    party: str,
    document_type: str,
    document_number: str,
    state: str,
    digest: str,
    kind: str,
    now: float,
    message_id: str | None = None,
    national_message_id: str | None = None,
    functional_reference: str | None = None,
    valid_until_at: float | None = None,
    issued_at: float | None = None,
    marks: str | None = None,
    goods: str | None = None,
) -> Document:
    """Record a document, or a new version of a known one; fields given as None keep what is known."""
    row = conn.row(
        _PUT,
        {
            "direction": direction,
            "party": party,
            "document_type": document_type,
            "document_number": document_number,
            "state": state,
            "version": 1,
            "digest": digest,
            "kind": kind,
            "message_id": message_id,
            "national_message_id": national_message_id,
            "functional_reference": functional_reference,
            "replaced_by": None,
            "valid_until_at": valid_until_at,
            "created_at": now,
            "updated_at": now,
            "issued_at": issued_at,
            "marks": marks,
            "goods": goods,
        },
    ) or conn.row(
        _RENEW,
        {
            "in_direction": direction,
            "in_party": party,
            "in_type": document_type,
            "in_number": document_number,
            "to_state": state,
            "new_digest": digest,
            "new_kind": kind,
            "new_message_id": message_id,
            "new_national_id": national_message_id,
            "new_reference": functional_reference,
            "new_validity": valid_until_at,
            "new_issue": issued_at,
            "new_marks": marks,
            "new_goods": goods,
            "now": now,
        },
    )
    assert row is not None
    document = _document(row)
    conn.row(
        _VERSION,
        {
            "document_id": document.id,
            "digest": digest,
            "kind": kind,
            "message_id": message_id,
            "recorded_at": now,
        },
    )
    journal.append(
        conn,
        event=f"document.{state}",
        subject=document.subject,
        digest=digest,
        detail=f"{direction} {party} {document_type} {document_number} {kind}",
        now=now,
    )
    return document


def seen(conn: Transaction, document_id: int, digest: str) -> bool:
    """Whether exactly these bytes were recorded for this document before, under whatever message id."""
    return conn.row(_KNOWN, {"row": document_id, "digest": digest}) is not None


def move(
    conn: Transaction,
    id: int,
    from_state: str,
    to_state: str,
    *,
    now: float,
    reason: str = "",
    actor: str = "gateway",
    replaced_by: str | None = None,
) -> Document | None:
    """Move a document on, if it still is in `from_state`; the document as it is now, or None."""
    row = conn.row(
        _MOVE,
        {"row": id, "from_state": from_state, "to_state": to_state, "replacement": replaced_by, "now": now},
    )
    if row is None:
        return None
    document = _document(row)
    journal.append(
        conn, event=f"document.{to_state}", subject=document.subject, actor=actor, detail=reason, now=now
    )
    return document


def _document(row: Row) -> Document:
    return Document(**dict(zip(_NAMES, row, strict=True)))


def _one(row: Row | None) -> Document | None:
    return _document(row) if row else None
