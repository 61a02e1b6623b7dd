"""The faulty partner: every scenario file is readable, and each treatment is what our own code detects."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from asw_gateway.config import load
from asw_gateway.config.values import GatewayConfig
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.packing import SealedMessage
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.signal import ErrorSignal, Receipt, read_signal
from asw_gateway.web import WebAnswer, WebRequest
from simulators.ledger import Ledger, read_ledger
from simulators.partner import FaultyPartner, Scenario, load_scenario
from simulators.world import World

SCENARIOS = sorted((Path(__file__).parents[2] / "simulators" / "scenarios").glob("*.toml"))
NOW = time.time()  # the pair's certificates are made now


@frozen(kw_only=True)
class Pair:
    """Viet Nam as sender and Thailand as the partner under test, as their configurations have them."""

    vn: GatewayConfig
    th: GatewayConfig

    def thailand_seen_by_vn(self) -> Partner:
        return next(partner for partner in self.vn.partners if partner.name == "th")

    def viet_nam_seen_by_th(self) -> Partner:
        return next(partner for partner in self.th.partners if partner.name == "vn")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as name, World(Path(name) / "w", countries=("VN", "TH")) as world:
        world.write()
        yield Pair(vn=load(world.sites["VN"].gateway_file), th=load(world.sites["TH"].gateway_file))


class Meeting:
    """Sends one message of Viet Nam's to the partner, in memory, as often as asked."""

    def __init__(self, pair: Pair, scenario: Scenario, directory: Path) -> None:
        self.pair = pair
        self.clock = Clock()
        self.clock.advance(NOW)
        self.path = directory / "ledger.jsonl"
        ledger = Ledger(self.path, party="TH", now=self.clock.seconds)
        self.partner = FaultyPartner(pair.th, scenario, ledger, reactor=self.clock, now=self.clock.seconds)
        sender = FaultyPartner(pair.vn, Scenario(), ledger, reactor=self.clock, now=self.clock.seconds)
        self.message: SealedMessage = sender._pack(
            b"<Document>text</Document>", pair.thailand_seen_by_vn(), "m1@vn.example", "service", "action"
        )

    def post(self) -> Deferred[WebAnswer]:
        request = WebRequest(
            method="POST",
            path={},
            query={},
            headers={"content-type": self.message.content_type},
            body=self.message.body,
            peer="127.0.0.1:1",
            peer_certificate=self.pair.vn.partner_client.certificate,
        )
        return Deferred.fromCoroutine(self.partner.receive(request))

    def answer(self) -> WebAnswer:
        found: list[Any] = []
        self.post().addBoth(found.append)
        (answer,) = found
        assert isinstance(answer, WebAnswer), answer
        return answer

    def judge(self) -> Receipt | ErrorSignal:
        """What our sender makes of the answer."""
        answer = self.answer()
        return read_signal(
            answer.content_type,
            answer.body,
            sent=self.message,
            partner=self.pair.thailand_seen_by_vn(),
            now=self.clock.seconds(),
        )


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_file_is_readable(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name
    assert scenario.about


def test_a_scenario_with_an_unknown_word_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('receipt = "sometimes"')
    with pytest.raises(ValueError, match="receipt"):
        load_scenario(path)


def test_an_honest_partner_gives_a_receipt_that_holds(pair: Pair, tmp_path: Path) -> None:
    meeting = Meeting(pair, Scenario(), tmp_path)
    assert isinstance(meeting.judge(), Receipt)
    events = [record["event"] for record in read_ledger(meeting.path)]
    assert events == ["received", "receipt"]


@pytest.mark.parametrize("receipt", ["unsigned", "broken-signature", "other-key", "other-message"])
def test_a_bad_receipt_is_seen_through_and_the_next_one_is_honest(
    pair: Pair, tmp_path: Path, receipt: str
) -> None:
    meeting = Meeting(pair, Scenario(receipt=receipt, maltreated_attempts=1), tmp_path)
    with pytest.raises(RemoteFault) as refused:
        meeting.judge()
    assert refused.value.code == "EBMS:0302"
    assert isinstance(meeting.judge(), Receipt)


def test_a_dropped_receipt_leaves_the_message_in_the_ledger(pair: Pair, tmp_path: Path) -> None:
    meeting = Meeting(pair, Scenario(receipt="none", maltreated_attempts=2), tmp_path)
    assert [meeting.answer().status for _ in range(3)] == [204, 204, 200]
    received = [record for record in read_ledger(meeting.path) if record["event"] == "received"]
    assert [record["attempt"] for record in received] == [1, 2, 3]


def test_a_refusing_partner_says_why(pair: Pair, tmp_path: Path) -> None:
    signal = Meeting(pair, Scenario(refuse_with="EBMS:0004"), tmp_path).judge()
    assert isinstance(signal, ErrorSignal)
    assert [error.code for error in signal.errors] == ["EBMS:0004"]


def test_a_partner_out_of_service_answers_503(pair: Pair, tmp_path: Path) -> None:
    meeting = Meeting(pair, Scenario(refuse_with="503", maltreated_attempts=1), tmp_path)
    assert meeting.answer().status == 503
    assert isinstance(meeting.judge(), Receipt)


def test_a_slow_partner_answers_later(pair: Pair, tmp_path: Path) -> None:
    meeting = Meeting(pair, Scenario(delay_seconds=5), tmp_path)
    answers: list[WebAnswer] = []
    meeting.post().addCallback(answers.append)
    meeting.clock.advance(4.9)
    assert answers == []
    meeting.clock.advance(0.2)
    assert answers[0].status == 200


@pytest.mark.parametrize("signature", ["broken", "other-key"])
def test_a_bad_signature_of_ours_is_refused_by_an_honest_partner(
    pair: Pair, tmp_path: Path, signature: str
) -> None:
    meeting = Meeting(pair, Scenario(), tmp_path)
    forger = FaultyPartner(
        pair.vn,
        Scenario(signature=signature),
        Ledger(tmp_path / "vn.jsonl", party="VN", now=meeting.clock.seconds),
        reactor=meeting.clock,
        now=meeting.clock.seconds,
    )
    meeting.message = forger._pack(
        b"<Document/>", pair.thailand_seen_by_vn(), "m1@vn.example", "service", "action"
    )
    signal = meeting.judge()
    assert isinstance(signal, ErrorSignal)
    assert [error.code for error in signal.errors] == ["EBMS:0101"]
