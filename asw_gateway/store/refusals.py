"""Evidence of everything refused at the door: by whom, why, and the first bytes of it."""

from __future__ import annotations

from attrs import field, frozen
from sqlalchemy import bindparam, insert, select

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Statement, insert_values
from asw_gateway.store.transaction import Transaction

HEAD_BYTES = 64 * 1024

_r = tables.refusals
_NAMES = tuple(_r.c.keys())
_PUT = Statement(lambda _: insert(_r).values(insert_values(_r)).returning(_r.c.id))
_LATEST = Statement(lambda _: select(_r).order_by(_r.c.id.desc()).limit(bindparam("limit")))
_BY_MESSAGE_ID = Statement(
    lambda _: select(_r).where(_r.c.message_id == bindparam("message_id")).order_by(_r.c.id)
)


@frozen(kw_only=True)
class Refusal:
    """One refused message; `head` is its first 64 KiB, `digest` and `size_bytes` speak of all of it."""

    id: int
    side: str
    party: str
    message_id: str | None
    code: str
    reason: str
    detail: str
    refused_at: float
    digest: str
    size_bytes: int
    content_type: str
    head: bytes = field(repr=False)
    answer: bytes | None = field(repr=False)


def record_refusal(
    conn: Transaction,
    *,
    side: str,
    party: str,
    code: str,
    reason: str,
    detail: str,
    body: bytes,
    content_type: str,
    now: float,
    message_id: str | None = None,
    answer: bytes | None = None,
    whole: tuple[str, int] | None = None,
) -> int:
    """Keep what was refused (`side` is `partner` or `portal`); answer the refusal's number.

    When `body` is only the beginning of what came, `whole` is the digest and the size in bytes of all of it.
    """
    digest, size_bytes = whole if whole is not None else (journal.digest(body), len(body))
    row = conn.row(
        _PUT,
        {
            "side": side,
            "party": party,
            "message_id": message_id,
            "code": code,
            "reason": reason,
            "detail": detail[: journal.MAX_DETAIL_CHARS],
            "refused_at": now,
            "digest": digest,
            "size_bytes": size_bytes,
            "content_type": content_type[:200],
            "head": body[:HEAD_BYTES],
            "answer": answer,
        },
    )
    assert row is not None
    number: int = row[0]
    journal.append(
        conn,
        event="message.refused",
        subject=f"refusal:{number}",
        actor=party or side,
        digest=digest,
        detail=f"{code} {reason}: {detail}",
        now=now,
    )
    return number


def latest(conn: Transaction, limit: int = 100) -> list[Refusal]:
    """The newest refusals, newest first."""
    return [_refusal(row) for row in conn.rows(_LATEST, {"limit": limit})]


def by_message_id(conn: Transaction, message_id: str) -> list[Refusal]:
    """Every refusal of a message that bore this id."""
    return [_refusal(row) for row in conn.rows(_BY_MESSAGE_ID, {"message_id": message_id})]


def _refusal(row: tuple[object, ...]) -> Refusal:
    return Refusal(**dict(zip(_NAMES, row, strict=True)))  # type: ignore[arg-type]
