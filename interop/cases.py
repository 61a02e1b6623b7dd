"""The numbered cases of `make interop`. Each takes a Stage and raises AssertionError (or PeerTrouble)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from attrs import frozen
from lxml import etree

from asw_gateway.messaging.message import MessageProperty, Part, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.messaging.pmode import PMode, SecurityProfile
from asw_gateway.messaging.seal import check_seal
from asw_gateway.messaging.values import PartyId
from asw_gateway.store import outbox
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import NewOutbound, Submitted
from asw_gateway.store.transaction import Transaction
from interop.documents import DOCUMENT_TYPE, KIND, SERVICE, form_d, sealed_certificate
from interop.phase4_peer import Event
from interop.stage import OWN, SEND_TIMEOUT_SECONDS, TEST_ACTION, TEST_SERVICE, Stage
from interop.wire_check import read_wire, verify_everything
from simulators.world_files import PARTY_ID_TYPE

TEN_MEGABYTES = 10_000_000
LARGE_SECONDS = 90.0
PROVED = ("success", "", "proves", "signed")


@frozen(kw_only=True)
class Case:
    """One line of the report; `peers` are the roles it needs."""

    name: str
    run: Callable[[Stage], str | None]
    peers: tuple[str, ...]


CASES: list[Case] = []


def case(name: str, *peers: str) -> Callable[[Callable[[Stage], str | None]], Callable[[Stage], str | None]]:
    """Register a case in the order of this file; what it returns is printed behind its name."""

    def register(run: Callable[[Stage], str | None]) -> Callable[[Stage], str | None]:
        CASES.append(Case(name=name, run=run, peers=peers))
        return run

    return register


# --- documents across, in both directions


@case("ours to phase4: a Form D, signed; its receipt is verified and the portal told", "th")
def signed_to_phase4(stage: Stage) -> None:
    _deliver(stage, "th", "signed")


@case("phase4 to ours: a sealed certificate, signed, reaches the feed; phase4 verifies our receipt", "th")
def signed_from_phase4(stage: Stage) -> None:
    _accept(stage, "th")


@case("ours to phase4: signed and encrypted (RSA-OAEP, AES-128-GCM)", "id")
def encrypted_to_phase4(stage: Stage) -> None:
    _deliver(stage, "id", "signed+encrypted")


@case("phase4 to ours: signed and encrypted", "id")
def encrypted_from_phase4(stage: Stage) -> None:
    _accept(stage, "id")


@case("an agreement that encrypts: phase4's unencrypted message is refused with EBMS:0103", "id")
def unencrypted_is_refused(stage: Stage) -> None:
    number, file = _sealed_file(stage, "id")
    _refused(stage, "id", stage.order("id", _message_id("id"), [file], encrypt="false"), "EBMS:0103")
    assert not stage.portal.about(number), "a refused document reached the portal"


@case("phase4 to ours: signed with ECDSA P-256", "my")
def elliptic_from_phase4(stage: Stage) -> None:
    _accept(stage, "my")


@case("ours to phase4: after our roll-over to an ECDSA key", "my")
def elliptic_to_phase4(stage: Stage) -> None:
    stage.sign_with("signing-ecdsa")
    try:
        _deliver(stage, "my", "signed")
        _accept(stage, "my")
    finally:
        stage.sign_with("signing")


# --- several parts


@case("phase4 to ours: three parts, receipt over each; more than one document is answered by a technical error", "th")
def several_parts_from_phase4(stage: Stage) -> None:
    peer = stage.peers["th"]
    files = [_sealed_file(stage, "th")[1] for _ in range(3)]
    mark = peer.mark()
    _receipted(peer.send(stage.order("th", _message_id("th"), files)))
    answer = peer.wait("received", lambda e: e.rest[1] == "technical-error", after=mark)
    text = Path(answer.rest[3]).read_text(encoding="utf-8")
    assert "exactly one document" in text, f"the technical error does not name the fault: {text[:500]}"


@case("ours to phase4: three parts (XML, text, octets) through queue and channel", "th")
def several_parts_to_phase4(stage: Stage) -> None:
    contents = [b"<document><first/></document>", "Đơn thứ hai\r\n".encode(), bytes(range(256)) * 64]
    types = ["application/xml", "text/plain", "application/octet-stream"]
    event = _through_the_queue(stage, "th", list(zip(types, contents, strict=True)), compress=True)
    assert [Path(name).read_bytes() for name in event.rest[3].split(",")] == contents


@case("ours to phase4: three parts, not compressed: XML is canonicalised, text gets CRLF before digesting", "th")
def uncompressed_parts_to_phase4(stage: Stage) -> None:
    contents = [b'<a  b="1"   ><c/></a>', b"one\ntwo\r\nthree\n", b"\x00\x01\r\n\x02"]
    types = ["application/xml", "text/plain", "application/octet-stream"]
    event = _through_the_queue(stage, "th", list(zip(types, contents, strict=True)), compress=False)
    assert [Path(name).read_bytes() for name in event.rest[3].split(",")] == contents


@case("phase4 to ours: not compressed", "th")
def uncompressed_from_phase4(stage: Stage) -> None:
    _accept(stage, "th", compress="false")


# --- large


@case("phase4 to ours: a certificate of 12 MB", "th")
def large_from_phase4(stage: Stage) -> str:
    number, file = _sealed_file(stage, "th", remarks_bytes=TEN_MEGABYTES)
    begin = time.monotonic()
    order = stage.order("th", _message_id("th"), [file])
    _receipted(stage.peers["th"].send(order, seconds=LARGE_SECONDS))
    receipted = time.monotonic() - begin
    entry = stage.portal.document(number, seconds=LARGE_SECONDS)
    assert len(entry.envelope) > TEN_MEGABYTES
    return f"{file.stat().st_size} bytes; receipt after {receipted:.1f} s"


@case("ours to phase4: a certificate of 12 MB", "th")
def large_to_phase4(stage: Stage) -> str:
    begin = time.monotonic()
    size = _deliver(stage, "th", "signed", remarks_bytes=TEN_MEGABYTES)
    assert size > TEN_MEGABYTES
    return f"{size} bytes; receipted after {time.monotonic() - begin:.1f} s"


# --- errors


@case("phase4 reads our EBMS:0010 for an unknown agreement", "th")
def unknown_agreement(stage: Stage) -> None:
    _, file = _sealed_file(stage, "th")
    order = stage.order("th", _message_id("th"), [file], agreement="urn:asw:agreement:never-made")
    _refused(stage, "th", order, "EBMS:0010")


@case("phase4 reads our EBMS:0010 for an unknown service, and for an unknown action", "th")
def unknown_service(stage: Stage) -> None:
    _, file = _sealed_file(stage, "th")
    _refused(stage, "th", stage.order("th", _message_id("th"), [file], service="urn:asw:nothing"), "EBMS:0010")
    _refused(stage, "th", stage.order("th", _message_id("th"), [file], action="nothing"), "EBMS:0010")


@case("phase4 reads our EBMS:0103 for an encrypted message that nobody agreed to", "th")
def unagreed_encryption(stage: Stage) -> None:
    _, file = _sealed_file(stage, "th")
    _refused(stage, "th", stage.order("th", _message_id("th"), [file], encrypt="true"), "EBMS:0103")


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


@case("phase4's temporary error (EBMS:0202) is answered by a retry that arrives", "th")
def temporary_error_from_phase4(stage: Stage) -> str:
    peer = stage.peers["th"]
    peer.treat_next("refuse", "EBMS:0202")
    number, envelope = form_d("VN", "TH", stage.serial())
    mark = peer.mark()
    stage.portal.submit(envelope)
    peer.wait("refused", after=mark)
    statuses = _settled(stage, number)
    return f"told the portal: {statuses}"


# --- ping


@case("phase4 pings us: a receipt, nothing delivered", "th")
def ping_from_phase4(stage: Stage) -> None:
    stage.portal.read(wait_seconds=0.5)
    before = len(stage.portal.entries)
    order = stage.order("th", _message_id("th"), [], service=TEST_SERVICE, action=TEST_ACTION)
    _receipted(stage.peers["th"].send(order))
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
    number, file = _sealed_file(stage, "th")
    _receipted(peer.send(stage.order("th", _message_id("th"), [file])))
    sent, answer = peer.wire("sent")[-1], peer.wire("answer")[-1]
    stage.portal.document(number)
    again = peer.directory / f"again-{number[-5:]}"
    assert peer.resend(sent, again).rest[1] == "200"
    first = read_wire(answer)
    assert first is not None and again.read_bytes() == first[1], "the duplicate got another receipt"
    _delivered_once(stage, number)


@case("phase4 builds another message under a used id: EBMS:0003 and an alarm, delivered once", "th")
def altered_duplicate_from_phase4(stage: Stage) -> None:
    number, file = _sealed_file(stage, "th")
    message_id = _message_id("th")
    _receipted(stage.peers["th"].send(stage.order("th", message_id, [file])))
    stage.portal.document(number)
    before = stage.metric("asw_altered_duplicates_total")
    _refused(stage, "th", stage.order("th", message_id, [file]), "EBMS:0003")
    assert stage.metric("asw_altered_duplicates_total") == before + 1
    _delivered_once(stage, number)


@case("phase4 answers too late: we send again, phase4 delivers once and the portal hears of no failure", "th")
def late_answer_from_phase4(stage: Stage) -> str:
    peer = stage.peers["th"]
    peer.treat_next("late", str(int(SEND_TIMEOUT_SECONDS * 1000) + 2000))
    number, envelope = form_d("VN", "TH", stage.serial())
    mark = peer.mark()
    stage.portal.submit(envelope)
    first = peer.wait("received", after=mark)
    statuses = _settled(stage, number)
    assert len([e for e in peer.events("received", after=mark) if e.rest[0] == first.rest[0]]) == 1
    return f"told the portal: {statuses}"


# --- kill -9


@case("phase4 is killed before it keeps our message: the retry arrives, once", "th")
def phase4_killed_before_keeping(stage: Stage) -> None:
    peer = stage.peers["th"]
    message_id, number, mark = _submit_and_kill(stage, "hold-before")
    peer.received(message_id, after=mark)
    stage.portal.status(number, "receipted")
    assert len(peer.events("received", after=mark)) == 1


@case("phase4 is killed after it kept our message: the retry has the same id and digests", "th")
def phase4_killed_after_keeping(stage: Stage) -> str:
    peer = stage.peers["th"]
    before = len(peer.wire("request"))
    message_id, number, mark = _submit_and_kill(stage, "hold-after")
    peer.received(message_id, after=mark)
    stage.portal.status(number, "receipted")
    requests = [found for path in peer.wire("request")[before:] if (found := read_wire(path)) is not None]
    ours = [body for _, body in requests if message_id.encode() in body]
    assert len(ours) == 2 and ours[0] == ours[1], "the retry is not what was sent before"
    return "phase4 keeps its duplicates in memory only; its retry is known by id"


@case("phase4 is killed while it sends: its stored bytes, sent again, are delivered once", "th")
def phase4_killed_while_sending(stage: Stage) -> None:
    peer = stage.peers["th"]
    numbers = []
    before = len(peer.wire("sent"))
    for _ in range(6):
        number, file = _sealed_file(stage, "th")
        numbers.append(number)
        peer.order("send", stage.order("th", _message_id("th"), [file]))
    _until(lambda: len(peer.wire("sent")) >= before + 4, "phase4 sends")
    peer.kill()
    peer.start()
    whole = [path for path in peer.wire("sent")[before:] if path.read_bytes().rstrip().endswith(b"--")]
    for index, path in enumerate(whole):
        assert peer.resend(path, peer.directory / f"again-after-kill-{index}").rest[1] == "200"
    _exactly_once(stage, numbers, at_least=len(whole))


@case("our gateway is killed while it receives: phase4's own retries, every document delivered once", "th")
def gateway_killed_while_receiving(stage: Stage) -> None:
    peer = stage.peers["th"]
    mark = peer.mark()
    orders = []
    numbers = []
    for _ in range(12):
        number, file = _sealed_file(stage, "th")
        numbers.append(number)
        orders.append(stage.order("th", _message_id("th"), [file], retries="40"))
    for order in orders:
        peer.order("send", order)
    _until(lambda: len(peer.events("sent", after=mark)) >= 2, "the first receipts", pause=0.002)
    stage.crash_gateway()
    done = len(peer.events("sent", after=mark))
    stage.start_gateway()
    for order in orders:
        event = peer.wait("sent", lambda e, wanted=order["message.id"]: e.rest[0] == wanted, after=mark)  # type: ignore[misc]
        _receipted(event)
    assert done < len(orders), "the kill came too late to mean anything"
    _exactly_once(stage, numbers, at_least=len(numbers))


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
    statuses: Counter[str] = Counter(_settled(stage, number) for number in numbers)
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


# --- how they work


def _deliver(stage: Stage, name: str, security: str, *, remarks_bytes: int = 0) -> int:
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


def _accept(stage: Stage, name: str, **more: str) -> None:
    """A peer's certificate to our portal, and the receipt as phase4 sees it."""
    number, file = _sealed_file(stage, name)
    _receipted(stage.peers[name].send(stage.order(name, _message_id(name), [file], **more)))
    entry = stage.portal.document(number)
    assert "<FormD" in entry.envelope
    _delivered_once(stage, number)


