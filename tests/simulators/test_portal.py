"""The portal simulator: nothing is lost or doubled whatever is cut off, and its ledger tells the truth."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from simulators.facts import read_facts
from simulators.ledger import Ledger, read_ledger
from simulators.office import CustomsOffice
from simulators.portal import PortalSimulator
from tests.simulators.fake_feed import FakeFeed
from tests.simulators.story import envelope


def write_response(received: bytes, *, status: str, message_id: str, now: float, own_country: str) -> bytes:
    return envelope(message_id, function="05", number="N", status=status, origin=own_country).encode()


class PortalTests(SynchronousTestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.feed = FakeFeed()
        self.clock = Clock()
        self.portal = self.new_portal()

    def new_portal(self, **settings: Any) -> PortalSimulator:
        office = CustomsOffice(country="VN", write=write_response)
        portal = PortalSimulator(
            feed=self.feed,
            party="VN",
            directory=self.directory,
            reactor=self.clock,
            office=office,
            now=self.clock.seconds,
            **settings,
        )
        portal.start()
        return portal

    def stop(self) -> None:
        from twisted.internet.defer import Deferred

        self.successResultOf(Deferred.fromCoroutine(self.portal.stop()))

    def drop(self, message_id: str, number: str, name: str | None = None, **facts: str) -> None:
        (self.directory / "outgoing" / f"{name or message_id}.xml").write_text(
            envelope(message_id, number=number, **facts)
        )

    def run_for(self, seconds: float) -> None:
        self.clock.pump([0.05] * int(seconds / 0.05))

    def events(self, *names: str) -> list[dict[str, Any]]:
        return [record for record in read_ledger(self.directory / "ledger.jsonl") if record["event"] in names]

    def test_submits_in_the_order_of_the_names_and_puts_answered_files_away(self) -> None:
        for number in range(6):
            self.drop(f"m{number}", f"N{number}")
        self.run_for(2)
        self.assertEqual(self.feed.order, [f"m{number}" for number in range(6)])
        self.assertEqual(list((self.directory / "outgoing").glob("*.xml")), [])
        self.assertEqual(len(list((self.directory / "answered").glob("*.xml"))), 6)
        self.assertEqual([record["function"] for record in self.events("answer")], ["99"] * 6)

    def test_a_lost_answer_is_asked_for_again_with_the_same_id(self) -> None:
        self.feed.lose_answers = 2
        self.drop("m", "N")
        self.run_for(3)
        self.assertEqual(self.feed.requests, ["m", "m", "m"])
        self.assertEqual(self.feed.order, ["m"])
        self.assertEqual(
            [record["event"] for record in self.events("planned", "attempt", "no-answer", "answer")],
            ["planned", "attempt", "no-answer", "attempt", "no-answer", "attempt", "answer"],
        )

    def test_messages_of_one_document_wait_for_each_other(self) -> None:
        self.feed.lose_answers = 1
        self.drop("first", "N", name="1")
        self.drop("second", "N", name="2", function="03")
        self.drop("other", "M", name="3")
        self.run_for(3)
        self.assertEqual(self.feed.requests, ["first", "other", "first", "second"])

    def test_a_refusal_is_final_and_in_the_ledger(self) -> None:
        self.feed.refuse.add("bad")
        self.drop("bad", "N")
        self.run_for(1)
        (answer,) = self.events("answer")
        self.assertEqual((answer["function"], answer["errors"]), ("00", [["ERR05_CODE", "no"]]))
        self.assertEqual(self.feed.requests, ["bad"])

    def test_entries_are_written_down_answered_and_then_acknowledged(self) -> None:
        self.feed.append(envelope("from-th", type="20", number="TH-VN 1", origin="TH", destination="VN"))
        self.run_for(2)
        self.assertEqual(self.feed.acknowledged, [(1, "ok")])
        self.assertEqual(len(self.feed.order), 1, "the customs office answered")
        names = [record["event"] for record in self.events("entry", "acknowledged")]
        self.assertEqual(names, ["entry", "acknowledged"])

    def test_the_customs_office_takes_its_time_and_drops_the_reply_when_the_document_is_withdrawn(
        self,
    ) -> None:
        self.stop()
        self.portal = self.new_portal(reply_seconds=2)
        for number in ("1", "2"):
            self.feed.append(envelope(f"n{number}", type="20", number=number, origin="TH", destination="VN"))
        self.run_for(1)
        self.assertEqual(self.feed.order, [])
        self.feed.append(envelope("c", type="20", function="03", number="1", origin="TH", destination="VN"))
        self.run_for(2)
        self.assertEqual(len(self.feed.order), 1)
        self.assertEqual(list((self.directory / "desk").glob("*.xml")), [])

    def test_after_a_restart_nothing_is_sent_or_answered_twice(self) -> None:
        self.feed.append(envelope("from-th", type="20", number="TH-VN 1", origin="TH", destination="VN"))
        self.drop("m", "N")
        self.run_for(1)
        self.stop()
        requests = list(self.feed.requests)
        self.portal = self.new_portal()
        self.run_for(2)
        self.assertEqual(self.feed.requests, requests)
        self.assertEqual(self.feed.acknowledged, [(1, "ok")])

    def test_killed_before_the_acknowledgement_it_acknowledges_again_without_a_second_reply(self) -> None:
        self.feed.lose_acknowledgements = 1
        self.feed.append(envelope("from-th", type="20", number="TH-VN 1", origin="TH", destination="VN"))
        self.run_for(0.2)
        self.stop()
        self.portal = self.new_portal()
        self.run_for(3)
        self.assertEqual(self.feed.acknowledged, [(1, "ok"), (1, "ok")])
        self.assertEqual(len(self.feed.order), 1)
        self.assertEqual(len(self.events("entry")), 1)

    def test_killed_with_a_page_half_acknowledged_it_begins_at_the_first_open_entry(self) -> None:
        self.stop()
        self.feed.lose_acknowledgements = 1
        for number in range(3):
            self.feed.append(
                envelope(f"w{number}", type="21", number=f"VN-TH {number}", status="queued", about="m")
            )
        self.portal = self.new_portal()
        self.run_for(0.1)
        self.stop()
        self.assertEqual([event["sequence"] for event in self.events("acknowledged")], [2, 3])
        self.portal = self.new_portal()
        self.run_for(3)
        self.assertEqual(sorted({event["sequence"] for event in self.events("acknowledged")}), [1, 2, 3])
        self.assertEqual(len(self.events("entry")), 3)

    def test_killed_between_ledger_and_putting_away_it_does_not_submit_again(self) -> None:
        self.drop("m", "N")
        self.run_for(1)
        (self.directory / "answered" / "m.xml").rename(self.directory / "outgoing" / "m.xml")
        self.stop()
        self.portal = self.new_portal()
        self.run_for(1)
        self.assertEqual(self.feed.requests, ["m"])
        self.assertTrue((self.directory / "answered" / "m.xml").exists())

    def test_an_outage_of_the_gateway_is_waited_out(self) -> None:
        self.feed.down = True
        self.drop("m", "N")
        self.run_for(2)
        self.feed.down = False
        self.feed.append(envelope("s", type="21", status="queued", about="m"))
        self.run_for(2)
        self.assertEqual(self.feed.order, ["m"])
        self.assertEqual([record["status"] for record in self.events("entry")], ["queued"])

    def test_a_file_that_is_no_envelope_is_submitted_so_that_the_gateway_can_say_so(self) -> None:
        path = self.directory / "outgoing" / "junk.xml"
        path.write_bytes(b"<Envelope><broken")
        self.run_for(0.2)
        self.assertEqual([record["message_id"] for record in self.events("planned")], ["unreadable:junk.xml"])
        self.assertEqual([record["function"] for record in self.events("answer")], ["00"])

    def test_an_entry_that_cannot_be_read_is_acknowledged_as_such_and_the_next_one_is_read(self) -> None:
        self.feed.append("this is no Envelope")
        self.feed.append(envelope("s", type="21", status="queued", about="m"))
        self.run_for(0.5)
        self.assertEqual(self.feed.acknowledged, [(1, "not-readable"), (2, "ok")])


class OfficeTests(SynchronousTestCase):
    def test_the_same_seed_gives_the_same_answers(self) -> None:
        def answers(seed: int) -> list[str]:
            office = CustomsOffice(country="TH", seed=seed, refusals=0.3, write=write_response)
            texts = [envelope("m", type="20", number=f"VN-TH 26/01/{number:05}") for number in range(60)]
            replies = [office.reply(text, read_facts(text), "r", 0.0) for text in texts]
            return [read_facts(reply).status for reply in replies if reply is not None]

        self.assertEqual(answers(1), answers(1))
        self.assertNotEqual(answers(1), answers(2))
        self.assertEqual(set(answers(1)), {"UTL", "REJ"})

    def test_only_certificates_and_declarations_from_abroad_are_answered(self) -> None:
        office = CustomsOffice(country="TH", write=write_response)
        for type, function in (("20", "03"), ("20", "05"), ("21", "01"), ("10", "01")):
            text = envelope("m", type=type, function=function, number="N")
            self.assertIsNone(office.reply(text, read_facts(text), "r", 0.0))


class LedgerTests(SynchronousTestCase):
    def test_a_torn_last_line_is_cut_off_and_writing_goes_on(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "ledger.jsonl"
            ledger = Ledger(path, party="VN", now=lambda: 1.0)
            ledger.write("started", pid=1)
            ledger.close()
            with path.open("ab") as stream:
                stream.write(b'{"event": "answ')
            self.assertEqual([record["event"] for record in read_ledger(path)], ["started"])
            ledger = Ledger(path, party="VN", now=lambda: 2.0)
            ledger.write("stopped")
            ledger.close()
            lines = path.read_text().splitlines()
            self.assertEqual([json.loads(line)["event"] for line in lines], ["started", "stopped"])

    def test_a_ledger_of_one_torn_line_starts_afresh(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "ledger.jsonl"
            path.write_bytes(b'{"at"')
            Ledger(path, party="VN", now=lambda: 2.0).close()
            self.assertEqual(path.read_bytes(), b"")
