"""Messages too large for memory: the same bytes and the same judgement as in memory, whatever the pieces."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from attrs import evolve

from asw_gateway.messaging.compression import Packer, compress, expanded
from asw_gateway.messaging.encryption import ContentSecret
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.large_packing import LargePart, pack_large, reseal_head
from asw_gateway.messaging.large_reading import MessageReader
from asw_gateway.messaging.large_verification import verify_large
from asw_gateway.messaging.message import Part
from asw_gateway.messaging.mime import boundary_for
from asw_gateway.messaging.packing import SealedMessage, pack, reseal
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.unpacking import VerifiedMessage, unpack, verify
from tests.messaging.material import (
    FORM_D,
    NOW,
    THAILAND,
    certificate,
    identity,
    partner,
    pmode,
    private_key,
    user_message,
)

RAW = secrets.token_bytes(1_500_000)
PARTS = (
    Part(content_id="doc@vn", content=FORM_D, mime_type="application/xml", character_set="UTF-8"),
    Part(content_id="raw@vn", content=RAW, mime_type="application/octet-stream"),
    Part(content_id="empty@vn", content=b"", mime_type="application/pdf"),
)


class Memory:
    """A part store in memory."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> None:
        self.content += data

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), 7_001):
            yield self.content[start : start + 7_001]


