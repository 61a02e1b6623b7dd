"""Verifying a message too large for memory, in small steps, over the stored octets of its parts.

No content of an encrypted part is looked at before its tag has been verified: decryption runs over the stored
ciphertext, once for the tag, then again for each use.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from io import BytesIO

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.compression import expanded
from asw_gateway.messaging.encryption import TAG_BYTES, VECTOR_BYTES, DecryptionKey, not_decrypted, unlock
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.large_reading import LargeMessage, WirePart
from asw_gateway.messaging.message import Part, PartInfo
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.pmode import Limits, PMode
from asw_gateway.messaging.signature import is_raw, part_octets
from asw_gateway.messaging.trust import failed
from asw_gateway.messaging.unpacking import (
    VerifiedMessage,
    check_agreement,
    check_compressed_type,
    check_time,
    encryption_used,
)
from asw_gateway.messaging.values import PartyId
from asw_gateway.messaging.verification import DigestedPart, digest_methods, new_digest, verify_signature
from asw_gateway.messaging.xml import XmlFault

#: XML and other text is digested in a canonical form that needs all of it; documents are read as a tree.
MAX_TREE_BYTES = 20_000_000
#: A raw part above this is not kept: nobody reads it as a document.
MAX_RAW_BYTES = 1_000_000


@frozen(kw_only=True)
class _Opened:
    """A part as it was before encryption; `octets` may be read as often as needed."""

    content_type: str
    size_bytes: int
    octets: Callable[[], Iterator[bytes]] = field(repr=False)


def verify_large(
    received: LargeMessage,
    partner: Partner,
    pmode: PMode,
    own_party: PartyId,
    now: float,
    decryption_key: DecryptionKey | None = None,
) -> Generator[None, None, VerifiedMessage]:
    """:func:`asw_gateway.messaging.unpacking.verify` in steps of some milliseconds; the generator's value is
    the message. Raises :class:`RemoteFault`.

    The same checks in the same order. Documents above MAX_TREE_BYTES together and raw contents above
    MAX_RAW_BYTES are checked and not kept: their part says only how large they are (``withheld_bytes``).
    """
    message = received.user_message
    authenticated = False
    try:
        if message.from_party != partner.party_id:
            raise RemoteFault("EBMS:0101", "wrong_party", "eb:From is not the party of the connection")
        parts = yield from _opened(received, pmode, decryption_key)
        digested = yield from _digested(received, parts)
        signature = verify_signature(
            received.envelope,
            digested,
            certificates=partner.signing_certificates,
            refused=partner.refused,
            profile_name=pmode.security.name,
            now=now,
            clock_skew_seconds=pmode.clock_skew_seconds,
        )
        authenticated = True
        check_agreement(message, pmode, own_party)
        check_time(message, pmode, now)
        room, contents = MAX_TREE_BYTES, []
        for info in message.parts:
            part = yield from _content(info, parts[info.content_id], pmode.limits, room)
            room -= len(part.content)
            contents.append(part)
    except RemoteFault as fault:
        fault.ref_to_message_id = message.message_id
        fault.authenticated = authenticated
        raise
    return VerifiedMessage(
        user_message=message,
        parts=tuple(contents),
        references=signature.references,
        signer=signature.signer,
    )


def _opened(
    received: LargeMessage, pmode: PMode, key: DecryptionKey | None
) -> Generator[None, None, dict[str, _Opened]]:
    security = received.envelope.security
    used = encryption_used(security, bool(received.parts), pmode, key)
    if used is None or security is None:
        return {
            content_id: _Opened(
                content_type=part.content_type, size_bytes=part.size_bytes, octets=part.octets
            )
            for content_id, part in received.parts.items()
        }
    content_key, content_types = unlock(security, received.parts, used)
    opened = {}
    for content_id, content_type in content_types.items():
        sealed = _SealedPart(received.parts[content_id], content_key)
        yield from _stepwise(sealed.check())
        opened[content_id] = _Opened(
            content_type=content_type, size_bytes=sealed.plain_bytes, octets=sealed.plain
        )
    return opened


class _SealedPart:
    """An AES-GCM part in its store: vector, ciphertext, tag. `plain` may be used after `check` has ended."""

    def __init__(self, part: WirePart, key: bytes) -> None:
        self._part = part
        self._key = key
        self._checked = False
        self.plain_bytes = part.size_bytes - VECTOR_BYTES - TAG_BYTES
        if self.plain_bytes < 0:
            raise not_decrypted("a part does not decrypt")

    def check(self) -> Iterator[bytes]:
        """Decrypt all of it to find out whether the tag verifies; what is yielded must be thrown away."""
        for _ in self._decrypted():
            yield b""
        self._checked = True

    def plain(self) -> Iterator[bytes]:
        """The plaintext, whose tag has been verified."""
        if not self._checked:
            raise not_decrypted("a part does not decrypt")
        return self._decrypted()

    def _decrypted(self) -> Iterator[bytes]:
        head, tag, decryptor = b"", b"", None
        for piece in self._part.octets():
            if decryptor is None:
                head += piece
                if len(head) < VECTOR_BYTES:
                    continue
                vector, piece = head[:VECTOR_BYTES], head[VECTOR_BYTES:]
                decryptor = Cipher(algorithms.AES(self._key), modes.GCM(vector)).decryptor()
            # The last octets may be the tag.
            data = tag + piece
            cut = max(len(data) - TAG_BYTES, 0)
            tag = data[cut:]
            if cut:
                yield decryptor.update(data[:cut])
        try:
            if decryptor is None:
                raise ValueError("no vector")
            decryptor.finalize_with_tag(tag)
        except (InvalidTag, ValueError):
            raise not_decrypted("a part does not decrypt") from None


def _digested(
    received: LargeMessage, parts: Mapping[str, _Opened]
) -> Generator[None, None, dict[str, tuple[str, bytes | DigestedPart]]]:
    """Every part's digest, by the algorithm that its signature reference names."""
    methods = digest_methods(received.envelope)
    digested: dict[str, tuple[str, bytes | DigestedPart]] = {}
    for content_id, part in parts.items():
        method = methods.get(content_id, ns.SHA256)  # an unsigned part is refused, whatever its digest
        running = new_digest(method)
        if is_raw(part.content_type):
            for piece in part.octets():
                running.update(piece)
                yield
        else:
            content = yield from _whole(part)
            try:
                running.update(part_octets(content, part.content_type))
            except XmlFault as fault:
                raise failed("bad_digest", f"an XML part cannot be canonicalised: {fault.detail}") from None
        digested[content_id] = (part.content_type, DigestedPart(digests={method: running.digest()}))
    return digested


