"""A fourth document type by files alone: checked, tried, and sent through two gateways, no Python touched."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from asw_gateway.cli.main import main
from asw_gateway.config.profile_files import read_profiles
from asw_gateway.exchange.inbound import ReceivedMessage, receive
from asw_gateway.exchange.outbound import Prepared, prepare
from asw_gateway.exchange.processing import Converted, process
from asw_gateway.exchange.submission import Accepted, Refused, check_submission
from asw_gateway.messaging.party import DocumentCapability
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.translation.envelope import read_envelope
from asw_gateway.translation.profile_loading import load_profile
from simulators import documents
from simulators.world import World
from simulators.world_files import PortalHabits
from tests.exchange.test_border import Row
from tests.exchange.world import NOW, gateway
from tests.profiles import shelf

FOURTH = Path(__file__).parent / "fourth"
NAME, TYPE, PROCEDURE, NUMBER = "e-health-1.0", "e-health", "ASW-EHEALTH", "VN-TY-2026-000815"


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """The shipped profiles and the fourth one, in a folder of their own."""
    target = tmp_path / "profiles"
    shutil.copytree(shelf.PROFILES, target, ignore=shutil.ignore_patterns("examples"))
    shutil.copytree(FOURTH / NAME, target / NAME)
    return target


def example() -> ElementTree.Element:
    return ElementTree.parse(FOURTH / NAME / "examples/good-shrimp/national.xml").getroot()


def submission(now: float = NOW) -> bytes:
    """The example as the portal submits it."""
    return documents.envelope(
        PROCEDURE, "01", example(), country="VN", message_id="f4" * 16, reference=NUMBER, now=now
    )


def test_the_tools_accept_it(profiles: Path) -> None:
    checked = CliRunner().invoke(main, ["profile", "check", str(profiles / NAME)])
    assert (checked.exit_code, checked.output) == (0, "profiles: 1, mistakes: 0\n")
    tried = CliRunner().invoke(main, ["profile", "test", "--quick", str(profiles / NAME)])
    assert tried.exit_code == 0, tried.output
    counts = "rules covered: all (document 1, store 0, timer 0, behaviour 0, outside 1)"
    assert f"profiles: 1, examples: 2, {counts}, round trips: " in tried.output
    page = CliRunner().invoke(
        main,
        [
            "profile",
            "render",
            "--profiles",
            str(profiles),
            str(profiles / NAME / "examples/good-shrimp/asean.xml"),
        ],
    )
    assert page.exit_code == 0 and "Health certificate" in page.output and "fish and shrimp" in page.output


def test_it_crosses_the_border(profiles: Path) -> None:
    files = read_profiles(profiles)
    catalogue = Catalogue(load_profile(name, own, files.reference) for name, own in files.profiles.items())
    takes = {"capabilities": (DocumentCapability(document_type=TYPE),)}
    here, there = gateway("VN", "TH", **takes), gateway("TH", "VN", **takes)
    accepted = check_submission(
        submission(), sender_name="portal", catalogue=catalogue, partners=here.partners, own=here.own, now=NOW
    )
    assert isinstance(accepted, Accepted), accepted
    assert (accepted.document_type, accepted.kind, accepted.document_number) == (TYPE, "certificate", NUMBER)
    row = Row(
        document_type=TYPE,
        kind="certificate",
        document_number=NUMBER,
        conversation_id=None,
        ref_to_message_id=None,
        national_message_id=accepted.national_message_id,
    )
    sent = prepare(
        accepted.raw,
        row,
        catalogue=catalogue,
        partner=here.partner,
        own=here.own,
        identities=here.identities,
        message_id="m1@asw-vn",
        functional_reference="REF-1",
        now=NOW,
    )
    assert isinstance(sent, Prepared), sent
    received = receive(
        sent.sealed.content_type,
        sent.sealed.body,
        partner=there.partner,
        own=there.own,
        identities=there.identities,
        catalogue=catalogue,
        now=NOW,
        signal_id="s1@asw-th",
    )
    assert isinstance(received, ReceivedMessage), received
    converted = process(
        received.verified,
        catalogue=catalogue,
        partner=there.partner,
        own=there.own,
        received_at=NOW,
        now=NOW,
        national_message_id="b2" * 16,
        functional_reference="REF-2",
    )
    assert isinstance(converted, Converted), converted
    delivered = read_envelope(converted.envelope, 1_000_000)
    assert (delivered.subject.document_type, delivered.subject.type) == (PROCEDURE, "20")
    flat = [(element.tag, (element.text or "").strip()) for element in example().iter()]
    assert [(element.tag, (element.text or "").strip()) for element in delivered.content.iter()] == flat


def test_a_partner_that_does_not_take_it_gets_none(profiles: Path) -> None:
    files = read_profiles(profiles)
    catalogue = Catalogue(load_profile(name, own, files.reference) for name, own in files.profiles.items())
    here = gateway("VN", "TH")
    refused = check_submission(
        submission(), sender_name="portal", catalogue=catalogue, partners=here.partners, own=here.own, now=NOW
    )
    assert isinstance(refused, Refused)
    assert [(each.rule, each.message) for each in refused.problems] == [
        ("CAPABILITY", "partner th does not take documents of type e-health")
    ]


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


@pytest.mark.slow
def test_two_real_gateways_carry_it_and_its_answer(profiles: Path, tmp_path: Path) -> None:
    """Daemons, mutual TLS, portals: all they are told is another profiles folder and one capability more."""
    with World(
        tmp_path / "w", countries=("VN", "TH"), habits=PortalHabits(office={"refusals": 0.0})
    ) as world:
        world.write()
        for site in world.sites.values():
            text = site.gateway_file.read_text()
            site.gateway_file.write_text(text.replace(str(site.profiles_directory), str(profiles)))
            for partner in (site.gateway_file.parent / "partners").glob("*.toml"):
                text = partner.read_text().replace('document_type = "acdd"', f'document_type = "{TYPE}"')
                partner.write_text(text)
        world.start()
        (world.sites["VN"].portal_directory / "outgoing" / "1.xml").write_bytes(submission(time.time()))

        def answered() -> bool:
            return any("<Status>UTL</Status>" in str(entry["envelope"]) for entry in world.read_feed("VN"))

        wait_for(answered, 40)
        there = [str(entry["envelope"]) for entry in world.read_feed("TH") if entry["kind"] == "message"]
        assert len(there) == 1 and "Frozen black tiger shrimp" in there[0]
        assert {gateway.stop() for gateway in world.gateways.values()} == {0}
