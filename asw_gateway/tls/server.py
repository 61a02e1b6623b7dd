"""Our listeners: TLS with a client certificate that is one of the pinned ones."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from asw_gateway.tls.context import new_context, notes_of, refuse
from asw_gateway.tls.files import Certificate, KeyPair, fingerprint

TICKET_LIFETIME_SECONDS = 3600


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """
    The policy of one listener, for `wrapServerTLS`.

    A client must show a valid certificate whose fingerprint is among `pins`. With `roots` it must also
    chain to one of them; without, the pins are their own anchors. `refused` gives the reason, a bounded word,
    for certificates that are known and not accepted (by SHA-256 in hex): they are told apart from strangers.
    `replace` changes all of it for new connections and makes earlier session tickets worthless.
    """

    def __init__(
        self,
        pair: KeyPair,
        *,
        pins: Iterable[Certificate],
        roots: Iterable[Certificate] = (),
        refused: Mapping[str, str] | None = None,
        ticket_lifetime_seconds: int = TICKET_LIFETIME_SECONDS,
    ) -> None:
        self._ticket_lifetime_seconds = ticket_lifetime_seconds
        self.replace(pair, pins=pins, roots=roots, refused=refused)

    def replace(
        self,
        pair: KeyPair,
        *,
        pins: Iterable[Certificate],
        roots: Iterable[Certificate] = (),
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Use these from the next connection on."""
        pinned = tuple(pins)
        self._refused = dict(refused or {})
        self._pins = frozenset(fingerprint(certificate) for certificate in pinned)
        context = new_context(pair, tuple(roots) or pinned)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        # Tickets: a resumed handshake costs 55–70 % of a full one. Key and id are the context's own.
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_session_id(secrets.token_bytes(16))
        context.set_timeout(self._ticket_lifetime_seconds)
        self._context = context

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Twisted: the OpenSSL side of a new connection."""
        return SSL.Connection(self._context, None)

    def _verify(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        if not ok or depth == 0:
            notes = notes_of(connection)
            notes.certificate = certificate.to_cryptography()
            reason = self._refused.get(fingerprint(notes.certificate))
            if reason is not None:
                notes.reason, notes.detail = reason, "the partner's certificate is not accepted at the moment"
                return False
            if not ok:
                return refuse(connection, error)
            if fingerprint(notes.certificate) not in self._pins:
                notes.reason, notes.detail = "unknown_certificate", "the certificate is not a pinned one"
                return False
        return True


def peer_certificate(transport: Any) -> Certificate | None:
    """The certificate the other side of a TLS connection has shown and proven, or None."""
    get_handle = getattr(transport, "getHandle", None)
    connection = get_handle() if get_handle is not None else None
    if not isinstance(connection, SSL.Connection):
        return None
    notes = notes_of(connection)
    if notes.certificate is None:  # a resumed session: nothing was verified, the ticket remembers
        notes.certificate = connection.get_peer_certificate(as_cryptography=True)
    return notes.certificate
