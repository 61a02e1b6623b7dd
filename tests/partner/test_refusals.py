"""The refusal table over the receiver: every broken message gets its EBMS code, its count and its evidence.

The messages are those of tests/messaging/test_refusals.py, where the pure layer is judged; here a partner
sends each one to the door, and what matters is what stays behind: the answer, the figure, the stored proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from asw_gateway.exchange.identity import Identities
from asw_gateway.messaging.error_codes import ERROR_CODES, SECURITY_CODES
from asw_gateway.messaging.faults import REASONS
from asw_gateway.messaging.message import PING_ACTION, PING_SERVICE
from asw_gateway.messaging.namespaces import GZIP
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.pmode import SecurityProfile
from asw_gateway.messaging.signal import ErrorSignal, Receipt, read_signal
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.receiver import PartnerReceiver
from asw_gateway.partner.reception import Readers
from asw_gateway.store import feed, inbox, journal, refusals
from asw_gateway.tls import Certificate, fingerprint
from asw_gateway.web import WebAnswer, WebRequest
from tests.doubles import InlineWorkers
from tests.exchange.builders import own_gateway
from tests.messaging.forgery import CONTENT_ID, forged
from tests.messaging.material import (
    MESSAGE_ID,
    NOW,
    THAILAND,
    VIET_NAM,
    certificate,
    identity,
    partner,
    user_message,
)
from tests.messaging.test_refusals import LIMITS, REFUSED_UNREAD, REFUSED_UNVERIFIED
from tests.partner import world
from tests.partner.inline import InlineDatabase
from tests.partner.test_receiver import Named

CONNECTION = certificate("vn tls client")
OTHER_CONNECTION = certificate("la tls client")

#: Refused by the receiver before the message layer sees them.
NOT_A_MESSAGE = {"not multipart": "HTTP:415", "not a media type": "HTTP:415"}
#: Faults of messages whose signature held: the portal hears of them.
TOLD = frozenset(
    {
        "bad_content_type",
        "bad_decompression",
        "expansion_limit",
        "message_in_future",
        "message_too_old",
        "not_for_us",
        "unknown_agreement",
        "unknown_role",
        "unknown_service",
    }
)


class FormDCatalogue:
    """Knows one service with one action."""

    def for_message(self, service: str, action: str, on: date) -> tuple[Named, Named] | None:
        return (Named(), Named()) if (service, action) == ("urn:asw:form-d", "certificate") else None


@frozen
class Sent:
    message_id: str = MESSAGE_ID
    reference_digests: tuple[tuple[str, str], ...] = ()


class Door:
    """Thailand's receiver, with Viet Nam as its partner, and what it left behind."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.database = InlineDatabase("node-th")
        self.metrics = world.metrics()
        self.received: list[Any] = []
        self.news = 0
        self.partners = PartnerDirectory([viet_nam(), laos()])
        signing = identity("th")
        self.receiver = PartnerReceiver(
            partners=self.partners,
            readers=Readers(
                own=evolve(own_gateway("TH"), party_id=THAILAND),
                identities=Identities(signing=signing, seal=signing),
                catalogue=FormDCatalogue(),  # type: ignore[arg-type]
            ),
            database=self.database,
            workers=InlineWorkers(),
            metrics=self.metrics,
            clock=self.clock,
            now=lambda: NOW,
            new_message_id=map("{}.answer@th-gateway.example".format, count()).__next__,
            on_received=lambda *handed: self.received.append(handed),
            on_feed=self.wake,
        )

    def wake(self) -> None:
        self.news += 1

    def post(self, content_type: str, body: bytes, connection: Certificate | None = CONNECTION) -> WebAnswer:
        request = WebRequest(
            method="POST",
            path={},
            query={},
            headers={"content-type": content_type},
            body=body,
            peer="127.0.0.1:1",
            peer_certificate=connection,
        )
        answers: list[WebAnswer] = []
        Deferred.fromCoroutine(self.receiver.receive(request)).addCallback(answers.append)
        [answer] = answers
        return answer

    def signal(self, answer: WebAnswer, message_id: str = MESSAGE_ID) -> Receipt | ErrorSignal:
        """The answer as Viet Nam reads it."""
        thailand = partner(identity("th"), party=THAILAND, own=VIET_NAM)
        return read_signal(answer.content_type, answer.body, sent=Sent(message_id), partner=thailand, now=NOW)

    def assert_refused(
        self,
        answer: WebAnswer,
        body: bytes,
        code: str,
        reason: str,
        *,
        by: str = "vn",
        message_id: str = MESSAGE_ID,
    ) -> None:
        """The right answer, one count, one row of evidence with the first bytes, one fact in the journal."""
        if code.startswith("EBMS:"):
            signal = self.signal(answer, message_id)
            assert isinstance(signal, ErrorSignal)
            assert signal.signed
            [error] = signal.errors
            assert (error.code, error.severity) == (code, ERROR_CODES[code].severity)
            assert answer.status == (400 if code in SECURITY_CODES else 200)
            assert (b"S12:Sender" in answer.body) == (code in SECURITY_CODES)
            assert reason in REASONS
        else:
            assert f"HTTP:{answer.status}" == code
        [kept] = self.database.now(refusals.latest)
        assert (kept.side, kept.party, kept.code, kept.reason) == ("partner", by, code, reason)
        assert (kept.digest, kept.size_bytes) == (sha256(body).hexdigest(), len(body))
        assert kept.head == body[: refusals.HEAD_BYTES]
        assert kept.answer == answer.body
        assert world.value(self.metrics.message_refusals, partner=by, reason=reason) == 1
        facts = self.database.now(journal.about, f"refusal:{kept.id}")
        assert [fact.event for fact in facts] == ["message.refused"]
        assert self.received == []
        assert self.database.now(inbox.get, 1) is None

    def told(self) -> list[feed.Entry]:
        """What the portal can read."""
        return self.database.now(feed.after, 0)


