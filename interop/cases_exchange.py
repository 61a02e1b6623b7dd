"""Cases: documents across, signed, encrypted, in several parts, large."""

from __future__ import annotations

import time
from pathlib import Path

from interop.acts import (
    LARGE_SECONDS,
    accept,
    deliver,
    message_id_of,
    receipted,
    refused,
    sealed_file,
)
from interop.case import case
from interop.documents import customs_response
from interop.own_queue import through_the_queue
from interop.stage import Stage

TEN_MEGABYTES = 10_000_000


@case("ours to phase4: a Form D, signed; its receipt is verified and the portal told", "th")
def signed_to_phase4(stage: Stage) -> None:
    deliver(stage, "th", "signed")


@case("phase4 to ours: a sealed certificate, signed, reaches the feed; phase4 verifies our receipt", "th")
def signed_from_phase4(stage: Stage) -> None:
    accept(stage, "th")


@case("ours to phase4: signed and encrypted (RSA-OAEP, AES-128-GCM)", "id")
def encrypted_to_phase4(stage: Stage) -> None:
    deliver(stage, "id", "signed+encrypted")


@case("phase4 to ours: signed and encrypted", "id")
def encrypted_from_phase4(stage: Stage) -> None:
    accept(stage, "id")


@case("phase4 to ours: encrypted with AES-256-GCM", "id")
def stronger_from_phase4(stage: Stage) -> None:
    accept(stage, "id", content_encryption="aes256-gcm")
    assert b"aes256-gcm" in stage.peers["id"].wire("sent")[-1].read_bytes()


@case("an agreement that encrypts: phase4's unencrypted message is refused with EBMS:0103", "id")
def unencrypted_is_refused(stage: Stage) -> None:
    number, file = sealed_file(stage, "id")
    refused(stage, "id", stage.order("id", message_id_of("id"), [file], encrypt="false"), "EBMS:0103")
    assert not stage.portal.about(number), "a refused document reached the portal"


@case("phase4 to ours: signed with ECDSA P-256", "my")
def elliptic_from_phase4(stage: Stage) -> None:
    accept(stage, "my")


@case("ours to phase4: after our roll-over to an ECDSA key", "my")
def elliptic_to_phase4(stage: Stage) -> None:
    stage.sign_with("signing-ecdsa")
    try:
        deliver(stage, "my", "signed")
        accept(stage, "my")
    finally:
        stage.sign_with("signing")


@case("two-way, push and push: our customs' answer names phase4's message, in its conversation", "th")
def two_way(stage: Stage) -> None:
    peer = stage.peers["th"]
    number, file = sealed_file(stage, "th")
    order = stage.order("th", message_id_of("th"), [file], conversation_id=f"dossier {number}")
    receipted(peer.send(order))
    entry = stage.portal.document(number)
    mark = peer.mark()
    stage.portal.submit(customs_response(entry.envelope))
    answer = peer.wait("received", after=mark)
    assert answer.rest[1:3] == ("customs-response", "signed"), answer
    sent = peer.wire("request")[-1].read_text(encoding="latin-1")
    assert f"<eb:RefToMessageId>{order['message.id']}<" in sent, "the answer names no request"
    assert f"<eb:ConversationId>{order['conversation.id']}<" in sent, "the answer left the conversation"


# --- how phase4 names its key, in messages and in receipts


@case("phase4 names its certificate by PKI path, issuer and serial, key identifier, thumbprint", "th")
def key_references_from_phase4(stage: Stage) -> None:
    for reference in ("pkipath", "issuer-serial", "ski", "thumbprint"):
        accept(stage, "th", key_reference=reference)


# --- the eDelivery AS4 2.0 suite: Ed25519; X25519, HKDF, AES key wrap, AES-GCM


@case("ours to phase4: the 2.0 suite (Ed25519, X25519 + HKDF, AES-128-GCM)", "la")
def modern_to_phase4(stage: Stage) -> None:
    deliver(stage, "la", "signed+encrypted")


