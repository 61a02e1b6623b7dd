"""Following ledgers: what is open, what has settled, and how it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.ledger import Ledger
from simulators.progress import PlainProgress, RichProgress, describe, describe_totals, newest, state
from simulators.watch import Watch

NUMBER = "VN-TH 26/02/00001"


class Region:
    """Ledgers of VN and TH that the test writes like portals would."""

    def __init__(self, directory: Path) -> None:
        self.now = 100.0
        paths = {party: directory / f"{party}.jsonl" for party in ("VN", "TH")}
        self.ledgers = {party: Ledger(path, party=party, now=self.tick) for party, path in paths.items()}
        self.watch = Watch(paths)

    def tick(self) -> float:
        self.now += 0.25
        return self.now

    def submit(
        self, party: str, message_id: str, function: str = "01", answer: str = "99", **more: str
    ) -> None:
        facts = {
            "document_type": "ASW-EFORMD",
            "type": "10",
            "number": NUMBER,
            "destination": "TH" if party == "VN" else "VN",
            "status": "",
            "replaces": "",
            **more,
        }
        self.ledgers[party].write("planned", message_id=message_id, function=function, **facts)
        errors = [["ERR05_CODE", "no"]] if answer == "00" else []
        self.ledgers[party].write("answer", message_id=message_id, function=answer, errors=errors)

    def tell(self, party: str, about: str, status: str) -> None:
        self.ledgers[party].write("entry", sequence=0, type="21", about=about, status=status, problems=[])

    def deliver(self, party: str, function: str = "01", status: str = "") -> None:
        origin = "TH" if party == "VN" else "VN"
        self.ledgers[party].write(
            "entry",
            sequence=0,
            type="20",
            function=function,
            number=NUMBER,
            origin=origin,
            status=status,
            content="FormD",
        )

    def open_ids(self) -> list[str]:
        self.watch.refresh()
        return [document.message_id for document in self.watch.open_documents()]


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


def test_a_certificate_is_open_until_it_is_receipted_delivered_and_answered(region: Region) -> None:
    region.submit("VN", "m")
    assert region.open_ids() == ["m"]
    region.tell("VN", "m", "receipted")
    assert region.open_ids() == ["m"]
    region.deliver("TH")
    assert region.open_ids() == ["m"], "the customs office has not answered"
    region.submit("TH", "r", function="05", status="UTL")
    assert region.open_ids() == ["r"]
    region.tell("TH", "r", "receipted")
    region.deliver("VN", function="05", status="UTL")
    assert region.open_ids() == []


def test_refused_and_rejected_documents_are_settled(region: Region) -> None:
    region.submit("VN", "refused", answer="00")
    region.submit("VN", "ruled out", number="other")
    region.tell("VN", "ruled out", "rejected")
    assert region.open_ids() == []
    assert [state(document) for document in region.watch.documents.values()] == ["refused", "rejected"]


@pytest.mark.parametrize("how", [{"function": "03"}, {"function": "02", "number": "new", "replaces": NUMBER}])
def test_a_withdrawn_certificate_needs_no_answer(region: Region, how: dict[str, str]) -> None:
    region.submit("VN", "m")
    region.tell("VN", "m", "receipted")
    region.deliver("TH")
    region.submit("VN", "w", **how)
    assert region.open_ids() == ["w"]


def test_a_delivery_may_be_seen_before_its_answer_99(region: Region) -> None:
    region.deliver("TH", function="03")
    region.watch.refresh()
    region.submit("VN", "m", function="03")
    region.tell("VN", "m", "receipted")
    assert region.open_ids() == []


def test_lines_say_where_a_document_is(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    region.submit("VN", "m", function="03")
    region.tell("VN", "m", "queued")
    region.tell("VN", "m", "receipted")
    region.deliver("TH", function="03")
    region.watch.refresh()
    (document,) = region.watch.documents.values()
    assert describe(document).split() == [
        *("VN→TH", "EFORMD", "cancellation", "VN-TH", "26/02/00001"),
        *("99", "0.25", "queued", "0.50", "receipted", "0.75", "on", "feed", "1.00"),
    ]
    assert describe_totals(region.watch).startswith("1 submitted, 1 settled")
    progress = PlainProgress()
    progress.stage("A stage")
    progress.show(region.watch, {"TH": 20, "ID": 0})
    progress.show(region.watch, {})
    output = capsys.readouterr().out
    assert output.count("cancellation") == 1
    assert "queued for TH: 20" in output


def test_the_live_table_shows_what_moves_and_the_youngest(region: Region) -> None:
    for number in range(30):
        region.submit("VN", f"m{number:02}", number=str(number), answer="00" if number < 20 else "99")
    region.watch.refresh()
    shown = [document.message_id for document in newest(region.watch, rows=12)]
    assert shown == [f"m{number:02}" for number in range(18, 30)]
    progress = RichProgress()
    progress.stage("A stage")
    progress.show(region.watch, {"TH": 3})
    progress.close()
