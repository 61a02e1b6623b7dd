"""
The catalogue of log events: every name our code may log, its level, meaning and fields.

A test reads the source tree and checks that emitters and this catalogue agree. Add an
event here before using it. Fields are identifiers, counts and bounded words, never payload or secrets.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Event:
    """A catalogued event. `level` is debug, info, warn, error or critical."""

    name: str
    level: str
    description: str
    fields: tuple[str, ...] = ()


def _catalogue(*events: Event) -> dict[str, Event]:
    return {event.name: event for event in events}


EVENTS = _catalogue(
    # the daemon
    Event("gateway-started", "info", "every listener is open", ("version", "node", "party")),
    Event("gateway-stopping", "info", "no new work is taken", ("node",)),
    Event("gateway-stopped", "info", "claims are released, the store is closed", ("node",)),
    Event("gateway-failed", "critical", "the start failed, the process ends", ("reason",)),
    Event("listening", "info", "a listener is open", ("listener", "host", "port")),
    Event("config-loaded", "info", "configuration is in force", ("path", "digest", "partners")),
    Event("config-refused", "error", "new configuration has errors, the old one stays", ("path", "errors")),
    Event("check-changed", "warn", "a readiness check changed its answer", ("check", "ok", "reason")),
    Event("internal-error", "error", "our fault: an exception reached the edge of a room", ("where",)),
    Event("uncatalogued", "error", "code logged a name that is not in this catalogue", ("name",)),
    # the channel (TLS)
    Event(
        "handshake-refused",
        "warn",
        "a TLS connection ended before its handshake did",
        ("listener", "peer", "reason", "detail", "fingerprint"),
    ),
    Event(
        "request-too-slow",
        "warn",
        "a request did not come in time, its connection was cut",
        ("listener", "peer", "part"),
    ),
    Event("certificate-expiring", "warn", "a certificate ends soon", ("party", "use", "not_after", "days")),
    Event("certificate-expired", "error", "a certificate has ended", ("party", "use", "not_after")),
    Event(
        "revocation-learnt",
        "warn",
        "an issuer says something new about a partner's certificate",
        ("party", "use", "fingerprint", "state", "source"),
    ),
    Event(
        "revocation-not-learnt",
        "warn",
        "a revocation list or responder told nothing",
        ("party", "source", "detail"),
    ),
    # our side: the portal
    Event(
        "submission-accepted",
        "info",
        "a document is committed and answered with 99",
        ("sender", "national_message_id", "outbound_id", "message_type", "partner", "document_number"),
    ),
    Event(
        "submission-repeated",
        "info",
        "the same message again: the same answer",
        ("sender", "national_message_id", "outbound_id"),
    ),
    Event(
        "submission-refused",
        "warn",
        "a submission was answered with 00",
        ("sender", "national_message_id", "message_type", "problems", "reason"),
    ),
    Event("feed-acknowledged", "info", "the portal confirmed a feed entry", ("sequence", "result", "sender")),
    Event("portal-refused", "warn", "a feed request was refused", ("peer", "path", "status", "reason")),
    # conversion
    Event(
        "document-queued",
        "info",
        "translated, signed, ready to send",
        ("outbound_id", "message_id", "partner", "message_type", "document_number"),
    ),
    Event(
        "document-rejected",
        "warn",
        "the portal's document failed rules or translation",
        ("outbound_id", "partner", "message_type", "problems"),
    ),
    Event(
        "document-available",
        "info",
        "a partner's document is on the feed",
        ("inbound_id", "message_id", "partner", "message_type", "document_number", "sequence"),
    ),
    Event(
        "document-answered",
        "warn",
        "a partner's document failed checks, a technical error is queued",
        ("inbound_id", "message_id", "partner", "message_type", "problems"),
    ),
    Event(
        "document-parked",
        "warn",
        "a partner's document waits for another one",
        ("inbound_id", "message_id", "partner", "message_type", "reason"),
    ),
    Event(
        "document-unconvertible",
        "error",
        "no profile can translate a valid message; an operator is needed",
        ("inbound_id", "message_id", "partner", "reason"),
    ),
    # their side: partners
    Event(
        "message-received",
        "info",
        "a partner's message is committed and receipted",
        ("partner", "message_id", "inbound_id", "message_type"),
    ),
    Event(
        "message-duplicate", "info", "the same message again: the stored receipt", ("partner", "message_id")
    ),
    Event(
        "message-altered",
        "error",
        "security: a known message id came with other content",
        ("partner", "message_id"),
    ),
    Event(
        "message-refused",
        "warn",
        "a partner's message was answered with an error signal",
        ("partner", "message_id", "code", "reason", "detail", "peer"),
    ),
    Event("ping-received", "info", "a partner tested the connection", ("partner", "message_id")),
    Event(
        "attempt-finished",
        "info",
        "one delivery attempt has an outcome",
        (
            "partner",
            "message_id",
            "outbound_id",
            "attempt",
            "outcome",
            "reason",
            "detail",
            "next_attempt_at",
        ),
    ),
    Event(
        "message-delivered",
        "info",
        "a valid signed receipt is stored",
        ("partner", "message_id", "outbound_id", "attempt"),
    ),
    Event(
        "message-failed",
        "error",
        "delivery ended without a receipt; later ones of its key are held",
        ("partner", "message_id", "outbound_id", "state", "reason"),
    ),
    Event(
        "channel-changed",
        "info",
        "a partner's channel changed its state",
        ("partner", "state", "failures", "next_contact_at"),
    ),
    # the store and time
    Event("store-opened", "info", "the database is open and at the right version", ("engine", "version")),
    Event(
        "clock-set-back",
        "warn",
        "the clock went back; times it had put into the future were moved",
        ("node", "seconds", "rows"),
    ),
    Event("leases-rescued", "warn", "work of a stopped node was taken over", ("node", "rows")),
    Event(
        "group-replayed", "warn", "a group commit failed and its units ran one by one", ("units", "reason")
    ),
    Event("journal-broken", "critical", "the evidence chain does not verify", ("node", "sequence", "reason")),
    Event("journal-head", "info", "the head of a journal chain was signed", ("chain", "sequence", "hash")),
    Event("retention-purged", "info", "rows past their retention are deleted", ("what", "rows")),
    Event("job-finished", "debug", "a scheduled job ran", ("job", "rows")),
    Event("job-failed", "error", "a scheduled job failed and will run again", ("job", "failures")),
    # operators
    Event(
        "operator-act",
        "warn",
        "an operator did something through the control socket",
        ("act", "subject", "operator"),
    ),
)
