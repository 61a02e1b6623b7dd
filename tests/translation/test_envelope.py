"""The VNSW Envelope and its traps T1–T10."""

from __future__ import annotations

import html

import pytest
from lxml import etree

from asw_gateway.translation.answers import new_subject
from asw_gateway.translation.envelope import (
    EnvelopeFault,
    Organisation,
    accepted_answer,
    read_envelope,
    refused_answer,
    status_envelope,
    write_envelope,
)
from asw_gateway.translation.problem import PointerStep, Problem

PORTAL = Organisation(
    name="NSW",
    identity="NSW",
    country_code="VN",
    ministry_code="BTC",
    organization_code="TCHQ",
    unit_code="NSW",
)
GATEWAY = Organisation(
    name="ASW", identity="ASW", country_code="VN", ministry_code="BTC", organization_code="TCHQ"
)
NOW = 1_795_341_600.0  # 2026-11-22 10:00:00 UTC


def submitted(document_type: str = "ASW-EFORMD", message_id: str = "a" * 32) -> bytes:
    content = etree.Element("FormD")
    content.text = "Gạo"
    subject = new_subject(document_type=document_type, type="10", function="01", reference="D-1", now=NOW)
    return write_envelope(
        message_id=message_id, sender=PORTAL, recipient=GATEWAY, subject=subject, content=content
    )


def faults(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(EnvelopeFault) as caught:
        read_envelope(data, 1_000_000)
    return [(problem.error_code, problem.path) for problem in caught.value.problems]


def test_what_is_written_is_read_back() -> None:
    envelope = read_envelope(submitted(), 1_000_000)
    assert (envelope.message_id, envelope.sender, envelope.recipient) == ("a" * 32, PORTAL, GATEWAY)
    assert envelope.subject.send_date == "2026-11-22 17:00:00"
    assert envelope.subject.sent_at == NOW
    assert envelope.content.tag == "FormD" and envelope.content.text == "Gạo"
    assert envelope.notes == ()


@pytest.mark.parametrize(("length", "taken"), [(32, True), (36, True), (37, False)])
def test_t1_message_ids_up_to_36_characters_are_taken_whole(length: int, taken: bool) -> None:
    data = submitted(message_id="b" * length)
    if taken:
        assert read_envelope(data, 1_000_000).message_id == "b" * length
    else:
        assert faults(data) == [("ERR00_CODE", "Envelope/Header/Reference/messageId")]


def test_t2_a_procedure_code_escaped_twice_is_read_and_noted() -> None:
    once = read_envelope(submitted("BNN&PTNT0300002"), 1_000_000)
    assert (once.subject.document_type, once.notes) == ("BNN&PTNT0300002", ())
    twice = read_envelope(submitted("BNN&amp;PTNT0300002"), 1_000_000)
    assert twice.subject.document_type == "BNN&PTNT0300002"
    assert twice.notes == ("documentType was escaped twice",)


def test_t3_header_children_are_read_in_any_order_and_written_in_one() -> None:
    root = etree.fromstring(submitted())
    subject = root.find("Header/Subject")
    assert subject is not None
    assert [child.tag for child in subject] == [
        "documentType",
        "type",
        "function",
        "reference",
        "documentYear",
        "preReference",
        "preDocumentYear",
        "sendDate",
    ]
    subject[:] = list(reversed(subject))
    header = root.find("Header")
    assert header is not None
    header[:] = list(reversed(header))
    assert read_envelope(etree.tostring(root), 1_000_000).subject.reference == "D-1"


def test_t5_one_extra_level_of_escaping_or_cdata_is_undone_but_not_two() -> None:
    text = submitted().decode().partition("?>")[2].strip()
    once = read_envelope(html.escape(text).encode(), 1_000_000)
    assert once.subject.reference == "D-1" and once.notes == ("payload was escaped once",)
    assert read_envelope(f"<![CDATA[{text}]]>".encode(), 1_000_000).notes == ("payload came in CDATA",)
    assert [code for code, _ in faults(html.escape(html.escape(text)).encode())] == ["ERR02_CODE"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<Envelope>",
        b"<Envelope>\xff</Envelope>",
        b'<!DOCTYPE Envelope [<!ENTITY a "b">]><Envelope>&a;</Envelope>',
        b'<!DOCTYPE Envelope SYSTEM "file:///etc/passwd"><Envelope/>',
        b"<Envelope>" + b"<a>" * 500 + b"</a>" * 500 + b"</Envelope>",
        b"<Envelope>" + b" " * 1_000_000 + b"</Envelope>",
    ],
)
def test_t6_what_cannot_be_parsed_safely_is_err02(data: bytes) -> None:
    assert [code for code, _ in faults(data)] == ["ERR02_CODE"]


