"""What people and systems really send: cut, wrongly encoded, too much, too little, in every script."""

from __future__ import annotations

import unicodedata
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from attrs import evolve

from asw_gateway.exchange.processing import Answered
from asw_gateway.exchange.submission import Accepted, Refused
from asw_gateway.messaging.xml import XmlFault, canonical, parse
from asw_gateway.translation.convert import apply_rules, check_asean, check_national, to_asean, to_national
from asw_gateway.translation.problem import Problem
from tests.exchange import test_border as border
from tests.exchange.test_border import TH, VN
from tests.profiles import shelf
from tests.profiles.test_examples import flat

EXAMPLES = shelf.PROFILES / "atiga-form-d-2022" / "examples"
FORM_D = shelf.profile("atiga-form-d-2022")
CERTIFICATE: Any = FORM_D.kind("certificate")
NAMES = {
    "Vietnamese, composed": unicodedata.normalize("NFC", "Công ty Đại Dương Huế"),
    "Vietnamese, decomposed": unicodedata.normalize("NFD", "Công ty Đại Dương Huế"),
    "Thai": "บริษัท ข้าวไทย จำกัด (มหาชน)",
    "Lao": "ບໍລິສັດ ກາເຟດາວລາວ ຈຳກັດ",
    "Khmer": "ក្រុមហ៊ុន អង្គរ ភ្នំពេញ",
    "Burmese": "ရန်ကုန် ကုမ္ပဏီလီမိတက်",
    "right-to-left marks": "\u200fعربي\u200e \u202aABC\u202c \u2067x\u2069",
    "beyond the basic plane": "\U00020000\U0001f33e",
    "joiners": "क्\u200dष \u200c\u00a0\u3000",
}


def certificate(items: int = 1) -> Any:
    content = flat(EXAMPLES / "good-one-item" / "national.xml")
    holder = content.find("Items")
    first = holder[0]
    holder.clear()
    for number in range(1, items + 1):
        item = deepcopy(first)
        item.find("Number").text = str(number)
        holder.append(item)
    return content


def crossed(content: Any) -> Any:
    there = to_asean(FORM_D, CERTIFICATE, content, functional_reference="R", now=0, sender_country="VN")
    assert there.problems == () and there.losses == ()
    root = parse(there.document)
    assert check_asean(FORM_D, CERTIFICATE, root) == ()
    assert apply_rules(FORM_D, CERTIFICATE, root, on=date(2026, 11, 22), own_country="VN") == ()
    back = to_national(FORM_D, CERTIFICATE, root, now=0)
    assert back.problems == () and back.losses == ()
    return parse(back.document)


@pytest.mark.parametrize("script", NAMES)
def test_every_script_is_carried_unchanged(script: str) -> None:
    content = certificate()
    for path in ("Exporter/Name", "Consignee/Name", "Consignee/Address/Line", "Items/Item/Description"):
        content.find(path).text = NAMES[script]
    assert check_national(FORM_D, CERTIFICATE, content) == ()
    back = crossed(content)
    assert back.findtext("Exporter/Name") == NAMES[script]
    assert canonical(back) == canonical(content)


@pytest.mark.parametrize("items", [1, 50, 999])
def test_as_many_items_as_a_certificate_may_have(items: int) -> None:
    content = certificate(items)
    assert check_national(FORM_D, CERTIFICATE, content) == ()
    assert canonical(crossed(content)) == canonical(content)


@pytest.mark.parametrize(("items", "place"), [(0, "FormD/Items/Item"), (1000, "FormD/Items/Item[1000]")])
def test_no_items_and_one_too_many_are_refused_by_name(items: int, place: str) -> None:
    [problem] = check_national(FORM_D, CERTIFICATE, certificate(items))
    assert (problem.path, problem.box, problem.severity) == (place, "5", "error")


def test_a_thousand_broken_items_are_all_named_in_good_time() -> None:
    """Every item of 999 is wrong in one way: 999 problems, and no walk that grows with their square."""
    content = certificate(999)
    for code in content.iter("HsCode"):
        code.text = "1006.30"
    problems = check_national(FORM_D, CERTIFICATE, content)
    assert len(problems) == 999
    assert str(problems[-1].pointer[2]) == "68A[999]"


def refused(data: bytes) -> tuple[Problem, ...]:
    found = border.submit(VN, data)
    assert isinstance(found, Refused)
    return found.problems


def test_a_cut_envelope_is_refused_with_its_place() -> None:
    data = border.form_d()
    for length in (0, 1, 60, len(data) // 2, len(data) - 1):
        [problem] = refused(data[:length])
        assert problem.severity == "error" and problem.message, length


@pytest.mark.parametrize(
    ("charset", "word"), [("windows-1258", "\u0110\u00e0"), ("iso-8859-1", "Caf\u00e9"), ("tis-620", "ข้าว")]
)
def test_bytes_of_another_charset_are_refused_not_guessed(charset: str, word: str) -> None:
    plain = border.form_d().decode("utf-8").encode("ascii", "xmlcharrefreplace")
    data = plain.replace(b"<Signatory>", b"<Signatory>" + word.encode(charset))
    [problem] = refused(data)
    assert problem.severity == "error" and problem.message


def test_utf_16_with_its_byte_order_mark_is_read_as_what_it_is() -> None:
    text = border.form_d().decode("utf-8").replace("<Signatory>", "<Signatory>ข้าว ")
    found = border.submit(VN, text.encode("utf-16"))
    assert isinstance(found, Accepted)
    assert "ข้าว" in (found.envelope.content.findtext("Declaration/Signatory") or "")


def test_lost_letters_are_named_before_sending() -> None:
    data = border.form_d().replace(b"<Signatory>", "<Signatory>\ufffd".encode())
    assert isinstance(border.submit(VN, data), Accepted)
    found = border.send(VN, data, "m1")
    assert [(problem.rule, problem.box) for problem in found.problems] == [("G-14", "11")]


def test_what_arrives_cut_or_in_another_charset_is_answered_with_a_technical_error() -> None:
    message = border.arrived(TH, border.prepared(VN, border.form_d(), "m1"))
    whole = message.verified.parts[0].content
    for bad in (whole[: len(whole) // 2], whole.decode().encode("utf-16-le"), b"", b"\x00" * 10):
        with pytest.raises(XmlFault):
            parse(bad)
    answered = border.converted(TH, _with_document(message, whole[: len(whole) // 2]))
    assert isinstance(answered, Answered)
    [problem] = answered.problems
    assert problem.rule == "T01" and problem.path.startswith("line ")


def _with_document(message: Any, document: bytes) -> Any:
    part = evolve(message.verified.parts[0], content=document)
    return evolve(message, verified=evolve(message.verified, parts=(part,)))
