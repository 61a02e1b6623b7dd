"""What server and client contexts share: versions, ciphers, our key, the trusted certificates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define
from OpenSSL import SSL, crypto

from asw_gateway.tls.files import Certificate, KeyPair

# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
TLS12_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL"
# SSL_MODE_NO_AUTO_CHAIN, unnamed in pyOpenSSL: send the chain we were given, not one built from the anchors.
NO_AUTO_CHAIN = 0x8
# OpenSSL's X509_V_ERR numbers, which pyOpenSSL does not name.
NOT_YET_VALID, HAS_EXPIRED = 9, 10


@define(eq=False)
class Notes:
    """What we know of one TLS connection."""

    certificate: Certificate | None = None  # the peer's, cached
    reason: str = ""  # why the certificate was refused: a bounded word
    detail: str = ""
    hostname: str = ""  # clients: whom we called
    protocol: Any = None  # clients: Twisted's TLS protocol, until verification is over


# Beside the connections, because Twisted uses their application data itself.
_notes: WeakKeyDictionary[SSL.Connection, Notes] = WeakKeyDictionary()


def notes_of(connection: SSL.Connection) -> Notes:
    """The notes of a connection, new ones for a new connection."""
    return _notes.setdefault(connection, Notes())


def new_context(pair: KeyPair, trusted: Iterable[Certificate]) -> SSL.Context:
    """A context with TLS 1.2 and 1.3, our certificate, and `trusted` as anchors, be they roots or leaves."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS | NO_AUTO_CHAIN)
    context.set_cipher_list(TLS12_CIPHERS)
    context.use_certificate(pair.certificate)
    for certificate in pair.chain:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(pair.private_key)
    context.check_privatekey()
    store = context.get_cert_store()
    assert store is not None
    # A pinned leaf is its own anchor: the chain above it need not be known.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for certificate in trusted:
        store.add_cert(crypto.X509.from_cryptography(certificate))
    return context


def refuse(connection: SSL.Connection, error_number: int) -> bool:
    """Note why OpenSSL refused a certificate, for `refusals`; always False."""
    notes = notes_of(connection)
    if not notes.reason:
        expired = error_number in (NOT_YET_VALID, HAS_EXPIRED)
        notes.reason = "expired_certificate" if expired else "unknown_certificate"
        notes.detail = f"OpenSSL verification error {error_number}"
    return False
