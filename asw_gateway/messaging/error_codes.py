"""The ebMS error codes: severity, category, short description, and whether trying again can help.

Sources: ebMS 3.0 core §6.7, AS4 profile §6.3. EBMS:0004 helps a retry only when it comes without detail, see
:func:`is_retryable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen


@frozen(kw_only=True)
class ErrorCode:
    """One row of the table."""

    code: str
    short_description: str
    severity: str
    category: str
    retryable: bool = False


@frozen(kw_only=True)
class EbmsError:
    """One eb:Error as sent or received; ``detail`` is bounded text."""

    code: str
    severity: str
    category: str
    short_description: str
    detail: str = ""
    ref_to_message_in_error: str | None = None


def _row(
    code: str, short: str, category: str, *, severity: str = "failure", retryable: bool = False
) -> ErrorCode:
    return ErrorCode(
        code=code, short_description=short, severity=severity, category=category, retryable=retryable
    )


ERROR_CODES: Mapping[str, ErrorCode] = MappingProxyType(
    {
        row.code: row
        for row in (
            _row("EBMS:0001", "ValueNotRecognized", "Content"),
            _row("EBMS:0002", "FeatureNotSupported", "Content", severity="warning"),
            _row("EBMS:0003", "ValueInconsistent", "Content"),
            _row("EBMS:0004", "Other", "Content"),
            _row("EBMS:0005", "ConnectionFailure", "Communication", retryable=True),
            _row("EBMS:0006", "EmptyMessagePartitionChannel", "Communication", severity="warning"),
            _row("EBMS:0007", "MimeInconsistency", "Unpackaging"),
            _row("EBMS:0008", "FeatureNotSupported", "Unpackaging"),
            _row("EBMS:0009", "InvalidHeader", "Unpackaging"),
            _row("EBMS:0010", "ProcessingModeMismatch", "Processing"),
            _row("EBMS:0011", "ExternalPayloadError", "Content"),
            _row("EBMS:0101", "FailedAuthentication", "Processing"),
            _row("EBMS:0102", "FailedDecryption", "Processing"),
            _row("EBMS:0103", "PolicyNoncompliance", "Processing"),
            _row("EBMS:0201", "DysfunctionalReliability", "Processing"),
            _row("EBMS:0202", "DeliveryFailure", "Communication", retryable=True),
            _row("EBMS:0301", "MissingReceipt", "Communication"),
            _row("EBMS:0302", "InvalidReceipt", "Communication"),
            _row("EBMS:0303", "DecompressionFailure", "Communication"),
        )
    }
)

SECURITY_CODES = frozenset({"EBMS:0101", "EBMS:0102", "EBMS:0103"})
"""Failures of WS-Security processing: answered with a SOAP Sender fault beside the eb:Error, HTTP 400 (TA35,
TA37)."""


def ebms_error(code: str, *, detail: str = "", ref_to_message_in_error: str | None = None) -> EbmsError:
    """An error of a standard code, with the table's severity, category and short description."""
    row = ERROR_CODES[code]
    return EbmsError(
        code=code,
        severity=row.severity,
        category=row.category,
        short_description=row.short_description,
        detail=detail,
        ref_to_message_in_error=ref_to_message_in_error,
    )


def is_retryable(error: EbmsError) -> bool:
    """Whether sending the same message again may succeed; unknown codes are final, so that a person looks."""
    if error.code == "EBMS:0004":
        return not error.detail
    row = ERROR_CODES.get(error.code)
    return row is not None and row.retryable
