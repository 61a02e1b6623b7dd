"""`make demo`: three countries on this machine, documents both ways, and three outages survived.

    python -m simulators.demo [--directory var/demo] [--seed 1] [--plain]

Viet Nam, Thailand and Indonesia each run a full gateway and a portal simulator, in processes of their own.
The last line is `demo: PASS documents=… receipts=… responses=… duplicates=0 lost=0` (exit 0) or
`demo: FAIL …` (exit 1); the numbers come from simulators/checker.py, which reads only ledgers and feed dumps.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from simulators.checker import check
from simulators.facts import RECEIPTED
from simulators.processes import ProcessTrouble
from simulators.progress import Progress, make_progress
from simulators.records import read_run
from simulators.report import Report
from simulators.traffic import PARTNER_CODE, Posted, Traffic
from simulators.watch import Document, Watch
from simulators.world import REPOSITORY, World
from simulators.world_files import PortalHabits

LEAST_DOCUMENTS = 40
REFUSED_ON_PURPOSE = 1
ENDED_ON_PURPOSE = 2
"""The bad documents of the story: one answered 00, two told as rejected.  Any other one must arrive."""
WATCHDOG_SECONDS = 88
STAGE_SECONDS = 30.0
CODE_UNKNOWN_IN_THAILAND = ("reference/codes/packages.csv", PARTNER_CODE)
WAITING_STATES = ("submitted", "queued", "sending", "held")


class DemoFailed(Exception):
    """Something did not happen that should have; the text says what."""


class Demo:
    """The story, stage by stage; each stage ends only when everything in it has settled."""

    def __init__(self, world: World, traffic: Traffic, progress: Progress) -> None:
        self._world = world
        self._traffic = traffic
        self._progress = progress
        self._watch = Watch(world.ledgers())

    def run(self) -> Report:
        """Play everything; returns the checker's verdict.  Raises DemoFailed or ProcessTrouble."""
        self._begin()
        self._both_ways()
        self._bad_documents()
        self._partner_outage()
        self._portal_outage()
        self._killed()
        return self._count()

    # --- stages

    def _begin(self) -> None:
        names = ", ".join(self._world.sites)
        self._progress.stage(f"Starting a gateway and a portal each for {names}")
        self._world.start()
        for country, site in self._world.sites.items():
            pid = self._world.gateways[country].pid
            self._progress.say(
                f"{country}: gateway pid {pid}, AS4 on {site.partner_port}, feed on {site.portal_port}, "
                f"operators on {site.operators_url}"
            )

    def _both_ways(self) -> None:
        self._progress.stage(
            "Certificates and declarations both ways, answered by the customs on the other side"
        )
        first = self._traffic.form_d("VN", "TH")
        second = self._traffic.form_d("VN", "ID")
        for _ in range(3):
            self._traffic.form_d("VN", "TH")
            self._traffic.form_d("TH", "VN")
        self._traffic.form_d("VN", "ID")
        for origin, destination in (("VN", "TH"), ("VN", "ID"), ("TH", "VN"), ("ID", "VN")):
            self._traffic.acdd(origin, destination)
        for _ in range(2):
            self._traffic.form_d("ID", "VN")
        self._traffic.replace(first)
        self._traffic.cancel(second)
        self._settle("documents both ways")

    def _bad_documents(self) -> None:
        self._progress.stage("Bad documents: refused at once, told later, or refused by the partner")
        broken = self._traffic.form_d("VN", "TH", fault="schema")
        self._wait(lambda: self._has(broken, "00"), "the broken document is refused with 00")
        self._tell_problems(broken, "00 ")
        ruled_out = self._traffic.form_d("VN", "TH", fault="rule")
        self._wait(lambda: self._has(ruled_out, "99", "rejected"), "a rule fault is told by STATUS")
        self._tell_problems(ruled_out, "STATUS rejected ")
        unknown = self._traffic.form_d("VN", "TH", fault="partner-code")
        self._wait(
            lambda: self._has(unknown, RECEIPTED, "rejected"),
            "the partner receipts a document and answers with a technical error",
        )
        self._wait(
            lambda: self._tell_problems(unknown, "technical error "), "the technical error is on the feed"
        )
        self._settle("bad documents")

    def _partner_outage(self) -> None:
        self._progress.stage("Thailand's gateway is stopped; 20 documents are submitted all the same")
        self._world.gateways["TH"].stop()
        posted = [self._traffic.form_d("VN", "TH") for _ in range(14)]
        for _ in range(3):
            certificate = self._traffic.form_d("VN", "TH")
            posted += [certificate, self._traffic.cancel(certificate)]
        self._wait(lambda: self._all("99", posted), "all 20 are answered 99 while the partner is down")
        self._wait(lambda: self._waiting("th") == len(posted), "the queue for TH holds all 20")
        self._progress.say(f"queue depth for TH: {self._waiting('th')}; nothing lost, nothing sent elsewhere")
        other = self._traffic.form_d("VN", "ID")
        self._wait(lambda: self._has(other, RECEIPTED, "on feed"), "Indonesia is served as ever")
        self._progress.stage("Thailand's gateway comes back")
        self._world.start_gateway("TH")
        self._settle("the 20 documents of the outage")
        if not self._all("on feed", posted):
            raise DemoFailed("not every document of the outage arrived")

    def _portal_outage(self) -> None:
        self._progress.stage("Viet Nam's portal is stopped while partners send")
        self._world.portals["VN"].stop()
        posted = [self._traffic.form_d("TH", "VN") for _ in range(8)]
        posted += [self._traffic.form_d("ID", "VN") for _ in range(4)]
        self._wait(lambda: self._all(RECEIPTED, posted), "all 12 are receipted while the portal is away")
        self._progress.stage("Viet Nam's portal comes back and reads its feed")
        self._world.portals["VN"].start()
        self._settle("the documents of the portal's outage")

    def _killed(self) -> None:
        self._progress.stage("Viet Nam's gateway is killed (kill -9) in the middle of traffic")
        posted = []
        for _ in range(6):
            posted += [self._traffic.form_d("VN", "TH"), self._traffic.form_d("TH", "VN")]
            posted += [self._traffic.form_d("VN", "ID")]
        self._wait(lambda: sum(self._has(one, "99") for one in posted) >= 4, "some of them are on their way")
        self._world.gateways["VN"].kill()
        answered = sum(self._has(one, "99") for one in posted)
        self._progress.say(f"killed with {answered} of {len(posted)} answered 99; starting it again")
        self._world.start_gateway("VN")
        self._settle("the documents of the crash")

    def _count(self) -> Report:
        self._progress.stage("Counting, from the portals' ledgers and dumps of the gateways' feeds only")
        for portal in self._world.portals.values():
            portal.ask_to_stop()
        for portal in self._world.portals.values():
            portal.wait_stopped()
        self._world.dump_feeds()
        return check(read_run(self._world.portals_directory))

    # --- waiting

    def _settle(self, what: str) -> None:
        """Until every document has ended its way, every certificate is answered, every entry acknowledged."""

        def settled() -> bool:
            everything = len(self._watch.documents) >= len(self._traffic.posted)
            read = self._watch.entries == self._watch.acknowledged
            return everything and read and not self._watch.open_documents()

        try:
            self._wait(settled, f"{what} have settled")
        except DemoFailed as failure:
            still_open = "; ".join(
                f"{document.party}→{document.destination} {document.number} function {document.function} "
                f"{document.steps[-1][0]}"
                for document in self._watch.open_documents()[:5]
            )
            raise DemoFailed(f"{failure}; open: {still_open or 'acknowledgements'}") from None

    def _wait(self, condition: Callable[[], bool], what: str, seconds: float = STAGE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        next_metrics = 0.0
        while True:
            self._watch.refresh()
            if time.monotonic() >= next_metrics:
                self._progress.show(self._watch, {name.upper(): self._waiting(name) for name in ("th", "id")})
                next_metrics = time.monotonic() + 0.25
            if condition():
                self._progress.show(self._watch, {})
                return
            for process in (*self._world.gateways.values(), *self._world.portals.values()):
                process.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"not within {seconds:g} s: {what}")
            time.sleep(0.05)

    def _waiting(self, partner: str) -> int:
        """How many messages of Viet Nam's gateway wait for a partner, as its /metrics say."""
        samples = self._world.gateway_metrics("VN")
        names = (f'asw_outbox_messages{{partner="{partner}",state="{state}"}}' for state in WAITING_STATES)
        return int(sum(samples.get(name, 0) for name in names))

    def _document(self, posted: Posted) -> Document | None:
        """None until its portal has seen the file."""
        return self._watch.documents.get((posted.party, posted.message_id))

    def _tell_problems(self, posted: Posted, prefix: str) -> bool:
        """False while nothing was complained of yet."""
        document = self._document(posted)
        problems = document.problems if document is not None else []
        for problem in dict.fromkeys(problems):
            self._progress.say(prefix + problem)
        return bool(problems)

    def _has(self, posted: Posted, *words: str) -> bool:
        document = self._document(posted)
        return document is not None and document.words.issuperset(words)

    def _all(self, word: str, posted: Sequence[Posted]) -> bool:
        return all(self._has(one, word) for one in posted)


