"""What is asked for again, what an answer finds, what a clarification reopens: through two gateways."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.exchange.clocks import DAY_SECONDS
from asw_gateway.store import registry
from simulators import documents
from tests.conversion.nodes import Node, carry
from tests.exchange.world import NOW, gateway

EXAMPLES = Path(__file__).parents[2] / "profiles" / "atiga-form-d-2022" / "examples"
NUMBER = "VN-TH 26/02/00006"
CERTIFICATE, AGAIN, RESPONSE, REQUEST, CLARIFICATION = "01", "04", "05", "06", "09"


class TwoGateways(SynchronousTestCase):
    def setUp(self) -> None:
        self.vn, self.th = (self.node(*pair) for pair in (("VN", "TH"), ("TH", "VN")))
        self.assertEqual(self.submit(self.vn, "good-one-item", CERTIFICATE, "a1"), "queued")
        carry(self.vn, self.th)

    def node(self, country: str, other: str) -> Node:
        node = Node(gateway(country, other))
        self.addCleanup(node.database.close_now)
        node.conversion.startService()
        self.addCleanup(node.conversion.stopService)
        return node

    def submit(self, node: Node, example: str, function: str, message_id: str) -> str:
        text = (EXAMPLES / example / "national.xml").read_text()
        content = ElementTree.fromstring(re.sub(r">\s+<", "><", text).strip())
        for name in ("Number", "AnsweredNumber"):
            if content.find(name) is not None:
                content.find(name).text = NUMBER  # type: ignore[union-attr]
        return node.submit(
            documents.envelope(
                "ASW-EFORMD",
                function,
                content,
                country=node.side.own.country,
                message_id=message_id * 16,
                reference=NUMBER,
                now=NOW,
            )
        ).state

    def digest(self, node: Node, direction: str) -> str:
        [row] = node.database.run_now(registry.by_number, "atiga-form-d", NUMBER)
        self.assertEqual(row.direction, direction)
        return str(row.digest)

    def kinds(self, node: Node) -> list[str]:
        return [envelope.subject.function for envelope in node.delivered()]

    def test_a_lost_certificate_is_asked_for_and_sent_again_unchanged(self) -> None:
        for node in (self.vn, self.th):
            node.clock.advance(100 * DAY_SECONDS)
        self.assertEqual(self.submit(self.th, "good-re-transmission-request", REQUEST, "b1"), "queued")
        carry(self.th, self.vn)
        self.assertEqual(self.kinds(self.vn), [REQUEST])
        self.assertEqual(self.submit(self.vn, "good-one-item", AGAIN, "a2"), "queued")
        carry(self.vn, self.th)
        self.assertEqual(self.kinds(self.th), [CERTIFICATE, AGAIN])
        self.assertEqual(self.digest(self.vn, "out"), self.digest(self.th, "in"))

    def test_a_re_transmission_with_other_content_is_refused(self) -> None:
        self.assertEqual(self.submit(self.vn, "good-five-items", AGAIN, "a2"), "rejected")

    def test_an_answer_finds_its_certificate_by_the_reference_number(self) -> None:
        self.assertEqual(self.submit(self.th, "good-response-utilised", RESPONSE, "b1"), "queued")
        carry(self.th, self.vn)
        self.assertEqual(self.th.document("in", NUMBER), "UTL")
        self.assertEqual(self.vn.document("out", NUMBER), "UTL")

    def test_a_clarification_reopens_a_rejection(self) -> None:
        self.assertEqual(self.submit(self.th, "good-response-rejected", RESPONSE, "b1"), "queued")
        carry(self.th, self.vn)
        self.assertEqual(self.vn.document("out", NUMBER), "REJ")
        self.assertEqual(self.submit(self.vn, "good-clarification", CLARIFICATION, "a2"), "queued")
        carry(self.vn, self.th)
        self.assertEqual(self.kinds(self.th), [CERTIFICATE, CLARIFICATION])
        self.assertEqual(self.submit(self.th, "good-response-utilised", RESPONSE, "b2"), "queued")
        carry(self.th, self.vn)
        self.assertEqual(self.vn.document("out", NUMBER), "UTL")
