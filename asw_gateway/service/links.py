"""The ways out, one a partner: TLS policy, connections, channel; each is replaced when it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred, gatherResults

from asw_gateway.exchange.outcome import Outcome
from asw_gateway.messaging.party import Partner
from asw_gateway.metrics import Metrics
from asw_gateway.partner.channel import Channel
from asw_gateway.partner.connections import PartnerConnections
from asw_gateway.partner.sealing import Sealing
from asw_gateway.partner.sender import Sender
from asw_gateway.partner.turn import ChannelTurn
from asw_gateway.service.standing import Standing
from asw_gateway.store.database import Database
from asw_gateway.tls import ClientTls
from asw_gateway.workers import Workers


@frozen(kw_only=True)
class Tools:
    """What every room is given: the store, threads, time, chance, numbers and figures."""

    reactor: Any = field(repr=False)
    database: Database
    workers: Workers
    metrics: Metrics
    now: Callable[[], float]
    random: Callable[[], float]
    new_id: Callable[[], str]


@frozen(kw_only=True)
class Link:
    """The way to one partner, as configured."""

    partner: Partner
    channel: Channel
    connections: PartnerConnections

    def start(self) -> None:
        """Begin to send."""
        self.channel.startService()

    async def stop(self) -> None:
        """Send no more, give claims back, close idle connections; within Channel.STOP_LIMIT_SECONDS."""
        await self.channel.stopService()
        closing: Deferred[None] = self.connections.close()
        closing.addErrback(lambda _: None)  # a connection that is gone already is closed enough


def link(partner: Partner, standing: Standing, tools: Tools, *, on_feed: Callable[[], object]) -> Link:
    """Build the link to `partner`; nothing is sent before `start`."""
    reception = partner.outbound.reception
    connections = PartnerConnections(
        policy=ClientTls(standing.config.partner_client, trusted=partner.server_trust),
        reactor=tools.reactor,
        kept=partner.window,
    )
    sender = Sender(
        partner=partner,
        connections=connections,
        workers=tools.workers,
        reactor=tools.reactor,
        now=tools.now,
    )
    sealing = Sealing(
        partner=partner,
        identity=standing.identities.signing_for(partner.outbound.security),
        workers=tools.workers,
        now=tools.now,
        new_message_id=lambda: standing.message_id(tools.new_id()),
        metrics=tools.metrics,
        database=tools.database,
        read=tools.database.read,
    )
    turn = ChannelTurn(
        partner=partner.name,
        own=standing.own,
        awareness=reception,
        window=partner.window,
        # A claim outlasts the longest attempt: connecting, sending, reading, and the commit after it.
        lease_seconds=reception.send_timeout_seconds + standing.config.lease_seconds,
        suspended=partner.status == "suspended",
    )
    channel = Channel(
        partner=partner.name,
        window=partner.window,
        submit=sender.submit,
        prepare=sealing.prepare,
        make_ping=sealing.make_ping,
        take_turn=turn,
        database=tools.database,
        reactor=tools.reactor,
        now=tools.now,
        random=tools.random,
        new_id=tools.new_id,
        metrics=tools.metrics,
        on_feed=on_feed,
    )
    return Link(partner=partner, channel=channel, connections=connections)


class Links:
    """The links to all partners, by name."""

    def __init__(self, tools: Tools, *, on_feed: Callable[[], object]) -> None:
        self._tools = tools
        self._on_feed = on_feed
        self._links: dict[str, Link] = {}
        self._standing: Standing | None = None

    async def put_in_force(self, new: Standing) -> None:
        """Start, replace or stop links as configured; one whose partner and keys are the same goes on."""
        old, self._standing = self._standing, new
        same_keys = (
            old is not None
            and old.identities == new.identities
            and old.config.partner_client == new.config.partner_client
        )
        for name in set(self._links) | set(new.partners):
            partner, known = new.partners.get(name), self._links.get(name)
            if known is not None and same_keys and known.partner == partner:
                continue
            if known is not None:
                await known.stop()
                del self._links[name]
            if partner is not None:
                self._links[name] = link(partner, new, self._tools, on_feed=self._on_feed)
                self._links[name].start()

    async def stop(self) -> None:
        """Stop every link; takes as long as the slowest."""
        stopping = [Deferred.fromCoroutine(each.stop()) for each in self._links.values()]
        await gatherResults(stopping, consumeErrors=True)

    def wake(self, partner: str) -> None:
        """There may be something to send to a partner."""
        found = self._links.get(partner)
        if found is not None:
            found.channel.wake()

    def wake_all(self) -> None:
        """There may be something to send to anybody."""
        for each in self._links.values():
            each.channel.wake()

    def heard_from(self, partner: str) -> None:
        """A partner proved to be there."""
        found = self._links.get(partner)
        if found is not None:
            found.channel.heard_from()

    async def ping(self, partner: str) -> Outcome:
        """Send one test message; what came of it."""
        return await self._links[partner].channel.ping()

    def states(self) -> Mapping[str, str]:
        """The channels' states by partner."""
        return {name: each.channel.state for name, each in self._links.items()}
