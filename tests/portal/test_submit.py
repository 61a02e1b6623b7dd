"""Handing in a document: what is accepted, what is refused, and what is stored after each."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.store import journal, outbox, refusals, search
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.transaction import Transaction
from tests.portal.world import MAX_BODY_BYTES, NOW, Answer, World, form_d, partner


def stored(conn: Transaction) -> int:
    return len(search.outbound(conn))


class SubmitTest(SynchronousTestCase):
    """One portal, one partner (TH), the real profiles."""

    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.database.close)

    def answer(self, envelope: bytes, **given: str) -> Answer:
        answer: Answer = self.successResultOf(self.world.submit(envelope, **given))
        return answer

    def refused(self, envelope: bytes, *codes: str, status: int = 200) -> Answer:
        """The answer 00 with exactly these codes; nothing stored but the record of the refusal."""
        before = len(self.world.database.now(refusals.latest))
        answer = self.answer(envelope)
        self.assertEqual((answer.status, answer.function), (status, "00"))
        self.assertEqual(answer.codes, set(codes), answer.errors)
        self.assertEqual(self.world.database.now(stored), 0)
        self.assertEqual(self.world.handed_over, [])
        recorded = self.world.database.now(refusals.latest)
        self.assertEqual(len(recorded), before + 1)
        self.assertEqual((recorded[0].side, recorded[0].party), ("portal", "vnsw"))
        self.assertEqual(recorded[0].answer, answer.body)
        return answer

    # accepted

    def test_a_good_document_is_committed_and_answered_with_99(self) -> None:
        envelope = form_d()
        answer = self.answer(envelope)
        self.assertEqual((answer.status, answer.function), (200, "99"), answer.body)
        row = self.world.database.now(outbox.by_national_id, "NSW", f"{1:032x}")
        self.assertEqual((row.state, row.partner, row.kind), ("submitted", "th", "certificate"))
        self.assertEqual(self.world.database.now(outbox.submitted_body, row.id), envelope)
        events = [fact.event for fact in self.world.database.now(journal.about, row.subject)]
        self.assertEqual(events, ["outbound.submitted"])
        self.assertEqual(
            self.world.count(
                self.world.metrics.submissions, message_type="atiga-form-d/certificate", outcome="accepted"
            ),
            1,
        )

    def test_conversion_gets_the_row_and_its_bytes_after_the_commit(self) -> None:
        envelope = form_d()
        self.world.database.held = True
        answer = self.world.submit(envelope)
        self.assertNoResult(answer)
        self.assertEqual(self.world.handed_over, [])
        self.world.database.let_go()
        self.world.flush()
        self.assertEqual(self.successResultOf(answer).function, "99")
        [handed] = self.world.handed_over
        self.assertEqual((handed.row.state, handed.body), ("submitted", envelope))

    def test_a_claimed_row_is_leased_to_this_node(self) -> None:
        self.answer(form_d())
        [handed] = self.world.handed_over
        self.assertEqual((handed.row.lease_owner, handed.row.lease_until), ("node-a", NOW + 30))

    def test_without_room_conversion_is_only_woken(self) -> None:
        self.world.lease = (None, 0.0)
        self.answer(form_d())
        self.assertEqual((self.world.handed_over, self.world.wake_ups), ([], 1))

    def test_a_client_that_leaves_does_not_stop_the_hand_over(self) -> None:
        self.world.database.held = True
        running = Deferred.fromCoroutine(self.world.submissions.submit(self.world.request(form_d())))
        self.assertNoResult(running)
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.world.database.let_go()
        self.assertEqual(self.world.database.now(stored), 1)
        self.assertEqual(len(self.world.handed_over), 1)

    def test_conversion_that_breaks_does_not_change_the_answer(self) -> None:
        def broken(message: object) -> None:
            raise RuntimeError("conversion is broken")

        self.world.submissions._on_submitted = broken
        self.assertEqual(self.answer(form_d()).function, "99")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    # again

    def test_the_same_bytes_get_the_same_answer_and_are_stored_once(self) -> None:
        first = self.answer(form_d())
        self.world.clock.advance(3600)
        again = self.answer(form_d())
        self.assertEqual(again.body, first.body)
        self.assertEqual(self.world.database.now(stored), 1)
        self.assertEqual(len(self.world.handed_over), 1)
        self.assertEqual(self.world.database.now(refusals.latest), [])

    def test_other_bytes_under_a_used_id_are_refused(self) -> None:
        self.answer(form_d(1))
        answer = self.answer(form_d(2, message_id=f"{1:032x}"))
        self.assertEqual((answer.status, answer.function, answer.codes), (200, "00", {"ERR00_CODE"}))
        self.assertIn("was accepted before with other content", answer.errors[0][1])
        self.assertEqual(self.world.database.now(stored), 1)
        [refusal] = self.world.database.now(refusals.latest)
        self.assertEqual(refusal.reason, "reused_id")

    def test_what_was_accepted_stays_accepted_when_the_partner_goes(self) -> None:
        first = self.answer(form_d())
        self.world.partners = {}
        self.assertEqual(self.answer(form_d()).body, first.body)
        self.assertEqual(self.world.database.now(refusals.latest), [])

    def test_the_id_of_a_refused_message_may_be_used_again(self) -> None:
        self.refused(form_d().replace(b"<ImportCountry>TH", b"<ImportCountry>XX"), "ERR05_CODE")
        self.assertEqual(self.answer(form_d()).function, "99")

    # bad input

    def test_malformed_xml(self) -> None:
        answer = self.refused(form_d()[:-20], "ERR02_CODE")
        self.assertRegex(answer.errors[0][1], r"line \d+")

    def test_an_empty_body(self) -> None:
        self.refused(b"", "ERR02_CODE")

    def test_a_dtd_and_entities(self) -> None:
        doctype = b'<!DOCTYPE Envelope [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        body = form_d()
        start = body.index(b"<Envelope")
        self.refused(
            body[:start] + doctype + body[start:].replace(b"<Header>", b"<Header>&b;", 1), "ERR02_CODE"
        )

    def test_an_external_entity_is_not_read(self) -> None:
        doctype = b'<!DOCTYPE Envelope [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        answer = self.refused(doctype + b"<Envelope>&x;</Envelope>", "ERR02_CODE")
        self.assertNotIn(b"root:", answer.body)

    def test_an_unknown_procedure(self) -> None:
        self.refused(form_d().replace(b"ASW-EFORMD", b"ASW-NOTHING"), "ERR01_CODE")

    def test_an_unknown_function(self) -> None:
        self.refused(form_d().replace(b"<function>01<", b"<function>77<"), "ERR04_CODE")

    def test_an_unknown_partner(self) -> None:
        answer = self.refused(form_d(destination="JP"), "ERR05_CODE")
        self.assertTrue(any("JP" in text for _, text in answer.errors), answer.errors)

    def test_a_partner_that_does_not_take_this_document(self) -> None:
        self.world.partners = {"TH": partner(capabilities=())}
        answer = self.refused(form_d(), "ASW12_CODE")
        self.assertIn("does not take", answer.errors[0][1])

    def test_another_sender(self) -> None:
        envelope = form_d().replace(b"<identity>NSW<", b"<identity>BCT<")
        self.refused(envelope, "ERR00_CODE")

    def test_every_schema_error_is_listed_with_its_place(self) -> None:
        envelope = form_d()
        envelope = envelope.replace(b"<ExportCountry>VN<", b"<ExportCountry>VIETNAM<")
        envelope = envelope.replace(b"<Items>", b"<Surprise/><Items>", 1)
        answer = self.refused(envelope, "ERR05_CODE")
        self.assertGreaterEqual(len(answer.errors), 2)
        told = " ".join(text for _, text in answer.errors)
        self.assertIn("ExportCountry", told)
        self.assertIn("Surprise", told)

    def test_faults_of_header_and_body_are_told_together(self) -> None:
        envelope = form_d().replace(b"<identity>NSW<", b"<identity>BCT<")
        envelope = envelope.replace(b"<ExportCountry>VN<", b"<ExportCountry>VIETNAM<")
        self.refused(envelope, "ERR00_CODE", "ERR05_CODE")

    def test_a_body_that_is_too_large(self) -> None:
        answer = self.refused(b"<Envelope>" + b" " * MAX_BODY_BYTES, "ERR02_CODE", status=413)
        self.assertIn(str(MAX_BODY_BYTES), answer.errors[0][1])

    def test_another_media_type(self) -> None:
        answer = self.answer(form_d(), content_type="application/json")
        self.assertEqual((answer.status, answer.content_type), (415, "application/problem+json"))
        self.assertEqual(self.world.database.now(stored), 0)

    # the store fails

    def test_when_the_store_cannot_commit_the_answer_is_503_and_never_99(self) -> None:
        self.world.database.broken = True
        answer = self.answer(form_d())
        self.assertEqual((answer.status, answer.function, answer.codes), (503, "00", {"ASW04_CODE"}))
        self.assertEqual(answer.headers.getRawHeaders("retry-after"), ["5"])
        self.assertEqual(self.world.handed_over, [])
        self.world.database.broken = False
        self.assertEqual(self.world.database.now(stored), 0)
        self.assertEqual(self.answer(form_d()).function, "99")
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)

    def test_a_refusal_that_cannot_be_recorded_is_a_503_too(self) -> None:
        self.world.database.broken = True
        answer = self.answer(b"<Envelope")
        self.assertEqual((answer.status, answer.codes), (503, {"ASW04_CODE"}))
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)

    # who

    def test_no_certificate_and_a_foreign_one_get_403(self) -> None:
        for shown in (None, "somebody else's"):
            self.world.certificate = shown
            answer = self.answer(form_d())
            self.assertEqual((answer.status, answer.content_type), (403, "application/problem+json"))
        self.assertEqual(self.world.database.now(stored), 0)
        self.assertEqual(self.world.database.now(refusals.latest), [])
