"""Asking what became of a document."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.store import outbox, registry, sending
from asw_gateway.store.engine import StoreUnavailable
from tests.portal.world import NOW, World, form_d
from tests.store.messages import prepared

NUMBER = "VN-TH 26/02/00001"


class StatusTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.database.close)

    def ask(self, **query: str) -> tuple[int, dict[str, Any]]:
        answer = self.successResultOf(self.world.start("GET", "/feed/v1/status?" + urlencode(query)))
        return answer.status, json.loads(answer.body)

    def delivered(self) -> None:
        """Submit a certificate and deliver it."""
        database = self.world.database
        self.successResultOf(self.world.submit(form_d()))
        database.now(prepared, 1, NOW + 1)
        [due] = database.now(sending.claim_due, "th", "node-a", 10, NOW + 2, 60.0)
        database.now(
            sending.record_attempt,
            due.row.id,
            1,
            outcome="receipt",
            retryable=False,
            reason="receipt",
            detail="",
            new_state="delivered",
            now=NOW + 3,
            receipt=b"<Receipt/>",
        )

    def test_a_delivered_document_by_its_number(self) -> None:
        self.delivered()
        self.world.database.now(
            registry.put,
            direction="out",
            party="th",
            document_type="atiga-form-d",
            document_number=NUMBER,
            state="RCV",
            digest="ab" * 32,
            kind="certificate",
            now=NOW,
        )
        status, known = self.ask(documentType="ASW-EFORMD", number=NUMBER)
        self.assertEqual(status, 200, known)
        [document], [sent] = known["documents"], known["sent"]
        self.assertEqual(
            (document["direction"], document["partner"], document["state"]), ("out", "th", "RCV")
        )
        self.assertEqual(
            (sent["state"], sent["receipted_at"], sent["submitted_at"]), ("delivered", NOW + 3, NOW)
        )
        self.assertEqual([attempt["outcome"] for attempt in sent["attempts"]], ["receipt"])
        events = [fact["event"] for fact in sent["history"]]
        self.assertEqual(events[0], "outbound.submitted")
        self.assertIn("outbound.delivered", events)
        self.assertEqual(self.ask(documentType="atiga-form-d", number=NUMBER), (status, known))

    def test_a_message_by_either_of_its_ids(self) -> None:
        self.delivered()
        row = self.world.database.now(outbox.get, 1)
        by_own = self.ask(messageId=f"{1:032x}")
        self.assertEqual(by_own[0], 200)
        self.assertEqual(by_own[1]["sent"][0]["network_message_id"], row.message_id)
        self.assertEqual(self.ask(messageId=row.message_id), by_own)

    def test_a_refused_message(self) -> None:
        self.successResultOf(self.world.submit(form_d(destination="JP")))
        status, known = self.ask(messageId=f"{1:032x}")
        self.assertEqual((status, known["sent"]), (200, []))
        self.assertEqual(known["refused"][0]["code"], "ERR05_CODE")

    def test_what_nobody_knows(self) -> None:
        self.assertEqual(self.ask(messageId="nothing")[0], 404)
        self.assertEqual(self.ask(documentType="ASW-EFORMD", number="VN-TH 26/02/77777")[0], 404)

    def test_unclear_questions(self) -> None:
        for query in ({}, {"documentType": "ASW-EFORMD"}, {"number": "1"}, {"messageId": "1", "number": "1"}):
            self.assertEqual(self.ask(**query)[0], 400, query)

    def test_the_store_fails(self) -> None:
        self.world.database.broken = True
        self.assertEqual(self.ask(messageId="1")[0], 503)
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)
