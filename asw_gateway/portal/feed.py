"""The portal reads its feed and confirms what it has.

``GET /feed/v1/messages?after=SEQ&wait=SECONDS&limit=N`` gives every entry above SEQ in order, confirmed or
not, and waits for the first one when there is none.  A sequence never changes, never comes back for another
entry and never appears below one that was already read: a reader only keeps the last one it has stored.

``POST /feed/v1/messages/SEQ/acknowledgement`` says that the portal has stored the entry.  The first
acknowledgement stands; the same again gets the same receipt, another one 409 with the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attrs import frozen

from asw_gateway.exchange.lifecycle import InboundEvent, InboundState, inbound_next
from asw_gateway.logs import Log
from asw_gateway.metrics import Metrics
from asw_gateway.portal.clients import PortalClients, refused
from asw_gateway.portal.query import BadQuery, seconds, whole_number
from asw_gateway.portal.storage import Storage, StoreUnavailable, unavailable
from asw_gateway.portal.waiters import TooManyWaiting, Waiters
from asw_gateway.store import feed, inbox
from asw_gateway.store.database import Database
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.problem import bounded
from asw_gateway.web import WebAnswer, WebRequest, json_answer, problem

RESULTS = ("ok", "ok-with-warnings", "not-readable")
MAX_ACKNOWLEDGEMENT_BYTES = 16 * 1024
MAX_DETAIL_CHARS = 500
MAX_ENTRIES = 500
ENTRIES = 100
_log = Log("portal.feed")


@frozen(kw_only=True)
class FeedLimits:
    """What one reader may ask for, and how many may wait at once.

    ``recheck_seconds`` is how often a waiting reader looks at the store although nobody woke it: on a
    database shared by several nodes the news may have been written by another one.
    """

    wait_seconds: float = 50.0
    waiters: int = 64
    recheck_seconds: float = 0.5
    page_bytes: int = 8_000_000


class Feed:
    """The two handlers of the feed.  ``wake``: reactor thread, after new entries were committed."""

    def __init__(
        self,
        *,
        database: Database,
        clients: PortalClients,
        metrics: Metrics,
        clock: Any,
        now: Callable[[], float],
        limits: FeedLimits | None = None,
    ) -> None:
        self._storage = Storage(database, metrics, "portal.feed")
        self._clients = clients
        self._metrics = metrics
        self._clock = clock
        self._now = now
        self._limits = limits or FeedLimits()
        self._waiters = Waiters(clock, most=self._limits.waiters)

    @property
    def waiting(self) -> int:
        """Readers that are being served at this moment."""
        return len(self._waiters)

    def wake(self) -> None:
        """New entries are committed."""
        self._waiters.wake()

    def stop(self) -> None:
        """Answer every waiting reader at once; later ones do not wait."""
        self._waiters.close()

    async def read(self, request: WebRequest) -> WebAnswer:
        """Answer with the entries after a sequence, or with none when the time to wait is over."""
        try:
            after = whole_number(request.query, "after", default=0, least=0)
            limit = whole_number(request.query, "limit", default=ENTRIES, least=1, most=MAX_ENTRIES)
            wait = seconds(request.query, "wait")
        except BadQuery as fault:
            return problem(400, "Bad Request", str(fault))
        until = self._clock.seconds() + min(wait, self._limits.wait_seconds)
        try:
            place = self._waiters.place()
        except TooManyWaiting:
            refused(request, 503, "too_many_readers")
            return unavailable("Too many readers are waiting.")
        with place:
            while True:
                try:
                    entries = await self._storage.read(
                        feed.after, after, limit, max_bytes=self._limits.page_bytes
                    )
                except StoreUnavailable:
                    return unavailable()
                left = until - self._clock.seconds()
                if entries or left <= 0:
                    return _page(entries, after)
                await place.sleep(min(left, self._limits.recheck_seconds))
                if self._waiters.closed:  # the store may be closing too
                    return _page([], after)

    async def acknowledge(self, request: WebRequest) -> WebAnswer:
        """Note in one commit that the portal has an entry, and that its inbound message is handed over."""
        client = self._clients.name_of(request) or "unknown"
        try:
            sequence = whole_number(request.path, "sequence", default=0, least=1)
            result, detail = _read_acknowledgement(request.body)
        except BadQuery as fault:
            return problem(400, "Bad Request", str(fault))
        try:
            done = await self._storage.run(
                acknowledge_entry, sequence, result=result, detail=detail, actor=client, now=self._now()
            )
        except StoreUnavailable:
            return unavailable()
        if done is None:
            return problem(404, "Not Found", f"The feed has no entry {sequence}.")
        receipt = {
            "sequence": done.entry.sequence,
            "id": done.entry.entry_id,
            "result": done.entry.result,
            # SQLite's RETURNING gives a whole number of seconds as an integer, a later read as a float
            "acknowledged_at": float(done.entry.acknowledged_at or 0.0),
        }
        if done.first:
            self._metrics.acknowledgements.labels(result=result).inc()
            _log.event("feed-acknowledged", sequence=sequence, result=result, sender=client)
        elif done.entry.result != result:
            refused(request, 409, "other_acknowledgement")
            text = f"Entry {sequence} was acknowledged before as {done.entry.result}, not {result}."
            return problem(409, "Conflict", text, acknowledgement=receipt)
        return json_answer(receipt)


def acknowledge_entry(
    conn: Transaction, sequence: int, *, result: str, detail: str, actor: str, now: float
) -> feed.Acknowledged | None:
    """One unit: the entry is confirmed and the inbound message that it delivers is `acknowledged`."""
    done = feed.acknowledge(conn, sequence, result=result, detail=detail, actor=actor, now=now)
    if done is not None and done.first and done.entry.inbox_id is not None:
        available = InboundState.AVAILABLE
        acknowledged = inbound_next(available, InboundEvent.ACKNOWLEDGED)
        inbox.move(conn, done.entry.inbox_id, available, acknowledged, now=now, reason=result, actor=actor)
    return done


def parts_address(sequence: int) -> str:
    """Where the payloads of a delivered message are; see `parts`."""
    return f"/feed/v1/messages/{sequence}/parts"


def _page(entries: list[feed.Entry], after: int) -> WebAnswer:
    return json_answer(
        {
            "entries": [
                {
                    "sequence": entry.sequence,
                    "id": entry.entry_id,
                    "kind": entry.kind,
                    "created_at": entry.created_at,
                    "acknowledged_at": entry.acknowledged_at,
                    "envelope": entry.body.decode("utf-8"),
                    **({} if entry.inbox_id is None else {"parts": parts_address(entry.sequence)}),
                }
                for entry in entries
            ],
            "next": entries[-1].sequence if entries else after,
        }
    )


def _read_acknowledgement(body: bytes) -> tuple[str, str]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise BadQuery('The body must be JSON: {"result": "ok", "detail": ""}.') from None
    result = said.get("result") if isinstance(said, dict) else None
    if result not in RESULTS:
        raise BadQuery(f"result must be one of {', '.join(RESULTS)}.")
    detail = said.get("detail") or ""
    if not isinstance(detail, str):
        raise BadQuery("detail must be a text.")
    return result, bounded(detail, MAX_DETAIL_CHARS)