def viet_nam(**changes: Any) -> Partner:
    found = partner()
    inbound = evolve(found.inbound, limits=LIMITS, service="urn:asw:form-d", service_type="urn:asw:service")
    return evolve(found, **{"inbound": inbound, "tls_certificates": (CONNECTION,), **changes})


def laos() -> Partner:
    """Another partner, so that one can pass for the other."""
    found = partner(identity("la"))
    party = evolve(VIET_NAM, value="la-gateway")
    inbound = evolve(viet_nam().inbound, initiator=party)
    return evolve(
        found,
        name="id",
        party_id=party,
        country="LA",
        inbound=inbound,
        tls_certificates=(OTHER_CONNECTION,),
    )


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.database.close()


def rows() -> list[Any]:
    found = []
    for name, changes, code, reason in (*REFUSED_UNREAD, *REFUSED_UNVERIFIED):
        if name in NOT_A_MESSAGE:
            code, reason = NOT_A_MESSAGE[name], "unsupported_media_type"
        found.append(pytest.param(changes, code, reason, id=name))
    return found


def test_the_message_that_breaks_no_rule_is_taken(door: Door) -> None:
    answer = door.post(*forged())
    assert answer.status == 200
    row = door.database.now(inbox.get, 1)
    assert (row.message_id, row.state) == (MESSAGE_ID, "received")
    assert door.database.now(refusals.latest) == []


@pytest.mark.parametrize(("changes", "code", "reason"), rows())
def test_refused(door: Door, changes: Mapping[str, Any], code: str, reason: str) -> None:
    content_type, body = forged(**changes)
    answer = door.post(content_type, body)
    message_id = "no-host" if b"no-host" in body else MESSAGE_ID
    door.assert_refused(answer, body, code, reason, message_id=message_id)
    proven = reason in TOLD and changes in [row[1] for row in REFUSED_UNVERIFIED]
    assert len(door.told()) == door.news == proven


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"parts": [(CONTENT_ID, GZIP, b"not gzip")]}, "EBMS:0303"),
        ({"message": user_message(agreement="urn:x")}, "EBMS:0010"),
        ({"message": user_message(timestamp_at=NOW + 301)}, "EBMS:0003"),
    ],
    ids=["damaged gzip", "unknown agreement", "in the future"],
)
def test_the_portal_hears_once_of_a_fault_behind_a_good_signature(
    door: Door, changes: Mapping[str, Any], code: str
) -> None:
    """However often the message comes."""
    for _ in range(3):
        door.post(*forged(**changes))
    [entry] = door.told()
    text = entry.body.decode()
    words = ("<Status>refused<", f"<Reason>{code}<", f"<NetworkMessageId>{MESSAGE_ID}<", "<Partner>vn<")
    assert [word for word in words if word not in text] == []
    assert (entry.kind, entry.inbox_id, door.news) == ("status", None, 1)
    assert len(door.database.now(refusals.latest)) == 3


