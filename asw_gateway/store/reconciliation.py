"""What was exchanged with a partner in a period, and what was not: manifests, differences, fallback lists.

A message belongs to the period in which it was receipted: the sender's `finalized_at` and the receiver's
`received_at` are a round trip apart, which `MARGIN_SECONDS` covers at both ends of the period.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import text

from asw_gateway.messaging.message import PING_ACTION
from asw_gateway.store import inbox, outbox
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import OutboundRow, digest_of, read_digests
from asw_gateway.store.transaction import Transaction

MARGIN_SECONDS = 900.0
LONGEST_LIFE_SECONDS = 60 * 86_400.0
"""No message is under way for longer than this; older rows are not looked at."""
_PAGE = 1000
_TIMES = {"outbox": "created_at", "inbox": "received_at", "feed": "created_at"}


@frozen(kw_only=True)
class Exchanged:
    """One message of a manifest. `direction` is `sent` or `received`, seen from who wrote the manifest.

    `sha256` is over the digests of everything signed, sorted: equal on both sides if the content is. `at` is
    when it was receipted, else submitted (UTC epoch seconds); `delivered` says which of the two.
    """

    direction: str
    message_id: str
    document_type: str
    document_number: str
    version: int
    sha256: str
    state: str
    delivered: bool
    at: float


@frozen(kw_only=True)
class Difference:
    """Something the two sides do not agree on.

    `what` is `missing_there` (we have a receipt, they do not know the message: send it again), `missing_here`
    (they have our receipt or our message, and we do not know it), `different_content`, or `different_state`
    (they have it, and the sender has no receipt yet).
    """

    what: str
    direction: str
    message_id: str
    document_type: str
    document_number: str
    ours: str
    theirs: str


@frozen(kw_only=True)
class NotExchanged:
    """A message of ours or for the portal that had not arrived at the end of a period."""

    subject: str
    direction: str
    partner: str
    document_type: str
    kind: str
    document_number: str
    state: str
    since_at: float
    reason: str


def manifest(conn: Transaction, partner: str, since: float, until: float) -> list[Exchanged]:
    """Everything sent to and received from a partner in a period, and what was still under way at its end."""
    found = [
        _sent(conn, id)
        for id in _ids(
            conn,
            "outbox",
            since - LONGEST_LIFE_SECONDS,
            until,
            "partner = :partner AND message_id IS NOT NULL AND"
            " ((state = 'delivered' AND finalized_at >= :since AND finalized_at < :until)"
            " OR state IN ('queued', 'held', 'sending', 'failed', 'expired'))",
            {"partner": partner, "since": since, "until": until},
        )
    ]
    found += [
        _received(conn, id)
        for id in _ids(
            conn,
            "inbox",
            since,
            until,
            "partner = :partner AND action <> :ping",
            {"partner": partner, "ping": PING_ACTION},
        )
    ]
    return found


def compare(
    conn: Transaction, partner: str, theirs: Sequence[Exchanged], since: float, until: float
) -> list[Difference]:
    """Where a partner's manifest of a period and our store disagree."""
    found: list[Difference] = []
    for one in theirs:
        if one.direction == "received":
            sent = outbox.by_message_id(conn, one.message_id)
            if sent is None or sent.partner != partner:
                found.append(_difference("missing_here", "sent", one, "", one.state))
            elif _digest_of_sent(conn, sent.id) not in ("", one.sha256):
                found.append(_difference("different_content", "sent", one, sent.state, one.state))
            elif sent.state != "delivered":
                found.append(_difference("different_state", "sent", one, sent.state, one.state))
            continue
        received = inbox.by_message_id(conn, partner, one.message_id)
        if received is None:
            if one.delivered:
                found.append(_difference("missing_here", "received", one, "", one.state))
        elif one.sha256 not in ("", received.digest):
            found.append(_difference("different_content", "received", one, received.state, one.state))
        elif not one.delivered:
            found.append(_difference("different_state", "received", one, received.state, one.state))
    known = {(one.direction, one.message_id) for one in theirs}
    for mine in manifest(conn, partner, since + MARGIN_SECONDS, until - MARGIN_SECONDS):
        other = "received" if mine.direction == "sent" else "sent"
        if mine.delivered and (other, mine.message_id) not in known:
            found.append(_difference("missing_there", mine.direction, mine, mine.state, ""))
    return found


