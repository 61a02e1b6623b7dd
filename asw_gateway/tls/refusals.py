"""Who was turned away before the first byte of HTTP, and why. Twisted itself says nothing about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import frozen
from OpenSSL import SSL
from twisted.internet.interfaces import IHandshakeListener, IProtocolFactory
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from asw_gateway.tls.context import Notes, notes_of
from asw_gateway.tls.files import fingerprint


@frozen(kw_only=True)
class Refusal:
    """
    A connection that ended before its TLS handshake did.

    `reason` is one of no_certificate, unknown_certificate, expired_certificate, revoked_certificate,
    revocation_unknown, refused_by_peer (they did not like ours), protocol (no common version or cipher, or
    not TLS at all), disconnected (a probe).
    """

    listener: str
    peer: str
    reason: str
    detail: str
    fingerprint: str  # of the certificate that was refused (theirs, or one above it), or empty


def watched(
    factory: IProtocolFactory, listener: str, on_refusal: Callable[[Refusal], object]
) -> IProtocolFactory:
    """`factory`, with `on_refusal` called for each connection whose handshake does not end well."""
    watch = _WatchingFactory(factory)
    watch.listener = listener
    watch.on_refusal = on_refusal
    return cast(IProtocolFactory, watch)


@implementer(IHandshakeListener)
class _Watch(ProtocolWrapper):
    _done = False

    def handshakeCompleted(self) -> None:
        self._done = True
        if IHandshakeListener.providedBy(self.wrappedProtocol):
            self.wrappedProtocol.handshakeCompleted()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._done:
            self._done = True
            self.factory.on_refusal(self._refusal(reason))
        super().connectionLost(reason)

    def _refusal(self, failure: Failure) -> Refusal:
        transport: Any = self.transport
        connection = transport.getHandle()
        notes = notes_of(connection) if isinstance(connection, SSL.Connection) else Notes()
        address = transport.getPeer()
        reason, detail = classify(notes, failure)
        return Refusal(
            listener=self.factory.listener,
            peer=f"{getattr(address, 'host', '?')}:{getattr(address, 'port', '?')}",
            reason=reason,
            detail=detail[:200],
            fingerprint=fingerprint(notes.certificate) if notes.certificate is not None else "",
        )


class _WatchingFactory(WrappingFactory):
    protocol = _Watch
    noisy = False
    listener: str
    on_refusal: Callable[[Refusal], object]


def classify(notes: Notes, failure: Failure) -> tuple[str, str]:
    """The bounded reason and a detail for a handshake that ended with `failure`."""
    if notes.reason:
        return notes.reason, notes.detail
    errors = failure.value.args[0] if isinstance(failure.value, SSL.Error) and failure.value.args else []
    if not isinstance(errors, list) or not errors:
        return "disconnected", failure.type.__name__ if failure.type is not None else ""
    text = "; ".join(str(error[-1]) for error in errors)
    if "did not return a certificate" in text:
        return "no_certificate", text
    if "alert" in text:
        return "refused_by_peer", text
    return "protocol", text
