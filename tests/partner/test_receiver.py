"""A partner's message at the door: what is stored, what is answered, and in which order."""

from __future__ import annotations

import time
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.exchange.identity import Identities
from asw_gateway.messaging.message import PING_ACTION, PING_SERVICE
from asw_gateway.messaging.packing import SealedMessage
from asw_gateway.messaging.signal import ErrorSignal, Receipt, read_signal
from asw_gateway.partner.admission import Admission
from asw_gateway.partner.identification import PartnerDirectory
from asw_gateway.partner.receiver import PartnerReceiver
from asw_gateway.partner.reception import COMMIT_LIMIT_SECONDS, Readers
from asw_gateway.store import inbox, journal, partner_state, refusals
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.tls import fingerprint
from asw_gateway.web import WebAnswer, WebRequest
from tests.doubles import InlineWorkers
from tests.exchange.builders import own_gateway
from tests.partner import world
from tests.partner.inline import InlineDatabase


@frozen
class Named:
    name: str = "certificate"
    document_type: str = "atiga-form-d"
    priority: int = 2
    effect: str = "opens"


class OneKindCatalogue:
    """Knows the one service and action that the tests send."""

    def for_message(self, service: str, action: str, on: object) -> tuple[Any, Any] | None:
        return (Named(), Named()) if service == "urn:asw:atiga-form-d" else None


class BrokenCatalogue:
    """Our own fault in the middle of reading."""

    def for_message(self, service: str, action: str, on: object) -> None:
        raise RuntimeError("profile cache is broken")


def readers(catalogue: Any = None) -> Readers:
    return Readers(
        own=evolve(own_gateway("TH"), party_id=world.party("th")),
        identities=Identities(signing=world.identity("th"), seal=world.identity("th", "seal")),
        catalogue=catalogue or OneKindCatalogue(),
    )


