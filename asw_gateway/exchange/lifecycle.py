"""The life cycles as tables: what state a message or a document may move to, and on what event.

All state logic of the gateway is in this file and nowhere else.  A room that wants to move a row asks
``outbound_next(state, event)`` and writes the answer with an update guarded by the old state.  The
diagrams in ``docs/diagrams`` are drawn from these tables (``docs/make_diagrams.py``).

Three tables:

* ``OUTBOUND``: a message from our portal on its way to a partner.
* ``INBOUND``: a message from a partner on its way to our portal.
* ``DOCUMENT``: the business life of one certificate or declaration, the same on both sides
  (the states RCV to EXP; anchors are UN/CEFACT lists 4405 and 1373).

A pair that is not in a table is illegal: ``IllegalMove`` is raised and nothing may be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from attrs import frozen


class IllegalMove(Exception):
    """The event has no meaning in this state; the row must stay as it is."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"{event} is not possible in state {state}")
        self.state = state
        self.event = event


@frozen(kw_only=True)
class StateNote:
    """What a person must know of one state: its meaning, who moves a row out of it, when it is purged."""

    meaning: str
    moved_on_by: str
    purged: str


class OutboundState(StrEnum):
    """States of a message from our portal to a partner."""

    SUBMITTED = "submitted"
    REJECTED = "rejected"
    QUEUED = "queued"
    HELD = "held"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class OutboundEvent(StrEnum):
    """What can happen to an outbound message."""

    PREPARED = "prepared"  # translated, sealed and packed
    PREPARED_BEHIND_FAILURE = "prepared_behind_failure"  # the same, but an earlier one of its key failed
    FOUND_FAULTY = "found_faulty"  # rules or translation refuse the content
    PREPARATION_BROKE = "preparation_broke"  # our own fault while preparing
    CLAIMED = "claimed"  # an attempt is recorded, its request goes out
    RECEIPT = "receipt"  # a valid receipt, in time or late
    KNOWN_THERE = "known_there"  # the partner has it from an attempt whose answer was lost
    ATTEMPT_FAILED = "attempt_failed"  # temporary: try again later
    ATTEMPT_REFUSED = "attempt_refused"  # permanent: trying again cannot help
    INTERRUPTED = "interrupted"  # the sending process stopped; does not count as an attempt
    TIME_OVER = "time_over"  # time-to-live reached without a receipt
    PREDECESSOR_FAILED = "predecessor_failed"  # an earlier message of the same order key failed
    RELEASED = "released"  # the predecessor was replayed or discarded
    REPLAYED = "replayed"  # operator: send the same bytes under the same id again
    CONVERT_AGAIN = "convert_again"  # operator: prepare again, nothing was ever packed
    RESENT = "resent"  # operator: the partner has lost what it receipted; the same bytes under the same id
    CANCELLED = "cancelled"  # operator or portal: do not send


class InboundState(StrEnum):
    """States of a message from a partner to our portal."""

    RECEIVED = "received"
    REFUSED = "refused"
    PARKED = "parked"
    UNCONVERTIBLE = "unconvertible"
    REJECTED_BY_RULES = "rejected_by_rules"
    AVAILABLE = "available"
    ACKNOWLEDGED = "acknowledged"


class InboundEvent(StrEnum):
    """What can happen to an inbound message."""

    CONVERTED = "converted"  # its envelope is on the feed
    FOUND_FAULTY = "found_faulty"  # answered with a technical error that names every fault
    CANNOT_CONVERT = "cannot_convert"  # valid, but our profile or our code cannot express it
    ORIGINAL_UNKNOWN = "original_unknown"  # a cancellation came before its document
    ORIGINAL_CAME = "original_came"  # the document a parked cancellation waits for
    PARKING_OVER = "parking_over"  # the document never came
    ALREADY_KNOWN = "already_known"  # the same document again under another id, or nothing to hand over
    CONVERT_AGAIN = "convert_again"  # operator, after a profile was mended
    GIVEN_UP = "given_up"  # operator: answer the partner with a technical error
    ACKNOWLEDGED = "acknowledged"  # the portal confirmed the feed entry


class DocumentState(StrEnum):
    """Business states of one certificate or declaration."""

    RECEIVED = "RCV"
    VALID = "VAL"
    UTILISED = "UTL"
    UTILISED_IN_PART = "UTP"
    REJECTED = "REJ"
    SUSPENDED = "SUS"
    CANCELLED = "CAN"
    REPLACED = "RPL"
    EXPIRED = "EXP"