def _sealed_file(stage: Stage, name: str, *, remarks_bytes: int = 0) -> tuple[str, Path]:
    serial = stage.serial()
    number, document = sealed_certificate(
        stage.roles[name].country, serial, stage.seal_identity(name), remarks_bytes=remarks_bytes
    )
    file = stage.directory / f"{name}-{serial:05d}.xml"
    file.write_bytes(document)
    return number, file


def _message_id(name: str) -> str:
    return f"{uuid4()}@{name}.phase4.test"


def _receipted(event: Event) -> None:
    """phase4 got a receipt, checked its signature, and found every digest of what it had sent."""
    assert event.rest[1:] == PROVED, f"phase4 says of our answer: {event.rest[1:]}"


def _refused(stage: Stage, name: str, order: dict[str, str], code: str) -> None:
    event = stage.peers[name].send(order)
    assert event.rest[2] == code, f"phase4 reports {event.rest[1:]}"


def _delivered_once(stage: Stage, number: str) -> None:
    count = len([entry for entry in stage.portal.about(number) if entry.kind == "message"])
    assert count == 1, f"{number} was delivered {count} times"


def _exactly_once(stage: Stage, numbers: list[str], *, at_least: int) -> None:
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


def _settled(stage: Stage, number: str) -> str:
    """The word that ends the portal's waiting for one document; never a failure."""
    ends = ("receipted", "unreceipted", "failed", "expired", "rejected", "held")
    entry = stage.portal.wait(lambda e: e.number == number and e.status in ends, f"the end of {number}", seconds=60)
    assert entry.status in ("receipted", "unreceipted"), f"{number}: {entry.status} {entry.reason} {entry.detail}"
    return entry.status


