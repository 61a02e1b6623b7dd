"""The rooms of one gateway, built and joined: what one needs of another it gets here, as a callable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred, gatherResults

from asw_gateway import __version__
from asw_gateway.config import GatewayConfig
from asw_gateway.conversion import Conversion, Doors
from asw_gateway.health import Health, ReactorLag
from asw_gateway.operations.control import Control
from asw_gateway.operations.levers import Levers, Running, Surroundings
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.receiver import PartnerReceiver
from asw_gateway.portal.clients import PortalClients
from asw_gateway.portal.feed import Feed
from asw_gateway.portal.parts import Parts
from asw_gateway.portal.routes import portal_routes
from asw_gateway.portal.status import StatusQuery
from asw_gateway.portal.submit import Submissions
from asw_gateway.schedule import Duties, Schedule
from asw_gateway.schedule.clock_watch import ClockWatch
from asw_gateway.schedule.deadlines import DeadlineDuties, periods
from asw_gateway.schedule.duties import Certificates
from asw_gateway.service.checks import readiness
from asw_gateway.service.links import Links, Tools
from asw_gateway.service.standing import Standing
from asw_gateway.spool import Spool
from asw_gateway.store.retention import DAY_SECONDS, Periods
from asw_gateway.web import Route


class Rooms:
    """Every room of a running gateway but the listeners.

    `current` gives the standing values in force; `refresh_revocation` is a duty of the schedule. Built once;
    a reload changes what `current` gives, and `put_in_force` what rooms keep of it.
    """

    def __init__(
        self,
        tools: Tools,
        current: Callable[[], Standing],
        *,
        spool: Spool,
        fresh_bytes: Callable[[int], bytes],
        refresh_revocation: Callable[[], Awaitable[int]],
    ) -> None:
        self._tools = tools
        self._current = current
        # What is woken later is looked up later: the feed, the links and conversion know of each other.
        self.links = Links(tools, on_feed=lambda: self.feed.wake())
        self.clients = PortalClients(current().config.portal_clients)
        self.feed = Feed(
            database=tools.database,
            clients=self.clients,
            metrics=tools.metrics,
            clock=tools.reactor,
            now=tools.now,
        )
        self.conversion = Conversion(
            Doors(
                database=tools.database,
                workers=tools.workers,
                setup=lambda: current().setup,
                metrics=tools.metrics,
                now=tools.now,
                new_id=tools.new_id,
                fresh_bytes=fresh_bytes,
                node=tools.database.node,
                on_queued=self.links.wake,
                on_feed=self.feed.wake,
                spool=spool,
                lease_seconds=current().config.lease_seconds,
            ),
            clock=tools.reactor,
        )
        duties = Duties(
            database=tools.database,
            own=lambda: current().own,
            certificates=lambda: Certificates(partners=current().partners, identities=current().identities),
            metrics=tools.metrics,
            node=tools.database.node,
            now=tools.now,
            new_id=tools.new_id,
            on_queued=self.links.wake,
            on_feed=self.feed.wake,
            end_parking=self.conversion.end_parking,
            refresh_revocation=refresh_revocation,
            periods=lambda: _periods(current().config),
        )
        clocks = DeadlineDuties(
            database=tools.database,
            timers=lambda: current().timers(),
            metrics=tools.metrics,
            now=tools.now,
        )
        self.schedule = Schedule(
            (*duties.jobs(), *clocks.jobs()),
            database=tools.database,
            node=tools.database.node,
            now=tools.now,
            clock=tools.reactor,
            metrics=tools.metrics,
        )
        self.clock_watch = ClockWatch(
            database=tools.database,
            node=tools.database.node,
            now=tools.now,
            clock=tools.reactor,
            on_set_back=self.look_again,
        )
        self.directory = PartnerDirectory(current().partners.values())
        self.receiver = PartnerReceiver(
            partners=self.directory,
            readers=current().readers(),
            database=tools.database,
            workers=tools.workers,
            metrics=tools.metrics,
            clock=tools.reactor,
            now=tools.now,
            new_message_id=lambda: current().message_id(tools.new_id()),
            on_received=self.conversion.on_received,
            lease=self.conversion.lease,
            heard_from=self.links.heard_from,
            on_feed=self.feed.wake,
            spool=spool,
            max_body_bytes=current().config.partner_listener.max_body_bytes,
        )
        self.submissions = Submissions(
            database=tools.database,
            workers=tools.workers,
            rules=lambda: current().rules,
            clients=self.clients,
            metrics=tools.metrics,
            now=tools.now,
            new_id=tools.new_id,
            on_submitted=self.conversion.on_submitted,
            lease=self.conversion.lease,
        )
        self.lag = ReactorLag(tools.metrics, reactor=tools.reactor)
        self.health = Health(
            readiness(
                database=tools.database,
                workers=tools.workers,
                lag=self.lag,
                channel_states=self.links.states,
                now=tools.now,
            ),
            metrics=tools.metrics,
            reactor=tools.reactor,
        )

    def start(self) -> None:
        """Take up what waits in the store."""
        self.conversion.startService()
        self.schedule.startService()
        self.clock_watch.startService()
        self.lag.start()

    async def stop(self) -> None:
        """Finish or give back what is in work."""
        parts = [
            Deferred.fromCoroutine(self.links.stop()),
            self.conversion.stopService(),
            self.schedule.stopService(),
            self.clock_watch.stopService(),
        ]
        await gatherResults(parts, consumeErrors=True)
        self.lag.stop()

    async def put_in_force(self, new: Standing) -> None:
        """Take what `new` changes of what the rooms keep."""
        self.directory.replace(new.partners.values())
        self.receiver.readers = new.readers()
        self.clients.replace(new.config.portal_clients)
        await self.links.put_in_force(new)

    def portal_routes(self) -> list[Route]:
        """The portal's addresses."""
        status = StatusQuery(
            database=self._tools.database,
            metrics=self._tools.metrics,
            procedures=lambda: self._current().procedures(),
            portal_identity=lambda: self._current().own.portal_organisation.identity,
        )
        parts = Parts(
            database=self._tools.database,
            workers=self._tools.workers,
            openers=lambda: self._current().openers(),
            metrics=self._tools.metrics,
        )
        return portal_routes(
            submissions=self.submissions,
            feed=self.feed,
            status=status,
            parts=parts,
            clients=self.clients,
            max_body_bytes=self._current().config.portal_listener.max_body_bytes,
        )

    def control(self, reload: Callable[[], Awaitable[list[str]]]) -> Control:
        """The operators' acts."""
        return Control(
            database=self._tools.database,
            surroundings=lambda: Surroundings(
                own=self._current().own,
                partners=self._current().partners,
                waiting_times=periods(self._current().timers()),
            ),
            running=Running(
                version=__version__, node=self._current().config.node, started_at=self._tools.now()
            ),
            levers=Levers(
                ping=self.links.ping,
                wake=self.links.wake,
                channel_states=self.links.states,
                submitted=self.conversion.on_submitted,
                received=self.conversion.on_received,
                news=self.feed.wake,
                give_up=lambda row, operator, reason: self.conversion.give_up(
                    row, reason=reason, actor=operator
                ),
                reload=reload,
                checks=self.health.results,
            ),
            now=self._tools.now,
            new_id=self._tools.new_id,
        )

    def look_again(self) -> None:
        """Times in the store were moved: whoever sleeps until one of them looks now."""
        self.links.wake_all()
        self.conversion.on_submitted()
        self.conversion.on_received()


def _periods(conf: GatewayConfig) -> Periods:
    kept = conf.retention
    return Periods(
        payload_seconds=kept.payload_days * DAY_SECONDS,
        evidence_seconds=kept.evidence_days * DAY_SECONDS,
        logs_seconds=kept.logs_days * DAY_SECONDS,
    )