class DocumentEvent(StrEnum):
    """What can happen to a document."""

    FOUND_VALID = "found_valid"
    UTILISED = "utilised"
    UTILISED_IN_PART = "utilised_in_part"
    REJECTED = "rejected"
    REFUSED_TECHNICALLY = "refused_technically"
    SENT_CORRECTED = "sent_corrected"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    VALIDITY_OVER = "validity_over"


_O, _OE = OutboundState, OutboundEvent
_I, _IE = InboundState, InboundEvent
_D, _DE = DocumentState, DocumentEvent

# A late receipt always wins: it is legal in every state in which bytes may have left us.
OUTBOUND: Mapping[OutboundState, Mapping[OutboundEvent, OutboundState]] = {
    _O.SUBMITTED: {
        _OE.PREPARED: _O.QUEUED,
        _OE.PREPARED_BEHIND_FAILURE: _O.HELD,
        _OE.FOUND_FAULTY: _O.REJECTED,
        _OE.PREPARATION_BROKE: _O.FAILED,
        _OE.TIME_OVER: _O.EXPIRED,
        _OE.CANCELLED: _O.CANCELLED,
    },
    _O.REJECTED: {},
    _O.QUEUED: {
        _OE.CLAIMED: _O.SENDING,
        _OE.RECEIPT: _O.DELIVERED,
        _OE.TIME_OVER: _O.EXPIRED,
        _OE.PREDECESSOR_FAILED: _O.HELD,
        _OE.CANCELLED: _O.CANCELLED,
    },
    _O.HELD: {
        _OE.RELEASED: _O.QUEUED,
        _OE.RECEIPT: _O.DELIVERED,
        _OE.TIME_OVER: _O.EXPIRED,
        _OE.CANCELLED: _O.CANCELLED,
    },
    _O.SENDING: {
        _OE.RECEIPT: _O.DELIVERED,
        _OE.KNOWN_THERE: _O.DELIVERED,
        _OE.ATTEMPT_FAILED: _O.QUEUED,
        _OE.ATTEMPT_REFUSED: _O.FAILED,
        _OE.INTERRUPTED: _O.QUEUED,
        _OE.TIME_OVER: _O.EXPIRED,
    },
    _O.DELIVERED: {_OE.RECEIPT: _O.DELIVERED, _OE.RESENT: _O.QUEUED},
    _O.FAILED: {
        _OE.RECEIPT: _O.DELIVERED,
        _OE.REPLAYED: _O.QUEUED,
        _OE.CONVERT_AGAIN: _O.SUBMITTED,
        _OE.CANCELLED: _O.CANCELLED,
    },
    _O.EXPIRED: {
        _OE.RECEIPT: _O.DELIVERED,
        _OE.REPLAYED: _O.QUEUED,
        _OE.CONVERT_AGAIN: _O.SUBMITTED,
        _OE.CANCELLED: _O.CANCELLED,
    },
    _O.CANCELLED: {_OE.RECEIPT: _O.DELIVERED},
}

INBOUND: Mapping[InboundState, Mapping[InboundEvent, InboundState]] = {
    _I.RECEIVED: {
        _IE.CONVERTED: _I.AVAILABLE,
        _IE.FOUND_FAULTY: _I.REJECTED_BY_RULES,
        _IE.CANNOT_CONVERT: _I.UNCONVERTIBLE,
        _IE.ORIGINAL_UNKNOWN: _I.PARKED,
        _IE.ALREADY_KNOWN: _I.ACKNOWLEDGED,
    },
    _I.REFUSED: {},
    _I.PARKED: {
        _IE.ORIGINAL_CAME: _I.RECEIVED,
        _IE.PARKING_OVER: _I.REJECTED_BY_RULES,
        _IE.GIVEN_UP: _I.REJECTED_BY_RULES,
    },
    _I.UNCONVERTIBLE: {
        _IE.CONVERT_AGAIN: _I.RECEIVED,
        _IE.GIVEN_UP: _I.REJECTED_BY_RULES,
    },
    _I.REJECTED_BY_RULES: {},
    _I.AVAILABLE: {_IE.ACKNOWLEDGED: _I.ACKNOWLEDGED},
    _I.ACKNOWLEDGED: {},
}

