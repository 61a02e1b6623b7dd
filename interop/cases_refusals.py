"""Cases: errors, pings and duplicates, from either side."""

from __future__ import annotations

from interop.acts import (
    delivered_once,
    message_id_of,
    receipted,
    refused,
    sealed_file,
    settled,
)
from interop.case import case
from interop.documents import form_d
from interop.stage import SEND_TIMEOUT_SECONDS, TEST_ACTION, TEST_SERVICE, Stage
from interop.wire_check import read_wire

# --- errors


@case("phase4 reads our EBMS:0010 for an unknown agreement", "th")
def unknown_agreement(stage: Stage) -> None:
    _, file = sealed_file(stage, "th")
    order = stage.order("th", message_id_of("th"), [file], agreement="urn:asw:agreement:never-made")
    refused(stage, "th", order, "EBMS:0010")


@case("phase4 reads our EBMS:0010 for an unknown service, and for an unknown action", "th")
def unknown_service(stage: Stage) -> None:
    _, file = sealed_file(stage, "th")
    refused(
        stage, "th", stage.order("th", message_id_of("th"), [file], service="urn:asw:nothing"), "EBMS:0010"
    )
    refused(stage, "th", stage.order("th", message_id_of("th"), [file], action="nothing"), "EBMS:0010")


@case("phase4 reads our EBMS:0103 for an encrypted message that nobody agreed to", "th")
def unagreed_encryption(stage: Stage) -> None:
    _, file = sealed_file(stage, "th")
    refused(stage, "th", stage.order("th", message_id_of("th"), [file], encrypt="true"), "EBMS:0103")


@case("phase4's final error is told to the portal with its code", "th")
def error_from_phase4(stage: Stage) -> None:
    peer = stage.peers["th"]
    peer.treat_next("refuse", "EBMS:0003")
    number, envelope = form_d("VN", "TH", stage.serial())
    mark = peer.mark()
    stage.portal.submit(envelope)
    peer.wait("refused", after=mark)
    told = stage.portal.status(number, "failed")
    assert "EBMS:0003" in told.reason, f"the portal was told {told.reason!r}"


@case("phase4's temporary error is tried again; that phase4 calls the retry a duplicate is no delivery", "th")
def temporary_error_from_phase4(stage: Stage) -> str:
    peer = stage.peers["th"]
    peer.treat_next("refuse", "EBMS:0202")
    number, envelope = form_d("VN", "TH", stage.serial())
    mark = peer.mark()
    stage.portal.submit(envelope)
    peer.wait("refused", after=mark)
    # phase4 notes an id before it processes the message, so no retry of this one can ever succeed there.
    told = stage.portal.status(number, "failed")
    assert [e.status for e in stage.portal.about(number)] == ["queued", "retrying", "failed"]
    return f"{told.reason}: {told.detail[-60:]}"


# --- ping


@case("phase4 pings us: a receipt, nothing delivered", "th")
def ping_from_phase4(stage: Stage) -> None:
    stage.portal.read(wait_seconds=0.5)
    before = len(stage.portal.entries)
    order = stage.order("th", message_id_of("th"), [], service=TEST_SERVICE, action=TEST_ACTION)
    receipted(stage.peers["th"].send(order))
    stage.portal.read(wait_seconds=0.5)
    assert len(stage.portal.entries) == before, "a ping was delivered"


@case("we ping phase4: a verified receipt, nothing delivered", "th", "id")
def ping_to_phase4(stage: Stage) -> None:
    for name in ("th", "id"):
        mark = stage.peers[name].mark()
        answer = stage.control().post(f"/v1/partners/{name}/ping")
        assert answer["outcome"] == "receipt", f"the ping of {name}: {answer}"
        assert not stage.peers[name].events("received", after=mark), "phase4 delivered our ping"


# --- duplicates


@case("phase4 repeats a message byte for byte: the stored receipt, delivered once", "th")
def duplicate_from_phase4(stage: Stage) -> None:
    peer = stage.peers["th"]
    number, file = sealed_file(stage, "th")
    receipted(peer.send(stage.order("th", message_id_of("th"), [file])))
    sent, answer = peer.wire("sent")[-1], peer.wire("answer")[-1]
    stage.portal.document(number)
    again = peer.directory / f"again-{number[-5:]}"
    assert peer.resend(sent, again).rest[1] == "200"
    first = read_wire(answer)
    assert first is not None and again.read_bytes() == first[1], "the duplicate got another receipt"
    delivered_once(stage, number)


@case("phase4 builds another message under a used id: EBMS:0003 and an alarm, delivered once", "th")
def altered_duplicate_from_phase4(stage: Stage) -> None:
    number, file = sealed_file(stage, "th")
    message_id = message_id_of("th")
    receipted(stage.peers["th"].send(stage.order("th", message_id, [file])))
    stage.portal.document(number)
    before = stage.metric("asw_altered_duplicates_total")
    refused(stage, "th", stage.order("th", message_id, [file]), "EBMS:0003")
    assert stage.metric("asw_altered_duplicates_total") == before + 1
    delivered_once(stage, number)


@case("phase4 answers too late: we send again, phase4 delivers once and the portal hears of no failure", "th")
def late_answer_from_phase4(stage: Stage) -> str:
    peer = stage.peers["th"]
    peer.treat_next("late", str(int(SEND_TIMEOUT_SECONDS * 1000) + 2000))
    number, envelope = form_d("VN", "TH", stage.serial())
    mark = peer.mark()
    stage.portal.submit(envelope)
    first = peer.wait("received", after=mark)
    statuses = settled(stage, number)
    assert len([e for e in peer.events("received", after=mark) if e.rest[0] == first.rest[0]]) == 1
    return f"told the portal: {statuses}"
