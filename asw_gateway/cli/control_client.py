"""How `aswctl` talks to a running gateway: HTTP and JSON over its control socket, synchronously."""

from __future__ import annotations

import http.client
import json
import socket
import tomllib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlencode

import click

from asw_gateway.cli.config_option import config_option
from asw_gateway.cli.output import Output

P = ParamSpec("P")
T = TypeVar("T")
TIMEOUT_SECONDS = 75.0  # a ping may take a whole send time-out


class ControlRefused(Exception):
    """The gateway was not reached, or says no; the text is one sentence."""


class ControlClient:
    """One gateway's control socket; every call opens a connection of its own."""

    def __init__(self, path: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds

    def get(self, address: str, **query: object) -> Any:
        """Ask; parameters that are None are left out.  Raises ControlRefused."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", address + ("?" + urlencode(given) if given else ""), None)

    def post(self, address: str, **order: object) -> Any:
        """Order; raises ControlRefused."""
        return self._call("POST", address, json.dumps(order))

    def _call(self, method: str, address: str, body: str | None) -> Any:
        connection = _UnixConnection(self._path, self._timeout_seconds)
        try:
            connection.request(method, address, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            status, said = answer.status, answer.read()
        except FileNotFoundError:
            raise ControlRefused(f"no gateway is running here: there is no socket {self._path}") from None
        except ConnectionRefusedError:
            raise ControlRefused(f"no gateway is running here: nobody listens on {self._path}") from None
        except (OSError, http.client.HTTPException) as fault:
            raise ControlRefused(f"control socket {self._path}: {fault}") from fault
        finally:
            connection.close()
        try:
            value = json.loads(said)
        except ValueError:
            raise ControlRefused(f"control socket {self._path}: the answer is not JSON") from None
        if status >= 400:
            raise ControlRefused(_sentence(value, status))
        return value


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("gateway", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def with_control(function: Callable[Concatenate[Output, ControlClient, P], T]) -> Callable[..., T]:
    """A command that talks to the gateway: adds `--socket` and `--config`; a refusal ends it with 2."""

    @click.option(
        "--socket",
        "socket_path",
        type=click.Path(path_type=Path),
        envvar="ASW_CONTROL_SOCKET",
        help="The gateway's control socket; else what gateway.toml says.",
    )
    @config_option("to find its socket")
    @click.pass_obj
    @wraps(function)
    def command(output: Output, /, *, socket_path: Path | None, config: Path, **given: Any) -> T:
        try:
            path = socket_path or control_socket(config)
            return function(output, ControlClient(path), **given)  # type: ignore[call-arg]
        except ControlRefused as refusal:
            output.fail(str(refusal))

    return command


def control_socket(config: Path) -> Path:
    """Where the gateway of this configuration has its socket; reads no key.  Raises ControlRefused."""
    try:
        table = tomllib.loads(config.read_text("utf-8"))
        named = table.get("operators", {}).get("control_socket")
        state = table.get("gateway", {}).get("state_directory", "var")
        return config.parent / (Path(named) if named is not None else Path(state) / "control.sock")
    except FileNotFoundError:
        raise ControlRefused(f"there is no {config}: give --config, or --socket") from None
    except (OSError, ValueError, AttributeError, TypeError) as fault:
        raise ControlRefused(f"{config}: {fault}") from fault


def _sentence(value: Any, status: int) -> str:
    if not isinstance(value, dict):
        return f"the gateway answered {status}"
    errors = value.get("errors")
    detail = str(value.get("detail") or value.get("title") or f"the gateway answered {status}")
    return detail + "".join(f"\n  {error}" for error in errors) if isinstance(errors, list) else detail
