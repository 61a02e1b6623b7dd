"""The running gateway: what is built from what, in which order it starts, stops, and reads its files again.

Start: store → own leases rescued → conversion, schedule, channels → listeners. Stop: the same backwards;
STOP_SECONDS after the signal the process ends whatever still hangs, and the leases bring it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.python.failure import Failure

from asw_gateway import __version__, config
from asw_gateway.config import ConfigErrors, GatewayConfig, StartFault, certificates_in_use
from asw_gateway.conversion import Conversion, Doors
from asw_gateway.exchange.outcome import Outcome
from asw_gateway.health import CheckResult, Health, ReactorLag, failed
from asw_gateway.logs import Log
from asw_gateway.messaging.revocation import Status
from asw_gateway.metrics import CollectorRegistry, Metrics
from asw_gateway.operations.control import Control
from asw_gateway.operations.levers import Levers, Running, Surroundings
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.receiver import PartnerReceiver
from asw_gateway.partner.revocation import Learnt, RevocationWatch
from asw_gateway.portal.clients import PortalClients
from asw_gateway.portal.feed import Feed
from asw_gateway.portal.parts import Parts
from asw_gateway.portal.routes import portal_routes
from asw_gateway.portal.status import StatusQuery
from asw_gateway.portal.submit import Submissions
from asw_gateway.schedule import Duties, Schedule
from asw_gateway.schedule.clock_watch import TOLERATED_SECONDS, ClockWatch
from asw_gateway.schedule.deadlines import DeadlineDuties, periods
from asw_gateway.schedule.duties import Certificates
from asw_gateway.service.checks import readiness
from asw_gateway.service.links import Link, Tools, link
from asw_gateway.service.listeners import Listeners
from asw_gateway.service.mishaps import crash_at_commit
from asw_gateway.service.standing import Standing, standing
from asw_gateway.spool import Spool
from asw_gateway.store import certificates, clock_step, inbox, revocation, sending
from asw_gateway.store.certificates import KnownCertificate
from asw_gateway.store.database import Database
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.retention import DAY_SECONDS, Periods
from asw_gateway.store.transaction import Transaction
from asw_gateway.tls import ServerTls
from asw_gateway.workers import Workers

STOP_SECONDS = 10.0
_log = Log("service")


class Gateway(Service):
    """One gateway process.

    `now` gives UTC epoch seconds, `random` 0..1, `fresh_bytes` key material; `give_up(sentence)` ends the
    process with status 1 when the start fails.
    """

    name = "asw-gateway"

    def __init__(
        self,
        standing: Standing,
        *,
        reactor: Any,
        now: Callable[[], float],
        random: Callable[[], float],
        new_id: Callable[[], str],
        fresh_bytes: Callable[[int], bytes],
        give_up: Callable[[str], object],
    ) -> None:
        self._give_up = give_up
        self._standing = standing
        self._reactor = reactor
        self._now = now
        self._random = random
        self._new_id = new_id
        self._fresh_bytes = fresh_bytes
        self.metrics = Metrics(CollectorRegistry())
        self._show(standing)
        self._links: dict[str, Link] = {}
        self._changing = DeferredLock()
        self._started: Deferred[None] | None = None
        self._stopping: Deferred[None] | None = None

    # Twisted's service

    def startService(self) -> None:
        """Begin to start; a fault is logged and ends the process with status 1."""
        super().startService()
        self._started = Deferred.fromCoroutine(self._start())
        self._started.addErrback(self._could_not_start)
        # Before the reactor stops, and bounded: a store that hangs must not keep the process alive.
        self._reactor.addSystemEventTrigger("before", "shutdown", self.stop)

    def stop(self) -> Deferred[None]:
        """Stop everything in order; fires when done, or after STOP_SECONDS."""
        if self._stopping is None:
            self._stopping = Deferred.fromCoroutine(self._stop())
            self._stopping.addTimeout(STOP_SECONDS, self._reactor)
            self._stopping.addErrback(lambda failure: _log.failure("internal-error", failure, where="stop"))
        answer: Deferred[None] = Deferred()
        self._stopping.addBoth(lambda _: answer.callback(None))
        return answer

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self.stop()

    # start and stop

    async def _start(self) -> None:
        async with self._changing:
            await self._start_rooms(self._standing.config)

    async def _start_rooms(self, conf: GatewayConfig) -> None:
        self._open_store(conf)
        await self._tools.database.run(_rescue, self._now())
        await self._note_certificates(conf)
        self._watch = RevocationWatch(
            workers=self._tools.workers,
            reactor=self._reactor,
            now=self._now,
            metrics=self.metrics,
            on_learnt=self._revocation_learnt,
        )
        await self._remember_revocation(conf)
        # Before anybody may come in: a revoked certificate must not work until the first refresh is due.
        await self._watch.refresh(conf.partners)
        self._standing = evolve(self._standing, refused=self._refusals(conf))
        self._build_rooms()
        self._conversion.startService()
        self._schedule.startService()
        self._clock_watch.startService()
        for name, partner in self._standing.partners.items():
            self._links[name] = link(partner, self._standing, self._tools, on_feed=self._feed.wake)
            self._links[name].start()
        self._lag.start()
        await self._open_ports(conf)
        _log.event("gateway-started", version=__version__, node=conf.node, party=conf.party_id.value)

    async def _stop(self) -> None:
        _log.event("gateway-stopping", node=self._standing.config.node)
        if self._started is None or not hasattr(self, "_tools"):
            return
        self._health.checks["stopping"] = _is_stopping
        self._feed.stop()
        closing = self._listeners.close()
        parts = [Deferred.fromCoroutine(each.stop()) for each in self._links.values()] + [
            self._conversion.stopService(),
            self._schedule.stopService(),
            self._clock_watch.stopService(),
        ]
        await gatherResults(parts, consumeErrors=True)
        await closing
        self._lag.stop()
        await self._tools.workers.stop()
        await self._tools.database.close()
        _log.event("gateway-stopped", node=self._standing.config.node)

    def _could_not_start(self, failure: Failure) -> None:
        if failure.check(StartFault, StoreUnavailable):
            _log.event("gateway-failed", reason=str(failure.value))
        else:
            _log.failure("internal-error", failure, where="start")
        self._give_up(str(failure.value))

    # building

    def _open_store(self, conf: GatewayConfig) -> None:
        database = Database.open(
            conf.database_url,
            node=conf.node,
            reactor=self._reactor,
            metrics=self.metrics,
            around_commit=crash_at_commit(conf.test.crash_file),
        )
        self._spool = Spool(conf.state_directory / "spool")
        self._spool.sweep()
        workers = Workers(
            self._reactor, threads=conf.worker_threads, on_backlog=self.metrics.worker_backlog.only.set
        )
        self._tools = Tools(
            reactor=self._reactor,
            database=database,
            workers=workers,
            metrics=self.metrics,
            now=self._now,
            random=self._random,
            new_id=self._new_id,
        )

    def _build_rooms(self) -> None:
        tools, current = self._tools, lambda: self._standing
        self._clients = PortalClients(self._standing.config.portal_clients)
        self._feed = Feed(
            database=tools.database,
            clients=self._clients,
            metrics=self.metrics,
            clock=self._reactor,
            now=self._now,
        )
        self._conversion = Conversion(
            Doors(
                database=tools.database,
                workers=tools.workers,
                setup=lambda: current().setup(),
                metrics=self.metrics,
                now=self._now,
                new_id=self._new_id,
                fresh_bytes=self._fresh_bytes,
                node=tools.database.node,
                on_queued=self._wake,
                on_feed=self._feed.wake,
                spool=self._spool,
                lease_seconds=self._standing.config.lease_seconds,
            ),
            clock=self._reactor,
        )
        duties = Duties(
            database=tools.database,
            own=lambda: current().own,
            certificates=lambda: Certificates(partners=current().partners, identities=current().identities),
            metrics=self.metrics,
            node=tools.database.node,
            now=self._now,
            new_id=self._new_id,
            on_queued=self._wake,
            on_feed=self._feed.wake,
            end_parking=self._conversion.end_parking,
            refresh_revocation=self._refresh_revocation,
            periods=lambda: _periods(current().config),
        )
        clocks = DeadlineDuties(
            database=tools.database,
            timers=lambda: current().timers(),
            metrics=self.metrics,
            now=self._now,
        )
        self._schedule = Schedule(
            (*duties.jobs(), *clocks.jobs()),
            database=tools.database,
            node=tools.database.node,
            now=self._now,
            clock=self._reactor,
            metrics=self.metrics,
        )
        self._clock_watch = ClockWatch(
            database=tools.database,
            node=tools.database.node,
            now=self._now,
            clock=self._reactor,
            on_set_back=self._look_again,
        )
        self._directory = PartnerDirectory(self._standing.partners.values())
        self._receiver = PartnerReceiver(
            partners=self._directory,
            readers=self._standing.readers(),
            database=tools.database,
            workers=tools.workers,
            metrics=self.metrics,
            clock=self._reactor,
            now=self._now,
            new_message_id=lambda: current().message_id(self._new_id()),
            on_received=self._conversion.on_received,
            lease=self._conversion.lease,
            heard_from=self._heard_from,
            on_feed=self._feed.wake,
            spool=self._spool,
            max_body_bytes=self._standing.config.partner_listener.max_body_bytes,
        )
        self._submissions = Submissions(
            database=tools.database,
            workers=tools.workers,
            rules=lambda: current().rules(),
            clients=self._clients,
            metrics=self.metrics,
            now=self._now,
            new_id=self._new_id,
            on_submitted=self._conversion.on_submitted,
            lease=self._conversion.lease,
        )
        self._lag = ReactorLag(self.metrics, reactor=self._reactor)
        self._health = Health(
            readiness(
                database=tools.database,
                workers=tools.workers,
                lag=self._lag,
                links=lambda: self._links,
                now=self._now,
            ),
            metrics=self.metrics,
            reactor=self._reactor,
        )

    async def _open_ports(self, conf: GatewayConfig) -> None:
        self._listeners = Listeners(reactor=self._reactor, metrics=self.metrics)
        self._partner_tls = ServerTls(
            conf.partner_listener.pair,
            pins=self._standing.partner_pins(),
            roots=conf.partner_listener.roots,
            refused=self._standing.refused_pins(),
            ticket_lifetime_seconds=conf.partner_listener.ticket_lifetime_seconds,
        )
        self._portal_tls = ServerTls(
            conf.portal_listener.pair,
            pins=[client.certificate for client in conf.portal_clients],
            roots=conf.portal_listener.roots,
            ticket_lifetime_seconds=conf.portal_listener.ticket_lifetime_seconds,
        )
        status = StatusQuery(
            database=self._tools.database,
            metrics=self.metrics,
            procedures=lambda: self._standing.procedures(),
            portal_identity=lambda: self._standing.own.portal_organisation.identity,
        )
        parts = Parts(
            database=self._tools.database,
            workers=self._tools.workers,
            openers=lambda: self._standing.openers(),
            metrics=self.metrics,
        )
        portal = portal_routes(
            submissions=self._submissions,
            feed=self._feed,
            status=status,
            parts=parts,
            clients=self._clients,
            max_body_bytes=conf.portal_listener.max_body_bytes,
        )
        await self._listeners.secure(
            "partner", conf.partner_listener, self._partner_tls, self._receiver.routes()
        )
        await self._listeners.secure("portal", conf.portal_listener, self._portal_tls, portal)
        await self._listeners.plain("operators", conf.operators, self._health.routes())
        self._listeners.control(str(conf.operators.control_socket), self._control().routes())

    def _control(self) -> Control:
        return Control(
            database=self._tools.database,
            surroundings=lambda: Surroundings(
                own=self._standing.own,
                partners=self._standing.partners,
                waiting_times=periods(self._standing.timers()),
            ),
            running=Running(version=__version__, node=self._standing.config.node, started_at=self._now()),
            levers=Levers(
                ping=self._ping,
                wake=self._wake,
                channel_states=self._channel_states,
                submitted=self._conversion.on_submitted,
                received=self._conversion.on_received,
                news=self._feed.wake,
                give_up=lambda row, operator, reason: self._conversion.give_up(
                    row, reason=reason, actor=operator
                ),
                reload=self.reload,
                checks=self._health.results,
            ),
            now=self._now,
            new_id=self._new_id,
        )

    # between the rooms

    def _look_again(self) -> None:
        """Times in the store were moved: whoever sleeps until one of them looks now."""
        for name in self._links:
            self._wake(name)
        self._conversion.on_submitted()
        self._conversion.on_received()

    def _wake(self, partner: str) -> None:
        found = self._links.get(partner)
        if found is not None:
            found.channel.wake()

    def _heard_from(self, partner: str) -> None:
        found = self._links.get(partner)
        if found is not None:
            found.channel.heard_from()

    async def _ping(self, partner: str) -> Outcome:
        return await self._links[partner].channel.ping()

    def _channel_states(self) -> Mapping[str, str]:
        return {name: each.channel.state for name, each in self._links.items()}

    # certificates that were taken back

    async def _refresh_revocation(self) -> int:
        """Ask issuers again; what they say is in force at once."""
        asked = await self._watch.refresh(self._standing.config.partners)
        async with self._changing:
            refused = self._refusals(self._standing.config)
            if refused != self._standing.refused:
                await self._put_in_force(evolve(self._standing, refused=refused))
        return asked

    async def _remember_revocation(self, conf: GatewayConfig) -> None:
        """What was learnt before: revoked stays revoked, also while its issuer is away."""
        partners = {partner.name for partner in conf.partners}
        prints = {one.fingerprint for one in certificates_in_use(conf) if one.party in partners}
        known = await self._tools.database.run(revocation.latest, prints)
        self._watch.remember(
            {
                name: Status(
                    state=one.state,
                    source=one.source,
                    produced_at=one.produced_at,
                    valid_until_at=one.valid_until_at,
                )
                for name, one in known.items()
            }
        )

    def _refusals(self, conf: GatewayConfig) -> Mapping[str, Mapping[str, str]]:
        found = {partner.name: self._watch.refused(partner) for partner in conf.partners}
        return {name: refused for name, refused in found.items() if refused}

    def _revocation_learnt(self, learnt: Learnt) -> None:
        """Kept with its proof, and noted in the journal."""
        status = learnt.status
        writing = self._tools.database.run(
            revocation.note,
            partner=learnt.partner,
            use=learnt.use,
            fingerprint=learnt.fingerprint,
            state=status.state,
            source=status.source,
            produced_at=status.produced_at,
            valid_until_at=status.valid_until_at,
            proof=status.proof,
            now=self._now(),
        )
        writing.addErrback(lambda failure: _log.failure("internal-error", failure, where="revocation"))

    # reload

    async def reload(self) -> list[str]:
        """Read the files again; what is wrong with them, or nothing when they are in force.

        Listeners' addresses, the database and the node name stay as they were until a restart. One at a
        time: what is asked for during a start or another reload waits for its end.
        """
        async with self._changing:
            return await self._reload()

    async def _reload(self) -> list[str]:
        try:
            found = await self._tools.workers.run(_load_again, str(self._standing.config.path))
        except (ConfigErrors, StartFault) as faults:
            lines = [str(each) for each in getattr(faults, "errors", (faults,))]
            _log.event("config-refused", path=str(self._standing.config.path), errors=lines)
            self.metrics.config_successful.only.set(0)
            return lines
        await self._remember_revocation(found.config)
        await self._watch.refresh(found.config.partners)
        await self._put_in_force(evolve(found, refused=self._refusals(found.config)))
        return []

    async def _put_in_force(self, new: Standing) -> None:
        old, self._standing = self._standing, new
        conf = new.config
        self._show(new)
        await self._note_certificates(conf)
        self._directory.replace(new.partners.values())
        self._receiver.readers = new.readers()
        self._clients.replace(conf.portal_clients)
        self._partner_tls.replace(
            conf.partner_listener.pair,
            pins=new.partner_pins(),
            roots=conf.partner_listener.roots,
            refused=new.refused_pins(),
        )
        self._listeners.limit("partner", conf.partner_listener)
        self._listeners.limit("portal", conf.portal_listener)
        self._portal_tls.replace(
            conf.portal_listener.pair,
            pins=[client.certificate for client in conf.portal_clients],
            roots=conf.portal_listener.roots,
        )
        same_keys = old.identities == new.identities and old.config.partner_client == conf.partner_client
        for name in set(self._links) | set(new.partners):
            partner = new.partners.get(name)
            standing_link = self._links.get(name)
            if standing_link is not None and same_keys and standing_link.partner == partner:
                continue
            if standing_link is not None:
                await standing_link.stop()
                del self._links[name]
            if partner is not None:
                self._links[name] = link(partner, new, self._tools, on_feed=self._feed.wake)
                self._links[name].start()

    async def _note_certificates(self, conf: GatewayConfig) -> None:
        """Keep every certificate before anything is signed or verified with it: evidence outlives files."""
        in_use = [
            KnownCertificate(
                fingerprint=one.fingerprint,
                party=one.party,
                use=one.use,
                certificate=one.der,
                first_used_at=self._now(),
            )
            for one in certificates_in_use(conf)
        ]
        await self._tools.database.run(certificates.note_in_use, in_use, self._now())

    def _show(self, current: Standing) -> None:
        conf = current.config
        self.metrics.zero(current.partners, message_types=current.message_types(), version=__version__)
        self.metrics.config_successful.only.set(1)
        self.metrics.config_loaded_at.only.set(self._now())
        _log.event(
            "config-loaded", path=str(conf.path), digest=conf.digest, partners=sorted(current.partners)
        )


def _periods(conf: GatewayConfig) -> Periods:
    kept = conf.retention
    return Periods(
        payload_seconds=kept.payload_days * DAY_SECONDS,
        evidence_seconds=kept.evidence_days * DAY_SECONDS,
        logs_seconds=kept.logs_days * DAY_SECONDS,
    )


def _load_again(path: str) -> Standing:
    return standing(config.load(path))


def _rescue(conn: Transaction, now: float) -> None:
    """What this node had in work when it ended goes on at once instead of when its leases end."""
    sending.rescue_own_leases(conn, now)
    inbox.rescue_own_leases(conn)
    ahead = clock_step.ahead(conn, now)
    if ahead > TOLERATED_SECONDS:
        clock_step.set_back(conn, ahead, now)


async def _is_stopping() -> CheckResult:
    return failed("the gateway is stopping")
