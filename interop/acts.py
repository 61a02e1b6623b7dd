"""What the cases do; each act raises AssertionError or PeerTrouble."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from lxml import etree

from asw_gateway.messaging.seal import check_seal
from interop.documents import KIND, form_d, sealed_certificate
from interop.phase4_peer import Event
from interop.stage import OWN, Stage

LARGE_SECONDS = 90.0
PROVED = ("success", "", "proves", "signed")


def deliver(stage: Stage, name: str, security: str, *, remarks_bytes: int = 0) -> int:
    """Our portal's certificate to a peer: what phase4 kept is the sealed ASEAN document; gives its bytes."""
    peer = stage.peers[name]
    country = stage.roles[name].country
    number, envelope = form_d("VN", country, stage.serial(), remarks_bytes=remarks_bytes)
    mark = peer.mark()
    stage.portal.submit(envelope)
    event = peer.wait("received", after=mark, seconds=LARGE_SECONDS)
    stage.portal.status(number, "receipted", seconds=LARGE_SECONDS)
    _, action, secured, files = event.rest
    assert (action, secured) == (KIND, security), f"phase4 saw {action}, {secured}"
    content = Path(files).read_bytes()
    sealed = check_seal(content, [stage.keys.certificate(OWN, "seal")], time.time())
    assert number in etree.tostring(sealed.root, encoding="unicode"), "phase4 has another document"
    return len(content)


def accept(stage: Stage, name: str, **more: str) -> None:
    """A peer's certificate to our portal, and the receipt as phase4 sees it."""
    number, file = sealed_file(stage, name)
    receipted(stage.peers[name].send(stage.order(name, message_id_of(name), [file], **more)))
    entry = stage.portal.document(number)
    assert "<FormD" in entry.envelope
    delivered_once(stage, number)


def sealed_file(stage: Stage, name: str, *, remarks_bytes: int = 0) -> tuple[str, Path]:
    serial = stage.serial()
    number, document = sealed_certificate(
        stage.roles[name].country, serial, stage.seal_identity(name), remarks_bytes=remarks_bytes
    )
    file = stage.directory / f"{name}-{serial:05d}.xml"
    file.write_bytes(document)
    return number, file


def message_id_of(name: str) -> str:
    return f"{uuid4()}@{name}.phase4.test"


def receipted(event: Event) -> None:
    """phase4 got a receipt, checked its signature, and found every digest of what it had sent."""
    assert event.rest[1:] == PROVED, f"phase4 says of our answer: {event.rest[1:]}"


def refused(stage: Stage, name: str, order: dict[str, str], code: str) -> None:
    event = stage.peers[name].send(order)
    assert event.rest[2] == code, f"phase4 reports {event.rest[1:]}"


def delivered_once(stage: Stage, number: str) -> None:
    count = len([entry for entry in stage.portal.about(number) if entry.kind == "message"])
    assert count == 1, f"{number} was delivered {count} times"


def exactly_once(stage: Stage, numbers: list[str], *, at_least: int) -> None:
    def arrived() -> Counter[str]:
        wanted = set(numbers)
        return Counter(e.number for e in stage.portal.entries if e.kind == "message" and e.number in wanted)

    deadline = time.monotonic() + 30
    while len(arrived()) < at_least and time.monotonic() < deadline:
        stage.portal.read(wait_seconds=1.0)
    stage.portal.read(wait_seconds=1.0)
    found = arrived()
    assert len(found) >= at_least, f"{len(found)} of {at_least} were delivered"
    assert set(found.values()) == {1}, f"delivered more than once: {found.most_common(3)}"


def settled(stage: Stage, number: str) -> str:
    """The word that ends the portal's waiting for one document; never a failure."""
    ends = ("receipted", "unreceipted", "failed", "expired", "rejected", "held")
    entry = stage.portal.wait(
        lambda e: e.number == number and e.status in ends, f"the end of {number}", seconds=60
    )
    assert entry.status in ("receipted", "unreceipted"), (
        f"{number}: {entry.status} {entry.reason} {entry.detail}"
    )
    return entry.status


def submit_and_kill(stage: Stage, how: str) -> tuple[str, str, int]:
    """A document to TH that is killed while it has our message; started again. Gives id, number, mark."""
    peer = stage.peers["th"]
    peer.treat_next(how)
    number, envelope = form_d("VN", "TH", stage.serial())
    mark = peer.mark()
    stage.portal.submit(envelope)
    message_id = peer.wait("holding", after=mark).rest[0]
    peer.kill()
    mark = peer.mark()
    peer.start()
    return message_id, number, mark


def until(true: Callable[[], bool], what: str, *, seconds: float = 30.0, pause: float = 0.1) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(pause)