def _submit_and_kill(stage: Stage, how: str) -> tuple[str, str, int]:
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


def _through_the_queue(
    stage: Stage, name: str, parts: list[tuple[str, bytes]], *, compress: bool
) -> Event:
    """Queue a message of any parts, as no profile would make it, while our gateway is down; it sends it."""
    peer = stage.peers[name]
    sealed = _packed(stage, name, parts, compress=compress)
    stage.gateway.stop()
    database = Database.open(stage.database_url, node="interop")
    try:
        database.run_now(_queue, sealed, name, time.time())
    finally:
        database.close_now()
    mark = peer.mark()
    stage.start_gateway()
    event = peer.received(sealed.message_id, after=mark)
    _until(lambda: _state(stage, sealed.message_id) == "delivered", "the receipt for several parts")
    return event


def _packed(stage: Stage, name: str, parts: list[tuple[str, bytes]], *, compress: bool) -> SealedMessage:
    role = stage.roles[name]
    own = PartyId(value=stage.site.party_id, type=PARTY_ID_TYPE)
    theirs = PartyId(value=stage.partners[name].party_id, type=PARTY_ID_TYPE)
    mode = PMode(
        id=f"{own.value}_{theirs.value}",
        agreement=f"urn:asw:agreement:{'-'.join(sorted((OWN, role.name)))}",
        initiator=own,
        responder=theirs,
        security=SecurityProfile(signature_algorithm="rsa-sha256"),
        compress=compress,
    )
    message_id = f"{uuid4()}@{own.value}"
    message = UserMessage(
        message_id=message_id,
        timestamp_at=time.time(),
        ref_to_message_id=None,
        from_party=own,
        from_role=mode.initiator_role,
        to_party=theirs,
        to_role=mode.responder_role,
        agreement=mode.agreement,
        agreement_type=None,
        pmode_id=mode.id,
        service=SERVICE,
        service_type=None,
        action=KIND,
        conversation_id=message_id,
        properties=(MessageProperty(name="originalSender", value="VN"),),
    )
    made = [
        Part(content_id=f"part-{number}.{message_id}", content=content, mime_type=kind)
        for number, (kind, content) in enumerate(parts, start=1)
    ]
    return pack(message, made, mode, stage.keys.identity(OWN, "signing"))


