"""A document crosses the border and its answer comes back, as pure values: no sockets, no store, no clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import evolve, frozen

from asw_gateway.exchange import outbound, settlement
from asw_gateway.exchange.inbound import ReceivedMessage, RefusedMessage, receive, reopen
from asw_gateway.exchange.outbound import Prepared, Rejected, pack_ready, prepare
from asw_gateway.exchange.processing import Answered, Converted, Unconvertible, process
from asw_gateway.exchange.settlement import KnownDocument, Verdict, lookups, settle
from asw_gateway.exchange.submission import Accepted, CheckedContent, Refused, check_submission
from asw_gateway.messaging.signal import Receipt, read_signal
from asw_gateway.messaging.xml import canonical, parse
from asw_gateway.translation.envelope import read_envelope
from asw_gateway.translation.profile_loading import load_profile
from simulators import documents
from tests.exchange.world import NOW, Gateway, catalogue, gateway
from tests.profiles import shelf

VN = gateway("VN", "TH")
TH = gateway("TH", "VN")
NUMBER = documents.number_for(documents.FORM_D, "VN", "TH", 123, now=NOW)


@frozen(kw_only=True)
class Row:
    """What prepare reads of an outbox row."""

    document_type: str
    kind: str
    document_number: str
    conversation_id: str | None
    ref_to_message_id: str | None
    national_message_id: str | None
    created_at: float = NOW


def form_d(**more: object) -> bytes:
    values = {"number": NUMBER, "origin": "VN", "destination": "TH", "message_id": "a1" * 16, "now": NOW}
    return documents.form_d(**(values | more))  # type: ignore[arg-type]


def submit(at: Gateway, data: bytes) -> Accepted | Refused:
    return check_submission(
        data, sender_name="portal", catalogue=catalogue(), partners=at.partners, own=at.own, now=NOW
    )


def accepted(at: Gateway, data: bytes) -> Accepted:
    found = submit(at, data)
    assert isinstance(found, Accepted), [p.message for p in found.problems]
    return found


def send(
    at: Gateway,
    data: bytes,
    unique: str,
    ref: str | None = None,
    checked: CheckedContent | None = None,
) -> Prepared | Rejected:
    found = accepted(at, data)
    row = Row(
        document_type=found.document_type,
        kind=found.kind,
        document_number=found.document_number,
        conversation_id=found.conversation_id,
        ref_to_message_id=ref,
        national_message_id=found.national_message_id,
    )
    return prepare(
        data,
        row,
        catalogue=catalogue(),
        partner=at.partner,
        own=at.own,
        identities=at.identities,
        message_id=f"{unique}@{at.own.party_id.value}",
        functional_reference=f"REF-{unique}",
        now=NOW,
        checked=checked,
    )


def prepared(at: Gateway, data: bytes, unique: str, ref: str | None = None) -> Prepared:
    found = send(at, data, unique, ref)
    assert isinstance(found, Prepared), [p.message for p in found.problems]
    return found


def arrive(at: Gateway, message: Prepared) -> ReceivedMessage | RefusedMessage:
    return receive(
        message.sealed.content_type,
        message.sealed.body,
        partner=at.partner,
        own=at.own,
        identities=at.identities,
        catalogue=catalogue(),
        now=NOW,
        signal_id=f"signal@{at.own.party_id.value}",
    )


def arrived(at: Gateway, message: Prepared) -> ReceivedMessage:
    found = arrive(at, message)
    assert isinstance(found, ReceivedMessage), found
    return found


def converted(at: Gateway, received: ReceivedMessage) -> Converted | Answered | Unconvertible:
    return process(
        received.verified,
        catalogue=catalogue(),
        partner=at.partner,
        own=at.own,
        received_at=NOW,
        now=NOW,
        national_message_id="b2" * 16,
        functional_reference="ERR-1",
    )


def test_a_form_d_crosses_and_its_customs_response_closes_the_story() -> None:
    out = prepared(VN, form_d(), "m1")
    at_home = settle(out.facts, out.effect, out.business_digest, None, None, inbound=False)
    assert [(c.direction, c.document_number, c.state.value) for c in at_home.changes] == [
        ("out", NUMBER, "RCV")
    ]

    received = arrived(TH, out)
    assert received.message_type == "atiga-form-d/certificate"
    assert not received.is_ping
    receipt = read_signal(
        received.receipt.content_type, received.receipt.body, sent=out.sealed, partner=VN.partner, now=NOW
    )
    assert isinstance(receipt, Receipt)

    there = converted(TH, received)
    assert isinstance(there, Converted), there
    assert there.business_digest == out.business_digest
    on_feed = read_envelope(there.envelope, 1_000_000)
    assert (on_feed.subject.type, on_feed.subject.function) == ("20", "01")
    assert on_feed.content.findtext("Number") == NUMBER
    settled = settle(there.facts, there.effect, there.business_digest, None, None, inbound=True)
    assert [(c.direction, c.state.value) for c in settled.changes] == [("in", "VAL")]

    answer = documents.customs_response(
        there.envelope, status="UTL", message_id="c3" * 16, now=NOW, own_country="TH"
    )
    back = prepared(TH, answer, "m2", ref=received.message_id)
    ours = settle(
        back.facts,
        back.effect,
        back.business_digest,
        KnownDocument(state="VAL", digest="d"),
        None,
        inbound=False,
    )
    assert [(c.direction, c.document_number, c.state.value) for c in ours.changes] == [("in", NUMBER, "UTL")]

    home = arrived(VN, back)
    assert home.ref_to_message_id == out.sealed.message_id
    final = converted(VN, home)
    assert isinstance(final, Converted), final
    assert read_envelope(final.envelope, 1_000_000).content.findtext("Status") == "UTL"
    closed = settle(
        final.facts,
        final.effect,
        final.business_digest,
        KnownDocument(state="RCV", digest="d"),
        None,
        inbound=True,
    )
    assert closed.verdict is Verdict.PROCEED
    assert [(c.direction, c.document_number, c.state.value) for c in closed.changes] == [
        ("out", NUMBER, "UTL")
    ]


def test_an_acdd_crosses() -> None:
    data = documents.acdd(
        number=documents.number_for(documents.ACDD, "VN", "TH", 5, now=NOW),
        origin="VN", destination="TH", message_id="a2" * 16, now=NOW,
    )  # fmt: skip
    assert isinstance(converted(TH, arrived(TH, prepared(VN, data, "m3"))), Converted)


def test_the_order_key_is_the_same_for_a_document_its_cancellation_and_its_answer() -> None:
    original = accepted(VN, form_d())
    cancelled = accepted(VN, documents.cancellation(form_d(), message_id="d4" * 16, now=NOW))
    assert original.order_key == cancelled.order_key
    assert cancelled.priority == 0 < original.priority
    received = arrived(TH, prepared(VN, form_d(), "m4"))
    assert received.order_key is not None
    there = converted(TH, received)
    assert isinstance(there, Converted)
    answer = documents.customs_response(
        there.envelope, status="REJ", message_id="e5" * 16, now=NOW, own_country="TH"
    )
    assert accepted(TH, answer).order_key == received.order_key


def test_a_repetition_packs_the_same_digests() -> None:
    first, second = prepared(VN, form_d(), "m5"), prepared(VN, form_d(), "m6")
    assert first.business_digest == second.business_digest
    assert first.document_digest != second.document_digest


def test_the_message_receipted_at_the_door_is_read_again_from_its_stored_bytes() -> None:
    out = prepared(VN, form_d(), "m7")
    again = reopen(
        out.sealed.content_type,
        out.sealed.body,
        partner=TH.partner,
        own=TH.own,
        identities=TH.identities,
        received_at=NOW,
    )
    assert again.reference_digests == arrived(TH, out).verified.reference_digests


def test_a_seal_of_a_stranger_is_answered_with_a_technical_error_that_comes_home() -> None:
    stranger = gateway("VN", "TH", seal_certificates=())
    at_th = evolve(TH, partner=evolve(TH.partner, seal_certificates=stranger.partner.signing_certificates))
    received = arrived(at_th, prepared(VN, form_d(), "m8"))
    answered = converted(at_th, received)
    assert isinstance(answered, Answered), answered
    assert [p.rule for p in answered.problems] == ["T05"]

    row = Row(
        document_type=answered.document_type,
        kind="technical-error",
        document_number=answered.document_number,
        conversation_id=received.conversation_id,
        ref_to_message_id=received.message_id,
        national_message_id=None,
    )
    error = pack_ready(
        answered.document, row, catalogue=catalogue(), partner=TH.partner, own=TH.own,
        identities=TH.identities, message_id="e1@asw-th", functional_reference="ERR-1", now=NOW,
    )  # fmt: skip
    home = converted(VN, arrived(VN, error))
    assert isinstance(home, Converted), home
    assert home.effect == "refuses"
    assert lookups(home.facts, home.effect, inbound=True)[0] == (settlement.OURS, NUMBER)
    known = KnownDocument(state="RCV", digest="d", message_id=received.message_id)
    result = settle(
        home.facts, home.effect, "", known, None, inbound=True, ref_to_message_id=received.message_id
    )
    assert [c.state.value for c in result.changes] == ["REJ"]


def test_a_faulty_technical_error_is_never_answered() -> None:
    out = prepared(VN, form_d(), "m9")
    there = converted(TH, arrived(TH, out))
    assert isinstance(there, Converted)
    at_vn = evolve(VN, partner=evolve(VN.partner, seal_certificates=VN.partner.signing_certificates))
    doubtful = evolve(TH, partner=evolve(TH.partner, seal_certificates=TH.partner.signing_certificates))
    refused = converted(doubtful, arrived(TH, out))
    assert isinstance(refused, Answered)
    row = Row(
        document_type="atiga-form-d", kind="technical-error", document_number=NUMBER, conversation_id="D",
        ref_to_message_id=out.sealed.message_id, national_message_id=None,
    )  # fmt: skip
    error = pack_ready(
        refused.document, row, catalogue=catalogue(), partner=TH.partner, own=TH.own,
        identities=TH.identities, message_id="e2@asw-th", functional_reference="ERR-2", now=NOW,
    )  # fmt: skip
    home = converted(at_vn, arrived(at_vn, error))
    assert isinstance(home, Unconvertible)
    assert home.reason == "faulty_technical_error"


def test_a_message_changed_on_the_way_is_refused_with_a_signed_error() -> None:
    out = prepared(VN, form_d(), "m10")
    changed = evolve(out, sealed=evolve(out.sealed, body=out.sealed.body.replace(b"asw-th", b"asw-id")))
    refused = arrive(TH, changed)
    assert isinstance(refused, RefusedMessage)
    assert refused.signal.body
    assert refused.fault.code.startswith("EBMS:")


def test_an_unknown_action_is_refused_at_the_door() -> None:
    out = prepared(VN, form_d(), "m11")
    empty = receive(
        out.sealed.content_type, out.sealed.body, partner=TH.partner, own=TH.own, identities=TH.identities,
        catalogue=type(catalogue())([]), now=NOW, signal_id="s@asw-th",
    )  # fmt: skip
    assert isinstance(empty, RefusedMessage)
    assert (empty.fault.code, empty.fault.reason) == ("EBMS:0010", "unknown_service")
    assert empty.message_id == out.sealed.message_id


def test_every_fault_of_a_submission_is_named_at_once() -> None:
    envelope = form_d().replace(b"<ImportCountry>TH<", b"<ImportCountry>JP<")
    envelope = envelope.replace(b"<identity>NSW<", b"<identity>XXX<").replace(b"<Items>", b"<Item5>", 1)
    envelope = envelope.replace(b"</Items>", b"</Item5>", 1)
    refused = submit(VN, envelope)
    assert isinstance(refused, Refused)
    rules = {p.rule for p in refused.problems}
    assert {"SENDER", "XSD", "ROUTE"} <= rules
    assert refused.national_message_id == "a1" * 16


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<documentType>ASW-EFORMD<", b"<documentType>NOPE<", "ERR01_CODE"),
        (b"<function>01<", b"<function>77<", "ERR04_CODE"),
    ],
)
def test_unknown_procedures_and_functions(old: bytes, new: bytes, code: str) -> None:
    refused = submit(VN, form_d().replace(old, new))
    assert isinstance(refused, Refused)
    assert code in {p.error_code for p in refused.problems}


def test_what_is_not_an_envelope_is_refused_with_its_place() -> None:
    refused = submit(VN, b"<Envelope><Header>")
    assert isinstance(refused, Refused)
    assert refused.problems
    assert refused.envelope is None


def test_a_partner_that_does_not_take_a_kind_is_named_at_the_door() -> None:
    capability = evolve(VN.partner.capabilities[0], document_type="atiga-form-d", kinds=("cancellation",))
    at_vn = evolve(VN, partner=evolve(VN.partner, capabilities=(capability,)))
    refused = submit(at_vn, form_d())
    assert isinstance(refused, Refused)
    assert [p.rule for p in refused.problems] == ["CAPABILITY"]


def test_a_document_for_another_country_is_answered() -> None:
    at_id = gateway("VN", "TH")
    received = arrived(TH, prepared(at_id, form_d(), "m12"))
    at_th = evolve(TH, own=evolve(TH.own, country="ID"))
    answered = converted(at_th, received)
    assert isinstance(answered, Answered)
    assert "T06" in {p.rule for p in answered.problems}


def unsealed(message: Prepared) -> bytes:
    received = arrived(TH, message)
    root = parse(received.verified.parts[0].content)
    for signature in root.findall("{*}Signature"):
        root.remove(signature)
    return canonical(root)


def test_what_the_door_checked_is_prepared_by_another_thread_as_if_checked_again() -> None:
    again = prepared(VN, form_d(), "u1")
    checked = accepted(VN, form_d()).checked
    with ThreadPoolExecutor(1) as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "read_content", None)  # nothing is parsed a second time
        once = other.submit(send, VN, form_d(), "u1", None, checked).result()
    assert isinstance(once, Prepared)
    assert unsealed(once) == unsealed(again)
    assert (once.business_digest, once.facts) == (again.business_digest, again.facts)
    assert (once.problems, once.losses) == (again.problems, again.losses)


def test_a_check_by_another_state_of_the_profile_is_made_again() -> None:
    checked = accepted(VN, form_d()).checked
    name = checked.profile.name
    other = load_profile(name, shelf.files(name), shelf.files(shelf.REFERENCE))
    stale = evolve(checked, profile=other, facts=evolve(checked.facts, number="another"))
    found = send(VN, form_d(), "u1", checked=stale)
    assert isinstance(found, Prepared)
    assert found.facts.number != "another"
