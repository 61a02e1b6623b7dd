"""Configuration as frozen values: what the composition root builds the daemon from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from asw_gateway.config.errors import ConfigError
from asw_gateway.messaging.party import Partner, PartyId
from asw_gateway.tls.files import Certificate, KeyPair


@frozen(kw_only=True)
class Listener:
    """A listener with mutual TLS. `roots` may be empty: the pinned client certificates are then enough.

    `max_connections_per_peer` and `max_handshakes_per_peer_per_second` bound what one address can take.
    """

    host: str
    port: int
    pair: KeyPair
    roots: tuple[Certificate, ...] = ()
    max_body_bytes: int
    ticket_lifetime_seconds: int
    max_connections_per_peer: int = 256
    max_handshakes_per_peer_per_second: float = 100.0


@frozen(kw_only=True)
class OperatorsListener:
    """Where operators look (plain HTTP, read-only) and act (a Unix socket, mode 0600)."""

    host: str
    port: int
    control_socket: Path


@frozen(kw_only=True)
class PortalClient:
    """A client of the feed: its name, and a certificate it may show. A name may have several."""

    name: str
    certificate: Certificate


@frozen(kw_only=True)
class ForTests:
    """What only a gateway with environment = "test" may be told, so that faults can be made on purpose.

    `clock_offset_file` holds seconds to add to the clock; `crash_file` names the journal events at whose
    commit the process kills itself. Both may come and go while the gateway runs.
    """

    clock_offset_file: Path | None = None
    crash_file: Path | None = None


@frozen(kw_only=True)
class Retention:
    """How long what came to rest is kept, days: documents' bytes, then rows, receipts and journal; attempts
    that brought no answer and copies of refused messages count as logs."""

    payload_days: float = 1826
    evidence_days: float = 3653
    logs_days: float = 366


@frozen(kw_only=True)
class GatewayConfig:
    """
    Everything a gateway is told. Made by `load`, which has read every certificate and private key.

    `organisation` and `portal_organisation` have the keys name, identity, country_code, ministry_code,
    organization_code, unit_code. `digest` is the SHA-256 of all configuration files. `database_url` may
    hold a password read from a file. `lease_seconds` is how long after the longest attempt another process
    waits before it takes over what this one had in work. `warnings` are for people: nothing refuses to work
    because of them.
    """

    path: Path
    digest: str
    party_id: PartyId
    country: str
    environment: str
    node: str
    organisation: Mapping[str, str]
    portal_organisation: Mapping[str, str]
    database_url: str = field(repr=False)
    state_directory: Path
    profiles_directory: Path
    worker_threads: int
    lease_seconds: float
    partner_listener: Listener
    portal_listener: Listener
    operators: OperatorsListener
    partner_client: KeyPair
    signing: KeyPair
    seal: KeyPair
    decryption: KeyPair | None
    signing_2_0: KeyPair | None = None
    decryption_2_0: KeyPair | None = None
    portal_clients: tuple[PortalClient, ...]
    partners: tuple[Partner, ...]
    test: ForTests = ForTests()
    retention: Retention = Retention()
    warnings: tuple[ConfigError, ...] = ()
