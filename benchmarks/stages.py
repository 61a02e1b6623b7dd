"""Microseconds of CPU per message of every pure stage, in one thread, split by part.

    python -m benchmarks.stages [--algorithm ecdsa|rsa] [--messages 400] [--profile prepare] [--json]

Each stage is timed untouched first; then once more with the named functions wrapped, which shows where its
time goes. The wrappers cost about 0.5 us a call: the parts are shares, the stage's own line is the
measurement.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import statistics
import time
from typing import Any

from attrs import define, evolve, field

from asw_gateway.exchange.inbound import ReceivedMessage, receive
from asw_gateway.exchange.notices import Status, feed_draft, notice_for
from asw_gateway.exchange.outbound import Prepared, prepare
from asw_gateway.exchange.processing import Converted, process
from asw_gateway.exchange.submission import Accepted, check_submission
from asw_gateway.messaging.signal import Receipt, read_signal
from asw_gateway.translation.envelope import accepted_answer
from benchmarks import material
from benchmarks.material import NOW, Border, Row
from benchmarks.meter import metered
from tests.exchange.world import catalogue


@define
class Way:
    """Messages on their way, stage by stage; each stage's results feed the next one."""

    border: Border
    messages: int
    raw: list[bytes] = field(factory=list)
    accepted: list[Accepted] = field(factory=list)
    prepared: list[Prepared] = field(factory=list)
    received: list[ReceivedMessage] = field(factory=list)

    def submit(self, index: int) -> None:
        at = self.border.sender
        found = check_submission(
            self.raw[index],
            sender_name="portal",
            catalogue=catalogue(),
            partners=at.partners,
            own=at.own,
            now=NOW,
        )
        if not isinstance(found, Accepted):
            raise SystemExit(f"refused: {[problem.message for problem in found.problems]}")
        self.accepted.append(found)

    def answer(self, index: int) -> None:
        at = self.border.sender
        accepted_answer(self.accepted[index].envelope, NOW, "b2" * 16, at.own.organisation)

    def prepare(self, index: int) -> None:
        at, accepted = self.border.sender, self.accepted[index]
        found = prepare(
            accepted.raw,
            self.row(accepted),
            catalogue=catalogue(),
            partner=at.partner,
            own=at.own,
            identities=at.identities,
            message_id=f"m{index}@{at.own.party_id.value}",
            functional_reference=f"REF-{index}",
            now=NOW,
            checked=accepted.checked,
        )
        if not isinstance(found, Prepared):
            raise SystemExit(f"rejected: {[problem.message for problem in found.problems]}")
        self.prepared.append(found)

    def row(self, accepted: Accepted) -> Row:
        return Row(
            document_type=accepted.document_type,
            kind=accepted.kind,
            document_number=accepted.document_number,
            conversation_id=accepted.conversation_id,
            ref_to_message_id=None,
            national_message_id=accepted.national_message_id,
            dossier=accepted.dossier,
        )

    def notice(self, index: int) -> None:
        at, row = self.border.sender, self.row(self.accepted[index])
        notice = notice_for(evolve(row, message_id=f"m{index}@{at.own.party_id.value}"), Status.QUEUED)
        feed_draft(notice, at.own, message_id="d4" * 16, now=NOW)

    def receive(self, index: int) -> None:
        at, sealed = self.border.receiver, self.prepared[index].sealed
        found = receive(
            sealed.content_type,
            sealed.body,
            partner=at.partner,
            own=at.own,
            identities=at.identities,
            catalogue=catalogue(),
            now=NOW,
            signal_id=f"s{index}@{at.own.party_id.value}",
        )
        if not isinstance(found, ReceivedMessage):
            raise SystemExit(f"refused: {found.fault}")
        self.received.append(found)

    def process(self, index: int) -> None:
        at = self.border.receiver
        found = process(
            self.received[index].verified,
            catalogue=catalogue(),
            partner=at.partner,
            own=at.own,
            received_at=NOW,
            now=NOW,
            national_message_id="c3" * 16,
            functional_reference="ERR-1",
        )
        if not isinstance(found, Converted):
            raise SystemExit(f"not converted: {[problem.message for problem in found.problems]}")

    def read_signal(self, index: int) -> None:
        at, receipt = self.border.sender, self.received[index].receipt
        found = read_signal(
            receipt.content_type, receipt.body, sent=self.prepared[index].sealed, partner=at.partner, now=NOW
        )
        if not isinstance(found, Receipt):
            raise SystemExit("not a receipt")


