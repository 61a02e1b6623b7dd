"""Processing modes: what two parties have agreed about one direction of their exchange."""

from __future__ import annotations

from attrs import field, frozen, validators

from asw_gateway.messaging.values import PartyId, bounded_text

EDELIVERY_1_15 = "edelivery-1.15"
EDELIVERY_2_0 = "edelivery-2.0"

SIGNATURE_ALGORITHMS = ("rsa-sha256", "ecdsa-sha256", "ecdsa-sha384", "ed25519")
KEY_REFERENCES = ("x509v3", "pkipath", "issuer-serial", "ski")
CONTENT_ENCRYPTIONS = ("aes128-gcm", "aes256-gcm")

INITIATOR_ROLE = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/initiator"
RESPONDER_ROLE = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/responder"


@frozen(kw_only=True)
class SecurityProfile:
    """Which WS-Security suite protects the messages of an agreement (eDelivery AS4 1.15, or the 2.0 suite).

    ``timestamp`` asks for a wsu:Timestamp, which makes an identical retry impossible; leave it off unless
    the agreement demands it.
    """

    name: str = field(default=EDELIVERY_1_15, validator=validators.in_((EDELIVERY_1_15, EDELIVERY_2_0)))
    signature_algorithm: str = field(default="rsa-sha256", validator=validators.in_(SIGNATURE_ALGORITHMS))
    key_reference: str = field(default="x509v3", validator=validators.in_(KEY_REFERENCES))
    encrypt: bool = False
    content_encryption: str = field(default="aes128-gcm", validator=validators.in_(CONTENT_ENCRYPTIONS))
    timestamp: bool = False


@frozen(kw_only=True)
class ReceptionAwareness:
    """Retry and time-to-live of sending; ``jitter`` is the share of a delay that may vary either way."""

    initial_delay_seconds: float = field(default=60.0, validator=validators.gt(0))
    multiplier: float = field(default=2.0, validator=validators.ge(1))
    maximum_delay_seconds: float = field(default=3600.0, validator=validators.gt(0))
    jitter: float = field(default=0.2, validator=[validators.ge(0), validators.lt(1)])
    time_to_live_seconds: float = field(default=14 * 86400.0, validator=validators.gt(0))
    send_timeout_seconds: float = field(default=60.0, validator=validators.gt(0))


@frozen(kw_only=True)
class Limits:
    """What a message may weigh; ``max_expansion_ratio`` bounds unpacked bytes per compressed byte."""

    max_message_bytes: int = 120_000_000
    max_parts: int = 64
    max_part_bytes: int = 100_000_000
    max_header_bytes: int = 256_000
    max_expansion_ratio: int = 200


@frozen(kw_only=True)
class PMode:
    """One leg of an agreement: who sends to whom, where, about what, how secured and how persistently.

    ``service`` None leaves the service to the document profile of each message.
    """

    id: str = field(validator=bounded_text())
    agreement: str = field(validator=bounded_text())
    agreement_type: str | None = None
    initiator: PartyId
    initiator_role: str = INITIATOR_ROLE
    responder: PartyId
    responder_role: str = RESPONDER_ROLE
    address: str = ""
    service: str | None = None
    service_type: str | None = None
    security: SecurityProfile = SecurityProfile()
    compress: bool = True
    reception: ReceptionAwareness = ReceptionAwareness()
    limits: Limits = Limits()
    replay_window_seconds: float = field(default=30 * 86400.0, validator=validators.gt(0))
    clock_skew_seconds: float = field(default=300.0, validator=validators.ge(0))
