"""Simulated documents pass the gateway's own schemas and rules; the spoiled ones fail where they should."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from asw_gateway.messaging.xml import parse
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.translation.convert import (
    apply_rules,
    check_asean,
    check_national,
    read_facts_national,
    to_asean,
)
from asw_gateway.translation.envelope import read_envelope
from asw_gateway.translation.profile_loading import load_profile
from simulators import documents
from simulators.facts import read_facts
from simulators.traffic import FAULTS, PARTNER_CODE, Traffic

PROFILES = Path(__file__).parents[2] / "profiles"
NOW = 1_795_300_000.0
MESSAGE_ID = "0123456789abcdef0123456789abcdef"
PAIRS = [("VN", "TH"), ("TH", "VN"), ("ID", "VN"), ("VN", "ID")]


@cache
def catalogue() -> Catalogue:
    def files(directory: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(directory)): path.read_bytes()
            for path in directory.rglob("*")
            if path.is_file() and "examples" not in path.parts
        }

    reference = files(PROFILES / "reference")
    names = ("atiga-form-d-2022", "acdd-1.08")
    return Catalogue([load_profile(name, files(PROFILES / name), reference) for name in names])


def problems_of(envelope: bytes, country: str) -> tuple[str, str, list[str]]:
    """The kind, the country it goes to, and the rules that its sender's gateway finds broken."""
    read = read_envelope(envelope, 1_000_000)
    day = datetime.fromtimestamp(NOW, UTC).date()
    found = catalogue().for_submission(
        read.subject.document_type, read.subject.type, read.subject.function, day
    )
    assert isinstance(found, tuple), found
    profile, kind = found
    problems = list(check_national(profile, kind, read.content))
    translation = to_asean(
        profile, kind, read.content, functional_reference="R1", now=NOW, sender_country=country
    )
    problems += [*translation.problems, *translation.losses]
    if not problems:
        root = parse(translation.document)
        problems += check_asean(profile, kind, root)
        problems += apply_rules(profile, kind, root, on=day, own_country=country)
    facts = read_facts_national(profile, kind, read.content)
    return kind.name, facts.destination_country, [problem.rule for problem in problems]


def certificate(origin: str, destination: str, seed: int = 1) -> bytes:
    number = documents.number_for(documents.FORM_D, origin, destination, seed, now=NOW)
    return documents.form_d(
        number=number, origin=origin, destination=destination, message_id=MESSAGE_ID, now=NOW, seed=seed
    )


def declaration(origin: str, destination: str) -> bytes:
    number = documents.number_for(documents.ACDD, origin, destination, 7, now=NOW)
    return documents.acdd(
        number=number, origin=origin, destination=destination, message_id=MESSAGE_ID, now=NOW
    )


@pytest.mark.parametrize(("origin", "destination"), PAIRS)
def test_every_kind_is_sound_and_goes_where_it_should(origin: str, destination: str) -> None:
    first, export = certificate(origin, destination), declaration(origin, destination)
    other = documents.number_for(documents.FORM_D, origin, destination, 99, now=NOW)
    assert problems_of(first, origin) == ("certificate", destination, [])
    assert problems_of(export, origin) == ("declaration", destination, [])
    again = documents.replacement(first, number=other, message_id=MESSAGE_ID, now=NOW)
    assert problems_of(again, origin) == ("replacement", destination, [])
    for document in (first, again, export):
        away = documents.cancellation(document, message_id=MESSAGE_ID, now=NOW)
        assert problems_of(away, origin) == ("cancellation", destination, [])
        for status in ("UTL", "REJ"):
            answer = documents.customs_response(
                document, status=status, message_id=MESSAGE_ID, now=NOW, own_country=destination
            )
            assert problems_of(answer, destination) == ("customs-response", origin, [])


@pytest.mark.parametrize("seed", range(12))
def test_every_seed_gives_a_sound_certificate_always_the_same(seed: int) -> None:
    assert certificate("VN", "TH", seed) == certificate("VN", "TH", seed)
    assert problems_of(certificate("VN", "TH", seed), "VN")[2] == []


def test_the_spoiled_ones_fail_where_they_should() -> None:
    sound = certificate("VN", "TH")
    assert problems_of(FAULTS["schema"](sound), "VN")[2] == ["XSD", "XSD"]
    assert problems_of(FAULTS["rule"](sound), "VN")[2] == ["R-06"]
    assert problems_of(FAULTS["partner-code"](sound), "VN")[2] == []
    codes = (PROFILES / "reference" / "codes" / "packages.csv").read_text(encoding="utf-8")
    assert f"\n{PARTNER_CODE}," in codes


def test_facts_from_the_outside_agree_with_the_gateways() -> None:
    first = certificate("VN", "TH")
    other = documents.number_for(documents.FORM_D, "VN", "TH", 99, now=NOW)
    facts = read_facts(documents.replacement(first, number=other, message_id=MESSAGE_ID, now=NOW))
    assert (facts.number, facts.replaces, facts.function) == (other, read_facts(first).number, "02")
    assert (facts.across_from("VN"), facts.across_from("TH")) == ("TH", "VN")
    answer = documents.customs_response(first, status="REJ", message_id=MESSAGE_ID, now=NOW, own_country="TH")
    assert read_facts(answer).number == read_facts(first).number
    assert read_facts(answer).status == "REJ"
    assert read_facts(answer).across_from("TH") == "VN"


def test_traffic_drops_repeatable_files_with_ids_of_their_own(tmp_path: Path) -> None:
    def post(name: str) -> list[bytes]:
        outgoing = {country: tmp_path / name / country for country in ("VN", "TH")}
        for directory in outgoing.values():
            directory.mkdir(parents=True)
        traffic = Traffic(outgoing, seed=3, now=lambda: NOW)
        first = traffic.form_d("VN", "TH")
        traffic.replace(first)
        traffic.acdd("TH", "VN")
        traffic.cancel(first)
        assert len({posted.message_id for posted in traffic.posted}) == 4
        assert [path.name for path in sorted(outgoing["VN"].iterdir())] == [
            "000001.xml",
            "000002.xml",
            "000004.xml",
        ]
        return [posted.envelope for posted in traffic.posted]

    assert post("one") == post("two")