# Never cancelled or replaced once utilised: only an unutilised certificate can be withdrawn.
DOCUMENT: Mapping[DocumentState, Mapping[DocumentEvent, DocumentState]] = {
    _D.RECEIVED: {
        _DE.FOUND_VALID: _D.VALID,
        _DE.UTILISED: _D.UTILISED,
        _DE.UTILISED_IN_PART: _D.UTILISED_IN_PART,
        _DE.REJECTED: _D.REJECTED,
        _DE.REFUSED_TECHNICALLY: _D.REJECTED,
        _DE.SUSPENDED: _D.SUSPENDED,
        _DE.CANCELLED: _D.CANCELLED,
        _DE.REPLACED: _D.REPLACED,
        _DE.VALIDITY_OVER: _D.EXPIRED,
    },
    _D.VALID: {
        _DE.FOUND_VALID: _D.VALID,
        _DE.UTILISED: _D.UTILISED,
        _DE.UTILISED_IN_PART: _D.UTILISED_IN_PART,
        _DE.REJECTED: _D.REJECTED,
        _DE.SUSPENDED: _D.SUSPENDED,
        _DE.CANCELLED: _D.CANCELLED,
        _DE.REPLACED: _D.REPLACED,
        _DE.VALIDITY_OVER: _D.EXPIRED,
    },
    _D.UTILISED: {_DE.UTILISED: _D.UTILISED},
    _D.UTILISED_IN_PART: {
        _DE.UTILISED_IN_PART: _D.UTILISED_IN_PART,
        _DE.UTILISED: _D.UTILISED,
        _DE.REJECTED: _D.REJECTED,
    },
    _D.REJECTED: {
        _DE.REJECTED: _D.REJECTED,
        _DE.UTILISED: _D.UTILISED,
        _DE.UTILISED_IN_PART: _D.UTILISED_IN_PART,
        _DE.SENT_CORRECTED: _D.RECEIVED,
    },
    _D.SUSPENDED: {
        _DE.SUSPENDED: _D.SUSPENDED,
        _DE.UTILISED: _D.UTILISED,
        _DE.UTILISED_IN_PART: _D.UTILISED_IN_PART,
        _DE.REJECTED: _D.REJECTED,
    },
    _D.CANCELLED: {_DE.CANCELLED: _D.CANCELLED},
    _D.REPLACED: {_DE.REPLACED: _D.REPLACED},
    # Late acceptance, OCP Rule 14(b) and (c).
    _D.EXPIRED: {_DE.UTILISED: _D.UTILISED, _DE.UTILISED_IN_PART: _D.UTILISED_IN_PART},
}

OUTBOUND_START = OutboundState.SUBMITTED
INBOUND_START = (InboundState.RECEIVED, InboundState.REFUSED)
DOCUMENT_START = DocumentState.RECEIVED

#: States a row rests in: nothing but an operator or a late receipt moves it on.
OUTBOUND_FINAL = frozenset({_O.REJECTED, _O.DELIVERED, _O.FAILED, _O.EXPIRED, _O.CANCELLED})
INBOUND_FINAL = frozenset({_I.REFUSED, _I.REJECTED_BY_RULES, _I.ACKNOWLEDGED})
DOCUMENT_FINAL = frozenset({_D.UTILISED, _D.CANCELLED, _D.REPLACED, _D.EXPIRED})
#: Final states after which later messages of the same order key are held until replay or discard.
OUTBOUND_BLOCKS_KEY = frozenset({_O.FAILED, _O.EXPIRED})
#: The dead-letter list.
OUTBOUND_DEAD_LETTERS = OUTBOUND_BLOCKS_KEY

_S = TypeVar("_S", bound=StrEnum)
_E = TypeVar("_E", bound=StrEnum)


def _next(table: Mapping[_S, Mapping[_E, _S]], state: _S, event: _E) -> _S:
    try:
        return table[state][event]
    except KeyError:
        raise IllegalMove(state, event) from None


def outbound_next(state: str, event: OutboundEvent) -> OutboundState:
    """Give the state after ``event``; raise IllegalMove if the pair is not in the table."""
    return _next(OUTBOUND, OutboundState(state), event)


def inbound_next(state: str, event: InboundEvent) -> InboundState:
    """Give the state after ``event``; raise IllegalMove if the pair is not in the table."""
    return _next(INBOUND, InboundState(state), event)


def document_next(state: str, event: DocumentEvent) -> DocumentState:
    """Give the state after ``event``; raise IllegalMove if the pair is not in the table."""
    return _next(DOCUMENT, DocumentState(state), event)
