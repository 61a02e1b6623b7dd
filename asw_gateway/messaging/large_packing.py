"""Packing a user message whose parts are too large for memory, and signing such a stored one again.

The order is that of :mod:`asw_gateway.messaging.packing`: compress → digest → encrypt → MIME. A part is read
once; what goes on the wire of it goes to a store that the shell gives, and from an encrypted part nothing
but ciphertext.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from attrs import evolve, field, frozen
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.compression import Packer
from asw_gateway.messaging.encryption import ENCRYPTED_TYPE, ContentSecret, encryption_header
from asw_gateway.messaging.envelope_reader import read_envelope
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.large_reading import PartStore
from asw_gateway.messaging.large_verification import MAX_TREE_BYTES
from asw_gateway.messaging.message import CONTENT_ID_PATTERN, MessageProperty, PartInfo, UserMessage
from asw_gateway.messaging.mime import Frame, boundary_for, packaging
from asw_gateway.messaging.multipart import MultipartReader, PartData, PartEnded
from asw_gateway.messaging.packing import MAX_ENVELOPE_BYTES
from asw_gateway.messaging.pmode import PMode
from asw_gateway.messaging.signature import (
    Reference,
    is_raw,
    part_octets,
    replace_signature,
    security_header,
    signed_timestamp,
)
from asw_gateway.messaging.verification import signed_references
from asw_gateway.messaging.xml import XmlFault


@frozen(kw_only=True)
class LargePart:
    """A payload that is not in memory: ``pieces`` gives its plain content, once, from the start."""

    content_id: str
    pieces: Callable[[], Iterable[bytes]] = field(repr=False)
    mime_type: str
    character_set: str | None = None
    properties: tuple[MessageProperty, ...] = ()


@frozen(kw_only=True)
class SealedStream:
    """A message ready to be stored; ``pieces`` gives its body as long as the part stores live."""

    message_id: str
    content_type: str
    reference_digests: tuple[tuple[str, str], ...]
    pieces: Callable[[], Iterator[bytes]] = field(repr=False)


def pack_large(
    user_message: UserMessage,
    parts: Sequence[LargePart],
    pmode: PMode,
    identity: SigningIdentity,
    open_part: Callable[[], PartStore],
    *,
    content_secret: ContentSecret | None = None,
) -> Generator[None, None, SealedStream]:
    """:func:`asw_gateway.messaging.packing.pack` in small steps; the generator's value is the message.

    ``open_part`` gives a store for each part. The same arguments give the same bytes as ``pack``. Raises
    :class:`LocalFault`; an XML or text part that is not compressed may have MAX_TREE_BYTES.
    """
    if not parts:
        raise LocalFault("a message without parts is not large")
    if (content_secret is not None) != pmode.security.encrypt:
        raise LocalFault("a content secret must be given exactly when the agreement encrypts")
    infos = [_info(part, pmode.compress) for part in parts]
    if len({info.content_id for info in infos}) != len(infos):
        raise LocalFault("two parts have the same content id")
    types = [ns.GZIP if pmode.compress else part.mime_type for part in parts]
    message = evolve(user_message, parts=tuple(infos))
    messaging = writer.messaging_header(writer.user_message(message))
    references = writer.header_references(messaging)
    boundary = boundary_for(message.message_id)
    encryption, stores = "", []
    if content_secret is not None:
        ids = [info.content_id for info in infos]
        encryption = encryption_header(list(zip(ids, types, strict=True)), content_secret, pmode.security)
    for number, part in enumerate(parts):
        store = open_part()
        stores.append(store)
        guarded = _Guarded(store, b"--" + boundary.encode("ascii"))
        octets = _compressed(part.pieces()) if pmode.compress else iter(part.pieces())
        cipher = None if content_secret is None else _sealing(content_secret, number, guarded)
        reference = yield from _write(part.content_id, types[number], octets, guarded, cipher)
        references.append(reference)
    timestamp = ""
    if pmode.security.timestamp:
        expires_at = message.timestamp_at + pmode.reception.time_to_live_seconds
        timestamp, reference = signed_timestamp(
            writer.wire_time(message.timestamp_at), writer.wire_time(expires_at)
        )
        references.append(reference)
    security = security_header(
        references, identity, pmode.security, timestamp=timestamp, encryption=encryption
    )
    soap = writer.envelope(messaging, security)
    frame = Frame(boundary, message.message_id)
    wire_types = types if content_secret is None else [ENCRYPTED_TYPE] * len(types)

    def pieces() -> Iterator[bytes]:
        yield frame.before_envelope() + soap
        for info, content_type, store in zip(infos, wire_types, stores, strict=True):
            yield frame.before_part(info.content_id, content_type)
            yield from store.pieces()
        yield frame.after_last()

    return SealedStream(
        message_id=message.message_id,
        content_type=frame.content_type,
        reference_digests=tuple((reference.uri, reference.digest) for reference in references),
        pieces=pieces,
    )


@frozen(kw_only=True)
class NewHead:
    """How a stored body begins when it is signed again: ``head`` replaces its first ``replaced_bytes``."""

    head: bytes = field(repr=False)
    replaced_bytes: int
    message_id: str


def reseal_head(content_type: str, beginning: bytes, identity: SigningIdentity) -> NewHead | None:
    """:func:`asw_gateway.messaging.packing.reseal` for the ``beginning`` of a stored body.

    None when it does not hold the whole envelope yet. Raises :class:`LocalFault` when it is not a message of
    ours.
    """
    try:
        soap = _first_part(content_type, beginning)
        if soap is None:
            return None
        received = read_envelope(soap, max_header_bytes=MAX_ENVELOPE_BYTES)
        references = [Reference(uri, value) for uri, value in signed_references(received)]
    except RemoteFault as fault:
        raise LocalFault(f"the stored message cannot be signed again: {fault}") from None
    if received.user_message is None:
        raise LocalFault("only a user message can be signed again")
    start = beginning.index(soap)
    return NewHead(
        head=beginning[:start] + replace_signature(soap, references, identity),
        replaced_bytes=start + len(soap),
        message_id=received.user_message.message_id,
    )


def _first_part(content_type: str, beginning: bytes) -> bytes | None:
    parameters = packaging(content_type)
    boundary = "" if parameters is None else parameters.get("boundary", "")
    reader = MultipartReader(boundary, max_parts=65, max_part_bytes=len(beginning))
    soap = []
    for event in reader.feed(beginning):
        if isinstance(event, PartData):
            soap.append(event.data)
        elif isinstance(event, PartEnded):
            return b"".join(soap)
    if len(beginning) > MAX_ENVELOPE_BYTES:
        raise LocalFault("the stored message has no envelope at its beginning")
    return None


def _info(part: LargePart, compressed: bool) -> PartInfo:
    if CONTENT_ID_PATTERN.fullmatch(part.content_id) is None:
        raise LocalFault("a content id holds characters that cannot stand in a cid: reference")
    return PartInfo(
        content_id=part.content_id,
        mime_type=part.mime_type,
        character_set=part.character_set,
        compression_type=ns.GZIP if compressed else None,
        properties=part.properties,
    )


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = Packer()
    for piece in pieces:
        yield packer.feed(piece)
    yield packer.close()


def _sealing(secret: ContentSecret, number: int, store: _Guarded) -> Any:
    vector = secret.vectors[number]
    store.write(vector)
    return Cipher(algorithms.AES(secret.key), modes.GCM(vector)).encryptor()


def _write(
    content_id: str, content_type: str, octets: Iterator[bytes], store: _Guarded, cipher: Any
) -> Generator[None, None, Reference]:
    """Digest one part and write it as it goes on the wire."""
    running, whole, raw = sha256(), bytearray(), is_raw(content_type)
    for piece in octets:
        running.update(piece)
        store.write(piece if cipher is None else cipher.update(piece))
        if not raw:
            whole += piece
            if len(whole) > MAX_TREE_BYTES:
                raise LocalFault(f"an uncompressed XML or text part exceeds {MAX_TREE_BYTES} bytes")
        yield
    if cipher is not None:
        store.write(cipher.finalize() + cipher.tag)
    digest = running.digest()
    if not raw:
        try:
            digest = sha256(part_octets(bytes(whole), content_type)).digest()
        except XmlFault as fault:
            raise LocalFault(f"an uncompressed XML part cannot be signed: {fault.detail}") from None
    return Reference(f"cid:{content_id}", base64.b64encode(digest).decode("ascii"))


class _Guarded:
    """Writes to a store and looks out for the boundary, which no part may hold."""

    def __init__(self, store: PartStore, mark: bytes) -> None:
        self._store = store
        self._mark = mark
        self._tail = b""

    def write(self, data: bytes) -> None:
        if not data:
            return
        seam = self._tail + data[: len(self._mark) - 1]
        if self._mark in data or self._mark in seam:
            # It follows from our own random message id: only content made to prevent it can hold it.
            raise LocalFault("no boundary is free of the content; the content was made to prevent it")
        self._tail = (self._tail + data[-len(self._mark) :])[-(len(self._mark) - 1) :]
        self._store.write(data)