BATCH = 10
"""Messages that are timed together."""

STAGES = ("submit", "answer", "prepare", "notice", "receive", "process", "read_signal")
SIDE = {"receive": "receiver", "process": "receiver"}


def run_stage(way: Way, stage: str) -> float:
    """CPU microseconds per message: the median of batches, so that a disturbed one does not count."""
    step = getattr(way, stage)
    gc.collect()
    found = []
    for first in range(0, way.messages, BATCH):
        batch = range(first, min(first + BATCH, way.messages))
        began = time.thread_time()
        for index in batch:
            step(index)
        found.append((time.thread_time() - began) / len(batch) * 1e6)
    return statistics.median(found)


def walk(algorithm: str, messages: int, *, first: int = 0, only: str = "") -> tuple[Way, dict[str, float]]:
    """Take messages through all stages; microseconds per message of each."""
    raw = [material.form_d(first + index) for index in range(messages)]
    way = Way(border=material.border(algorithm), messages=messages, raw=raw)
    return way, {stage: run_stage(way, stage) for stage in STAGES}


def measure(algorithm: str, messages: int) -> dict[str, Any]:
    """The stages untouched, then their parts."""
    walk(algorithm, 20)
    _, whole = walk(algorithm, messages)
    with metered() as meter:
        raw = [material.form_d(index) for index in range(messages)]
        way = Way(border=material.border(algorithm), messages=messages, raw=raw)
        parts: dict[str, dict[str, float]] = {}
        for stage in STAGES:
            meter.seconds.clear()
            run_stage(way, stage)
            parts[stage] = {path: spent / messages * 1e6 for path, spent in sorted(meter.seconds.items())}
    sent = way.prepared[0]
    return {
        "algorithm": algorithm,
        "messages": messages,
        "bytes": {
            "national": len(way.raw[0]),
            "document": len(way.received[0].verified.parts[0].content),
            "message": len(sent.sealed.body),
            "receipt": len(way.received[0].receipt.body),
        },
        "stages_us": whole,
        "parts_us": parts,
    }


def table(found: dict[str, Any]) -> str:
    """For people."""
    sizes = ", ".join(f"{name} {size}" for name, size in found["bytes"].items())
    lines = [f"{found['algorithm']}, {found['messages']} messages; bytes: {sizes}; us of CPU per message"]
    for stage, spent in found["stages_us"].items():
        lines.append(f"{stage:<12} {SIDE.get(stage, 'sender'):<9}{spent:8.0f}")
        parts = found["parts_us"][stage]
        for path, part in parts.items():
            depth = path.count(" / ")
            lines.append(f"    {'  ' * depth}{path.rpartition(' / ')[2]:<28}{part:8.0f}")
    sender = sum(us for stage, us in found["stages_us"].items() if stage not in SIDE)
    receiver = sum(us for stage, us in found["stages_us"].items() if stage in SIDE)
    lines.append(f"stages: sender us={sender:.0f} receiver us={receiver:.0f} both us={sender + receiver:.0f}")
    return "\n".join(lines)


def profile(algorithm: str, messages: int, stage: str) -> None:
    """cProfile of one stage, own time first."""
    way = Way(
        border=material.border(algorithm),
        messages=messages,
        raw=[material.form_d(index) for index in range(messages)],
    )
    for before in STAGES[: STAGES.index(stage)]:
        run_stage(way, before)
    profiler = cProfile.Profile()
    profiler.enable()
    run_stage(way, stage)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--algorithm", choices=sorted(material.ALGORITHMS), default="ecdsa")
    asked.add_argument("--messages", type=int, default=400)
    asked.add_argument("--profile", choices=STAGES, help="cProfile of this stage instead")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    if given.profile:
        profile(given.algorithm, given.messages, given.profile)
        return
    found = measure(given.algorithm, given.messages)
    print(json.dumps(found, indent=1) if given.json else table(found))


if __name__ == "__main__":
    main()
