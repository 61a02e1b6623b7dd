"""What is fuzzed. A target takes any bytes; what it may do with them is to return, everything else is a find.

RemoteFault is how the message layer says no, so it is caught here; whatever else is raised is our mistake.
"""

from __future__ import annotations

import base64
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import field, frozen

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.compression import compress, decompress, expanded
from asw_gateway.messaging.encryption import decrypt_parts, is_encrypted
from asw_gateway.messaging.envelope_reader import read_envelope
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.keys import end_certificate_of_path
from asw_gateway.messaging.large_reading import MessageReader
from asw_gateway.messaging.large_verification import verify_large
from asw_gateway.messaging.message import PartInfo
from asw_gateway.messaging.packing import pack
from asw_gateway.messaging.signal import read_signal
from asw_gateway.messaging.unpacking import unpack, verify
from asw_gateway.messaging.xml import XmlFault
from asw_gateway.web import WebAnswer
from tests.messaging import material
from tests.messaging.forgery import CONTENT_ID, forged
from tests.messaging.test_encryption import CLASSIC, MODERN, key
from tests.messaging.test_encryption import packed as packed_encrypted
from tests.messaging.test_refusals import LIMITS, REFUSED_UNREAD, REFUSED_UNVERIFIED
from tests.partner.test_refusals import Door, Sent

RECORDED = Path(__file__).resolve().parents[1] / "messaging" / "recorded"
SOAP_TYPE = "application/soap+xml; charset=UTF-8"
#: The three classes of content that a signature tells apart.
KINDS = ("application/xml", "text/plain", "application/octet-stream")
#: An answer is a signal of ours: never longer, whatever was asked.
MAX_ANSWER_BYTES = 20_000
MAX_SEED_BYTES = 20_000
#: A door keeps the evidence of every refusal in memory; a new one is opened after so many.
DOOR_MESSAGES = 2000


@frozen(kw_only=True)
class Target:
    """`run` is called with each input; `seeds` are the first ones."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...] = field(repr=False)


def posted(content_type: str, body: bytes) -> bytes:
    """A message as one input: its Content-Type in the first line."""
    return content_type.encode("latin-1", "replace") + b"\n" + body


def parted(data: bytes) -> tuple[str, bytes]:
    """The inverse of `posted`, for any bytes."""
    head, _, body = data.partition(b"\n")
    return head.decode("latin-1"), body


def _soap(content_type: str, body: bytes) -> bytes:
    start = body.index(b"<S12:Envelope")
    return body[start : body.index(b"</S12:Envelope>") + len(b"</S12:Envelope>")]


# --- the whole receiver


class _Receiver:
    """One door lives through many messages, as a daemon does."""

    def __init__(self) -> None:
        self._door = Door()
        self._count = 0

    def post(self, content_type: str, body: bytes) -> None:
        """Send it, and hold the answer to what every answer must be."""
        self._count += 1
        if self._count % DOOR_MESSAGES == 0:
            self._door.database.close()
            self._door = Door()
            gc.collect()
        check_answer(self._door, self._door.post(content_type, body))

    def data(self, data: bytes) -> None:
        self.post(*parted(data))

    def signed(self, data: bytes) -> None:
        """What only somebody with a partner's key can send: the input is signed, as header, part or body."""
        place, content = data[:1], data[1:]
        text = content.decode("utf-8", "replace")
        try:
            if place < b"\x40":
                message = forged(unit=lambda _: text)
            elif place < b"\x80":
                message = forged(parts=[(CONTENT_ID, ns.GZIP, content)])
            elif place < b"\xc0":
                kind = KINDS[place[0] % len(KINDS)]
                plain = PartInfo(content_id=CONTENT_ID, mime_type=kind)
                message = forged(infos=[plain], parts=[(CONTENT_ID, kind, content)])
            else:
                message = forged(body=lambda _: text)
        except XmlFault:
            return  # an XML part that has no canonical form cannot be signed
        self.post(*message)


def check_answer(door: Door, answer: WebAnswer) -> None:
    """No 5xx but 503 with Retry-After, no fault of ours, no answer without end."""
    if answer.status >= 500:
        assert answer.status == 503, (answer.status, answer.body[:300])
        assert int(answer.headers["Retry-After"]) > 0
    assert len(answer.body) < MAX_ANSWER_BYTES
    assert b"asw_internal_errors_total{" not in door.metrics.render()


# --- its parsers


def envelope(data: bytes) -> None:
    """A SOAP envelope alone."""
    try:
        read_envelope(data, max_header_bytes=100_000)
    except RemoteFault as fault:
        _bounded(fault)


def signal(data: bytes) -> None:
    """An answer to a message of ours; no damaged one may pass for a receipt."""
    thailand = material.partner(material.identity("th"), party=material.THAILAND, own=material.VIET_NAM)
    content_type, body = parted(data)
    try:
        read_signal(content_type, body, sent=Sent(), partner=thailand, now=material.NOW)
    except RemoteFault as fault:
        assert fault.code == "EBMS:0302"
        _bounded(fault)


def gzip(data: bytes) -> None:
    """A compressed part: whole and in pieces alike."""
    whole = _tried(lambda: decompress(data, max_bytes=3_000_000, max_ratio=50))
    pieces = [data[place : place + 7] for place in range(0, len(data), 7)]
    stepwise = _tried(lambda: b"".join(expanded(pieces, len(data), max_bytes=3_000_000, max_ratio=50)))
    assert whole == stepwise


def certificate_path(data: bytes) -> None:
    """The DER of an X509PKIPathv1 token."""
    found = end_certificate_of_path(data)
    assert found is None or found in data


