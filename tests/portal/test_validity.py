"""Asking whether a certificate was valid at a moment: the portal's question over the feed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.store import journal, registry
from tests.portal.world import NOW, World

NUMBER, DAY = "TH-VN 26/01/00007", 86_400.0
ISSUED_AT = 1_794_960_000.0  # 18 November 2026, 00:00 UTC


class ValidityTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.database.close)
        put = self.world.database.now(
            registry.put,
            direction="in",
            party="th",
            document_type="atiga-form-d",
            document_number=NUMBER,
            state="VAL",
            digest="ab" * 32,
            kind="certificate",
            now=NOW,
            message_id="m1@asw-th",
            issued_at=ISSUED_AT,
            valid_until_at=ISSUED_AT + 365 * DAY,
        )
        self.world.database.now(
            registry.move, put.id, "VAL", "CAN", now=NOW + 2 * DAY, reason="cancelled", actor="th"
        )

    def ask(self, **query: str) -> tuple[int, dict[str, Any]]:
        answer = self.successResultOf(self.world.start("GET", "/feed/v1/validity?" + urlencode(query)))
        return answer.status, json.loads(answer.body)

    def test_valid_before_it_was_cancelled_and_not_after(self) -> None:
        status, told = self.ask(number=NUMBER, date="2026-11-18", at="2026-11-19T12:00:00+07:00")
        self.assertEqual(status, 200)
        [one] = told["certificates"]
        self.assertEqual((one["valid"], one["usable"], one["state"]), (True, True, "VAL"))
        self.assertEqual((one["partner"], one["direction"], one["message_id"]), ("th", "in", "m1@asw-th"))
        self.assertEqual([fact["state"] for fact in one["evidence"]], ["VAL"])
        self.assertEqual([(fact["state"], fact["actor"]) for fact in one["afterwards"]], [("CAN", "th")])
        _, told = self.ask(number=NUMBER, date="2026-11-18", at="2026-11-21T12:00:00+07:00")
        [one] = told["certificates"]
        self.assertEqual((one["valid"], one["reasons"]), (False, ["the issuer cancelled it"]))

    def test_the_evidence_is_an_entry_of_the_journal(self) -> None:
        _, told = self.ask(number=NUMBER, date="2026-11-18", at="2026-11-19T12:00:00+07:00")
        [fact] = told["certificates"][0]["evidence"]
        kept = {
            (one.chain, one.sequence): one for one in self.world.database.now(journal.entries, fact["chain"])
        }
        self.assertEqual(kept[fact["chain"], fact["sequence"]].hash, fact["hash"])

    def test_another_date_or_number_is_not_known(self) -> None:
        self.assertEqual(self.ask(number=NUMBER, date="2026-11-17", at="2026-11-19T12:00:00Z")[0], 404)
        self.assertEqual(self.ask(number=NUMBER[:-1], date="2026-11-18", at="2026-11-19T12:00:00Z")[0], 404)

    def test_an_unclear_question_is_refused(self) -> None:
        status, told = self.ask(number=NUMBER, date="2026-11-18")
        self.assertEqual(status, 400)
        self.assertIn("at must be a moment with its zone", told["detail"])
