"""Cases: either side killed in mid-exchange; and, last, the second opinion on all that was sent."""

from __future__ import annotations

from collections import Counter

from interop.acts import (
    exactly_once,
    message_id_of,
    receipted,
    sealed_file,
    settled,
    submit_and_kill,
    until,
)
from interop.case import case
from interop.documents import form_d
from interop.stage import Stage
from interop.wire_check import read_wire, verify_everything


@case("phase4 is killed before it keeps our message: the retry arrives, once", "th")
def phase4_killed_before_keeping(stage: Stage) -> None:
    peer = stage.peers["th"]
    message_id, number, mark = submit_and_kill(stage, "hold-before")
    peer.received(message_id, after=mark)
    assert settled(stage, number)
    assert len([e for e in peer.events("received", after=mark) if e.rest[0] == message_id]) == 1


@case("phase4 is killed after it kept our message: the retry has the same id and digests", "th")
def phase4_killed_after_keeping(stage: Stage) -> str:
    peer = stage.peers["th"]
    before = len(peer.wire("request"))
    message_id, number, mark = submit_and_kill(stage, "hold-after")
    peer.received(message_id, after=mark)
    assert settled(stage, number)
    requests = [found for path in peer.wire("request")[before:] if (found := read_wire(path)) is not None]
    ours = [body for _, body in requests if message_id.encode() in body]
    assert len(ours) >= 2 and len(set(ours)) == 1, "the retry is not what was sent before"
    return "phase4 keeps its duplicates in memory only; its retry is known by id"


@case("phase4 is killed while it sends: its stored bytes, sent again, are delivered once", "th")
def phase4_killed_while_sending(stage: Stage) -> str:
    peer = stage.peers["th"]
    numbers, orders = [], []
    before = len(peer.wire("sent"))
    for _ in range(40):
        number, file = sealed_file(stage, "th")
        numbers.append(number)
        orders.append(stage.order("th", message_id_of("th"), [file]))
    mark = peer.mark()
    for order in orders:
        peer.order("send", order)
    peer.wait("sent", after=mark)
    peer.kill()
    told = {event.rest[0] for event in peer.events("sent", after=mark)}
    peer.start()
    whole = [path for path in peer.wire("sent")[before:] if path.read_bytes().rstrip().endswith(b"--")]
    for index, path in enumerate(whole):
        assert peer.resend(path, peer.directory / f"again-after-kill-{index}").rest[1] == "200"
    on_disk = b"".join(path.read_bytes() for path in whole)
    for order in orders:
        if order["message.id"].encode() not in on_disk:
            receipted(peer.send(order | {"message.id": message_id_of("th")}))
    exactly_once(stage, numbers, at_least=len(numbers))
    assert len(told) < len(numbers), "the kill came too late to mean anything"
    return f"{len(told)} of {len(numbers)} receipted at the kill, {len(whole)} resent from disk"


@case("our gateway is killed while it receives: phase4's own retries, every document delivered once", "th")
def gateway_killed_while_receiving(stage: Stage) -> str:
    peer = stage.peers["th"]
    orders, numbers = [], []
    for _ in range(200):
        number, file = sealed_file(stage, "th")
        numbers.append(number)
        orders.append(stage.order("th", message_id_of("th"), [file], retries="40"))
    mark = peer.mark()
    for order in orders:
        peer.order("send", order)
    until(lambda: len(peer.events("sent", after=mark)) >= 2, "the first receipts", pause=0.002)
    stage.crash_gateway()
    done = len(peer.events("sent", after=mark))
    stage.start_gateway()
    for order in orders:
        event = peer.wait("sent", lambda e, wanted=order["message.id"]: e.rest[0] == wanted, after=mark)  # type: ignore[misc]
        receipted(event)
    assert done < len(orders), "the kill came too late to mean anything"
    exactly_once(stage, numbers, at_least=len(numbers))
    return f"{done} of {len(orders)} receipted at the kill"


@case("our gateway is killed while it sends: nothing lost, nothing delivered twice by phase4", "th")
def gateway_killed_while_sending(stage: Stage) -> str:
    peer = stage.peers["th"]
    mark = peer.mark()
    numbers = []
    for _ in range(20):
        number, envelope = form_d("VN", "TH", stage.serial())
        numbers.append(number)
        stage.portal.submit(envelope)
        if len(numbers) == 12:
            peer.wait("received", after=mark)
            stage.crash_gateway()
            stage.start_gateway()
    statuses: Counter[str] = Counter(settled(stage, number) for number in numbers)
    seen = Counter(event.rest[0] for event in peer.events("received", after=mark))
    assert len(seen) == len(numbers), f"{len(seen)} of {len(numbers)} arrived"
    assert set(seen.values()) == {1}, f"delivered twice: {seen.most_common(3)}"
    return f"told the portal: {dict(statuses)}"


# --- the second opinion


@case("the JDK verifies every message, receipt and error that any peer had of us", "th")
def jdk_agrees(stage: Stage) -> str:
    verdict = verify_everything(stage)
    assert not verdict.faults, "; ".join(verdict.faults[:5])
    assert verdict.valid.get("user messages") and verdict.valid.get("receipts"), str(verdict)
    return str(verdict)
