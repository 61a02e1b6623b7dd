"""Conversion on a real store: documents and answers cross, faults are told once, crashes lose nothing."""

from __future__ import annotations

from typing import Any
from unittest import mock

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.conversion import inbound, outbound
from asw_gateway.messaging.keys import pinned
from asw_gateway.store import certificates, dead_letters, outbox, sending
from simulators import documents
from tests.conversion.nodes import Node, carry
from tests.exchange.world import NOW, gateway

NUMBER = documents.number_for(documents.FORM_D, "VN", "TH", 123, now=NOW)


def form_d(message_id: str = "a1", number: str = NUMBER, **more: Any) -> bytes:
    return documents.form_d(
        number=number, origin="VN", destination="TH", message_id=message_id * 16, now=NOW, **more
    )


class HeldWorkers:
    """Workers that begin a job only when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred[Any], Any, Any, Any]] = []

    def run(self, fn: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append((done, fn, args, kwargs))
        return done

    def finish(self) -> None:
        done, fn, args, kwargs = self.jobs.pop(0)
        done.callback(fn(*args, **kwargs))


class ConversionTests(SynchronousTestCase):
    def node(self, country: str, other: str, workers: Any = None) -> Node:
        node = Node(gateway(country, other), workers=workers)
        self.addCleanup(node.database.close_now)
        node.conversion.startService()
        self.addCleanup(lambda: node.conversion.running and node.conversion.stopService())
        return node

    def setUp(self) -> None:
        self.vn = self.node("VN", "TH")
        self.th = self.node("TH", "VN")

    def test_a_submission_is_queued_and_the_portal_told(self) -> None:
        row = self.vn.submit(form_d())
        self.assertEqual(row.state, "queued")
        self.assertEqual(self.vn.statuses(), ["queued"])
        self.assertEqual(self.vn.queued, ["th"])
        self.assertEqual(self.vn.document("out", NUMBER), "RCV")

    def test_a_handed_over_submission_does_the_same(self) -> None:
        row = self.vn.submit(form_d(), hand_over=True)
        self.assertEqual((row.state, row.lease_owner), ("queued", None))

    def test_a_burst_is_converted_whole_although_little_of_it_waits_in_memory(self) -> None:
        held = HeldWorkers()
        node = self.node("VN", "TH", workers=held)
        with mock.patch("asw_gateway.conversion.lane.WAITING_PER_PLACE", 0):
            leased = node.conversion.lease()[0]
            rows = [node.submit(form_d(f"f{n}", NUMBER[:-1] + str(n)), hand_over=True) for n in range(3)]
        self.assertIsNotNone(leased)
        self.assertEqual([row.state for row in rows], ["submitted"] * 3)
        while held.jobs:
            held.finish()
        self.assertEqual([node.outbound(row.id).state for row in rows], ["queued"] * 3)
        self.assertEqual(node.statuses(), ["queued"] * 3)

    def test_the_whole_story_of_a_certificate(self) -> None:
        for hand_over in (False, True):
            number = NUMBER[:-1] + ("4" if hand_over else "5")
            self.vn.submit(form_d("a2" if hand_over else "a3", number), hand_over=hand_over)
            self.assertEqual(carry(self.vn, self.th, hand_over=hand_over), 1)
            there = self.th.delivered()[-1]
            self.assertEqual(there.content.findtext("Number"), number)
            self.assertEqual(self.th.document("in", number), "VAL")
            entry = [e for e in self.th.feed() if e.kind == "message"][-1]
            self.th.submit(
                documents.customs_response(
                    entry.body,
                    status="UTL",
                    message_id=("c2" if hand_over else "c3") * 16,
                    now=NOW,
                    own_country="TH",
                ),
                hand_over=hand_over,
            )
            self.assertEqual(self.th.document("in", number), "UTL")
            self.assertEqual(carry(self.th, self.vn, hand_over=hand_over), 1)
            self.assertEqual(self.vn.document("out", number), "UTL")
            self.assertEqual(self.vn.delivered()[-1].content.findtext("Status"), "UTL")
        self.assertEqual(self.vn.statuses(), ["queued", "accepted"] * 2)
        self.assertEqual(len(self.vn.delivered()), 2)

    def test_the_answer_names_the_message_it_answers(self) -> None:
        sent = self.vn.submit(form_d())
        carry(self.vn, self.th)
        answer = documents.customs_response(
            self.th.feed()[0].body, status="REJ", message_id="c4" * 16, now=NOW, own_country="TH"
        )
        self.th.submit(answer)
        due = self.th.due()[0]
        self.vn.take(due)
        self.assertEqual(self.vn.inbound(1).ref_to_message_id, self.vn.outbound(sent.id).message_id)
        # A response belongs to its request's conversation (eDelivery Common Profile TA19).
        self.assertEqual(self.vn.inbound(1).conversation_id, self.th.inbound(1).conversation_id)
        self.assertEqual(self.vn.statuses()[-1], "rejected")
        self.assertEqual(self.vn.document("out", NUMBER), "REJ")

    def test_the_same_number_with_other_content_is_rejected_here(self) -> None:
        self.vn.submit(form_d())
        row = self.vn.submit(form_d("b1", seed=7))
        self.assertEqual((row.state, row.last_reason), ("rejected", "T08"))
        self.assertEqual(self.vn.statuses(), ["queued", "rejected"])
        self.assertIn(b"already known with other content", self.vn.feed()[-1].body)

    def test_the_same_document_under_another_id_reaches_the_feed_once(self) -> None:
        self.vn.submit(form_d())
        self.vn.submit(form_d("b2"))
        self.assertEqual(carry(self.vn, self.th), 2)
        self.assertEqual(len(self.th.delivered()), 1)
        second = self.th.inbound(2)
        self.assertEqual((second.state, second.last_reason), ("acknowledged", "business duplicate"))

    def test_other_content_that_slipped_out_is_answered_with_t08_and_the_answer_comes_home(self) -> None:
        self.vn.submit(form_d())
        carry(self.vn, self.th)
        with mock.patch.object(outbound, "commit", side_effect=_unsettled_commit):
            self.vn.submit(form_d("b3", seed=7))
        carry(self.vn, self.th)
        self.assertEqual(self.th.inbound(2).state, "rejected_by_rules")
        self.assertEqual(len(self.th.delivered()), 1)
        self.assertEqual(carry(self.th, self.vn), 1)
        home = self.vn.delivered()[-1]
        self.assertEqual((home.subject.type, home.subject.function), ("20", "10"))
        self.assertIn("T08", self.vn.feed()[-2].body.decode() + self.vn.feed()[-1].body.decode())

    def test_a_cancellation_that_comes_first_waits_and_wins(self) -> None:
        self.vn.submit(form_d())
        self.vn.submit(documents.cancellation(form_d(), message_id="d1" * 16, now=NOW))
        first = self.vn.due()
        self.assertEqual([m.row.kind for m in first], ["certificate"])
        self.vn.database.run_now(_unblock, first[0].row.id)
        second = self.vn.due()
        self.assertEqual([m.row.kind for m in second], ["cancellation"])
        self.th.take(second[0])
        self.assertEqual(self.th.inbound(1).state, "parked")
        self.assertEqual(self.th.delivered(), [])
        self.th.take(first[0])
        self.assertEqual(self.th.inbound(1).state, "available")
        functions = [envelope.subject.function for envelope in self.th.delivered()]
        self.assertEqual(functions, ["01", "03"])
        self.assertEqual(self.th.document("in", NUMBER), "CAN")

    def test_a_cancellation_whose_document_never_comes_is_answered(self) -> None:
        self.vn.submit(documents.cancellation(form_d(), message_id="d2" * 16, now=NOW))
        carry(self.vn, self.th)
        self.assertEqual(self.th.inbound(1).state, "parked")
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(self.th.conversion.end_parking())), 0)
        self.th.clock.advance(31 * 86400)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(self.th.conversion.end_parking())), 1)
        self.assertEqual(self.th.inbound(1).state, "rejected_by_rules")
        self.assertEqual([m.row.kind for m in self.th.due()], ["technical-error"])

    def test_a_response_to_an_unknown_document_is_rejected_here(self) -> None:
        self.vn.submit(form_d())
        carry(self.vn, self.th)
        entry = self.th.feed()[0].body.replace(b"/123<", b"/999<").replace(b"00123", b"00999")
        row = self.th.submit(
            documents.customs_response(entry, status="UTL", message_id="c5" * 16, now=NOW, own_country="TH")
        )
        self.assertEqual((row.state, row.last_reason), ("rejected", "T09"))

    def test_a_stage_that_breaks_fails_its_message_only(self) -> None:
        with mock.patch.object(outbound, "prepare", side_effect=ZeroDivisionError):
            row = self.vn.submit(form_d())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(row.state, "failed")
        self.assertEqual(self.vn.statuses(), ["failed"])
        other = self.vn.submit(form_d("b4", NUMBER[:-1] + "9"))
        self.assertEqual(other.state, "queued")

    def test_a_poisonous_inbound_message_is_set_aside_and_can_be_converted_again(self) -> None:
        self.vn.submit(form_d())
        with mock.patch.object(inbound, "process", side_effect=ZeroDivisionError):
            carry(self.vn, self.th)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.th.inbound(1).state, "unconvertible")
        [notice] = self.th.feed()
        self.assertEqual((notice.kind, notice.subject, notice.partner), ("notice", "inbound:1", "vn"))
        self.assertEqual(self.th.fed, 1)
        again = Deferred.fromCoroutine(self.th.conversion.convert_again(1, actor="minh"))
        self.assertTrue(self.successResultOf(again))
        self.assertEqual(self.th.inbound(1).state, "available")
        again = Deferred.fromCoroutine(self.th.conversion.convert_again(1, actor="minh"))
        self.assertFalse(self.successResultOf(again))

    def test_a_message_that_kills_its_process_while_it_is_prepared_fails_in_the_end(self) -> None:
        self.vn.conversion.stopService()
        row = self.vn.submit(form_d())
        for _ in range(outbound.MAX_CLAIMS):  # each life claims it and ends without a word
            self.vn.database.run_now(outbox.claim_submitted, "node-VN", 1, self.vn.clock.seconds(), 60.0)
            self.vn.database.run_now(sending.rescue_own_leases, self.vn.clock.seconds())
        self.vn.conversion = self.vn.new_conversion()
        self.vn.conversion.startService()
        self.addCleanup(self.vn.conversion.stopService)
        self.assertEqual(self.vn.outbound(row.id).state, "failed")
        self.assertIn("claimed 6 times", self.vn.outbound(row.id).last_reason or "")
        self.assertEqual(self.vn.statuses(), ["failed"])
        self.vn.database.run_now(dead_letters.replay, row.id, expires_at=9e9, actor="minh", now=0.0)
        self.vn.conversion.on_submitted()
        self.assertEqual(self.vn.outbound(row.id).state, "queued", "a replay begins to count anew")

    def test_a_message_receipted_under_certificates_since_withdrawn_is_still_read(self) -> None:
        self.th.conversion.stopService()
        partner = self.th.side.partner
        in_use = [
            certificates.KnownCertificate(
                fingerprint=f"{use}", party="vn", use=use, certificate=pinned(one).der, first_used_at=0.0
            )
            for use, one in (
                ("signing", partner.signing_certificates[0]),
                ("seal", partner.seal_certificates[0]),
            )
        ]
        self.th.database.run_now(certificates.note_in_use, in_use, self.th.clock.seconds() - 5)
        self.vn.submit(form_d())
        carry(self.vn, self.th)
        self.th.clock.advance(3600)
        self.th.database.run_now(certificates.note_in_use, [], self.th.clock.seconds())
        gone = evolve(partner, signing_certificates=(), seal_certificates=())
        self.th.side = evolve(self.th.side, partner=gone)
        self.th.conversion = self.th.new_conversion()
        self.th.conversion.startService()
        self.addCleanup(self.th.conversion.stopService)
        self.assertEqual(self.th.inbound(1).state, "available")

    def test_an_operator_gives_up_and_the_partner_hears_why(self) -> None:
        self.vn.submit(form_d())
        with mock.patch.object(inbound, "process", side_effect=ZeroDivisionError):
            carry(self.vn, self.th)
        self.flushLoggedErrors(ZeroDivisionError)
        given_up = Deferred.fromCoroutine(
            self.th.conversion.give_up(1, reason="profile too old", actor="minh")
        )
        self.assertTrue(self.successResultOf(given_up))
        self.assertEqual(carry(self.th, self.vn), 1)
        self.assertIn("profile too old", self.vn.delivered()[-1].content.findtext("Error/Description"))
        self.assertEqual(self.vn.document("out", NUMBER), "REJ")

    def test_what_a_dead_process_had_claimed_is_done_once_after_its_lease(self) -> None:
        held = HeldWorkers()
        dead = self.node("VN", "TH", workers=held)
        row = dead.submit(form_d())
        self.assertEqual(row.state, "submitted")
        dead.workers = self.vn.workers
        clock = Clock()
        heir = dead.new_conversion(clock)
        heir.startService()
        self.addCleanup(heir.stopService)
        for after, state in ((55.0, "submitted"), (10.0, "queued")):
            dead.clock.rightNow += after  # time passes, but nothing of the dead process runs
            clock.pump([5.0])
            self.assertEqual(dead.outbound(row.id).state, state)
        held.finish()
        self.assertEqual(dead.statuses(), ["queued"])

    def test_a_store_that_is_away_leaves_the_row_to_its_lease(self) -> None:
        held = HeldWorkers()
        node = self.node("VN", "TH", workers=held)
        row = node.submit(form_d())
        node.store.away = True
        held.finish()
        self.assertTrue(self.flushLoggedErrors(RuntimeError))
        node.store.away = False
        self.assertEqual(node.outbound(row.id).state, "submitted")
        node.clock.pump([5.0] * 13)
        held.finish()
        self.assertEqual(node.outbound(row.id).state, "queued")
        self.assertEqual(node.statuses(), ["queued"])

    def test_stop_finishes_what_is_in_work(self) -> None:
        held = HeldWorkers()
        node = self.node("VN", "TH", workers=held)
        row = node.submit(form_d())
        stopped = node.conversion.stopService()
        self.assertNoResult(stopped)
        self.assertEqual(node.conversion.lease(), (None, 0.0))
        held.finish()
        self.successResultOf(stopped)
        self.assertEqual(node.outbound(row.id).state, "queued")

    def test_a_technical_error_is_not_news_for_the_senders_portal(self) -> None:
        strict = gateway("TH", "VN")
        th = Node(evolve(strict, partner=evolve(strict.partner, seal_certificates=())))
        self.addCleanup(th.database.close_now)
        th.conversion.startService()
        self.addCleanup(th.conversion.stopService)
        self.vn.submit(form_d())
        carry(self.vn, th)
        self.assertEqual(th.inbound(1).state, "rejected_by_rules")
        self.assertEqual(th.feed(), [])
        self.assertEqual(carry(th, self.vn), 1)
        self.assertEqual(self.vn.statuses(), ["queued", "rejected"])
        self.assertEqual(self.vn.document("out", NUMBER), "REJ")
        corrected = self.vn.submit(form_d("b6", seed=9))
        self.assertEqual(corrected.state, "queued")


def _unblock(conn: Any, id: int) -> None:
    """Let a message in flight no longer stand before its successor: the wire reorders."""
    from asw_gateway.store import outbox

    assert outbox.move(conn, id, "sending", "delivered", now=NOW) is not None


def _unsettled_commit(conn: Any, row: Any, stage: Any, own: Any, fresh: Any, now: float) -> Any:
    """Queue whatever comes: a gateway that does not look at its register."""
    from asw_gateway.conversion import outbound_commit, writing
    from asw_gateway.exchange.settlement import Settlement, Verdict

    with mock.patch.object(writing, "settle_here", return_value=Settlement(verdict=Verdict.PROCEED)):
        return outbound_commit.commit(conn, row, stage, own, fresh, now)