def encrypted(data: bytes) -> None:
    """A message that claims to be encrypted for us: its tag decides, whatever else it says."""
    content_type, body = parted(data)
    try:
        raw = unpack(content_type, body, LIMITS)
        security = raw.envelope.security
        if security is not None and is_encrypted(security):
            for suite in (CLASSIC, MODERN):
                decrypt_parts(security, raw.parts, key(suite))
    except RemoteFault as fault:
        _bounded(fault)


class _Spooled:
    """A PartStore in memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._pieces.append(bytes(data))

    def pieces(self) -> Iterator[bytes]:
        return iter(self._pieces)


def two_readers(data: bytes) -> None:
    """The reader of messages in memory and the push parser of large ones take and refuse the same."""
    content_type, body = parted(data)
    sender = material.partner()
    arguments = (sender, sender.inbound, material.THAILAND, material.NOW)

    def small() -> Any:
        return verify(unpack(content_type, body, LIMITS), *arguments)

    def large() -> Any:
        reader = MessageReader(content_type, LIMITS, _Spooled)
        step = 1 + len(body) % 97
        for place in range(0, len(body), step):
            reader.feed(body[place : place + step])
        steps = verify_large(reader.close(), *arguments)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    one, two = _tried(small), _tried(large)
    assert isinstance(one, str) == isinstance(two, str), (one, two)
    if not isinstance(one, str):
        assert (one.user_message, one.parts) == (two.user_message, two.parts)


def _tried(call: Callable[[], Any]) -> Any:
    """What it gives, or "refused"."""
    try:
        return call()
    except RemoteFault as fault:
        _bounded(fault)
        return "refused"


def _bounded(fault: RemoteFault) -> None:
    assert len(fault.detail) < 2000


# --- seeds

#: What the formats are made of: libFuzzer puts these into inputs.
WORDS = (
    *("<!DOCTYPE x [", '<!ENTITY e "v">', "<?x y?>", "<![CDATA[", "&#0;", "&lt;", "xmlns:x=", "wsu:Id="),
    *(
        "\r\n\r\n",
        "\r\n--",
        "Content-ID: <",
        "Content-Type: ",
        "multipart/related; ",
        "boundary=",
        "start=",
    ),
    *("application/soap+xml", "application/gzip", "application/xml", "cid:", "charset=", "\x1f\x8b\x08"),
    *("S12:mustUnderstand=", "S12:role=", "eb:UserMessage", "eb:SignalMessage", "eb:Receipt", "eb:Error"),
    *("eb:PullRequest", "eb:PartInfo href=", "eb:Property name=", "eb:RefToMessageId", "ds:Reference URI="),
    *("ds:Transform", "ds:X509IssuerSerial", "wsse:KeyIdentifier", "wsse:Reference", "ValueType="),
    *("xenc:EncryptedKey", "xenc:EncryptedData", "xenc:CipherReference", "xenc:ReferenceList"),
    *(ns.X509_PKIPATH, ns.X509_SKI, ns.SHA256, ns.DS, ns.XENC, ns.XENC11, ns.DSIG_MORE, ns.EBBP),
)


def dictionary() -> str:
    """WORDS as libFuzzer reads them."""
    escaped = ("".join(f"\\x{octet:02x}" for octet in word.encode("latin-1")) for word in WORDS)
    return "".join(f'"{word}"\n' for word in escaped)


def _recorded() -> list[bytes]:
    return [path.read_bytes() for path in sorted(RECORDED.glob("*.as4"))]


def targets() -> dict[str, Target]:
    """Every target by name; the receiver of all comes last."""
    good = [forged(), forged(parts=[(CONTENT_ID, "application/octet-stream", material.FORM_D)])]
    good.append(_sealed(material.identity("vn", "rsa-sha256")))
    sealed = [packed_encrypted(suite) for suite in (CLASSIC, MODERN)]
    messages = (*(posted(*message) for message in good), *_refused())
    receiver = _Receiver()
    header = _soap(*good[0])
    unit = header[header.index(b"<eb:UserMessage>") : header.index(b"</eb:UserMessage>") + 17]
    certificate = material.identity("vn")
    path = _der(certificate.pkipath_base64)
    return {
        "envelope": Target(run=envelope, seeds=tuple(_soap(*message) for message in good)),
        "signal": Target(run=signal, seeds=tuple(posted(SOAP_TYPE, body) for body in _recorded())),
        "gzip": Target(run=gzip, seeds=(compress(material.FORM_D), compress(b""), compress(bytes(200_000)))),
        "certificate-path": Target(run=certificate_path, seeds=(path,)),
        "encrypted": Target(
            run=encrypted, seeds=tuple(posted(message.content_type, message.body) for message in sealed)
        ),
        "two-readers": Target(run=two_readers, seeds=messages),
        "signed": Target(
            run=receiver.signed,
            seeds=(
                b"\x00" + unit,
                b"\x50" + compress(material.FORM_D),
                b"\x80" + material.FORM_D,
                b"\x81line\nline",
                b"\xd0<S12:Body></S12:Body>",
            ),
        ),
        "receiver": Target(run=receiver.data, seeds=messages),
    }


def _refused() -> list[bytes]:
    """The refusal table: each row breaks one rule."""
    broken = (forged(**changes) for _, changes, _, _ in (*REFUSED_UNREAD, *REFUSED_UNVERIFIED))
    return [posted(*message) for message in broken if len(message[1]) < MAX_SEED_BYTES]


def _sealed(signer: Any) -> tuple[str, bytes]:
    sealed = pack(
        material.user_message(),
        [material.form_d()],
        material.pmode(signature_algorithm=signer.algorithm),
        signer,
    )
    return sealed.content_type, sealed.body


def _der(text: str) -> bytes:
    return base64.b64decode(text)
