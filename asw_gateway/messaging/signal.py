"""Receipts and errors: building ours, reading theirs (ebMS 3.0 core §5.2.3, AS4 profile §5.1.8).

A receipt proves what was received by repeating every ds:Reference of the received signature.
"""

from __future__ import annotations

from typing import Protocol

from attrs import evolve, field, frozen
from cryptography import x509

from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.envelope_reader import (
    ReceivedEnvelope,
    plain_fault_reason,
    read_envelope,
)
from asw_gateway.messaging.error_codes import (
    ERROR_CODES,
    EbmsError,
    ErrorCode,
    ebms_error,
    is_retryable,
)
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.header_reader import ReceivedErrors, ReceivedReceipt
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.mime import split_body
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.pmode import Limits, PMode, SecurityProfile
from asw_gateway.messaging.signature import security_header
from asw_gateway.messaging.unpacking import VerifiedMessage
from asw_gateway.messaging.verification import VerifiedSignature, verify_signature
from asw_gateway.messaging.xml import canonical, parse

__all__ = [
    "ERROR_CODES",
    "EbmsError",
    "ErrorCode",
    "ErrorSignal",
    "Receipt",
    "SignalBytes",
    "build_error",
    "build_receipt",
    "ebms_error",
    "is_retryable",
    "read_signal",
]

CONTENT_TYPE = f"{ns.SOAP_MIME_TYPE}; charset=UTF-8"
_HEADER_PREFIXES = ("S12", "eb", "ebbp", "wsu")
ANSWER_LIMITS = Limits(
    max_message_bytes=1_000_000, max_parts=1, max_part_bytes=1_000_000, max_header_bytes=1_000_000
)


@frozen(kw_only=True)
class SignalBytes:
    """A signal ready for the wire; ``http_status`` is the status to answer with."""

    content_type: str
    body: bytes = field(repr=False)
    http_status: int = 200


@frozen(kw_only=True)
class Receipt:
    """A verified receipt: it proves exactly the digests we sent."""

    message_id: str
    ref_to_message_id: str
    timestamp_at: float
    signer: x509.Certificate


@frozen(kw_only=True)
class ErrorSignal:
    """What the partner complains of; ``signed`` tells whether a pinned certificate stands behind it."""

    errors: tuple[EbmsError, ...]
    ref_to_message_id: str | None
    signed: bool

    @property
    def retryable(self) -> bool:
        """Whether every failure in it may pass by itself."""
        failures = [error for error in self.errors if error.severity.lower() != "warning"]
        return bool(failures) and all(map(is_retryable, failures))


class Sent(Protocol):
    """What reading an answer must know of the message sent: a SealedMessage, or the stored row of one."""

    @property
    def message_id(self) -> str: ...

    @property
    def reference_digests(self) -> tuple[tuple[str, str], ...]: ...


def build_receipt(
    verified: VerifiedMessage,
    *,
    message_id: str,
    now: float,
    identity: SigningIdentity,
    pmode: PMode | None = None,
) -> SignalBytes:
    """A signed non-repudiation receipt; the key is named as ``pmode`` (the inbound agreement) says, else
    X509v3."""
    information = "".join(
        "<ebbp:MessagePartNRInformation>"
        + (reference.written or canonical(reference.element).decode("utf-8"))
        + "</ebbp:MessagePartNRInformation>"
        for reference in verified.references
    )
    ref_to = verified.user_message.message_id
    messaging = writer.messaging_header(
        f"<eb:SignalMessage>{writer.message_info(message_id, now, ref_to)}<eb:Receipt>"
        f'<ebbp:NonRepudiationInformation xmlns:ebbp="{ns.EBBP}">{information}'
        "</ebbp:NonRepudiationInformation>"
        "</eb:Receipt></eb:SignalMessage>"
    )
    if any(f' xmlns:{prefix}="' in information for prefix in _HEADER_PREFIXES):
        # A stranger's reference that declares a prefix of ours again has another canonical form in here.
        messaging = canonical(parse(messaging.encode())).decode("utf-8")
    return _signal(messaging, writer.EMPTY_BODY, identity, pmode)