@pytest.mark.parametrize("text", ["2026-11-22T17:00:00", "2026-02-30 10:00:00", "22/11/2026", "2026-11-22"])
def test_t7_a_send_date_in_another_form_is_refused(text: str) -> None:
    data = submitted().replace(b"2026-11-22 17:00:00", text.encode())
    assert faults(data) == [("ERR00_CODE", "Envelope/Header/Subject/sendDate")]


@pytest.mark.parametrize("year", ["1899", "2101", "70000", "x", "-026"])
def test_t8_a_year_that_cannot_be_is_refused(year: str) -> None:
    data = submitted().replace(b"<documentYear>2026", b"<documentYear>" + year.encode())
    assert faults(data)[0] == ("ERR00_CODE", "Envelope/Header/Subject/documentYear")


def test_t9_signatures_are_kept_from_all_three_places() -> None:
    root = etree.fromstring(submitted())
    for parent, name, text in (
        (root[0], "Signature", "h"),
        (root[1], "Signature", "b"),
        (root, "SystemSignature", "s"),
    ):
        etree.SubElement(parent, name).text = text
    envelope = read_envelope(etree.tostring(root), 1_000_000)
    assert (envelope.header_signature, envelope.body_signature, envelope.system_signature) == ("h", "b", "s")


def test_every_fault_of_an_envelope_is_named_at_once() -> None:
    root = etree.fromstring(submitted())
    sender = root.find("Header/From")
    subject = root.find("Header/Subject")
    assert sender is not None and subject is not None
    sender.remove(sender[1])
    sender[1].text = "VNM"
    subject.remove(subject[0])
    root.remove(root[1])
    assert faults(etree.tostring(root)) == [
        ("ERR00_CODE", "Envelope/Header/From/identity"),
        ("ERR00_CODE", "Envelope/Header/From/countryCode"),
        ("ERR00_CODE", "Envelope/Header/Subject/documentType"),
        ("ERR00_CODE", "Envelope/Body"),
    ]


def test_t10_the_answer_99_says_when_it_was_stored_and_goes_back_to_the_sender() -> None:
    envelope = read_envelope(submitted(), 1_000_000)
    answer = read_envelope(accepted_answer(envelope, NOW, "c" * 32, GATEWAY), 1_000_000)
    assert (answer.subject.function, answer.subject.reference) == ("99", "D-1")
    assert (answer.sender, answer.recipient) == (GATEWAY, PORTAL)
    assert answer.content.tag == "ReceiveDate" and answer.content.text == "2026-11-22 17:00:00"


def test_the_answer_00_lists_every_problem_with_place_and_both_languages() -> None:
    problems = [
        Problem(
            rule="R-06",
            message="wrong",
            message_vi="sai",
            box="8",
            path="FormD/Items/Item[3]/OriginCriterion",
            value="WO+\x01",
        ),
        Problem(rule="ENVELOPE", message="unknown procedure", error_code="ERR01_CODE"),
    ]
    data = refused_answer(None, problems, refused_at=NOW, message_id="d" * 32, own=GATEWAY, portal=PORTAL)
    answer = read_envelope(data, 1_000_000)
    assert (answer.subject.type, answer.subject.function, answer.recipient) == ("00", "00", PORTAL)
    errors = [(e.findtext("ErrorCode"), e.findtext("ErrorName")) for e in answer.content]
    assert errors[0][0] == "ERR05_CODE"
    for part in ("R-06", "Item[3]/OriginCriterion", "Ô 8: sai", "Box 8: wrong", "WO+"):
        assert part in (errors[0][1] or "")
    assert errors[1][0] == "ERR01_CODE"


def test_a_status_message_carries_problems_with_their_pointers() -> None:
    problem = Problem(
        rule="R-06", message="wrong", box="8", pointer=(PointerStep(section="68A", tag="225", sequence=3),)
    )
    data = status_envelope(
        own=GATEWAY,
        portal=PORTAL,
        message_id="e" * 32,
        now=NOW,
        status="rejected",
        national_message_id="a" * 32,
        reference="D-1",
        problems=[problem],
    )
    status = read_envelope(data, 1_000_000)
    assert (status.subject.type, status.subject.function) == ("21", "01")
    assert status.content.findtext("Status") == "rejected"
    assert status.content.findtext("MessageId") == "a" * 32
    assert dict(status.content.find("Problems/Problem/Pointer").attrib) == {
        "section": "68A",
        "tag": "225",
        "sequence": "3",
    }


def test_a_long_reference_is_shortened_without_becoming_another_ones() -> None:
    from asw_gateway.translation.answers import short_reference

    assert short_reference("D-17") == "D-17"
    assert short_reference("x" * 35) == "x" * 35
    one, other = short_reference("x" * 36), short_reference("x" * 37)
    assert len(one) == len(other) == 35
    assert one != other
    assert one == short_reference("x" * 36)
