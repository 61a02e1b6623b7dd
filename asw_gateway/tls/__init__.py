"""
The channel: keys and certificates from files, and mutual TLS both ways.

`files` reads keys and certificates once; `server` demands and pins client certificates; `client` shows
ours and checks theirs; `refusals` tells who was turned away, and why; `crowd` keeps any one address from
taking all the room; `failures` why a call of ours failed. Revocation and validity of pinned certificates are
looked at on enrolment and by a timer; a resumed TLS session skips the certificate check, so tickets live
shorter than that timer and the rooms look the certificate up for each request.
"""

from asw_gateway.tls.client import ClientTls
from asw_gateway.tls.crowd import Crowd, CrowdedEndpoint
from asw_gateway.tls.failures import failure_reason
from asw_gateway.tls.files import (
    Certificate,
    KeyFileFault,
    KeyPair,
    fingerprint,
    load_certificates,
    load_key_pair,
    load_private_key,
)
from asw_gateway.tls.refusals import Refusal, watched
from asw_gateway.tls.server import ServerTls, peer_certificate

__all__ = [
    "Certificate",
    "ClientTls",
    "Crowd",
    "CrowdedEndpoint",
    "KeyFileFault",
    "KeyPair",
    "Refusal",
    "ServerTls",
    "failure_reason",
    "fingerprint",
    "load_certificates",
    "load_key_pair",
    "load_private_key",
    "peer_certificate",
    "watched",
]
