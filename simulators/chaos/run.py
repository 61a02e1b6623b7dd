"""One engine: pairs side by side, traffic as fast as it is taken, faults, the drain, the count."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from simulators.chaos.agenda import Agenda
from simulators.chaos.deck import Card, deck
from simulators.chaos.pair import Pair, make_pair
from simulators.chaos.postgres import Server
from simulators.chaos.processes import COMMITS
from simulators.chaos.supply import supply
from simulators.chaos.tally import Tally
from simulators.chaos.verdict import Verdict, count_pairs, verify_chains
from simulators.processes import Household, ProcessTrouble
from simulators.world import free_ports, read_feed

TICK_SECONDS = 0.05


@frozen(kw_only=True)
class Aim:
    """What an engine has to reach, and in how many seconds altogether.

    every_commit: a gateway must have been killed before and after the commit of each change of state.
    """

    seconds: float
    faults: int
    messages: int
    drain_seconds: float = 100.0
    fault_every_seconds: float = 1.3
    least_seconds: float = 0.0
    every_commit: bool = False

    @property
    def fault_seconds(self) -> float:
        return self.seconds - self.drain_seconds


class Run:
    """One engine; also the `table.Table`.  Everything but the links happens on the calling thread."""

    def __init__(
        self,
        engine: str,
        directory: Path,
        *,
        seed: int,
        aim: Aim,
        reactor: Any,
        say: Callable[[str], None],
        live: Callable[[str], None],
    ) -> None:
        self.engine = engine
        self.random = Random(f"{seed}/{engine}")  # noqa: S311 - must be repeatable, not secret
        self.pairs: list[Pair] = []
        self.server: Server | None = None
        self.helpers = ThreadPoolExecutor(2, thread_name_prefix="chaos")
        self.aims: list[tuple[str, str]] = []
        self.commits: set[tuple[str, str]] = set()
        self.verdict = Verdict(engine=engine)
        self._directory = directory
        self._seed = seed
        self._aim = aim
        self._reactor = reactor
        self._say = say
        self._live = live
        self._household = Household()
        self._agenda = Agenda(time.monotonic)
        self._lock = threading.Lock()
        self._cards: list[Card] = []
        self._began = self._ready_at = time.monotonic()
        self._told_at = 0.0
        self._tallies: dict[str, Tally] = {}

    # --- table.Table

    def count(self, kind: str, target: str, **more: Any) -> None:
        with self._lock:
            if kind != "taken over":
                self.verdict.faults[kind] += 1
            record = {"at": round(time.time(), 3), "fault": kind, "target": target, **more}
            with (self._directory / "faults.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def complain(self, sentence: str) -> None:
        with self._lock:
            self.verdict.complaints.append(sentence)
        self._say(f"{self._clock()} {self.engine}: {sentence}")

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        self._agenda.later(seconds, act)

    def in_reactor(self, act: Callable[[], Any]) -> Any:
        return blockingCallFromThread(self._reactor, act)

    # --- the whole of it

    def go(self) -> Verdict:
        """Run to the end; every process is gone afterwards.  Raises ProcessTrouble when it cannot begin."""
        try:
            self._make()
            self._start()
            self._break_things()
            self._mend()
            self._drain()
            self._count()
        finally:
            self.verdict.seconds = time.monotonic() - self._began
            self.verdict.commits = len(self.commits)
            self.verdict.excused = sum(node.excused for pair in self.pairs for node in pair.nodes)
            self.helpers.shutdown(wait=True, cancel_futures=True)
            for link in [link for pair in self.pairs for link in pair.links]:
                self._await(link.close)
            for process in [node.process for pair in self.pairs for node in pair.nodes]:
                process.ask_to_stop()
            if self.server is not None:
                for process in [node.process for pair in self.pairs for node in pair.nodes]:
                    process.wait_stopped()
                self.server.close()
            self._household.close()
        return self.verdict

    def _make(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        ports = iter(free_ports(40))
        if self.engine == "postgresql":
            self.server = Server(self._household, port=next(ports), log=self._directory / "postgresql.log")
            self.server.start()
            server = self.server
            server.process.wait_until(server.answers, timeout_seconds=30)
        for number, countries in enumerate((("VN", "TH"), ("ID", "VN")), 1):
            nodes = {"VN": 2} if self.server is not None and number == 1 else {}
            pair = make_pair(
                f"{number}",
                self._directory / f"pair-{number}",
                countries,
                nodes=nodes,
                database_url=lambda country, number=number: self._database(f"{country.lower()}_{number}"),  # type: ignore[misc]
                ports=lambda many: [next(ports) for _ in range(many)],
                reactor=self._reactor,
                household=self._household,
                clock=time.monotonic,
                seed=self._seed + number,
            )
            self.pairs.append(pair)
            for country, party in pair.parties.items():
                seen = pair.sites[country]
                self._await(partial(party.partner_link.listen, seen.partner_port))
                self._await(partial(party.portal_link.listen, seen.portal_port))
            ledgers = {name: party.portal_directory / "ledger.jsonl" for name, party in pair.parties.items()}
            self._tallies[pair.name] = Tally(ledgers)

    def _database(self, name: str) -> str:
        return self.server.create(name) if self.server is not None else ""

    def _start(self) -> None:
        for pair in self.pairs:
            # One node makes a database's tables before the others come.
            for node in [party.nodes[0] for party in pair.parties.values()]:
                node.start()
        self._until_ready([party.nodes[0] for pair in self.pairs for party in pair.parties.values()])
        for node in [node for pair in self.pairs for node in pair.nodes if not node.starts]:
            node.start()
        self._until_ready([node for pair in self.pairs for node in pair.nodes])
        for pair in self.pairs:
            for party in pair.parties.values():
                party.portal.start()

    def _until_ready(self, nodes: Sequence[Any]) -> None:
        deadline = time.monotonic() + 60
        while not all(node.ready for node in nodes):
            for node in nodes:
                trouble = node.look()
                if trouble or time.monotonic() > deadline:
                    raise ProcessTrouble(trouble or f"{node.name} is not ready ({node.site.directory})")
            time.sleep(TICK_SECONDS)

    # --- the time of faults

    def _break_things(self) -> None:
        self._ready_at = time.monotonic()
        next_fault = self._ready_at + 2.0
        while not self._over():
            self._tick()
            for pair in self.pairs:
                supply(pair, self._tallies[pair.name], self.random)
            if time.monotonic() >= next_fault:
                next_fault = time.monotonic() + self.random.uniform(0.4, 1.6) * self._aim.fault_every_seconds
                self._play()

    def _over(self) -> bool:
        elapsed = time.monotonic() - self._began
        done = self.verdict.faults.total() >= self._aim.faults and self.crossed >= self._aim.messages
        if self._aim.every_commit:
            done = done and self.commits >= COMMITS
        long_enough = time.monotonic() - self._ready_at >= self._aim.least_seconds
        return elapsed >= self._aim.fault_seconds or (done and long_enough)

    @property
    def crossed(self) -> int:
        return sum(tally.crossed for tally in self._tallies.values())

    def _play(self) -> None:
        """Play the next card that can be played now; the others go to the bottom.

        A new deck comes before the old one is empty: a card that waits for its chance holds up no other.
        """
        if len(self._cards) < 6:
            fresh = deck(self.engine)
            self.random.shuffle(fresh)
            self._cards = fresh + self._cards
        for _ in range(min(5, len(self._cards))):
            card = self._cards.pop()
            if card.play(self):
                return
            self._cards.insert(0, card)

    def _tick(self) -> None:
        time.sleep(TICK_SECONDS)
        self._agenda.run_due()
        for pair in self.pairs:
            for node in pair.nodes:
                trouble = node.look()
                if trouble:
                    self.complain(trouble)
            for party in pair.parties.values():
                trouble = party.look(time.monotonic())
                if trouble:
                    self.complain(trouble)
        if time.monotonic() - self._told_at > 0.5:
            self._told_at = time.monotonic()
            for tally in self._tallies.values():
                tally.refresh()
            self._live(self._progress())

    def _clock(self) -> str:
        elapsed = int(time.monotonic() - self._began)
        return f"{elapsed // 60:02d}:{elapsed % 60:02d}"

    def _progress(self) -> str:
        waiting: Counter[str] = Counter()
        for name, tally in self._tallies.items():
            waiting.update({f"{name} {way}": many for way, many in tally.waiting().items()})
        kinds = " ".join(f"{kind}:{many}" for kind, many in sorted(self.verdict.faults.items()))
        down = [node.name for pair in self.pairs for node in pair.nodes if not node.ready]
        return (
            f"{self._clock()} {self.engine} faults={self.verdict.faults.total()} messages={self.crossed} "
            f"queued=[{' '.join(f'{way}={many}' for way, many in sorted(waiting.items()))}] "
            f"down=[{' '.join(down)}] {kinds}"
        )

    # --- the end

    def _mend(self) -> None:
        """Undo every fault at once, and bring everything back."""
        for pair in self.pairs:
            for link in pair.links:
                self.in_reactor(link.disarm)
        deadline = time.monotonic() + 30
        while self._agenda and time.monotonic() < deadline:
            self._tick()
        for pair in self.pairs:
            for node in pair.nodes:
                node.crash_file.unlink(missing_ok=True)
                node.aimed = ""
                node.shift_clock(0.0)
                node.limit_files(None)
                if node.back_at is not None:
                    node.back_at = time.monotonic()

    def _drain(self) -> None:
        """Wait until nothing is open any more; what still is, after all this time, is told and counted."""
        deadline = max(self._began + self._aim.seconds - 10, time.monotonic() + 20)
        quiet_since: float | None = None
        while time.monotonic() < deadline:
            self._tick()
            busy = any(self._backlog(pair) for pair in self.pairs) or any(
                tally.open for tally in self._tallies.values()
            )
            if busy:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > 1.5:
                return
        for pair in self.pairs:
            still_open = dict(self._tallies[pair.name].open)
            self._say(f"{self._clock()} {self.engine} pair {pair.name} did not settle: {still_open}")

    @staticmethod
    def _backlog(pair: Pair) -> int:
        return sum(
            1
            for party in pair.parties.values()
            for place in ("outgoing", "desk")
            for _ in (party.portal_directory / place).glob("*.xml")
        )

    def _count(self) -> None:
        for pair in self.pairs:
            for party in pair.parties.values():
                party.portal.stop()
            for party in pair.parties.values():
                entries = read_feed(party.nodes[0].site.portal_port, pair.directory / "pki", party.name)
                lines = [json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries]
                (party.portal_directory / "feed.jsonl").write_text("".join(lines), encoding="utf-8")
        count_pairs(self.verdict, self.pairs)
        for node in [node for pair in self.pairs for node in pair.nodes]:
            node.process.ask_to_stop()
        for node in [node for pair in self.pairs for node in pair.nodes]:
            node.process.wait_stopped()
        verify_chains(self.verdict, self.pairs)

    def _await(self, act: Callable[[], Any]) -> Any:
        return self.in_reactor(lambda: Deferred.fromCoroutine(act()))
