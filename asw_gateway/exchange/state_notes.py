"""What each state of ``lifecycle`` means, who moves a row out of it, and when it is purged.

Payloads and evidence have retention times of their own (defaults: payload 5 years, evidence 10 years,
counted from the moment the row came to rest); "never while here" means that no purge touches the row.
"""

from __future__ import annotations

from collections.abc import Mapping

from asw_gateway.exchange.lifecycle import DocumentState, InboundState, OutboundState, StateNote

_NOT_HERE = "never while here"
_RETENTION = "body after the payload retention, row and evidence after the evidence retention"


def _note(meaning: str, moved_on_by: str, purged: str = _NOT_HERE) -> StateNote:
    return StateNote(meaning=meaning, moved_on_by=moved_on_by, purged=purged)


OUTBOUND_NOTES: Mapping[OutboundState, StateNote] = {
    OutboundState.SUBMITTED: _note("the portal's envelope is stored and answered with 99", "conversion"),
    OutboundState.REJECTED: _note(
        "the content breaks a rule or cannot be translated; the portal was told every fault",
        "nobody: the portal submits a corrected document",
        _RETENTION,
    ),
    OutboundState.QUEUED: _note(
        "signed bytes are ready and next_attempt_at is set, also between two attempts",
        "the partner's channel",
    ),
    OutboundState.HELD: _note(
        "an earlier message of the same order key failed; sending this one could overtake it",
        "an operator, by replaying or discarding the failed one",
    ),
    OutboundState.SENDING: _note(
        "an attempt is recorded and its request is out",
        "the partner's channel, or the rescue of expired leases",
    ),
    OutboundState.DELIVERED: _note(
        "a valid receipt is stored; or the partner says that it has the message and its receipt was lost",
        "nobody",
        _RETENTION,
    ),
    OutboundState.FAILED: _note(
        "the partner refused it for good, or we could not prepare it; the portal was told",
        "an operator (replay, convert again, discard) or a late receipt",
        _RETENTION,
    ),
    OutboundState.EXPIRED: _note(
        "its time to live passed without a receipt (EBMS:0301); the portal was told",
        "an operator (replay, discard) or a late receipt",
        _RETENTION,
    ),
    OutboundState.CANCELLED: _note(
        "withdrawn before delivery by an operator or the portal", "only a late receipt", _RETENTION
    ),
}

INBOUND_NOTES: Mapping[InboundState, StateNote] = {
    InboundState.RECEIVED: _note("raw bytes, evidence and receipt are committed", "conversion"),
    InboundState.REFUSED: _note("answered with an error signal; only evidence is kept", "nobody", _RETENTION),
    InboundState.PARKED: _note(
        "a cancellation whose original has not come yet",
        "the original's arrival, or the end of the parking time",
    ),
    InboundState.UNCONVERTIBLE: _note(
        "receipted and valid, but our profile or code cannot translate it",
        "an operator, after a profile was mended",
    ),
    InboundState.REJECTED_BY_RULES: _note(
        "receipted, then answered with a technical error that names every fault", "nobody", _RETENTION
    ),
    InboundState.AVAILABLE: _note("its envelope is on the feed", "the portal's acknowledgement"),
    InboundState.ACKNOWLEDGED: _note(
        "the portal confirmed it, or there was nothing new to hand over", "nobody", _RETENTION
    ),
}

DOCUMENT_NOTES: Mapping[DocumentState, StateNote] = {
    DocumentState.RECEIVED: _note(
        "known and not yet used; for our own documents the outbound message says how far it travelled",
        "the importing side's answer, its issuer, or the clock",
    ),
    DocumentState.VALID: _note(
        "technically valid and handed to the importing customs", "importing customs, its issuer, or the clock"
    ),
    DocumentState.UTILISED: _note("used in full, preference given", "nobody", _RETENTION),
    DocumentState.UTILISED_IN_PART: _note("used for some items, others refused", "importing customs"),
    DocumentState.REJECTED: _note(
        "refused, with reasons: by customs, or technically by the receiving gateway",
        "importing customs after clarification, or a corrected document",
        _RETENTION,
    ),
    DocumentState.SUSPENDED: _note("preference suspended while it is verified", "importing customs"),
    DocumentState.CANCELLED: _note("withdrawn by its issuer", "nobody", _RETENTION),
    DocumentState.REPLACED: _note("its issuer replaced it by a new number", "nobody", _RETENTION),
    DocumentState.EXPIRED: _note(
        "twelve months passed without use", "importing customs, by late acceptance", _RETENTION
    ),
}
