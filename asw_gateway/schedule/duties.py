"""The jobs that time brings; each does a bounded piece and may be run again after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import frozen

from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.exchange.notices import Status, feed_draft, notice_for
from asw_gateway.logs import Log
from asw_gateway.messaging.keys import pinned
from asw_gateway.messaging.party import Partner
from asw_gateway.metrics import Metrics
from asw_gateway.schedule.journal_heads import signed_head
from asw_gateway.schedule.schedule import Job
from asw_gateway.store import bodies, dead_letters, feed, heads, journal, outlook, retention, sending
from asw_gateway.store.database import ReadsUnits
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.retention import Periods
from asw_gateway.store.transaction import Transaction

if TYPE_CHECKING:
    from asw_gateway.metrics.family import Family

BATCH = 100
HEADS_SECONDS = 300.0
PURGE_PIECES = 50
ORPHAN_SECONDS = 86_400.0
EXPIRING_SECONDS = 30 * 86_400.0
DAY_SECONDS = 86_400.0
OUTBOUND_WAITING = ("submitted", "queued", "held", "sending", "failed")
INBOUND_WAITING = ("received", "parked", "unconvertible")
_log = Log("schedule.duties")


@frozen(kw_only=True)
class Certificates:
    """Whose certificates to watch: ``partners`` by name, and our own."""

    partners: Mapping[str, Partner]
    identities: Identities


@frozen(kw_only=True)
class Duties:
    """Everything the jobs reach.

    ``on_queued(partner)`` wakes a channel, ``on_feed()`` the feed's readers; ``end_parking()`` is
    conversion's; ``refresh_revocation()`` is None until revocation is checked; ``new_id`` gives 32 fresh
    hexadecimal characters.
    """

    database: ReadsUnits
    own: Callable[[], OwnGateway]
    certificates: Callable[[], Certificates]
    metrics: Metrics
    node: str
    now: Callable[[], float]
    new_id: Callable[[], str]
    on_queued: Callable[[str], object]
    on_feed: Callable[[], object]
    end_parking: Callable[[], Awaitable[int]]
    periods: Callable[[], Periods] = Periods
    refresh_revocation: Callable[[], Awaitable[int]] | None = None

    def jobs(self) -> tuple[Job, ...]:
        """Give every job with its interval."""
        found = [
            Job(name="expire", every_seconds=15.0, run=self.expire, full_at=BATCH),
            Job(name="rescue-leases", every_seconds=10.0, run=self.rescue),
            Job(name="end-parking", every_seconds=3600.0, run=self.end_parking, full_at=BATCH),
            Job(name="purge-orphans", every_seconds=3600.0, run=self.purge_orphans, full_at=BATCH),
            Job(name="measure", every_seconds=2.0, run=self.measure, everywhere=True, most_of_time=0.05),
            Job(
                name="watch-certificates", every_seconds=3600.0, run=self.watch_certificates, everywhere=True
            ),
        ]
        found.append(Job(name="publish-heads", every_seconds=HEADS_SECONDS, run=self.publish_heads))
        found.append(Job(name="purge", every_seconds=3600.0, run=self.purge, full_at=PURGE_PIECES))
        if self.refresh_revocation is not None:
            refresh = self.refresh_revocation
            found.append(Job(name="refresh-revocation", every_seconds=600.0, run=refresh, everywhere=True))
        return tuple(found)

    async def expire(self) -> int:
        """End messages whose time to live is over and tell the portal (EBMS:0301); hold their successors."""
        expired: list[OutboundRow] = await self.database.run(
            expire_and_tell, self.own(), self.new_id(), self.now(), BATCH
        )
        for row in expired:
            self.metrics.deliveries.labels(partner=row.partner, outcome="expired").inc()
            _log.event(
                "message-failed",
                partner=row.partner,
                message_id=row.message_id,
                outbound_id=row.id,
                state=row.state,
                reason=row.last_reason,
            )
        if expired:
            self.on_feed()
        return len(expired)

    async def rescue(self) -> int:
        """Queue again what a silent node had in flight."""
        rows: list[OutboundRow] = await self.database.run(sending.rescue_expired_leases, self.now())
        if rows:
            self.metrics.leases_rescued.only.inc(len(rows))
            _log.event("leases-rescued", node=self.node, rows=len(rows))
        for partner in {row.partner for row in rows}:
            self.on_queued(partner)
        return len(rows)

    async def purge_orphans(self) -> int:
        """Delete long bodies that no message ever took over."""
        purged: int = await self.database.run(bodies.purge_orphans, self.now() - ORPHAN_SECONDS, BATCH)
        return purged

    async def measure(self) -> int:
        """Set the gauges of what waits."""
        outbound, inbound, backlog = await self.database.read(look)
        partners = self.certificates().partners
        _set_depths(self.metrics.outbox_messages, outbound, partners, OUTBOUND_WAITING)
        _set_depths(self.metrics.inbox_messages, inbound, partners, INBOUND_WAITING)
        self.metrics.feed_unacknowledged.only.set(backlog.unacknowledged)
        self.metrics.feed_last_sequence.only.set(backlog.last_sequence)
        return len(outbound) + len(inbound)

    async def publish_heads(self) -> int:
        """Sign the head of every chain of the journal that has grown, and tell it the log as well.

        Evidence of a message is complete when a head after its last entry is signed; a log that is kept
        elsewhere shows when somebody cuts the journal and its heads.
        """
        published = 0
        for chain, head in await self.database.run(heads.unpublished):
            seal = self.certificates().identities.seal
            signed = signed_head(self.own(), seal, chain, head, self.now())
            published += await self.database.run(heads.publish, signed)
            _log.event("journal-head", chain=chain, sequence=head.sequence, hash=head.hash)
        return published

    async def purge(self) -> int:
        """Delete what retention keeps no longer, piece by piece; answer how many pieces had work."""
        periods, now, pieces = self.periods(), self.now(), 0
        for task in retention.TASKS:
            reached: int | None = None
            while pieces < PURGE_PIECES:
                piece = await self.database.run(
                    retention.purge_piece,
                    task,
                    before=periods.before(task.klass, now),
                    now=now,
                    after=reached,
                )
                pieces += bool(piece.rows)
                reached = piece.reached
                if reached is None:
                    break
                if piece.rows:
                    _log.event("retention-purged", what=task.name, rows=piece.rows)
        before = periods.before("evidence", now)
        for chain in await self.database.run(journal.chain_names):
            while pieces < PURGE_PIECES:
                rows = await self.database.run(
                    retention.purge_journal_piece, chain, before=before, now=now
                )
                if not rows:
                    break
                pieces += 1
                _log.event("retention-purged", what=f"journal {chain}", rows=rows)
        return pieces

    async def watch_certificates(self) -> int:
        """Set every certificate's end as a metric, and log those that end within thirty days."""
        watched = self.certificates()
        count = 0
        for party, use, not_after in certificate_ends(watched):
            count += 1
            self.metrics.admit("party", [party])
            self.metrics.certificate_not_after.labels(party=party, use=use).set(not_after)
            left = not_after - self.now()
            if left <= 0:
                _log.event("certificate-expired", party=party, use=use, not_after=not_after)
            elif left < EXPIRING_SECONDS:
                days = int(left // DAY_SECONDS)
                _log.event("certificate-expiring", party=party, use=use, not_after=not_after, days=days)
        return count


def expire_and_tell(
    conn: Transaction, own: OwnGateway, notice_id: str, now: float, limit: int
) -> list[OutboundRow]:
    """One unit: expire what is overdue, hold the successors, and put the news on the feed."""
    expired, held = dead_letters.expire_due(conn, now, limit)
    news = [(row, Status.EXPIRED) for row in expired] + [(row, Status.HELD) for row in held]
    for number, (row, status) in enumerate(news):
        if row.origin != "portal":
            continue
        # Further ids follow from the first, so that a unit that is run again gives the same.
        entry_id = sha256(f"{notice_id}:{number}".encode("ascii")).hexdigest()[:32]
        notice = notice_for(row, status, reason=row.last_reason or "")
        draft = feed_draft(notice, own, message_id=entry_id, now=now)
        feed.append(
            conn,
            kind=draft.kind,
            subject=draft.subject,
            body=draft.body,
            entry_id=draft.message_id,
            partner=row.partner,
            document_type=row.document_type,
            document_number=row.document_number,
            now=now,
        )
    return expired


def look(conn: Transaction) -> tuple[list[outlook.Depth], list[outlook.Depth], feed.Backlog]:
    """Read what waits."""
    return outlook.outbox_depths(conn), outlook.inbox_depths(conn), feed.backlog(conn)


def certificate_ends(watched: Certificates) -> Iterable[tuple[str, str, float]]:
    """Give (party, use, end of validity) of every certificate; of several, of the one that lasts longest."""
    identities = watched.identities
    yield "own", "signing", pinned(identities.signing.certificate).valid_until_at
    if identities.signing_2_0 is not None:
        yield "own", "signing-2.0", pinned(identities.signing_2_0.certificate).valid_until_at
    yield "own", "seal", pinned(identities.seal.certificate).valid_until_at
    for name, partner in watched.partners.items():
        uses = {
            "tls-client": partner.tls_certificates,
            "signing": partner.signing_certificates,
            "seal": partner.seal_certificates,
            "encryption": (partner.encryption_certificate,) if partner.encryption_certificate else (),
        }
        for use, certificates in uses.items():
            if certificates:
                yield name, use, max(pinned(one).valid_until_at for one in certificates)


def _set_depths(
    family: Family[Any], depths: Iterable[outlook.Depth], partners: Iterable[str], states: Iterable[str]
) -> None:
    """Set one gauge per partner and state, zero where nothing waits."""
    counts = Counter({(depth.partner, depth.state): depth.messages for depth in depths})
    for partner in partners:
        for state in states:
            family.labels(partner=partner, state=state).set(counts[partner, state])
