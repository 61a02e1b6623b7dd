"""Why a connection we opened failed in TLS, as a bounded word. Only this room may know OpenSSL's
exceptions."""

from __future__ import annotations

import re

from OpenSSL import SSL
from service_identity import CertificateError, VerificationError

# Alerts a partner may send (RFC 8446 §6); any other is "alert_other".
_ALERTS = frozenset(
    {
        "access_denied",
        "bad_certificate",
        "certificate_expired",
        "certificate_required",
        "certificate_revoked",
        "certificate_unknown",
        "decrypt_error",
        "handshake_failure",
        "insufficient_security",
        "internal_error",
        "protocol_version",
        "unknown_ca",
        "unrecognized_name",
        "unsupported_certificate",
    }
)
_ALERT = re.compile(r"alert (?:number \d+ )?([a-z ]+)")


def failure_reason(error: BaseException) -> str | None:
    """Why TLS failed, or None when `error` is not about TLS.

    `alert_…`: they refused us (mostly our certificate). `server_certificate_untrusted`,
    `server_name_mismatch`: we refused theirs. `handshake`: no common ground, or not TLS at all.
    """
    if isinstance(error, VerificationError | CertificateError):
        return "server_name_mismatch"
    if not isinstance(error, SSL.Error) or isinstance(error, SSL.ZeroReturnError | SSL.SysCallError):
        return None
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    text = "; ".join(str(entry[-1]) for entry in entries).lower()
    if "certificate verify failed" in text:
        return "server_certificate_untrusted"
    found = _ALERT.search(text)
    if found is None:
        return "handshake"
    word = found.group(1).strip().replace(" ", "_")
    return f"alert_{word}" if word in _ALERTS else "alert_other"
