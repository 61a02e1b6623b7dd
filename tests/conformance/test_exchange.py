"""Message exchange patterns, packaging of a whole message, the test service."""

from __future__ import annotations

import re

from attrs import evolve

from asw_gateway.messaging.message import PING_ACTION, PING_SERVICE
from tests.conformance import wire
from tests.conformance.bench import Bench
from tests.conformance.msh import changed, silent
from tests.conformance.predicates import PREDICATES
from tests.conformance.story import Delivery, Story
from tests.conformance.wire import Exchange

NON_REPUDIATION = re.compile(rb"<ebbp:MessagePartNRInformation>.*</ebbp:MessagePartNRInformation>", re.S)


def certificate_received(bench: Bench, name: str = "th", **changes: object) -> tuple[str, Exchange]:
    """A partner's Form D handed to our receiver: its number, and the exchange."""
    number, part = bench.foreign_document(name)
    composed = bench.msh.compose(name, [part], message=bench.msh.header(name, **changes))
    return number, bench.msh.send(name, composed)


def certificate_sent(bench: Bench, destination: str = "TH") -> Exchange:
    """A Form D of the portal as our sender brought it to the partner."""
    submitted = bench.submit(destination)
    return bench.msh.wait_for(submitted.about)[0]


def test_TA01(bench: Bench, holds) -> None:
    _, exchange = certificate_received(bench)
    holds("TA01", Story(exchanges=(exchange,)))


def test_TA01_twin(bench: Bench, breaks) -> None:
    """A partner whose receipt proves nothing."""
    plain = changed(bench.msh.honest, lambda body: NON_REPUDIATION.sub(b"", body))
    with bench.msh.answering("/th/as4", plain):
        exchange = certificate_sent(bench)
    breaks("TA01", Story(exchanges=(exchange,)), "does not repeat the digests")


def two_way(bench: Bench, conversation_id: str) -> Story:
    """TH asks with a certificate, VN's customs answer: two pushes, each with its receipt."""
    number, asked = certificate_received(bench, conversation_id=conversation_id)
    delivered = bench.delivery(number)["envelope"].encode()
    bench.answer_by_customs(delivered, number)
    asked_id = wire.message_id(asked.request).encode()
    answered = bench.msh.wait_for(b"<eb:RefToMessageId>" + asked_id)[0]
    return Story(exchanges=(asked, answered), conversation_id=conversation_id)


def simulated_two_way(bench: Bench, ref_to: bool, same_conversation: bool) -> Story:
    """Two pushes between simulators; the response forgets what it answers, or its conversation."""
    conversation = "dossier 7/2026 <two-way>"
    _, part = bench.foreign_document()
    request = bench.msh.compose("th", [part], message=bench.msh.header("th", conversation_id=conversation))
    changes = {"conversation_id": conversation if same_conversation else "another"}
    if ref_to:
        changes["ref_to_message_id"] = request.message_id
    response = bench.msh.compose("th", [part], message=bench.msh.header("th", **changes))
    exchanges = tuple(bench.msh.send_to_simulator("th", each) for each in (request, response))
    return Story(exchanges=exchanges, conversation_id=conversation)


def test_TA02(bench: Bench, holds) -> None:
    holds("TA02", two_way(bench, "two-way-02"))


def test_TA02_twin(bench: Bench, breaks) -> None:
    """A response that does not say what it answers."""
    breaks(
        "TA02", simulated_two_way(bench, ref_to=False, same_conversation=True), "the response refers to []"
    )


def test_TA03(bench: Bench, holds) -> None:
    """Several messages each way."""
    sent = [certificate_sent(bench) for _ in range(2)]
    received = [certificate_received(bench)[1] for _ in range(2)]
    holds("TA03", Story(exchanges=(*sent, *received)))


def test_TA03_twin(bench: Bench, breaks) -> None:
    """A sender with two party ids. Our receiver refuses it too."""
    _, part = bench.foreign_document()
    party = re.compile("<eb:PartyId .*?</eb:PartyId>")
    doubled = bench.msh.compose("th", [part], unit=lambda t: party.sub(lambda m: m.group() * 2, t, count=1))
    exchange = bench.msh.send("th", doubled)
    assert exchange.answer is not None and b"EBMS:0009" in exchange.answer.body
    breaks("TA03", Story(exchanges=(exchange,)), "1 eb:From with 2 eb:PartyId")


def test_TA14(bench: Bench, holds) -> None:
    holds("TA14", two_way(bench, "two-way-14"))


