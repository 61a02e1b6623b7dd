"""Manifests of two stores, and every way in which they can disagree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from asw_gateway.store import dead_letters, inbox, outbox, reconciliation
from asw_gateway.store.database import Database
from asw_gateway.store.inbox_rows import NewInbound
from asw_gateway.store.transaction import Transaction
from tests.store.databases import open_database
from tests.store.messages import DAY, T0, claim, finish, ids, new_inbound, queued

PERIOD = (T0 - DAY, T0 + DAY)


@pytest.fixture(params=["sqlite", "postgresql"])
def sides(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Database]]:
    """vn and th."""
    with open_database(request.param, node="vn-1") as vn, open_database(request.param, node="th-1") as th:
        yield vn, th


def sent(vn: Database, th: Database | None, *, state: str = "delivered", at: float = T0, **there: Any) -> str:
    """A message of vn's, with the outcome vn knows; th has it unless None, perhaps with other digests."""
    row = queued(vn, now=at, expires_at=at + DAY)
    claim(vn, now=at)
    finish(vn, row.id, 1, state, now=at, next_attempt_at=at + 10 * DAY)
    assert row.message_id is not None
    if th is not None:
        digests = (("#body", "Ym9keQ=="), ("cid:document", f"{row.id}=="))
        new = new_inbound(partner="vn", message_id=row.message_id, **{"reference_digests": digests, **there})
        th.run_now(inbox.register, new, at)
    return row.message_id


def compared(here: Database, partner: str, there: Database, us: str) -> list[tuple[str, str, str]]:
    theirs = there.read_now(reconciliation.manifest, us, *PERIOD)
    found = here.read_now(reconciliation.compare, partner, theirs, *PERIOD)
    return [(one.what, one.direction, one.message_id) for one in found]


def test_two_sides_that_agree(sides: tuple[Database, Database]) -> None:
    vn, th = sides
    for _ in range(3):
        sent(vn, th)
    ping = NewInbound(**{**_as_dict(new_inbound(partner="vn")), "action": reconciliation.PING_ACTION})
    th.run_now(inbox.register, ping, T0)
    assert compared(vn, "th", th, "vn") == []
    assert compared(th, "vn", vn, "th") == []
    manifest = vn.read_now(reconciliation.manifest, "th", *PERIOD)
    assert [(one.direction, one.state, one.at) for one in manifest] == [("sent", "delivered", T0)] * 3


def test_every_difference_from_both_sides(sides: tuple[Database, Database]) -> None:
    vn, th = sides
    lost_there = sent(vn, None)
    altered = sent(vn, th, reference_digests=(("#body", "b3RoZXI="),))
    unreceipted = sent(vn, th, state="queued")
    unknown = new_inbound(partner="vn")
    th.run_now(inbox.register, unknown, T0)
    sent(vn, None, state="queued")
    assert sorted(compared(vn, "th", th, "vn")) == sorted(
        [
            ("missing_there", "sent", lost_there),
            ("different_content", "sent", altered),
            ("different_state", "sent", unreceipted),
            ("missing_here", "sent", unknown.message_id),
        ]
    )
    assert sorted(compared(th, "vn", vn, "th")) == sorted(
        [
            ("missing_here", "received", lost_there),
            ("different_content", "received", altered),
            ("different_state", "received", unreceipted),
            ("missing_there", "received", unknown.message_id),
        ]
    )


def test_what_is_missing_there_is_sent_again_with_the_same_id_and_bytes(
    sides: tuple[Database, Database],
) -> None:
    vn, th = sides
    lost = sent(vn, None)
    row = vn.read_now(outbox.by_message_id, lost)
    assert row is not None
    before = vn.read_now(outbox.sealed_body, row.id)
    again = vn.run_now(dead_letters.resend, row.id, expires_at=T0 + DAY, actor="op", now=T0 + 5)
    assert again is not None and (again.state, again.message_id) == ("queued", lost)
    [due] = claim(vn, now=T0 + 5)
    assert (due.content_type, due.body) == before
    finish(vn, row.id, due.row.attempt, "delivered", now=T0 + 6)
    new = new_inbound(partner="vn", message_id=lost, reference_digests=due.reference_digests)
    th.run_now(inbox.register, new, T0 + 6)
    assert compared(vn, "th", th, "vn") == []
    assert vn.run_now(dead_letters.resend, 99, expires_at=T0, actor="op", now=T0) is None


def test_only_the_period_counts(sides: tuple[Database, Database]) -> None:
    vn, _ = sides
    sent(vn, None, at=T0 - 3 * DAY)
    inside = sent(vn, None)
    sent(vn, None, at=T0 + 3 * DAY)
    found = vn.read_now(reconciliation.manifest, "th", *PERIOD)
    assert [one.message_id for one in found] == [inside]


def test_the_fallback_list_names_what_had_not_arrived(sides: tuple[Database, Database]) -> None:
    vn, _ = sides
    sent(vn, None, at=T0 - DAY / 2)
    waiting = queued(vn, now=T0)
    late = queued(vn, now=T0 + 1)
    assert waiting.id in ids(claim(vn, now=T0 + 1))
    finish(vn, late.id, 1, "delivered", now=T0 + 2 * DAY)
    arrived = vn.run_now(inbox.register, new_inbound(), T0 + 2).row
    found = vn.read_now(reconciliation.not_exchanged, *PERIOD)
    assert [one.subject for one in found] == [waiting.subject, late.subject, arrived.subject]
    assert vn.read_now(reconciliation.not_exchanged, *PERIOD, "id") == []


def test_row_numbers_are_found_by_time(sides: tuple[Database, Database]) -> None:
    vn, _ = sides

    def find(conn: Transaction, at: float) -> int:
        return reconciliation.first_id_at(conn, "outbox", at)

    assert vn.read_now(find, T0) == 1
    rows = [queued(vn, now=T0 + number).id for number in range(20)]
    for number in (0, 1, 7, 19):
        assert vn.read_now(find, T0 + number) == rows[number]
    assert vn.read_now(find, T0 - 5) == 1
    assert vn.read_now(find, T0 + 50) == 21


def _as_dict(new: NewInbound) -> dict[str, Any]:
    from attrs import asdict

    return asdict(new)
