"""The composition root: the only room that knows all others.

standing     what a configuration amounts to: compiled profiles, identities, partners
links        the ways out, one a partner: TLS policy, connections, channel
revocations  certificates that were taken back
listeners    the ports and the control socket
checks       readiness
long_lived   spares the collector what lives as long as the configuration
rooms        every room, built and joined
mishaps      a clock that is wrong and crashes on purpose; only with environment = "test"
gateway      start, stop, reload
"""

from __future__ import annotations

import os
import random
import signal
import sys
import uuid
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred

from asw_gateway.config import GatewayConfig, StartFault
from asw_gateway.service.gateway import Gateway
from asw_gateway.service.mishaps import clock
from asw_gateway.service.standing import standing
from asw_gateway.store.database import Database
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.schema import SchemaTooNew, SchemaTooOld

__all__ = ["Gateway", "build", "standing"]


def build(config: GatewayConfig, reactor: Any) -> IService:
    """The service tree of one gateway.

    Profiles are compiled and the database is opened once here, before a daemon detaches, so that whatever is
    wrong is said in a sentence. Raises StartFault.
    """
    current = standing(config)
    try_store(config)
    gateway: Any = Gateway(
        current,
        reactor=reactor,
        now=clock(config.test.clock_offset_file),
        random=random.random,
        new_id=lambda: uuid.uuid4().hex,
        fresh_bytes=os.urandom,
        give_up=lambda sentence: _give_up(sentence, reactor),
    )
    reactor.callWhenRunning(_obey_signals, gateway, reactor)
    service: IService = gateway
    return service


def _give_up(sentence: str, reactor: Any) -> None:
    """End the process with status 1; twistd has no way to pass a status through a stopping reactor."""
    sys.stderr.write(f"asw-gateway: {sentence}\n")
    reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
    # At once while it runs, and as soon as it does: services start before the reactor.
    reactor.callWhenRunning(reactor.stop)


def try_store(config: GatewayConfig) -> None:
    """Open the database, make or upgrade its tables, close it. Raises StartFault."""
    try:
        Database.open(config.database_url, node=config.node).close_now()
    except (StoreUnavailable, SchemaTooNew, SchemaTooOld) as fault:
        raise StartFault(str(fault)) from fault


def _obey_signals(gateway: Gateway, reactor: Any) -> None:
    """SIGHUP reads the files again. SIGTERM is a stop as asked for: the process ends with status 0.

    Twisted's own handler would have twistd kill itself with the signal once more at the end.
    """

    def hung_up(number: int, frame: object) -> None:
        reactor.callFromThread(lambda: Deferred.fromCoroutine(gateway.reload()))

    def terminated(number: int, frame: object) -> None:
        reactor.callFromThread(reactor.stop)

    signal.signal(signal.SIGHUP, hung_up)
    signal.signal(signal.SIGTERM, terminated)