def test_TA14_twin(bench: Bench, breaks) -> None:
    """A partner that takes the response and sends no receipt with its HTTP answer."""
    _, part = bench.foreign_document()
    request, response = (bench.msh.compose("th", [part]) for _ in range(2))
    first = bench.msh.send("th", request)
    with bench.msh.answering("/mute", silent):
        second = bench.msh.send_to_simulator("th", response, "/mute")
    breaks("TA14", Story(exchanges=(first, second)), "the answer is no receipt")


def ping_received(bench: Bench) -> Exchange:
    message = bench.msh.header("th", service=PING_SERVICE, action=PING_ACTION)
    return bench.msh.send("th", bench.msh.compose("th", [], message=message))


def test_TA16(bench: Bench, holds) -> None:
    before = len(bench.msh.seen(PING_ACTION.encode()))
    assert bench.control.post("/v1/partners/th/ping")["outcome"] == "receipt"
    exchange = bench.msh.wait_for(PING_ACTION.encode(), before + 1)[-1]
    holds("TA16", Story(exchanges=(exchange,)))


def test_TA16_twin(bench: Bench, breaks) -> None:
    """A ping under a service of the product's own."""
    message = bench.msh.header("th", service="urn:product:diagnostics", action=PING_ACTION)
    exchange = bench.msh.send_to_simulator("th", bench.msh.compose("th", [], message=message))
    breaks("TA16", Story(exchanges=(exchange,)), "service and action are")


def test_TA17(bench: Bench, holds) -> None:
    """Whatever lay on the feed before lies there after; a document sent behind the ping still arrives."""
    before = bench.everything_delivered()
    exchange = ping_received(bench)
    number, _ = certificate_received(bench)
    bench.delivery(number)
    new = [d for d in bench.everything_delivered() if d not in before]
    assert len(new) == 1
    holds("TA17", Story(exchanges=(exchange,), deliveries=tuple(new[:-1])))


def test_TA17_twin(bench: Bench, breaks) -> None:
    """A product that hands pings to its consumer."""
    message = bench.msh.header("th", service=PING_SERVICE, action=PING_ACTION)
    consumer: list[Delivery] = []

    def delivers(path, request):
        consumer.append(Delivery(about=wire.message_id(request), payloads=()))
        return bench.msh.lenient(path, request)

    with bench.msh.answering("/eager", delivers):
        exchange = bench.msh.send_to_simulator("th", bench.msh.compose("th", [], message=message), "/eager")
    breaks("TA17", Story(exchanges=(exchange,), deliveries=tuple(consumer)), "the consumer got")


def test_TA19(bench: Bench, holds) -> None:
    holds("TA19", two_way(bench, "any value <of> the producer & its own"))


def test_TA19_twin(bench: Bench, breaks) -> None:
    """A response in a conversation of its own."""
    story = simulated_two_way(bench, ref_to=True, same_conversation=False)
    breaks("TA19", story, "the ConversationIds are")


def test_TA21(bench: Bench, holds) -> None:
    _, exchange = certificate_received(bench)
    holds("TA21", Story(exchanges=(exchange,)))


def test_TA21_twin(bench: Bench, breaks) -> None:
    """A product that cannot read SOAP with attachments."""
    _, part = bench.foreign_document()
    with bench.msh.answering("/simple", bench.msh.refusing("EBMS:0007")):
        exchange = bench.msh.send_to_simulator("th", bench.msh.compose("th", [part]), "/simple")
    breaks("TA21", Story(exchanges=(exchange,)), "the answer is no receipt")


def test_TA22(bench: Bench, holds) -> None:
    """Our message is packaged, its receipt is not; and a plain SOAP ping is receipted as well."""
    plain = ping_received(bench)
    assert plain.request.media_type == wire.SOAP_TYPE
    assert not PREDICATES["TA01"](Story(exchanges=(plain,)))
    submitted = bench.submit("TH")
    exchange = bench.msh.wait_for(submitted.about)[0]
    notices = bench.notice(submitted.national_message_id, "receipted")
    holds("TA22", Story(exchanges=(exchange,), notices=notices))


def test_TA22_twin(bench: Bench, breaks) -> None:
    """A partner that gives its receipt in a form that is no SOAP: the sender takes it for nothing."""
    text = changed(bench.msh.honest, lambda body: b"receipt: yes")

    def as_text(path, request):
        answer = text(path, request)
        headers = tuple((k, "text/plain" if k == "Content-Type" else v) for k, v in answer.headers)
        return evolve(answer, headers=headers)

    with bench.msh.answering("/th/as4", as_text):
        submitted = bench.submit("TH")
        exchange = bench.msh.wait_for(submitted.about)[0]
        taken_for = bench.notice(submitted.national_message_id, "retrying")
    story = Story(exchanges=(exchange,), notices=taken_for)
    breaks("TA22", story, "")