def not_exchanged(
    conn: Transaction, since: float, until: float, partner: str | None = None
) -> list[NotExchanged]:
    """The fallback list of an incident: what was to be exchanged in a period and had not arrived at its end.

    Messages to partners without a receipt by then, and messages that the portal had not confirmed by then.
    """
    given: dict[str, Any] = {"until": until}
    only = ""
    if partner is not None:
        given["partner"], only = partner, " AND partner = :partner"
    found = []
    late = (
        "NOT (state = 'delivered' AND finalized_at < :until)"
        f" AND state NOT IN ('rejected', 'cancelled'){only}"
    )
    for id in _ids(conn, "outbox", since, until, late, given):
        row = outbox.get(conn, id)
        assert row is not None
        found.append(
            NotExchanged(
                subject=row.subject,
                direction="to partner",
                partner=row.partner,
                document_type=row.document_type,
                kind=row.kind,
                document_number=row.document_number,
                state=row.state,
                since_at=row.created_at,
                reason=row.last_reason or "",
            )
        )
    late = f"state <> 'rejected_by_rules' AND (finalized_at IS NULL OR finalized_at >= :until){only}"
    for id in _ids(conn, "inbox", since, until, late, given):
        arrived = inbox.get(conn, id)
        assert arrived is not None
        found.append(
            NotExchanged(
                subject=arrived.subject,
                direction="to portal",
                partner=arrived.partner,
                document_type=arrived.document_type or "",
                kind=arrived.kind or "",
                document_number=arrived.document_number or "",
                state=arrived.state,
                since_at=arrived.received_at,
                reason=arrived.last_reason or "",
            )
        )
    return found


def first_id_at(conn: Transaction, table: str, at: float) -> int:
    """The first row number whose row was begun at or after a time, by bisection: rows are numbered in time.

    Nodes' clocks and commits may differ by seconds, so callers ask for a little more and filter.
    """
    column = _TIMES[table]
    low, high = 0, int(_scalar(conn, f"SELECT coalesce(max(id), 0) FROM {table}", {})) + 1  # noqa: S608
    nearest = text(f"SELECT id, {column} FROM {table} WHERE id > :after ORDER BY id LIMIT 1")  # noqa: S608
    while high - low > 1:
        middle = (low + high) // 2
        row = conn.connection.execute(nearest, {"after": middle - 1}).first()
        if row is None or row[1] >= at:
            high = middle
        else:
            low = int(row[0])
    return high


def _ids(
    conn: Transaction, table: str, since: float, until: float, condition: str, given: Mapping[str, Any]
) -> Iterator[int]:
    """Row numbers of rows begun in [since, until) for which a condition holds, page by page."""
    slack = MARGIN_SECONDS
    place = first_id_at(conn, table, since - slack) - 1
    last = first_id_at(conn, table, until + slack)
    page = text(
        f"SELECT id FROM {table} WHERE id > :after AND id <= :last AND {_TIMES[table]} >= :from_at"  # noqa: S608
        f" AND {_TIMES[table]} < :to_at AND {condition} ORDER BY id LIMIT :limit"
    )
    times = {"from_at": since, "to_at": until, "last": last, "limit": _PAGE}
    while True:
        found = [row[0] for row in conn.connection.execute(page, {**given, **times, "after": place})]
        yield from found
        if len(found) < _PAGE:
            return
        place = found[-1]


def _sent(conn: Transaction, id: int) -> Exchanged:
    row = outbox.get(conn, id)
    assert row is not None and row.message_id is not None
    delivered = row.state == "delivered"
    return Exchanged(
        direction="sent",
        message_id=row.message_id,
        document_type=row.document_type,
        document_number=row.document_number,
        version=_version(conn, "out", row),
        sha256=_digest_of_sent(conn, id),
        state=row.state,
        delivered=delivered,
        at=(row.finalized_at if delivered else None) or row.created_at,
    )


def _received(conn: Transaction, id: int) -> Exchanged:
    row = inbox.get(conn, id)
    assert row is not None
    return Exchanged(
        direction="received",
        message_id=row.message_id,
        document_type=row.document_type or "",
        document_number=row.document_number or "",
        version=_version(conn, "in", row),
        sha256=row.digest,
        state=row.state,
        delivered=True,
        at=row.received_at,
    )


def _digest_of_sent(conn: Transaction, id: int) -> str:
    """Empty when retention has removed the sealed bytes."""
    found = _scalar(conn, "SELECT reference_digests FROM outbox_sealed WHERE id = :id", {"id": id})
    return digest_of(read_digests(found)) if found else ""


def _version(conn: Transaction, direction: str, row: OutboundRow | InboundRow) -> int:
    """The document's version at the register now; 0 for what is no document of its own."""
    given = {
        "direction": direction,
        "party": row.partner,
        "type": row.document_type,
        "number": row.document_number,
    }
    asked = (
        "SELECT version FROM documents WHERE direction = :direction AND party = :party"
        " AND document_type = :type AND document_number = :number"
    )
    return int(_scalar(conn, asked, given) or 0)


def _difference(what: str, direction: str, one: Exchanged, ours: str, theirs: str) -> Difference:
    return Difference(
        what=what,
        direction=direction,
        message_id=one.message_id,
        document_type=one.document_type,
        document_number=one.document_number,
        ours=ours,
        theirs=theirs,
    )


def _scalar(conn: Transaction, statement: str, given: Mapping[str, Any]) -> Any:
    return conn.connection.execute(text(statement), given).scalar()
