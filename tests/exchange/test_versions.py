"""Two versions of one document type side by side, and what each partner takes (OCP Rule 27(2))."""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest

from asw_gateway.exchange.inbound import ReceivedMessage, receive
from asw_gateway.exchange.outbound import Prepared, prepare
from asw_gateway.exchange.processing import Converted, process
from asw_gateway.exchange.submission import Accepted, Refused, check_submission
from asw_gateway.messaging.party import DocumentCapability
from asw_gateway.translation.catalogue import Catalogue, UnknownKind
from asw_gateway.translation.profile import Profile
from asw_gateway.translation.profile_loading import load_profile
from simulators import documents
from tests.exchange.test_border import Row
from tests.exchange.world import NOW, Gateway, gateway
from tests.profiles import shelf

OLD = "atiga-form-d-2022"
NEW = "atiga-form-d-2027"
TYPE = "atiga-form-d"
NUMBER = documents.number_for(documents.FORM_D, "VN", "TH", 123, now=NOW)


def version(name: str, number: str, valid_from: str, valid_until: str = "") -> Profile:
    """The shipped Form D as another version: its own service, its own dates."""
    files = dict(shelf.files(OLD))
    text = files["profile.toml"].decode()
    dates = f"valid_from = {valid_from}" + (f"\nvalid_until = {valid_until}" if valid_until else "")
    text = text.replace(f'name = "{OLD}"', f'name = "{name}"', 1).replace("valid_from = 2022-05-01", dates)
    text = text.replace('version = "2022"', f'version = "{number}"', 1).replace(":2022", f":{number}")
    text = text.replace('customization_version = "022"', f'customization_version = "0{number[2:]}"')
    files["profile.toml"] = text.encode()
    return load_profile(name, files, shelf.files(shelf.REFERENCE))


@cache
def both() -> Catalogue:
    """2022 until the end of January 2027, 2027 from the beginning of November 2026: three months of both."""
    return Catalogue([version(OLD, "2022", "2022-05-01", "2027-01-31"), version(NEW, "2027", "2026-11-01")])


def submit(at: Gateway, size: int = 0) -> Accepted | Refused:
    data = documents.form_d(number=NUMBER, origin="VN", destination="TH", message_id="a1" * 16, now=NOW)
    return check_submission(
        data + b" " * size, sender_name="portal", catalogue=both(), partners=at.partners, own=at.own, now=NOW
    )


def takes(*versions: str, **more: object) -> dict[str, object]:
    return {"capabilities": (DocumentCapability(document_type=TYPE, versions=versions, **more),)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "service", "found"),
    [
        (date(2026, 10, 31), "2022", OLD),
        (date(2026, 10, 31), "2027", None),
        (date(2026, 11, 1), "2022", OLD),
        (date(2026, 11, 1), "2027", NEW),
        (date(2027, 1, 31), "2022", OLD),
        (date(2027, 2, 1), "2022", None),
    ],
)
def test_each_version_is_received_on_its_days(day: date, service: str, found: str | None) -> None:
    known = both().for_message(f"urn:asw:e-form-d:{service}", "certificate", day)
    assert (known[0].name if known else None) == found


@pytest.mark.parametrize(
    ("versions", "chosen"), [((), NEW), (("2022", "2027"), NEW), (("2022",), OLD), (("2027",), NEW)]
)
def test_a_submission_takes_the_newest_version_that_the_partner_takes(
    versions: tuple[str, ...], chosen: str
) -> None:
    accepted = submit(gateway("VN", "TH", **takes(*versions)))
    assert isinstance(accepted, Accepted)
    assert accepted.profile == chosen


@pytest.mark.parametrize(("versions", "service"), [(("2022",), "2022"), ((), "2027")])
def test_it_crosses_the_border_in_that_version(versions: tuple[str, ...], service: str) -> None:
    here, there = gateway("VN", "TH", **takes(*versions)), gateway("TH", "VN")
    accepted = submit(here)
    assert isinstance(accepted, Accepted)
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
        catalogue=both(),
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
        catalogue=both(),
        now=NOW,
        signal_id="s1@asw-th",
    )
    assert isinstance(received, ReceivedMessage), received
    assert received.verified.user_message.service == f"urn:asw:e-form-d:{service}"
    converted = process(
        received.verified,
        catalogue=both(),
        partner=there.partner,
        own=there.own,
        received_at=NOW,
        now=NOW,
        national_message_id="b2" * 16,
        functional_reference="REF-2",
    )
    assert isinstance(converted, Converted), converted


@pytest.mark.parametrize(
    ("capability", "size", "said"),
    [
        (takes("2019"), 0, "partner th takes atiga-form-d in version 2019, not 2027"),
        (
            takes("2027", kinds=("cancellation", "customs-response")),
            0,
            "partner th takes of atiga-form-d only cancellation, customs-response, not messages of kind cert",
        ),
        (
            takes("2027", max_bytes=5_000),
            5_000,
            "partner th takes atiga-form-d documents of at most 5000 bytes, this one has ",
        ),
        (
            {"capabilities": (DocumentCapability(document_type="acdd"),)},
            0,
            "partner th does not take documents of type atiga-form-d",
        ),
    ],
)
def test_what_a_partner_does_not_take_is_refused_with_an_error_of_its_own(
    capability: dict[str, object], size: int, said: str
) -> None:
    refused = submit(gateway("VN", "TH", **capability), size)
    assert isinstance(refused, Refused)
    [problem] = refused.problems
    assert (problem.rule, problem.error_code, problem.severity) == ("CAPABILITY", "ASW12_CODE", "error")
    assert problem.message.startswith(said) and problem.message_vi


def test_where_no_version_is_in_force_nothing_is_taken() -> None:
    with pytest.raises(UnknownKind):
        both().kind(TYPE, "certificate", date(2020, 1, 1))
