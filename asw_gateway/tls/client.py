"""Our calls to one partner: our client certificate, their roots or pins, the name in their certificate."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from asw_gateway.tls.context import new_context, notes_of, refuse
from asw_gateway.tls.files import Certificate, KeyPair, fingerprint


@implementer(IPolicyForHTTPS)
class ClientTls:
    """
    The policy for one partner, for an `Agent`. Never the public web's roots.

    `trusted` are their roots, or their server certificates themselves. A server certificate that is
    itself listed is known whatever names it carries; one that only chains to a root must name the host.
    A refused name reaches the request as service_identity's VerificationError, any other refusal as
    OpenSSL.SSL.Error, both among the reasons of Twisted's ResponseNeverReceived.
    """

    def __init__(self, pair: KeyPair, *, trusted: Iterable[Certificate]) -> None:
        self.replace(pair, trusted=trusted)

    def replace(self, pair: KeyPair, *, trusted: Iterable[Certificate]) -> None:
        """Use these from the next connection on."""
        known = tuple(trusted)
        self._pins = frozenset(fingerprint(certificate) for certificate in known)
        self._context = new_context(pair, known)
        self._context.set_verify(SSL.VERIFY_PEER, self._verify)

    def creatorForNetloc(self, hostname: bytes, port: int) -> _Creator:
        """Twisted: how to open connections to this host."""
        return _Creator(self, hostname.decode("ascii"))

    def connection(self, hostname: str, protocol: Any) -> SSL.Connection:
        """The OpenSSL side of one connection."""
        connection = SSL.Connection(self._context, None)
        notes = notes_of(connection)
        notes.hostname, notes.protocol = hostname, protocol
        if isinstance(service_id(hostname), DNS_ID):  # RFC 6066 §3: no addresses in SNI
            connection.set_tlsext_host_name(hostname.encode("ascii"))
        return connection

    def _verify(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        if not ok:
            return refuse(connection, error)
        if depth != 0:
            return True
        notes = notes_of(connection)
        protocol, notes.protocol = notes.protocol, None  # the connection must not keep its protocol alive
        leaf = certificate.to_cryptography()
        if fingerprint(leaf) in self._pins:
            return True
        try:
            verify_service_identity(extract_patterns(leaf), [service_id(notes.hostname)], [])
        except (VerificationError, CertificateError):
            protocol.failVerification(Failure())
            return False
        return True


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    def __init__(self, tls: ClientTls, hostname: str) -> None:
        self._tls = tls
        self._hostname = hostname

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        return self._tls.connection(self._hostname, tlsProtocol)


def service_id(hostname: str) -> ServiceID:
    """What a certificate must name: a DNS name or an IP address."""
    try:
        ip_address(hostname)
    except ValueError:
        return DNS_ID(hostname)
    return IPAddress_ID(hostname)
