"""The sets of label values; those of partners, message types and rules are known after configuration."""

from __future__ import annotations

from collections.abc import Mapping

from asw_gateway.messaging.faults import REASONS

LABELS: Mapping[str, tuple[str, ...]] = {
    "attempt": (
        "receipt",
        "error_signal",
        "duplicate",
        "http_error",
        "tls_error",
        "timeout",
        "connection_error",
        "invalid_receipt",
        "interrupted",
    ),
    "delivery": ("delivered", "failed", "expired", "cancelled", "rejected"),
    "submission": ("accepted", "repeated", "refused"),
    "received": ("accepted", "duplicate", "refused", "ping"),
    "outbound_state": ("submitted", "queued", "held", "sending", "failed"),
    "inbound_state": ("received", "parked", "unconvertible", "available"),
    "channel_state": ("idle", "sending", "backing_off", "paused", "draining", "stopped"),
    "direction": ("outbound", "inbound"),
    "acknowledgement": ("ok", "ok-with-warnings", "not-readable"),
    "listener": ("partner", "portal", "operators"),
    "revocation": ("crl", "ocsp"),
    "request_part": ("header", "body"),
    "use": ("tls-server", "tls-client", "signing", "signing-2.0", "seal", "encryption"),
    "handshake": (
        "no_certificate",
        "unknown_certificate",
        "expired_certificate",
        "revoked_certificate",
        "revocation_unknown",
        "refused_by_peer",
        "protocol",
        "too_many_connections",
        "too_many_handshakes",
        "disconnected",
    ),
    # What messaging may say of a message, and what only the receiver knows.
    "refusal": (
        *sorted(REASONS),
        "altered_duplicate",
        "too_large",
        "broken_off",
        "slow_header",
        "slow_body",
        "suspended",
        "unknown_partner",
        "store_unavailable",
        "unsupported_media_type",
        "invalid_receipt",
    ),
}

OPEN_SETS = ("rule", "party", "check", "job", "where")
"""Sets filled from our own code, profiles and configuration while the daemon runs."""
