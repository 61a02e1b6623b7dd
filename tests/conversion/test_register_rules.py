"""Store rules in the running gateway: conversion reads the register and passes what is known."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from simulators import documents
from tests.conversion.nodes import Node, carry
from tests.exchange.world import NOW, gateway

EXAMPLES = Path(__file__).parents[2] / "profiles" / "atiga-form-d-2022" / "examples"
FORM_D = "ASW-EFORMD"
ORIGINAL = "TH26VN0001"
TURNED_AROUND = (("<ExportCountry>VN<", "<ExportCountry>TH<"), ("<ImportCountry>TH<", "<ImportCountry>VN<"))
#: A certificate of Thailand's for 40 tonnes of rice.
THEIR_ORIGINAL = (
    ("<Number>VN-TH 26/02/00006</Number>", f"<Number>{ORIGINAL}</Number>"),
    *TURNED_AROUND,
    ("<Country>VN</Country>", "<Country>XX</Country>"),
    ("<Country>TH</Country>", "<Country>VN</Country>"),
    ("<Country>XX</Country>", "<Country>TH</Country>"),
    ("<OriginCountry>VN<", "<OriginCountry>TH<"),
    ('<GrossWeight unit="KGM">25000<', '<GrossWeight unit="TNE">40<'),
)


class RegisterRules(SynchronousTestCase):
    def setUp(self) -> None:
        self.vn, self.th = (self.node(*pair) for pair in (("VN", "TH"), ("TH", "VN")))

    def node(self, country: str, other: str) -> Node:
        node = Node(gateway(country, other))
        self.addCleanup(node.database.close_now)
        node.conversion.startService()
        self.addCleanup(node.conversion.stopService)
        return node

    def submit(
        self, node: Node, example: str, function: str, message_id: str, *changes: tuple[str, str]
    ) -> str:
        """Hand in the national form of an example with some texts changed; gives the row's state."""
        text = (EXAMPLES / example / "national.xml").read_text()
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        content = ElementTree.fromstring(re.sub(r">\s+<", "><", text).strip())
        number = content.findtext("Number") or content.findtext("AnsweredNumber") or ""
        data = documents.envelope(
            FORM_D,
            function,
            content,
            country=node.side.own.country,
            message_id=message_id * 16,
            reference=number,
            now=NOW,
        )
        return node.submit(data).state

    def told(self, node: Node) -> str:
        return node.feed()[-1].body.decode()

    def test_a_replacement_after_more_than_a_year_is_rejected(self) -> None:
        old = (
            ("VN-TH 26/02/00006", "VN-TH 25/02/00006"),
            ("<Date>2026-11-20</Date>", "<Date>2025-11-19</Date>"),
        )
        departed = ("<DepartureDate>2026-11-21<", "<DepartureDate>2025-11-21<")
        self.assertEqual(self.submit(self.vn, "good-one-item", "01", "a1", *old, departed), "queued")
        again = (">VN-TH 26/02/00006<", ">VN-TH 25/02/00006<")
        self.assertEqual(self.submit(self.vn, "good-replacement", "02", "a2", again), "rejected")
        self.assertIn("R-21", self.told(self.vn))

    def test_preference_for_all_items_under_partial_cumulation_is_rejected(self) -> None:
        self.assertEqual(self.submit(self.vn, "good-partial-cumulation", "01", "a1"), "queued")
        carry(self.vn, self.th)
        self.assertEqual(self.submit(self.th, "good-response-utilised", "05", "b1"), "rejected")
        self.assertIn("R-08", self.told(self.th))

    def test_back_to_back_certificates_are_held_against_their_originals(self) -> None:
        self.assertEqual(self.submit(self.th, "good-one-item", "01", "b1", *THEIR_ORIGINAL), "queued")
        carry(self.th, self.vn)

        def draw(number: str, message_id: str) -> str:
            resting = (
                ("VN-TH 26/02/00006", number),
                ("MY26VN00001234", ORIGINAL),
                ("MY26VN00001299", ORIGINAL),
            )
            self.assertEqual(self.submit(self.vn, "good-back-to-back", "01", message_id, *resting), "queued")
            return self.told(self.vn)

        self.assertNotIn("R-12", draw("VN-TH 26/02/00031", "a1"))  # 25 of 40 tonnes
        warned = draw("VN-TH 26/02/00032", "a2")  # 25 more: 10 too many
        self.assertIn("R-12", warned)
        self.assertIn("10000 KGM of 100630", warned)
        # What a cancelled certificate drew is free again.
        self.assertEqual(
            self.submit(self.vn, "good-cancellation", "03", "a3", ("VN-TH 26/02/00006", "VN-TH 26/02/00031")),
            "queued",
        )
        self.assertIn("10000 KGM of 100630", draw("VN-TH 26/02/00033", "a4"))

    def test_nothing_rests_on_an_original_that_its_issuer_cancelled(self) -> None:
        self.assertEqual(self.submit(self.th, "good-one-item", "01", "b1", *THEIR_ORIGINAL), "queued")
        cancelled = (("VN-TH 26/02/00006", ORIGINAL), *TURNED_AROUND)
        self.assertEqual(self.submit(self.th, "good-cancellation", "03", "b2", *cancelled), "queued")
        carry(self.th, self.vn)
        resting = (("MY26VN00001234", ORIGINAL), ("MY26VN00001299", ORIGINAL))
        self.assertEqual(self.submit(self.vn, "good-back-to-back", "01", "a1", *resting), "rejected")
        self.assertIn(f"{ORIGINAL} was cancelled", self.told(self.vn))

    def test_an_original_that_never_came_is_a_warning(self) -> None:
        self.assertEqual(self.submit(self.vn, "good-back-to-back", "01", "a1"), "queued")
        self.assertIn("has not come through this gateway", self.told(self.vn))