def _whole(part: _Opened) -> Generator[None, None, bytes]:
    """A text part, which is digested in a form that needs all of it."""
    if part.size_bytes > MAX_TREE_BYTES:
        raise RemoteFault(
            "EBMS:0007", "part_too_large", f"an XML or text part exceeds {MAX_TREE_BYTES} bytes"
        )
    pieces = []
    for piece in part.octets():
        pieces.append(piece)
        yield
    return b"".join(pieces)


def _content(info: PartInfo, part: _Opened, limits: Limits, room: int) -> Generator[None, None, Part]:
    """Expand and measure one content; keep it if there is `room` (bytes)."""
    pieces = part.octets()
    if info.compression_type is not None:
        check_compressed_type(part.content_type)
        pieces = expanded(
            pieces, part.size_bytes, max_bytes=limits.max_part_bytes, max_ratio=limits.max_expansion_ratio
        )
    elif part.size_bytes > limits.max_part_bytes:
        raise RemoteFault("EBMS:0007", "part_too_large", f"a part exceeds {limits.max_part_bytes} bytes")
    if is_raw(info.mime_type):
        room = min(room, MAX_RAW_BYTES)
    kept = BytesIO()
    size_bytes = 0
    for piece in pieces:
        size_bytes += len(piece)
        if size_bytes <= room:
            kept.write(piece)
        elif kept.tell():
            kept = BytesIO()
        yield
    return Part(
        content_id=info.content_id,
        content=kept.getvalue() if size_bytes <= room else b"",
        withheld_bytes=None if size_bytes <= room else size_bytes,
        mime_type=info.mime_type,
        character_set=info.character_set,
        properties=info.properties,
    )


def _stepwise(pieces: Iterator[bytes]) -> Generator[None, None, None]:
    for _ in pieces:
        yield
