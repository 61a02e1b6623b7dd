"""Codes that a partner writes otherwise: read as agreed, written as agreed, and told each time."""

from __future__ import annotations

from attrs import evolve

from asw_gateway.exchange.processing import Converted
from asw_gateway.messaging.xml import parse
from asw_gateway.translation.envelope import read_envelope
from tests.exchange import test_border as border
from tests.exchange.test_border import TH, VN
from tests.exchange.world import Gateway, gateway


def with_unit(unit: bytes) -> bytes:
    data = border.form_d()
    assert b'<GrossWeight unit="KGM"' in data
    return data.replace(b'<GrossWeight unit="KGM"', b'<GrossWeight unit="' + unit + b'"')


def converted(at: Gateway, data: bytes) -> Converted:
    found = border.converted(at, border.arrived(at, border.prepared(VN, data, "m1")))
    assert isinstance(found, Converted), found
    return found


def weights(result: Converted) -> set[str]:
    content = read_envelope(result.envelope, 1_000_000).content
    return {element.get("unit") for element in content.iterfind("Items/Item/GrossWeight")}


def test_a_partners_code_is_read_as_agreed_and_told() -> None:
    reading = gateway("TH", "VN", aliases={"mass-units": {"KGS": "KGM"}})
    result = converted(reading, with_unit(b"KGS"))
    assert weights(result) == {"KGM"}
    told = [problem for problem in result.problems if problem.rule == "ALIAS"]
    assert told and all(problem.severity == "warning" and problem.box == "9" for problem in told)
    assert told[0].path.endswith("GrossMassMeasure/@unitCode") and told[0].value == "KGS"
    assert told[0].message_vi
    # Once read as agreed, the unit is no problem of the code list any more.
    assert "CODE" not in {problem.rule for problem in result.problems}


def test_without_an_alias_the_code_is_carried_with_a_warning() -> None:
    result = converted(TH, with_unit(b"KGS"))
    assert weights(result) == {"KGS"}
    assert {problem.rule for problem in result.problems} == {"CODE"}


def test_the_table_of_the_family_serves_every_list_of_units() -> None:
    result = converted(gateway("TH", "VN", aliases={"units": {"KGS": "KGM"}}), with_unit(b"KGS"))
    assert weights(result) == {"KGM"}


def test_a_document_is_the_same_document_whatever_the_aliases_are() -> None:
    reading = gateway("TH", "VN", aliases={"mass-units": {"KGS": "KGM"}})
    data = with_unit(b"KGS")
    assert converted(reading, data).business_digest == converted(TH, data).business_digest


def test_a_code_is_written_as_the_partner_wants_to_read_it() -> None:
    writing = evolve(VN, partner=evolve(VN.partner, spellings={"mass-units": {"KGM": "KGS"}}))
    sent = border.prepared(writing, border.form_d(), "m1")
    received = border.arrived(TH, sent)
    root = parse(received.verified.parts[0].content)
    assert {element.get("unitCode") for element in root.iter("{*}GrossMassMeasure")} == {"KGS"}
    assert [problem.rule for problem in sent.problems if problem.rule == "ALIAS"]
    # Two gateways that know of it understand each other: nothing of the document is lost.
    plain = converted(TH, border.form_d())
    reading = gateway("TH", "VN", aliases={"mass-units": {"KGS": "KGM"}})
    result = border.converted(reading, border.arrived(reading, sent))
    assert isinstance(result, Converted)
    assert weights(result) == weights(plain) == {"KGM"}