def build_error(
    fault: RemoteFault,
    *,
    message_id: str,
    ref_to_message_id: str | None,
    now: float,
    identity: SigningIdentity | None,
    pmode: PMode | None = None,
) -> SignalBytes:
    """An error signal for a refusal, signed when an identity is given; security failures add a SOAP fault."""
    error = evolve(fault.as_error(), ref_to_message_in_error=ref_to_message_id)
    messaging = writer.messaging_header(
        writer.error_signal((error,), writer.message_info(message_id, now, ref_to_message_id))
    )
    body = writer.fault_body(error) if fault.soap_fault else writer.EMPTY_BODY
    if identity is None:
        unsigned = writer.envelope(messaging, "", body)
        return SignalBytes(content_type=CONTENT_TYPE, body=unsigned, http_status=fault.http_status)
    return evolve(_signal(messaging, body, identity, pmode), http_status=fault.http_status)


def _signal(messaging: str, body: str, identity: SigningIdentity, pmode: PMode | None) -> SignalBytes:
    key_reference = "x509v3" if pmode is None else pmode.security.key_reference
    profile = SecurityProfile(signature_algorithm=identity.algorithm, key_reference=key_reference)
    security = security_header(writer.header_references(messaging, body), identity, profile)
    return SignalBytes(content_type=CONTENT_TYPE, body=writer.envelope(messaging, security, body))


def read_signal(
    content_type: str, body: bytes, *, sent: Sent, partner: Partner, now: float
) -> Receipt | ErrorSignal:
    """Judge the answer to a message of ours.

    Raises :class:`RemoteFault` EBMS:0302 unless it is a receipt, signed by a pinned certificate of the
    partner, that proves exactly what we sent, or a well-formed error signal.
    """
    try:
        soap, parts = split_body(content_type, body, ANSWER_LIMITS)
        if parts:
            raise RemoteFault("EBMS:0302", "extra_part", "an answer carries parts")
        try:
            envelope = read_envelope(soap, max_header_bytes=ANSWER_LIMITS.max_header_bytes)
        except RemoteFault:
            reason = plain_fault_reason(soap, max_bytes=ANSWER_LIMITS.max_header_bytes)
            if reason is None:
                raise
            return ErrorSignal(
                errors=(ebms_error("EBMS:0004", detail=reason),), ref_to_message_id=None, signed=False
            )
        if isinstance(envelope.signal, ReceivedErrors):
            return _read_errors(envelope, envelope.signal, sent, partner, now)
        if envelope.signal is None:
            raise RemoteFault(
                "EBMS:0302", "different_receipt", "the answer is neither a receipt nor an error"
            )
        return _read_receipt(envelope, envelope.signal, sent, partner, now)
    except RemoteFault as fault:
        raise RemoteFault(
            "EBMS:0302", fault.reason, fault.detail, ref_to_message_id=sent.message_id
        ) from fault


def _read_receipt(
    envelope: ReceivedEnvelope, receipt: ReceivedReceipt, sent: Sent, partner: Partner, now: float
) -> Receipt:
    signature = _verified(envelope, partner, now)
    if receipt.ref_to_message_id != sent.message_id:
        raise RemoteFault("EBMS:0302", "different_receipt", "the receipt answers another message")
    if sorted(receipt.digests) != sorted(tuple(pair) for pair in sent.reference_digests):
        raise RemoteFault("EBMS:0302", "different_receipt", "the receipt does not prove what we sent")
    return Receipt(
        message_id=receipt.message_id,
        ref_to_message_id=receipt.ref_to_message_id,
        timestamp_at=receipt.timestamp_at,
        signer=signature.signer,
    )


def _read_errors(
    envelope: ReceivedEnvelope, received: ReceivedErrors, sent: Sent, partner: Partner, now: float
) -> ErrorSignal:
    signed = envelope.security is not None
    if signed:
        _verified(envelope, partner, now)
    if received.ref_to_message_id not in (None, sent.message_id):
        raise RemoteFault("EBMS:0302", "different_receipt", "the error answers another message")
    return ErrorSignal(errors=received.errors, ref_to_message_id=received.ref_to_message_id, signed=signed)


def _verified(envelope: ReceivedEnvelope, partner: Partner, now: float) -> VerifiedSignature:
    return verify_signature(
        envelope,
        {},
        certificates=partner.signing_certificates,
        refused=partner.refused,
        profile_name=partner.outbound.security.name,
        now=now,
        clock_skew_seconds=partner.outbound.clock_skew_seconds,
    )
