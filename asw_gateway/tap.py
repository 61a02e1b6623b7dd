"""
`twistd -n asw-gateway --config gateway.toml`, also under `twist`.

Whatever keeps the gateway from starting is said in a sentence on standard error, with exit status 1,
before any port is open.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from asw_gateway import config
from asw_gateway.config import ConfigErrors, GatewayConfig, StartFault


class Options(usage.Options):
    """The command line: one option."""

    synopsis = "asw-gateway --config gateway.toml"
    longdesc = "Runs one gateway. `aswctl check-config gateway.toml` checks its configuration beforehand."
    optParameters = [["config", "c", None, "Path of gateway.toml.", str]]  # noqa: RUF012

    def postOptions(self) -> None:
        """Refuse to go on without a configuration."""
        if not self["config"]:
            raise usage.UsageError("--config gateway.toml is missing")


def makeService(options: Options) -> IService:
    """Twisted: the service tree. Exits with a sentence when it cannot be built."""
    # Not at module level: importing the reactor installs it.
    from twisted.internet import reactor

    use_steady_timers(reactor)
    return start(str(options["config"]), reactor, _build)


def use_steady_timers(reactor: Any) -> None:
    """Let timers follow the monotonic clock, before any is set.

    Twisted's follow the wall clock: set back by an hour, it would keep every timer waiting for an hour.
    """
    reactor.seconds = time.monotonic


def _build(loaded: GatewayConfig, reactor: Any) -> IService:
    # Here, because it loads every room: not for the plugin list, and not before configuration is good.
    from asw_gateway import service

    built: IService = service.build(loaded, reactor)
    return built


def start(path: str, reactor: Any, build: Callable[[GatewayConfig, Any], IService]) -> IService:
    """`build`'s service for the configuration at `path`; raises SystemExit with what is wrong."""
    try:
        loaded = config.load(path)
        prepare(loaded)
        return build(loaded, reactor)
    except ConfigErrors as errors:
        lines = [str(error) for error in errors.errors]
        count = f"{len(lines)} error{'s' if len(lines) > 1 else ''}"
        sys.stderr.write("\n".join([*lines, f"asw-gateway: {path} cannot be used: {count}"]) + "\n")
        raise SystemExit(1) from errors
    except StartFault as fault:
        sys.stderr.write(f"asw-gateway: {fault}\n")
        raise SystemExit(1) from fault


def prepare(loaded: GatewayConfig) -> None:
    """Make the state directory and see that every address is free. Raises StartFault."""
    try:
        loaded.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"the state directory {loaded.state_directory} cannot be made ({error.strerror})"
        raise StartFault(reason) from error
    for name in ("partner_listener", "portal_listener", "operators"):
        listener = getattr(loaded, name)
        try:
            _try_to_bind(listener.host, listener.port)
        except OSError as error:
            place = f"{listener.host} port {listener.port}"
            raise StartFault(f"{name} cannot listen on {place} ({error.strerror or error})") from error


def _try_to_bind(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)  # with SO_REUSEADDR a bind alone succeeds beside a listener
