"""Other payloads beside a document: only as many as are agreed, never looked at as documents."""

from __future__ import annotations

from attrs import evolve

from asw_gateway.exchange.processing import Answered, Converted
from asw_gateway.messaging.message import Part
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.unpacking import VerifiedMessage
from tests.exchange.test_border import TH, VN, arrived, converted, form_d, prepared

SCAN = Part(content_id="scan@asw-vn", content=b"\x89PNG", mime_type="image/png")


def received(*more: Part) -> VerifiedMessage:
    verified = arrived(TH, prepared(VN, form_d(), "m1")).verified
    return evolve(verified, parts=(*verified.parts, *more))


def agreed(most: int) -> Partner:
    capabilities = tuple(evolve(c, max_attachments=most) for c in TH.partner.capabilities)
    return evolve(TH.partner, capabilities=capabilities)


def outcome(verified: VerifiedMessage, most: int) -> object:
    message = evolve(arrived(TH, prepared(VN, form_d(), "m1")), verified=verified)
    return converted(evolve(TH, partner=agreed(most)), message)


def test_none_unless_agreed() -> None:
    """One too many is answered with every limit in words."""
    answered = outcome(received(SCAN), 0)
    assert isinstance(answered, Answered)
    assert "exactly one document, this one 2 parts" in answered.problems[0].message
    answered = outcome(received(SCAN, evolve(SCAN, content_id="b@asw-vn")), 1)
    assert isinstance(answered, Answered)
    assert "one document and at most 1 attachments, this one 3 parts" in answered.problems[0].message


def test_as_many_as_agreed_change_nothing_of_the_document() -> None:
    alone, accompanied = outcome(received(), 2), outcome(received(SCAN), 2)
    assert isinstance(alone, Converted)
    assert isinstance(accompanied, Converted)
    assert accompanied.business_digest == alone.business_digest


def test_a_message_without_any_part_is_no_document() -> None:
    answered = outcome(evolve(received(), parts=()), 2)
    assert isinstance(answered, Answered)
    assert answered.problems[0].rule == "T01"
