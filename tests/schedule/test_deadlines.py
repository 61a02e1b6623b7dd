"""Clocks of the agreements on a real store: validity, sixty, ninety and a hundred and eighty days."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.exchange.clocks import DAY_SECONDS
from asw_gateway.schedule.deadlines import DeadlineDuties, periods
from asw_gateway.store import deadlines, journal, registry
from simulators import documents
from tests.conversion.nodes import Node, carry
from tests.exchange.world import NOW, gateway
from tests.profiles import shelf

NUMBER = documents.number_for(documents.FORM_D, "VN", "TH", 77, now=NOW)
REQUEST = """<VerificationRequest><Number>{}</Number><IssueDate>2026-11-20</IssueDate>
<ExportCountry>VN</ExportCountry><ImportCountry>TH</ImportCountry><Reason>criterion</Reason></VerificationRequest>"""
REPLY = """<VerificationReply><AnsweredNumber>{}</AnsweredNumber><ExportCountry>VN</ExportCountry>
<ImportCountry>TH</ImportCountry><IssuedAt>2026-11-22T00:00:00Z</IssuedAt><Status>CNF</Status><Text>confirmed</Text>
</VerificationReply>"""


class Clocks(SynchronousTestCase):
    def setUp(self) -> None:
        self.vn, self.th = (self.node(*pair) for pair in (("VN", "TH"), ("TH", "VN")))
        row = self.vn.submit(
            documents.form_d(number=NUMBER, origin="VN", destination="TH", message_id="a1" * 16, now=NOW)
        )
        self.assertEqual(row.state, "queued")
        carry(self.vn, self.th)

    def node(self, country: str, other: str) -> Node:
        node = Node(gateway(country, other))
        self.addCleanup(node.database.close_now)
        node.conversion.startService()
        self.addCleanup(node.conversion.stopService)
        return node

    def duties(self, node: Node) -> DeadlineDuties:
        return DeadlineDuties(
            database=node.store,
            timers=lambda: shelf.profile("atiga-form-d-2022").timers,
            metrics=node.metrics,
            now=node.clock.seconds,
        )

    def done(self, coroutine: Any) -> int:
        result: int = self.successResultOf(Deferred.fromCoroutine(coroutine))
        return result

    def send(self, node: Node, function: str, content: str, message_id: str) -> None:
        element = ElementTree.fromstring(content.format(NUMBER).replace("\n", ""))
        country = node.side.own.country
        row = node.submit(
            documents.envelope(
                "ASW-EFORMD",
                function,
                element,
                country=country,
                message_id=message_id * 16,
                reference=NUMBER,
                now=NOW,
            )
        )
        self.assertEqual(row.state, "queued")

    def overdue(self, node: Node) -> list[tuple[str, str, str]]:
        timers = shelf.profile("atiga-form-d-2022").timers
        found = node.database.run_now(deadlines.overdue, periods(timers), node.clock.seconds(), 100)
        return [(one.rule, one.direction, one.document_number) for one in found]

    def test_a_certificate_nobody_used_ends_after_twelve_months(self) -> None:
        self.th.clock.advance(364 * DAY_SECONDS)
        self.assertEqual(self.done(self.duties(self.th).end_validity()), 0)
        self.assertEqual(self.th.document("in", NUMBER), "VAL")
        self.th.clock.advance(3 * DAY_SECONDS)
        self.assertEqual(self.done(self.duties(self.th).end_validity()), 1)
        self.assertEqual(self.th.document("in", NUMBER), "EXP")
        [row] = self.th.database.run_now(registry.by_number, "atiga-form-d", NUMBER)
        told = self.th.database.run_now(journal.about, f"document:{row.id}")
        self.assertIn("R-03: valid until", [fact.detail for fact in told if fact.event == "document.EXP"][0])

    def test_an_unanswered_certificate_is_listed_after_sixty_days(self) -> None:
        self.th.clock.advance(60 * DAY_SECONDS - 1)
        self.assertEqual(self.overdue(self.th), [])
        self.th.clock.advance(2)
        self.assertEqual(self.overdue(self.th), [("T-25", "in", NUMBER)])
        self.assertEqual(self.done(self.duties(self.th).count_overdue()), 1)
        gauge = self.th.metrics.overdue.labels(rule="T-25")
        self.assertEqual(gauge._value.get(), 1)

    def test_an_answered_certificate_is_not_overdue(self) -> None:
        received = self.th.feed()[-1].body
        self.th.submit(
            documents.customs_response(
                received, status="UTL", message_id="b1" * 16, now=NOW, own_country="TH"
            )
        )
        self.th.clock.advance(61 * DAY_SECONDS)
        self.assertEqual(self.overdue(self.th), [])

    def test_a_retroactive_check_is_overdue_on_both_sides_until_it_is_answered(self) -> None:
        self.send(self.th, "07", REQUEST, "c1")
        carry(self.th, self.vn)
        for node in (self.th, self.vn):
            node.clock.advance(91 * DAY_SECONDS)
        self.assertIn(("T-27", "out", NUMBER), self.overdue(self.th))
        self.assertEqual(self.overdue(self.vn), [("T-27", "in", NUMBER)])
        self.send(self.vn, "08", REPLY, "c2")
        carry(self.vn, self.th)
        self.assertNotIn(("T-27", "out", NUMBER), self.overdue(self.th))
        self.assertEqual(self.overdue(self.vn), [])
        self.vn.clock.advance(91 * DAY_SECONDS)
        self.assertEqual(self.overdue(self.vn), [("T-27-end", "in", NUMBER)])
