"""Who may use the feed: portal clients, known by the certificate of their TLS connection and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from asw_gateway.logs import Log
from asw_gateway.web import Handler, WebAnswer, WebRequest, problem

_log = Log("portal.clients")


class KnownClient(Protocol):
    """A configured client: its name for logs and journal, and its certificate (x509.Certificate)."""

    @property
    def name(self) -> str: ...

    @property
    def certificate(self) -> object: ...


class PortalClients:
    """The configured clients.  Two certificates may carry one name, so that a client can change keys.

    The listener has already refused unknown certificates in the handshake; this is the second lock, and it
    says which client it is.
    """

    def __init__(self, clients: Iterable[KnownClient]) -> None:
        self._names: dict[object, str] = {}
        self.replace(clients)

    def replace(self, clients: Iterable[KnownClient]) -> None:
        """Take a new set of clients, from the next request on."""
        self._names = {client.certificate: client.name for client in clients}

    def name_of(self, request: WebRequest) -> str | None:
        """The client's name, or None when its certificate is missing or not configured."""
        if request.peer_certificate is None:
            return None
        return self._names.get(request.peer_certificate)

    def only(self, handler: Handler) -> Handler:
        """`handler` for known clients; everyone else gets 403 and is logged."""

        async def guarded(request: WebRequest) -> WebAnswer:
            if self.name_of(request) is None:
                reason = "no_certificate" if request.peer_certificate is None else "unknown_certificate"
                refused(request, 403, reason)
                return problem(403, "Forbidden", "This certificate is not one of the portal's clients.")
            return await handler(request)

        return guarded


def refused(request: WebRequest, status: int, reason: str) -> None:
    """Log a request that is answered with `status` before it reached the store."""
    _log.event("portal-refused", peer=request.peer, path=_address(request), status=status, reason=reason)


def _address(request: WebRequest) -> str:
    return " ".join((request.method, *request.path.values()))[:64]