class ReceiverCase(SynchronousTestCase):
    """Gateway th receives from vn."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(time.time())
        self.database = InlineDatabase("node-th")
        self.addCleanup(self.database.close)
        self.metrics = world.metrics()
        self.received: list[tuple[Any, ...]] = []
        self.heard: list[str] = []
        self.ids = iter(range(1, 1000))
        self.receiver = self.new_receiver()

    def new_receiver(self, **changes: Any) -> PartnerReceiver:
        options: dict[str, Any] = {
            "partners": PartnerDirectory(world.partner(name, seen_by="th") for name in ("vn", "id")),
            "readers": readers(),
            "database": self.database,
            "workers": InlineWorkers(),
            "metrics": self.metrics,
            "clock": self.clock,
            "now": self.clock.seconds,
            "new_message_id": lambda: f"{next(self.ids)}.answer@asw-th.example",
            "on_received": lambda *handed: self.received.append(handed),
            "heard_from": self.heard.append,
        }
        return PartnerReceiver(**{**options, **changes})

    def message(self, **changes: Any) -> SealedMessage:
        return world.sealed_message(now=self.clock.seconds(), **changes)

    def request(self, sealed: SealedMessage, **changes: Any) -> WebRequest:
        asked = WebRequest(
            method="POST",
            path={},
            query={},
            headers={"content-type": sealed.content_type},
            body=sealed.body,
            peer="127.0.0.1:1",
            peer_certificate=world.key_pair("vn", "tls-client").certificate,
        )
        return evolve(asked, **changes)

    def ask(self, request: WebRequest) -> WebAnswer:
        answer = self.successResultOf(Deferred.fromCoroutine(self.receiver.receive(request)))
        assert isinstance(answer, WebAnswer)
        return answer

    def send(self, sealed: SealedMessage, **changes: Any) -> WebAnswer:
        return self.ask(self.request(sealed, **changes))

    def signal(self, sealed: SealedMessage, answer: WebAnswer) -> Receipt | ErrorSignal:
        """The answer as the sender reads it."""
        them = world.partner("th", seen_by="vn")
        return read_signal(
            answer.content_type, answer.body, sent=sealed, partner=them, now=self.clock.seconds()
        )

    def error_code(self, sealed: SealedMessage, answer: WebAnswer) -> str:
        signal = self.signal(sealed, answer)
        assert isinstance(signal, ErrorSignal), signal
        self.assertTrue(signal.signed)
        return signal.errors[0].code

    def count(self, outcome: str) -> float:
        kinds = ("atiga-form-d/certificate", "ping", "")
        self.metrics.zero(["vn", "th", "id"], message_types=kinds)
        return sum(
            world.value(self.metrics.messages_received, partner="vn", message_type=kind, outcome=outcome)
            for kind in ("atiga-form-d/certificate", "ping", "other")
        )

    def stored(self, id: int = 1) -> Any:
        return self.database.now(inbox.get, id)


class Accepted(ReceiverCase):
    """Good messages."""

    def setUp(self) -> None:
        super().setUp()
        self.metrics.zero(["vn", "th", "id"], message_types=["atiga-form-d/certificate", "ping"])

    def test_receipt_after_commit(self) -> None:
        """The message is stored with exactly the receipt that answers it, then others are told."""
        sealed = self.message()
        answer = self.send(sealed)
        self.assertEqual(answer.status, 200)
        self.assertIsInstance(self.signal(sealed, answer), Receipt)
        row = self.stored()
        self.assertEqual((row.partner, row.message_id, row.state), ("vn", sealed.message_id, "received"))
        self.assertEqual(row.signer, fingerprint(world.identity("vn").certificate))
        self.assertEqual((self.received, self.heard), ([()], ["vn"]))
        self.assertEqual(
            world.value(
                self.metrics.messages_received,
                partner="vn",
                message_type="atiga-form-d/certificate",
                outcome="accepted",
            ),
            1,
        )

    def test_nothing_leaves_before_the_commit(self) -> None:
        """While the commit is under way there is no answer and nobody is told."""
        self.database.held = True
        answer = Deferred.fromCoroutine(self.receiver.receive(self.request(self.message())))
        self.assertNoResult(answer)
        self.assertEqual(self.received, [])
        self.database.let_go()
        self.assertEqual(self.successResultOf(answer).status, 200)

    def test_handed_on_in_memory_when_conversion_has_room(self) -> None:
        """A row born with a lease is handed on with its verified message."""
        self.receiver = self.new_receiver(lease=lambda: ("node-th", self.clock.seconds() + 60))
        self.send(self.message())
        [(row, verified)] = self.received
        self.assertEqual(row.lease_owner, "node-th")
        self.assertEqual(verified.parts[0].content, b"<Form/>")

    def test_duplicate_gets_the_stored_receipt(self) -> None:
        """The same message again: the same receipt, byte for byte; nothing is stored or told twice."""
        sealed = self.message()
        first, second = self.send(sealed), self.send(sealed)
        self.assertEqual(second.body, first.body)
        self.assertEqual(len(self.received), 1)
        self.assertIsNone(self.stored(2))
        self.assertEqual(world.value(self.metrics.duplicates, partner="vn"), 1)

    def test_signed_again_is_a_duplicate(self) -> None:
        """A retry with a new signature over the same content is the same message."""
        sealed = self.message()
        first, second = self.send(sealed), self.send(self.message())
        self.assertEqual(second.body, first.body)

    def test_ping_is_receipted_and_delivered_to_nobody(self) -> None:
        """The test service proves the connection and leaves no work."""
        ping = self.message(service=PING_SERVICE, action=PING_ACTION)
        answer = self.send(ping)
        self.assertIsInstance(self.signal(ping, answer), Receipt)
        self.assertEqual((self.stored().state, self.received, self.heard), ("acknowledged", [], ["vn"]))

    def test_sign_of_life_is_remembered(self) -> None:
        """A message ends the partner's back-off in the store too."""
        now = self.clock.seconds()
        self.database.now(partner_state.contact_failed, "vn", next_contact_at=now + 500, reason="x", now=now)
        self.send(self.message())
        self.assertEqual(self.database.now(partner_state.get, "vn").failures, 0)

    def test_client_that_leaves_changes_nothing(self) -> None:
        """A connection lost in mid-commit leaves the message stored, and its retry gets the receipt."""
        sealed = self.message()
        self.database.held = True
        answer = Deferred.fromCoroutine(self.receiver.receive(self.request(sealed)))
        answer.cancel()
        self.failureResultOf(answer)
        self.database.let_go()
        self.assertEqual(len(self.received), 1)
        self.assertIsInstance(self.signal(sealed, self.send(sealed)), Receipt)