def value(steps: Generator[None, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def mode(*, encrypted: bool, compressed: bool = True) -> Any:
    return evolve(pmode(encrypt=encrypted), compress=compressed)


def secret(number: int = len(PARTS)) -> ContentSecret:
    return ContentSecret(
        certificate=certificate("th encryption", "rsa-sha256"),
        key=secrets.token_bytes(16),
        vectors=tuple(secrets.token_bytes(12) for _ in range(number)),
    )


def large_parts(parts: tuple[Part, ...] = PARTS) -> list[LargePart]:
    def pieces(content: bytes) -> Any:
        return lambda: (content[start : start + 9_999] for start in range(0, len(content), 9_999))

    return [
        LargePart(
            content_id=part.content_id,
            pieces=pieces(part.content),
            mime_type=part.mime_type,
            character_set=part.character_set,
        )
        for part in parts
    ]


def read(content_type: str, body: bytes, *, piece: int = 60_000, limits: Limits | None = None) -> Any:
    reader = MessageReader(content_type, limits if limits is not None else Limits(), Memory)
    for start in range(0, len(body), piece):
        reader.feed(body[start : start + piece])
    return reader.close()


def judged(content_type: str, body: bytes, *, encrypted: bool, **given: Any) -> VerifiedMessage:
    key = private_key("rsa-sha256", "th encryption") if encrypted else None
    inbound = evolve(mode(encrypted=encrypted), limits=given.get("limits", Limits()))
    message = read(content_type, body, **given)
    result = value(verify_large(message, partner(), inbound, THAILAND, NOW, key))  # type: ignore[arg-type]
    assert isinstance(result, VerifiedMessage)
    return result


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("compressed", [False, True], ids=["as-is", "gzip"])
def test_packed_in_pieces_it_is_the_same_message(encrypted: bool, compressed: bool) -> None:
    """`pack_large` gives the very parts and digests of `pack`, and `verify` accepts it as a whole."""
    agreed = mode(encrypted=encrypted, compressed=compressed)
    fresh = secret() if encrypted else None
    whole = pack(user_message(), PARTS, agreed, identity("vn"), content_secret=fresh)
    stream = value(
        pack_large(user_message(), large_parts(), agreed, identity("vn"), Memory, content_secret=fresh)
    )
    assert (stream.message_id, stream.content_type) == (whole.message_id, whole.content_type)
    assert stream.reference_digests == whole.reference_digests
    body = b"".join(stream.pieces())
    key = private_key("rsa-sha256", "th encryption") if encrypted else None
    raw = unpack(stream.content_type, body, Limits())
    verified = verify(raw, partner(), agreed, THAILAND, NOW, key)  # type: ignore[arg-type]
    assert [part.content for part in verified.parts] == [part.content for part in PARTS]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("piece", [1_000, 64 * 1024, 10_000_000])
def test_read_in_pieces_it_is_the_same_message(encrypted: bool, piece: int) -> None:
    """Documents are kept; a raw part is verified and measured, and not kept."""
    sealed = pack(
        user_message(),
        PARTS,
        mode(encrypted=encrypted),
        identity("vn"),
        content_secret=secret() if encrypted else None,
    )
    verified = judged(sealed.content_type, sealed.body, encrypted=encrypted, piece=piece)
    assert [part.size_bytes for part in verified.parts] == [len(part.content) for part in PARTS]
    assert [part.content for part in verified.parts] == [FORM_D, b"", b""]
    assert verified.reference_digests == sealed.reference_digests


def fault(sealed: SealedMessage, body: bytes, **given: Any) -> str:
    with pytest.raises(RemoteFault) as caught:
        judged(sealed.content_type, body, **{"encrypted": False, **given})
    assert caught.value.ref_to_message_id == sealed.message_id
    return f"{caught.value.code} {caught.value.reason}"


def test_an_altered_octet_is_found_in_plain_and_in_encrypted_parts() -> None:
    """The digest speaks for a plain part, the tag for an encrypted one, before its plaintext is looked at."""
    plain = pack(user_message(), PARTS, mode(encrypted=False, compressed=False), identity("vn"))
    at = plain.body.index(RAW) + 700_000
    assert fault(plain, flipped(plain.body, at)) == "EBMS:0101 bad_digest"
    sealed = pack(user_message(), PARTS, mode(encrypted=True), identity("vn"), content_secret=secret())
    for at in (len(sealed.body) - 300, len(sealed.body) // 2):
        assert fault(sealed, flipped(sealed.body, at), encrypted=True) == "EBMS:0102 bad_decryption"


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def test_limits() -> None:
    """Each limit has its own word, and stops the reading where it is passed."""
    bomb = Part(content_id="bomb@vn", content=bytes(30_000_000), mime_type="application/octet-stream")
    sealed = pack(user_message(), (bomb,), mode(encrypted=False), identity("vn"))
    assert fault(sealed, sealed.body) == "EBMS:0303 expansion_limit"
    raw = pack(user_message(), PARTS, mode(encrypted=False), identity("vn"))
    assert fault(raw, raw.body, limits=Limits(max_parts=2)) == "EBMS:0007 too_many_parts"
    assert fault(raw, raw.body, limits=Limits(max_message_bytes=1_000_000)) == "EBMS:0007 message_too_large"
    assert fault(raw, raw.body, limits=Limits(max_part_bytes=1_000_000)) == "EBMS:0303 expansion_limit"
    assert fault(raw, raw.body[:-200_000]) == "EBMS:0007 bad_mime"
    with pytest.raises(RemoteFault, match="header_too_large"):
        read(raw.content_type, raw.body, limits=Limits(max_header_bytes=2_000))


def test_damaged_gzip_in_pieces() -> None:
    """What is cut, altered or followed by something is refused as damaged, wherever it is cut."""
    for content in (compress(FORM_D)[:-5], compress(FORM_D) + b"x", compress(FORM_D)[:40] + b"\0" * 40):
        with pytest.raises(RemoteFault, match="bad_decompression"):
            list(expanded(iter([content[:30], content[30:]]), len(content), max_bytes=10**6, max_ratio=200))


def test_gzip_in_pieces_is_gzip() -> None:
    packer = Packer()
    pieces = [packer.feed(RAW[start : start + 33_333]) for start in range(0, len(RAW), 33_333)]
    assert b"".join([*pieces, packer.close()]) == compress(RAW)


def test_signed_again_from_its_beginning() -> None:
    """Only the envelope is replaced; the result is what `reseal` makes of the whole."""
    sealed = pack(user_message(), PARTS, mode(encrypted=False), identity("vn"))
    again = reseal(sealed.content_type, sealed.body, identity("vn signing again"))
    assert reseal_head(sealed.content_type, sealed.body[:1_000], identity("vn signing again")) is None
    head = reseal_head(sealed.content_type, sealed.body[:40_000], identity("vn signing again"))
    assert head is not None and head.message_id == sealed.message_id
    body = head.head + sealed.body[head.replaced_bytes :]
    assert len(body) == pytest.approx(len(again.body), abs=8)  # ECDSA signatures vary in length
    assert body[-1_000_000:] == again.body[-1_000_000:]


def test_content_made_to_hold_the_boundary_is_not_packed() -> None:
    mark = b"--" + boundary_for(user_message().message_id).encode()
    parts = (Part(content_id="raw@vn", content=b"x" * 9_990 + mark + b"y", mime_type="application/pdf"),)
    agreed = mode(encrypted=False, compressed=False)
    with pytest.raises(LocalFault, match="boundary"):
        value(pack_large(user_message(), large_parts(parts), agreed, identity("vn"), Memory))
