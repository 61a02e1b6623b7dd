"""Two families of failure: ours, and theirs. Theirs know the answer the wire must give."""

from __future__ import annotations

from asw_gateway.messaging.error_codes import SECURITY_CODES, EbmsError, ebms_error

MAX_DETAIL_CHARS = 300


class LocalFault(Exception):
    """We asked for something that cannot be done (wrong key for the agreement, unsafe value); our own
    mistake."""


class RemoteFault(Exception):
    """The peer sent something we refuse.

    ``code`` is an EBMS code, ``reason`` a bounded word for metrics (one of REASONS), ``detail`` a plain
    sentence that is safe to log and to send back. ``ref_to_message_id`` is the refused message's id, where
    it was readable. ``authenticated`` says that the message had proved to be the partner's before it failed.
    """

    authenticated = False

    def __init__(self, code: str, reason: str, detail: str, *, ref_to_message_id: str | None = None) -> None:
        super().__init__(f"{code} {reason}: {detail}")
        self.code = code
        self.reason = reason
        self.detail = printable(detail)
        self.ref_to_message_id = ref_to_message_id

    @property
    def soap_fault(self) -> bool:
        """Whether the answer carries a SOAP 1.2 Sender fault beside the eb:Error."""
        return self.code in SECURITY_CODES

    @property
    def http_status(self) -> int:
        """400 beside a SOAP fault, otherwise 200: the eb:Error is the answer."""
        return 400 if self.soap_fault else 200

    def as_error(self) -> EbmsError:
        """The fault as the eb:Error to send."""
        return ebms_error(self.code, detail=self.detail, ref_to_message_in_error=self.ref_to_message_id)


REASONS: frozenset[str] = frozenset(
    {
        "bad_character_set", "bad_content_type", "bad_decompression", "bad_decryption", "bad_digest",
        "bad_encryption", "bad_header", "bad_mime", "bad_security", "bad_signature", "bad_timestamp",
        "bad_xml", "body_not_empty", "certificate_not_yet_valid", "content_not_covered",
        "different_receipt", "duplicate_id", "duplicate_part", "expansion_limit", "expired_certificate",
        "external_payload", "extra_part", "forbidden_xml", "header_too_large", "message_in_future",
        "message_too_large", "message_too_old", "missing_mime_type", "missing_part", "not_encrypted",
        "not_for_us", "part_too_large", "revocation_unknown", "revoked_certificate",
        "several_messages", "too_many_parts", "unknown_agreement",
        "unknown_certificate", "unknown_role", "unknown_service", "unknown_signal", "unsigned",
        "unsupported_compression", "unsupported_feature", "weak_algorithm", "wrapped_signature",
        "wrong_party",
    }
)  # fmt: skip


def printable(text: str, longest: int = MAX_DETAIL_CHARS) -> str:
    """Peer-influenced text made safe to log and to answer: one line, printable, bounded."""
    clean = "".join(character if character.isprintable() else "?" for character in text[: longest + 1])
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