class Refused(ReceiverCase):
    """Bad messages: answered with the right code, kept as evidence, delivered to nobody."""

    def setUp(self) -> None:
        super().setUp()
        self.metrics.zero(["vn", "th", "id"])

    def assert_refused(self, reason: str, *, party: str = "vn") -> refusals.Refusal:
        [refusal] = self.database.now(refusals.latest)
        self.assertEqual((refusal.reason, refusal.party), (reason, party))
        self.assertEqual(self.received, [])
        self.assertEqual(world.value(self.metrics.message_refusals, partner=party, reason=reason), 1)
        assert isinstance(refusal, refusals.Refusal)
        return refusal

    def test_altered_duplicate(self) -> None:
        """A known id with other content is refused, and a security event is on record."""
        self.send(self.message())
        other = self.message(content=b"<Forged/>")
        answer = self.send(other)
        self.assertEqual(self.error_code(other, answer), "EBMS:0003")
        self.assertEqual(world.value(self.metrics.altered_duplicates, partner="vn"), 1)
        self.received.clear()
        self.assert_refused("altered_duplicate")
        facts = self.database.now(journal.about, "partner:vn")
        self.assertIn("security.altered_duplicate", [fact.event for fact in facts])

    def test_tampered_content(self) -> None:
        """A changed byte breaks the signature: security error, SOAP fault, HTTP 400 (TA35)."""
        sealed = self.message()
        tampered = evolve(sealed, body=sealed.body.replace(b"conversation-1", b"conversation-2"))
        answer = self.send(tampered)
        self.assertEqual((answer.status, self.error_code(tampered, answer)), (400, "EBMS:0101"))
        self.assertIn(b"Sender", answer.body)
        refusal = self.assert_refused("bad_digest")
        self.assertEqual(refusal.answer, answer.body)
        self.assertEqual(refusal.size_bytes, len(tampered.body))

    def test_signer_is_another_partner(self) -> None:
        """The message of id over the connection of vn is refused."""
        sealed = self.message(sender="id")
        answer = self.send(sealed)
        self.assertIn(self.error_code(sealed, answer), ("EBMS:0101", "EBMS:0003", "EBMS:0010"))
        self.assertIsNone(self.stored())

    def test_unknown_service(self) -> None:
        """A service nobody agreed on is a processing mode mismatch."""
        sealed = self.message(service="urn:asw:unheard-of")
        self.assertEqual(self.error_code(sealed, self.send(sealed)), "EBMS:0010")
        self.assert_refused("unknown_service")

    def test_rubbish(self) -> None:
        """Bytes that are no message get an error signal, never a 5xx."""
        sealed = self.message()
        answer = self.send(sealed, body=b"\x00\xff rubbish")
        self.assertLess(answer.status, 500)
        self.assertIn(b"EBMS:", answer.body)

    def test_media_type(self) -> None:
        """Another kind of body is refused before it is looked at."""
        answer = self.send(self.message(), headers={"content-type": "text/html"})
        self.assertEqual(answer.status, 415)
        self.assert_refused("unsupported_media_type")

    def test_too_large(self) -> None:
        """A body past the limit leaves a record of who tried."""
        request = self.request(self.message(), body=b"")
        answer = self.successResultOf(Deferred.fromCoroutine(self.receiver.too_large(request)))
        self.assertEqual(answer.status, 413)
        self.assert_refused("too_large")

    def test_certificate_of_nobody(self) -> None:
        """A certificate that no partner pins any more is shown the door."""
        stranger = world.key_pair("th", "tls-client").certificate
        self.assertEqual(self.send(self.message(), peer_certificate=stranger).status, 403)
        self.assertEqual(self.send(self.message(), peer_certificate=None).status, 403)
        self.assertIsNone(self.stored())


class NotNow(ReceiverCase):
    """503 with Retry-After: nothing is stored, nothing is acknowledged, the partner comes back."""

    def setUp(self) -> None:
        super().setUp()
        self.metrics.zero(["vn", "th", "id"])

    def assert_later(self, answer: WebAnswer) -> None:
        self.assertEqual(answer.status, 503)
        self.assertGreater(int(answer.headers["Retry-After"]), 0)
        self.assertEqual(self.received, [])
        self.flushLoggedErrors(StoreUnavailable, TimeoutError)

    def test_store_cannot_commit(self) -> None:
        """No commit, no receipt; when the store is back the same message is taken."""
        sealed = self.message()
        self.database.broken = True
        self.assert_later(self.send(sealed))
        self.database.broken = False
        self.assertIsInstance(self.signal(sealed, self.send(sealed)), Receipt)

    def test_refusal_needs_the_store_too(self) -> None:
        """A refusal without evidence is not given."""
        self.database.broken = True
        self.assert_later(self.send(self.message(service="urn:asw:unheard-of")))

    def test_store_hangs(self) -> None:
        """A commit that takes too long is not waited for."""
        self.database.held = True
        answer = Deferred.fromCoroutine(self.receiver.receive(self.request(self.message())))
        self.clock.advance(COMMIT_LIMIT_SECONDS + 1)
        self.assert_later(self.successResultOf(answer))

    def test_suspended_partner(self) -> None:
        """A suspended partner is asked to come back, whatever it sends."""
        vn = world.partner("vn", seen_by="th", status="suspended")
        self.receiver.partners.replace([vn])
        self.assert_later(self.send(self.message()))

    def test_too_many_at_once(self) -> None:
        """One partner's flood leaves places for the others."""
        self.receiver = self.new_receiver(admission=Admission(total=3, per_partner=2))
        self.database.held = True
        waiting = [
            Deferred.fromCoroutine(self.receiver.receive(self.request(self.message(number=number))))
            for number in range(3)
        ]
        self.assert_later(self.successResultOf(waiting[2]))
        self.database.let_go()
        self.assertEqual([self.successResultOf(each).status for each in waiting[:2]], [200, 200])
        self.assertEqual(self.send(self.message(number=9)).status, 200)

    def test_our_own_fault(self) -> None:
        """A fault of ours in the middle is a delivery failure that the partner may retry, not a 500."""
        self.receiver = self.new_receiver(readers=readers(BrokenCatalogue()))
        sealed = self.message()
        answer = self.send(sealed)
        self.assertEqual((answer.status, self.error_code(sealed, answer)), (200, "EBMS:0202"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class Directory(SynchronousTestCase):
    def test_one_certificate_names_one_partner(self) -> None:
        """Two partners may not pin the same certificate."""
        vn = world.partner("vn", seen_by="th")
        with self.assertRaises(ValueError):
            PartnerDirectory([vn, evolve(vn, name="id")])