def play(directory: Path, *, seed: int, progress: Progress) -> Report:
    """Make a world, play the demo in it, and leave no process behind."""
    habits = PortalHabits(
        seed=seed,
        pace={"documents_per_second": 30.0, "reply_seconds": 1.0, "scan_seconds": 0.1, "retry_seconds": 0.3},
    )
    with World(directory, habits=habits) as world:
        world.write()
        world.forget_code("TH", *CODE_UNKNOWN_IN_THAILAND)
        outgoing = {country: site.portal_directory / "outgoing" for country, site in world.sites.items()}
        return Demo(world, Traffic(outgoing, seed=seed), progress).run()


def main(arguments: Sequence[str]) -> int:
    options = argparse.ArgumentParser(
        prog="python -m simulators.demo", description="The whole thing, in one go."
    )
    options.add_argument("--directory", type=Path, default=REPOSITORY / "var" / "demo")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--plain", action="store_true", help="lines instead of a live table")
    chosen = options.parse_args(arguments)
    progress = make_progress(plain=chosen.plain)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(WATCHDOG_SECONDS)
    try:
        report = play(chosen.directory, seed=chosen.seed, progress=progress)
    except (DemoFailed, ProcessTrouble, OSError) as failure:
        progress.close()
        print(f"the files of this run are in {chosen.directory}")
        print(f"demo: FAIL {re.sub(chr(10) + '.*', '', str(failure), flags=re.DOTALL)}")
        return 1
    finally:
        signal.alarm(0)
    progress.close()
    for finding in report.findings:
        print(finding)
    faults = list(_faults(report))
    if not faults:
        print(
            f"demo: PASS documents={report.documents} receipts={report.receipts} "
            f"responses={report.responses} duplicates={report.duplicates} lost={report.lost}"
        )
        return 0
    print(f"demo: FAIL {'; '.join(faults)}; {report.summary()}")
    return 1


def _faults(report: Report) -> Iterator[str]:
    if not report.clean:
        yield f"{len(report.findings)} findings of the checker"
    if report.documents < LEAST_DOCUMENTS:
        yield f"fewer than {LEAST_DOCUMENTS} documents"
    if (report.refused, report.failed) != (REFUSED_ON_PURPOSE, ENDED_ON_PURPOSE):
        yield "other documents than the bad ones were refused or failed"


def _too_long(number: int, frame: FrameType | None) -> None:
    raise DemoFailed(f"the demo took longer than {WATCHDOG_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
