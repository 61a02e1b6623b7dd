"""What another product really sent, see recorded/README.md: whole it holds, damaged it proves nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from cryptography import x509

from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.party import Partner, PartyId
from asw_gateway.messaging.pmode import EDELIVERY_1_15, Limits, PMode, SecurityProfile
from asw_gateway.messaging.signal import ErrorSignal, Receipt, read_signal
from asw_gateway.messaging.unpacking import VerifiedMessage, unpack, verify
from simulators.world_files import PARTY_ID_TYPE
from tests.messaging import material

FOLDER = Path(__file__).parent / "recorded"
OWN = PartyId(value="vn-gateway", type=PARTY_ID_TYPE)


@frozen(kw_only=True)
class Recording:
    """One HTTP body, and what is needed to judge it; the digests are those of the message it answers."""

    name: str
    file: str
    content_type: str
    suite: str
    country: str
    message_id: str
    recorded_at: float
    signer: str
    reference_digests: tuple[tuple[str, str], ...] = ()

    @property
    def body(self) -> bytes:
        return (FOLDER / self.file).read_bytes()

    @property
    def partner(self) -> Partner:
        """The phase4 gateway as configured at ours."""
        name = self.country.lower()
        theirs = PartyId(value=f"{name}-gateway", type=PARTY_ID_TYPE)
        agreement = f"urn:asw:agreement:{'-'.join(sorted(('vn', name)))}"
        inbound, outbound = (
            PMode(
                id="recorded",
                agreement=agreement,
                initiator=sender,
                responder=receiver,
                security=SecurityProfile(name=self.suite),
            )
            for sender, receiver in ((theirs, OWN), (OWN, theirs))
        )
        return Partner(
            name=name,
            party_id=theirs,
            country=self.country,
            inbound=inbound,
            outbound=outbound,
            signing_certificates=(x509.load_pem_x509_certificate(self.signer.encode()),),
        )

    def signal(self, body: bytes | None = None, **changes: Any) -> Receipt | ErrorSignal:
        """As our sender reads it."""
        sent, partner = changes.get("sent", self), changes.get("partner", self.partner)
        return read_signal(
            self.content_type,
            self.body if body is None else body,
            sent=sent,
            partner=partner,
            now=changes.get("now", self.recorded_at),
        )

    def message(self, body: bytes | None = None) -> VerifiedMessage:
        """As our receiver reads it."""
        raw = unpack(self.content_type, self.body if body is None else body, Limits())
        return verify(raw, self.partner, self.partner.inbound, OWN, self.recorded_at)


def _read(found: dict[str, Any]) -> Recording:
    digests = tuple((uri, digest) for uri, digest in found.pop("reference_digests", []))
    return Recording(**found, reference_digests=digests)


RECORDINGS = [_read(found) for found in json.loads((FOLDER / "recordings.json").read_text(encoding="utf-8"))]
BY_NAME = {recording.name: recording for recording in RECORDINGS}


def kind(word: str) -> list[Any]:
    return [pytest.param(one, id=one.name) for one in RECORDINGS if one.name.startswith(word)]


def test_every_recording_has_its_bytes_and_nothing_lies_about() -> None:
    assert {path.name for path in FOLDER.glob("*.as4")} == {one.file for one in RECORDINGS}
    assert {one.name.partition("-")[0] for one in RECORDINGS} == {"receipt", "error", "message"}


def test_they_name_their_keys_in_every_way() -> None:
    ways = {
        "pkipath": b"#X509PKIPathv1",
        "issuer-serial": b"X509IssuerSerial",
        "ski": b"#X509SubjectKeyIdentifier",
        "thumbprint": b"#ThumbprintSHA1",
        "rsa": b"#X509v3",
    }
    for way, mark in ways.items():
        assert mark in BY_NAME[f"receipt-{way}"].body
        assert mark in BY_NAME[f"message-{way}"].body


@pytest.mark.parametrize("recording", kind("receipt"))
def test_a_receipt_proves_what_was_sent(recording: Recording) -> None:
    receipt = recording.signal()
    assert isinstance(receipt, Receipt)
    assert receipt.ref_to_message_id == recording.message_id
    assert receipt.signer == recording.partner.signing_certificates[0]


@pytest.mark.parametrize("recording", kind("error"))
def test_an_error_is_read_with_its_signature(recording: Recording) -> None:
    signal = recording.signal()
    assert isinstance(signal, ErrorSignal)
    assert signal.signed
    assert [error.code for error in signal.errors] == ["EBMS:0003"]


@pytest.mark.parametrize("recording", kind("message"))
def test_a_message_is_taken(recording: Recording) -> None:
    verified = recording.message()
    assert verified.user_message.message_id == recording.message_id
    assert b"<Declaration" in verified.parts[0].content or b":Declaration" in verified.parts[0].content


def other(text: str) -> str:
    """The same base64 with another first octet."""
    return ("B" if text[0] == "A" else "A") + text[1:]


def proof(body: str) -> re.Match[str]:
    found = re.search(r"<[\w:]*NonRepudiationInformation.*?</[\w:]*NonRepudiationInformation>", body, re.S)
    assert found is not None
    return found


def in_proof(pattern: str, change: Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    """Change the first match within what the receipt proves."""

    def changed(body: str) -> str:
        whole = proof(body).group()
        return body.replace(whole, re.sub(pattern, change, whole, count=1, flags=re.S))

    return changed


def anywhere(pattern: str, change: Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    return lambda body: re.sub(pattern, change, body, count=1, flags=re.S)


DIGEST = r"(?<=DigestValue>)[^<]+"
DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "changed digest": (in_proof(DIGEST, lambda m: other(m.group())), "bad_digest"),
    "changed reference": (in_proof(r'URI="[^"]*"', lambda m: 'URI="cid:other@vn"'), "bad_digest"),
    "reference left out": (
        in_proof(r"<[\w:]*MessagePartNRInformation.*?</[\w:]*MessagePartNRInformation>", lambda m: ""),
        "bad_digest",
    ),
    "answers another message": (
        anywhere(r"(?<=RefToMessageId>)[^<]+", lambda m: "x" + m.group()),
        "bad_digest",
    ),
    "another time": (anywhere(r"(?<=:Timestamp>)\d", lambda m: "3"), "bad_digest"),
    "mustUnderstand turned": (
        anywhere(r'(<eb:Messaging[^>]*mustUnderstand=")(?:true|1)"', lambda m: m.group(1) + 'false"'),
        "bad_digest",
    ),
    "written anew with line breaks": (lambda text: text.replace("><", ">\n<"), "bad_signature"),
    "changed signature": (
        anywhere(r"(?<=SignatureValue>)[^<]+", lambda m: other(m.group().strip())),
        "bad_signature",
    ),
    "changed digest in the signature": (
        anywhere(f"(?<=SignedInfo)(.*?){DIGEST}", lambda m: m.group()[:-4] + "AAA="),
        "bad_signature",
    ),
    "no signature": (anywhere(r"<wsse:Security .*?</wsse:Security>", lambda m: ""), "unsigned"),
    "cut short": (lambda text: text[:-20], "bad_xml"),
}


def reason(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(RemoteFault) as caught:
        call()
    return caught.value.code, caught.value.reason


@pytest.mark.parametrize("recording", kind("receipt"))
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_receipt_proves_nothing(recording: Recording, damage: str) -> None:
    change, expected = DAMAGES[damage]
    whole = recording.body.decode()
    damaged = change(whole)
    assert damaged != whole
    assert reason(lambda: recording.signal(damaged.encode())) == ("EBMS:0302", expected)


@pytest.mark.parametrize("recording", kind("receipt"))
def test_a_good_receipt_in_the_wrong_place_proves_nothing(recording: Recording) -> None:
    stranger = evolve(recording.partner, signing_certificates=(material.certificate("stranger"),))
    assert reason(lambda: recording.signal(partner=stranger))[1] == "unknown_certificate"
    elsewhere = evolve(recording, message_id="another@vn-gateway")
    assert reason(lambda: recording.signal(sent=elsewhere))[1] == "different_receipt"
    uri, digest = recording.reference_digests[0]
    changed = evolve(recording, reference_digests=((uri, other(digest)), *recording.reference_digests[1:]))
    assert reason(lambda: recording.signal(sent=changed))[1] == "different_receipt"
    late = recording.recorded_at + 400 * 86400
    assert reason(lambda: recording.signal(now=late))[1] == "expired_certificate"


def test_the_signature_of_another_receipt_does_not_fit() -> None:
    """Neither its value alone nor the whole security header."""
    one, two = (BY_NAME[name].body.decode() for name in ("receipt-rsa", "receipt-encrypted"))
    for pattern, expected in (
        (r"(?<=SignatureValue>)[^<]+", "bad_signature"),
        (r"<wsse:Security .*?</wsse:Security>", None),
    ):
        theirs = re.search(pattern, two, re.S)
        assert theirs is not None
        swapped = one.replace(re.search(pattern, one, re.S).group(), theirs.group())  # type: ignore[union-attr]
        assert swapped != one
        code, found = reason(lambda body=swapped: BY_NAME["receipt-rsa"].signal(body.encode()))
        assert code == "EBMS:0302"
        assert expected is None or found == expected


def test_the_2_0_suite_is_not_taken_where_1_15_was_agreed() -> None:
    modern = BY_NAME["receipt-ed25519"]
    classic = evolve(modern, suite=EDELIVERY_1_15)
    assert reason(classic.signal)[1] == "weak_algorithm"


@pytest.mark.parametrize("recording", kind("error"))
@pytest.mark.parametrize(
    "damage", ["changed signature", "answers another message", "written anew with line breaks"]
)
def test_a_damaged_error_is_not_believed(recording: Recording, damage: str) -> None:
    change, expected = DAMAGES[damage]
    assert reason(lambda: recording.signal(change(recording.body.decode()).encode()))[1] == expected


@pytest.mark.parametrize("recording", kind("message"))
def test_a_damaged_message_is_refused(recording: Recording) -> None:
    whole = recording.body
    action = whole.replace(b">certificate<", b">cancellation<", 1)
    assert action != whole
    assert reason(lambda: recording.message(action)) == ("EBMS:0101", "bad_digest")
    start = whole.index(b"\x1f\x8b\x08")
    packed = whole[: start + 40] + bytes((whole[start + 40] ^ 1,)) + whole[start + 41 :]
    assert reason(lambda: recording.message(packed)) == ("EBMS:0101", "bad_digest")
