"""The running gateway: what is built from what, in which order it starts, stops, and reads its files again.

Start: store → own leases rescued → conversion, schedule, channels → listeners. Stop: the same backwards;
STOP_SECONDS after the signal the process ends whatever still hangs, and the leases bring it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

from asw_gateway import __version__, config
from asw_gateway.config import ConfigErrors, GatewayConfig, StartFault, certificates_in_use
from asw_gateway.health import CheckResult, failed
from asw_gateway.logs import Log
from asw_gateway.metrics import CollectorRegistry, Metrics
from asw_gateway.schedule.clock_watch import TOLERATED_SECONDS
from asw_gateway.service.links import Tools
from asw_gateway.service.listeners import Listeners
from asw_gateway.service.long_lived import leave_out
from asw_gateway.service.mishaps import crash_at_commit
from asw_gateway.service.revocations import Revocations
from asw_gateway.service.rooms import Rooms
from asw_gateway.service.standing import Standing, standing
from asw_gateway.spool import Spool
from asw_gateway.store import certificates, clock_step, inbox, sending
from asw_gateway.store.certificates import KnownCertificate
from asw_gateway.store.database import Database
from asw_gateway.store.engine import StoreUnavailable
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
        self._revocations = Revocations(self._tools)
        await self._revocations.remember(conf)
        # Before anybody may come in: a revoked certificate must not work until the first refresh is due.
        await self._revocations.ask(conf)
        self._standing = evolve(self._standing, refused=self._revocations.refused(conf))
        self._rooms = Rooms(
            self._tools,
            lambda: self._standing,
            spool=self._spool,
            fresh_bytes=self._fresh_bytes,
            refresh_revocation=self._refresh_revocation,
        )
        self._rooms.start()
        await self._rooms.links.put_in_force(self._standing)
        await self._open_ports(conf)
        leave_out()
        _log.event("gateway-started", version=__version__, node=conf.node, party=conf.party_id.value)

    async def _stop(self) -> None:
        _log.event("gateway-stopping", node=self._standing.config.node)
        if self._started is None or not hasattr(self, "_tools"):
            return
        self._rooms.health.checks["stopping"] = _is_stopping
        self._rooms.feed.stop()
        closing = self._listeners.close()
        await self._rooms.stop()
        await closing
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
        receiver = self._rooms.receiver
        await self._listeners.secure(
            "partner",
            conf.partner_listener,
            self._partner_tls,
            receiver.routes(),
            too_slow=receiver.too_slow,
        )
        await self._listeners.secure(
            "portal", conf.portal_listener, self._portal_tls, self._rooms.portal_routes()
        )
        await self._listeners.plain("operators", conf.operators, self._rooms.health.routes())
        self._listeners.control(str(conf.operators.control_socket), self._rooms.control(self.reload).routes())

    # certificates that were taken back

    async def _refresh_revocation(self) -> int:
        """Ask issuers again; what they say is in force at once."""
        asked = await self._revocations.ask(self._standing.config)
        async with self._changing:
            refused = self._revocations.refused(self._standing.config)
            if refused != self._standing.refused:
                await self._put_in_force(evolve(self._standing, refused=refused))
        return asked

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
        await self._revocations.remember(found.config)
        await self._revocations.ask(found.config)
        await self._put_in_force(evolve(found, refused=self._revocations.refused(found.config)))
        leave_out()
        return []

    async def _put_in_force(self, new: Standing) -> None:
        self._standing = new
        conf = new.config
        self._show(new)
        await self._note_certificates(conf)
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
        await self._rooms.put_in_force(new)

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