@case("phase4 to ours: the 2.0 suite", "la")
def modern_from_phase4(stage: Stage) -> None:
    accept(stage, "la")


@case("the 2.0 suite: unencrypted from phase4 is refused with EBMS:0103; we ping phase4", "la")
def modern_refusal_and_ping(stage: Stage) -> None:
    _, file = sealed_file(stage, "la")
    refused(stage, "la", stage.order("la", message_id_of("la"), [file], encrypt="false"), "EBMS:0103")
    answer = stage.control().post("/v1/partners/la/ping")
    assert answer["outcome"] == "receipt", f"the ping: {answer}"


# --- several parts


@case(
    "phase4 to ours: three parts, receipt over each; more than one document is answered by a technical error",
    "th",
)
def several_parts_from_phase4(stage: Stage) -> None:
    peer = stage.peers["th"]
    files = [sealed_file(stage, "th")[1] for _ in range(3)]
    mark = peer.mark()
    receipted(peer.send(stage.order("th", message_id_of("th"), files)))
    answer = peer.wait("received", lambda e: e.rest[1] == "technical-error", after=mark)
    text = Path(answer.rest[3]).read_text(encoding="utf-8")
    assert "exactly one document" in text, f"the technical error does not name the fault: {text[:500]}"


@case("ours to phase4: three parts (XML, text, octets) through queue and channel", "th")
def several_parts_to_phase4(stage: Stage) -> None:
    contents = [b"<document><first/></document>", "Đơn thứ hai\r\n".encode(), bytes(range(256)) * 64]
    types = ["application/xml", "text/plain", "application/octet-stream"]
    event = through_the_queue(stage, "th", list(zip(types, contents, strict=True)), compress=True)
    assert [Path(name).read_bytes() for name in event.rest[3].split(",")] == contents


@case(
    "ours to phase4: three parts, not compressed: XML is canonicalised, text gets CRLF before digesting", "th"
)
def uncompressed_parts_to_phase4(stage: Stage) -> None:
    contents = [b'<a  b="1"   ><c/></a>', b"one\ntwo\r\nthree\n", b"\x00\x01\r\n\x02"]
    types = ["application/xml", "text/plain", "application/octet-stream"]
    event = through_the_queue(stage, "th", list(zip(types, contents, strict=True)), compress=False)
    assert [Path(name).read_bytes() for name in event.rest[3].split(",")] == contents


@case("phase4 to ours: not compressed", "th")
def uncompressed_from_phase4(stage: Stage) -> None:
    accept(stage, "th", compress="false")


# --- large


@case("phase4 to ours: a certificate of 12 MB", "th")
def large_from_phase4(stage: Stage, name: str = "th") -> str:
    number, file = sealed_file(stage, name, remarks_bytes=TEN_MEGABYTES)
    begin = time.monotonic()
    order = stage.order(name, message_id_of(name), [file])
    receipted(stage.peers[name].send(order, seconds=LARGE_SECONDS))
    seconds = time.monotonic() - begin
    entry = stage.portal.document(number, seconds=LARGE_SECONDS)
    assert len(entry.envelope) > TEN_MEGABYTES
    return f"{file.stat().st_size} bytes; receipt after {seconds:.1f} s"


@case("ours to phase4: a certificate of 12 MB", "th")
def large_to_phase4(stage: Stage, name: str = "th", security: str = "signed") -> str:
    begin = time.monotonic()
    size = deliver(stage, name, security, remarks_bytes=TEN_MEGABYTES)
    assert size > TEN_MEGABYTES
    return f"{size} bytes; receipted after {time.monotonic() - begin:.1f} s"


@case("a certificate of 12 MB, encrypted, from phase4 and to it; then the same in the 2.0 suite", "id", "la")
def large_encrypted(stage: Stage) -> str:
    told = []
    for name in ("id", "la"):
        told += [large_from_phase4(stage, name), large_to_phase4(stage, name, "signed+encrypted")]
    return " | ".join(told)