def _queue(conn: Transaction, sealed: SealedMessage, partner: str, now: float) -> None:
    number = sealed.message_id
    new = NewOutbound(
        origin="gateway",
        partner=partner,
        document_type=DOCUMENT_TYPE,
        profile="atiga-form-d-2022",
        kind=KIND,
        document_number=number,
        order_key=f"{partner}|{number}",
        priority=1,
        expires_at=now + 3600,
        digest=sha256(sealed.body).hexdigest(),
        body=b"<queued-by-the-interoperability-suite/>",
    )
    submitted = outbox.submit(conn, new, now)
    assert isinstance(submitted, Submitted)
    outbox.mark_queued(
        conn,
        submitted.row.id,
        message_id=sealed.message_id,
        content_type=sealed.content_type,
        body=sealed.body,
        reference_digests=sealed.reference_digests,
        signed_with="",
        document_digest=sha256(sealed.body).hexdigest(),
        now=now,
    )


def _state(stage: Stage, message_id: str) -> str:
    database = Database.open(stage.database_url, node="interop", upgrade=False)
    try:
        row = database.read_now(outbox.by_message_id, message_id)
        return row.state if row is not None else ""
    finally:
        database.close_now()


def _until(true: Callable[[], bool], what: str, *, seconds: float = 30.0, pause: float = 0.1) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(pause)