OTHERS = [
    # what is changed of the message, what of the partner, the code, the reason
    (
        "expired certificate",
        {"signer": identity("old", start_days=-400, days=365)},
        {"signing_certificates": (identity("old", start_days=-400, days=365).certificate,)},
        "EBMS:0101",
        "expired_certificate",
    ),
    (
        "certificate not valid yet",
        {"signer": identity("new", start_days=1, days=365)},
        {"signing_certificates": (identity("new", start_days=1, days=365).certificate,)},
        "EBMS:0101",
        "certificate_not_yet_valid",
    ),
    (
        "certificate taken out of the agreement",
        {},
        {"signing_certificates": (identity("vn-next").certificate,)},
        "EBMS:0101",
        "unknown_certificate",
    ),
    (
        "revoked certificate",
        {},
        {"refused": {fingerprint(identity("vn").certificate): "revoked_certificate"}},
        "EBMS:0101",
        "revoked_certificate",
    ),
    (
        "certificate nobody vouches for where the agreement is hard",
        {},
        {"refused": {fingerprint(identity("vn").certificate): "revocation_unknown"}},
        "EBMS:0101",
        "revocation_unknown",
    ),
    (
        "weak key",
        {},
        {"signing_certificates": (certificate("weak", "rsa-1024"),)},
        "EBMS:0101",
        "unknown_certificate",
    ),
    (
        "signed by another partner",
        {"signer": identity("la")},
        {},
        "EBMS:0101",
        "unknown_certificate",
    ),
    (
        "from another partner",
        {"message": user_message(from_party=evolve(VIET_NAM, value="la-gateway")), "signer": identity("la")},
        {},
        "EBMS:0101",
        "wrong_party",
    ),
    (
        "plain where encryption is agreed",
        {},
        {"inbound": evolve(viet_nam().inbound, security=SecurityProfile(encrypt=True))},
        "EBMS:0103",
        "not_encrypted",
    ),
    (
        "action nobody agreed on",
        {"message": user_message(action="unheard-of")},
        {},
        "EBMS:0010",
        "unknown_service",
    ),
    (
        "older than a shorter replay window",
        {"message": user_message(timestamp_at=NOW - 7200)},
        {"inbound": evolve(viet_nam().inbound, replay_window_seconds=3600)},
        "EBMS:0003",
        "message_too_old",
    ),
    (
        "ping with a broken signature",
        {
            "message": user_message(service=PING_SERVICE, service_type=None, action=PING_ACTION),
            "soap": lambda text: text.replace(PING_ACTION, PING_ACTION + "ed"),
        },
        {},
        "EBMS:0101",
        "bad_digest",
    ),
]


@pytest.mark.parametrize(
    ("changes", "configured", "code", "reason"), [pytest.param(*row[1:], id=row[0]) for row in OTHERS]
)
def test_refused_for_what_is_agreed(
    door: Door, changes: Mapping[str, Any], configured: Mapping[str, Any], code: str, reason: str
) -> None:
    door.partners.replace([viet_nam(**configured), laos()])
    content_type, body = forged(**changes)
    answer = door.post(content_type, body)
    door.assert_refused(answer, body, code, reason)


def test_a_good_message_over_the_connection_of_another_partner(door: Door) -> None:
    """Party, signature and content are right; the connection belongs to somebody else."""
    content_type, body = forged()
    answer = door.post(content_type, body, connection=OTHER_CONNECTION)
    door.assert_refused(answer, body, "EBMS:0101", "wrong_party", by="id")


def test_the_same_id_with_other_content(door: Door) -> None:
    """Refused with EBMS:0003, and a security event; the first message stands."""
    first = door.post(*forged())
    content_type, body = forged(message=user_message(conversation_id="another"))
    answer = door.post(content_type, body)
    signal = door.signal(answer)
    assert isinstance(signal, ErrorSignal)
    assert signal.errors[0].code == "EBMS:0003"
    [kept] = door.database.now(refusals.latest)
    assert kept.reason == "altered_duplicate"
    facts = door.database.now(journal.about, "partner:vn")
    assert "security.altered_duplicate" in [fact.event for fact in facts]
    assert door.post(*forged()).body == first.body


def test_every_reason_of_the_table_is_a_word_of_the_metric() -> None:
    """No row of the table is counted as "other"."""
    words = {reason for _, _, _, reason in (*REFUSED_UNREAD, *REFUSED_UNVERIFIED)}
    assert words <= REASONS


def test_a_flood_of_refusals_leaves_the_good_ones_alone(door: Door) -> None:
    """Each bad message has its evidence; the good one among them is taken."""
    for number in range(20):
        door.post(*forged(message=user_message(message_id=f"{number}@vn", agreement="urn:x")))
    assert door.post(*forged()).status == 200
    assert len(door.database.now(refusals.latest)) == 20
    assert door.database.now(inbox.get, 1).message_id == MESSAGE_ID
