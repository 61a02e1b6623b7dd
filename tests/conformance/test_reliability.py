"""Reception awareness: retries, duplicates, and the end of patience."""

from __future__ import annotations

import time

from tests.conformance import wire
from tests.conformance.bench import Bench
from tests.conformance.msh import cut, in_turn, silent
from tests.conformance.story import Delivery, Story
from tests.conformance.wire import Http

#: Longer than any delay between attempts of this bench (0.6 s and its jitter).
QUIET_SECONDS = 1.5


def test_TA09(bench: Bench, holds) -> None:
    """The receipt is suppressed twice: three attempts with the same id and the same content."""
    with bench.msh.answering("/th/as4", in_turn(silent, silent, bench.msh.honest)):
        submitted = bench.submit("TH")
        exchanges = bench.msh.wait_for(submitted.about, 3)
    bench.notice(submitted.national_message_id, "receipted")
    holds("TA09", Story(exchanges=tuple(exchanges)))


def test_TA09_twin(bench: Bench, breaks) -> None:
    """A sender that tries again under another id."""
    _, part = bench.foreign_document()
    with bench.msh.answering("/mute", silent):
        exchanges = [
            bench.msh.send_to_simulator("th", bench.msh.compose("th", [part]), "/mute") for _ in range(2)
        ]
    breaks("TA09", Story(exchanges=tuple(exchanges)), "the attempts ")


def test_TA09_twin_gives_up(bench: Bench, breaks) -> None:
    """A sender that never tries again."""
    _, part = bench.foreign_document()
    with bench.msh.answering("/mute", silent):
        exchange = bench.msh.send_to_simulator("th", bench.msh.compose("th", [part]), "/mute")
    breaks("TA09", Story(exchanges=(exchange,)), "no retry")


def test_TA10(bench: Bench, holds) -> None:
    """A partner sends three times, two answers are lost: one delivery, and the third gets the receipt."""
    number, part = bench.foreign_document()
    composed = bench.msh.compose("th", [part])
    lost = [bench.msh.send_and_lose_answer("th", composed) for _ in range(2)]
    last = bench.msh.send("th", composed)
    bench.delivery(number)
    behind, _ = bench.foreign_document()
    other = bench.msh.compose("th", [bench.foreign_document(number=behind)[1]])
    bench.msh.send("th", other)
    bench.delivery(behind)  # whatever the duplicates led to would stand before this on the feed
    story = Story(exchanges=(*lost, last), deliveries=bench.deliveries(number), quiet_seconds=QUIET_SECONDS)
    holds("TA10", story)


def test_TA10_as_sender(bench: Bench, holds) -> None:
    """The network is cut twice after the partner took the message: sending stops with the receipt."""
    consumer: list[Delivery] = []

    def taking(path: str, request: Http) -> Http | None:
        """A receiver that knows the id of a message it has."""
        about = wire.message_id(request)
        if about not in [delivery.about for delivery in consumer]:
            consumer.append(Delivery(about=about, payloads=()))
        return bench.msh.honest(path, request)

    def taken_and_cut(path: str, request: Http) -> None:
        taking(path, request)
        return cut(path, request)

    with bench.msh.answering("/th/as4", in_turn(taken_and_cut, taken_and_cut, taking)):
        submitted = bench.submit("TH")
        before = bench.msh.wait_for(submitted.about, 3)
        bench.notice(submitted.national_message_id, "receipted")
        time.sleep(QUIET_SECONDS)
        exchanges = bench.msh.seen(submitted.about)
    quiet = QUIET_SECONDS if len(exchanges) == len(before) else 0.0
    story = Story(exchanges=tuple(exchanges), deliveries=tuple(consumer), quiet_seconds=quiet)
    holds("TA10", story, "as-sender")


def simulated_interruption(bench: Bench, *, delivers_each: bool, goes_on: bool) -> Story:
    """Both sides simulated, one of them careless."""
    consumer: list[Delivery] = []

    def take(path: str, request: Http) -> Http:
        if delivers_each or not consumer:
            consumer.append(Delivery(about=wire.message_id(request), payloads=()))
        return bench.msh.lenient(path, request)

    def take_and_cut(path: str, request: Http) -> None:
        take(path, request)

    _, part = bench.foreign_document()
    composed = bench.msh.compose("th", [part])
    with bench.msh.answering("/careless", in_turn(take_and_cut, take)):
        exchanges = [bench.msh.send_to_simulator("th", composed, "/careless") for _ in range(2)]
    return Story(
        exchanges=tuple(exchanges), deliveries=tuple(consumer), quiet_seconds=0.0 if goes_on else 1.0
    )


def test_TA10_twin(bench: Bench, breaks) -> None:
    """A receiver that delivers whatever comes."""
    story = simulated_interruption(bench, delivers_each=True, goes_on=False)
    breaks("TA10", story, "the consumer got 2 messages")


def test_TA10_twin_goes_on(bench: Bench, breaks) -> None:
    """A sender that goes on after the receipt."""
    story = simulated_interruption(bench, delivers_each=False, goes_on=True)
    breaks("TA10", story, "sent again after its receipt")


def test_TA15(bench: Bench, holds) -> None:
    """MY never gives a receipt, and its agreement gives up after two seconds."""
    with bench.msh.answering("/my/as4", silent):
        submitted = bench.submit("MY")
        notices = bench.notice(submitted.national_message_id, "expired")
        exchanges = bench.msh.seen(submitted.about)
    holds("TA15", Story(exchanges=tuple(exchanges), notices=notices))


def test_TA15_twin(bench: Bench, breaks) -> None:
    """A sender that gives up in silence."""
    _, part = bench.foreign_document()
    composed = bench.msh.compose("th", [part])
    with bench.msh.answering("/mute", silent):
        exchanges = [bench.msh.send_to_simulator("th", composed, "/mute") for _ in range(2)]
    breaks("TA15", Story(exchanges=tuple(exchanges)), "the producer was told []")
