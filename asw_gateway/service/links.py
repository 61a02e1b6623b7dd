"""One partner's outbound link: its TLS policy, its connections, its channel; replaced when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred

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
        identity=standing.identities.signing,
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
