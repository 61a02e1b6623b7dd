"""Payloads: where they travel, in which order, how compressed and described, and how they are delivered."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Callable, Sequence

from attrs import evolve

from asw_gateway.messaging.compression import compress
from asw_gateway.messaging.message import Part, PartInfo
from tests.conformance import wire
from tests.conformance.bench import Bench
from tests.conformance.msh import Wire
from tests.conformance.story import Delivery, Payload, Story
from tests.conformance.wire import Exchange, Http

SCAN = bytes(range(256)) * 40
NOTE = "Ghi chú của hải quan: đã kiểm tra.\r\n".encode()
UTF_16 = '<?xml version="1.0" encoding="UTF-16"?><Form>Cà phê</Form>'.encode("utf-16")


def attachments() -> list[Part]:
    """Two other payloads: XML and not XML."""
    mark = secrets.token_hex(4)
    return [
        Part(content_id=f"list-{mark}@th", content=b"<PackingList/>", mime_type="application/xml"),
        Part(content_id=f"scan-{mark}@th", content=SCAN, mime_type="image/png"),
    ]


def payloads(parts: Sequence[Part]) -> tuple[Payload, ...]:
    return tuple(
        Payload(
            content=part.content,
            mime_type=part.mime_type,
            character_set=part.character_set,
            content_id=part.content_id,
        )
        for part in parts
    )


def received(bench: Bench, others: Sequence[Part] = (), **changes: object) -> Story:
    """A document of TH, with other payloads beside it, at our receiver and at our consumer."""
    number, document = bench.foreign_document()
    parts = [document, *others]
    exchange = bench.msh.send("th", bench.msh.compose("th", parts, **changes))  # type: ignore[arg-type]
    bench.delivery(number)
    return Story(exchanges=(exchange,), deliveries=bench.deliveries(number), submitted=payloads(parts))


def refused(bench: Bench, **changes: object) -> Story:
    """A document of TH that our receiver should not take."""
    _, document = bench.foreign_document()
    exchange = bench.msh.send("th", bench.msh.compose("th", [document], **changes))  # type: ignore[arg-type]
    return Story(exchanges=(exchange,), submitted=payloads([document]))


def accepted_carelessly(bench: Bench, **changes: object) -> Story:
    """The same document at a simulator that receipts anything."""
    _, document = bench.foreign_document()
    composed = bench.msh.compose("th", [document], **changes)  # type: ignore[arg-type]
    return Story(exchanges=(bench.msh.send_to_simulator("th", composed),), submitted=payloads([document]))


def simulated(bench: Bench, others: Sequence[Part] = (), **changes: object) -> Story:
    """A broken message of a simulated sender, as a simulated receiver saw it."""
    _, document = bench.foreign_document()
    parts = [document, *others]
    composed = bench.msh.compose("th", parts, **changes)  # type: ignore[arg-type]
    return Story(exchanges=(bench.msh.send_to_simulator("th", composed),), submitted=payloads(parts))


def simulated_delivery(
    bench: Bench, deliver: Callable[[Http], list[Delivery]], others: Sequence[Part] = (), **changes: object
) -> Story:
    """A good message at a simulated receiver whose consumer gets what `deliver` makes of it."""
    consumer: list[Delivery] = []

    def take(path: str, request: Http) -> Http:
        consumer.extend(deliver(request))
        return bench.msh.lenient(path, request)

    _, document = bench.foreign_document()
    parts = [document, *others]
    with bench.msh.answering("/consumer", take):
        composed = bench.msh.compose("th", parts, **changes)  # type: ignore[arg-type]
        exchange = bench.msh.send_to_simulator("th", composed, "/consumer")
    return Story(exchanges=(exchange,), deliveries=tuple(consumer), submitted=payloads(parts))


def as_it_came(request: Http) -> list[Delivery]:
    """A delivery of the octets on the wire."""
    parts = tuple(
        Payload(content=part.content, mime_type=part.content_type) for part in wire.payloads(request)
    )
    return [Delivery(about="as it came", payloads=parts)]


def produced(bench: Bench, parts: Sequence[Part]) -> Story:
    """Payloads that our producer handed in, as our sender brought them to TH."""
    message_id = bench.produce("th", parts)
    exchange = bench.msh.wait_for(message_id.encode())[0]
    return Story(exchanges=(exchange,), submitted=payloads(parts))


def document(bench: Bench) -> Part:
    """An XML payload of our producer."""
    return evolve(bench.foreign_document()[1], content_id=f"form-{secrets.token_hex(4)}@vn")


def submitted_by_portal(bench: Bench) -> Story:
    """A national document as our sender brought it to TH, translated and sealed."""
    submitted = bench.submit("TH")
    exchange = bench.msh.wait_for(submitted.about)[0]
    return Story(exchanges=(exchange,), about=submitted.about)


def uncompressed(infos: list[PartInfo]) -> list[PartInfo]:
    return [evolve(info, compression_type=None) for info in infos]


def test_TA04(bench: Bench, holds) -> None:
    holds("TA04", received(bench, compressed=False))


def test_TA04_twin(bench: Bench, breaks) -> None:
    """A product that insists on compression: it receipts, and its consumer waits in vain."""
    story = simulated_delivery(bench, lambda request: [], compressed=False)
    breaks("TA04", story, "the consumer got 0 messages")


def test_TA05(bench: Bench, holds) -> None:
    holds("TA05", submitted_by_portal(bench))


def test_TA05_twin(bench: Bench, breaks) -> None:
    """The document in the SOAP Body. Our receiver refuses it."""
    in_body = {"body": lambda text: text.replace("></S12:Body>", "><Form></Form></S12:Body>")}
    story = refused(bench, **in_body)
    assert b"EBMS:0008" in story.answer.body
    breaks("TA05", story, "the SOAP Body is not empty")


def test_TA06(bench: Bench, holds) -> None:
    holds("TA06", produced(bench, [document(bench), *attachments()]))


def test_TA06_twin(bench: Bench, breaks) -> None:
    """A product that lists the parts in an order of its own."""
    story = simulated(bench, attachments(), infos=lambda infos: infos[::-1])
    breaks("TA06", story, "the first PartInfo is")


def test_TA07(bench: Bench, holds) -> None:
    holds("TA07", received(bench, attachments()))


def test_TA07_twin(bench: Bench, breaks) -> None:
    """A product that takes one payload only."""
    _, part = bench.foreign_document()
    parts = [part, *attachments()]
    with bench.msh.answering("/single", bench.msh.refusing("EBMS:0008")):
        exchange = bench.msh.send_to_simulator("th", bench.msh.compose("th", parts), "/single")
    breaks("TA07", Story(exchanges=(exchange,), submitted=payloads(parts)), "the answer is no receipt")


def hyperlinked(text: str) -> str:
    return text.replace('href="cid:', 'href="https://th.example/')


def test_TA08(bench: Bench, holds) -> None:
    holds("TA08", refused(bench, unit=hyperlinked))


def test_TA08_twin(bench: Bench, breaks) -> None:
    """A product that takes a hyperlink for a payload."""
    breaks("TA08", accepted_carelessly(bench, unit=hyperlinked), "the answer is no ebMS error")


def test_TA23(bench: Bench, holds) -> None:
    holds("TA23", produced(bench, [document(bench)]))


def test_TA23_twin(bench: Bench, breaks) -> None:
    """A sender that names gzip and does not compress."""

    def plain(parts: list[Wire]) -> list[Wire]:
        return [(name, type_, gzip.decompress(octets)) for name, type_, octets in parts]

    breaks("TA23", simulated(bench, wire=plain), "is not gzip")


def test_TA24(bench: Bench, holds) -> None:
    holds("TA24", submitted_by_portal(bench))


def test_TA24_twin(bench: Bench, breaks) -> None:
    """Compressed, and the header does not say so."""
    breaks("TA24", simulated(bench, infos=uncompressed), "the CompressionType of")


def test_TA25(bench: Bench, holds) -> None:
    holds("TA25", produced(bench, [evolve(document(bench), mime_type="application/xml")]))


def test_TA25_twin(bench: Bench, breaks) -> None:
    """The type of the compressed form in the place of the producer's."""

    def its_own(infos: list[PartInfo]) -> list[PartInfo]:
        return [evolve(info, mime_type=wire.GZIP) for info in infos]

    breaks("TA25", simulated(bench, infos=its_own), "the MimeTypes are")


def without_mime_type(text: str) -> str:
    return text.replace('name="MimeType"', 'name="Other"')


def test_TA26(bench: Bench, holds) -> None:
    holds("TA26", refused(bench, unit=without_mime_type))


def test_TA26_twin(bench: Bench, breaks) -> None:
    """A product that guesses the type."""
    breaks("TA26", accepted_carelessly(bench, unit=without_mime_type), "the answer is no ebMS error")


def test_TA27(bench: Bench, holds) -> None:
    part = Part(
        content_id=f"form-{secrets.token_hex(4)}@vn",
        content=UTF_16,
        mime_type="application/xml",
        character_set="UTF-16",
    )
    holds("TA27", produced(bench, [part]))


def test_TA27_twin(bench: Bench, breaks) -> None:
    """A sender that says UTF-8 of everything."""

    def always_utf_8(infos: list[PartInfo]) -> list[PartInfo]:
        return [evolve(info, character_set="UTF-8") for info in infos]

    breaks("TA27", simulated(bench, infos=always_utf_8), "the CharacterSets are ['UTF-8']")


def test_TA28(bench: Bench, holds) -> None:
    holds("TA28", submitted_by_portal(bench))


def test_TA28_twin(bench: Bench, breaks) -> None:
    """A sender that leaves the encoding to the reader."""

    def unsaid(infos: list[PartInfo]) -> list[PartInfo]:
        return [evolve(info, character_set=None) for info in infos]

    breaks("TA28", simulated(bench, infos=unsaid), "the CharacterSets are [None]")


def no_encoding(text: str) -> str:
    return text.replace(">UTF-8<", ">!utf*<")


def test_TA29(bench: Bench, holds) -> None:
    holds("TA29", refused(bench, unit=no_encoding))


def test_TA29_twin(bench: Bench, breaks) -> None:
    """A product that does not look at the property."""
    breaks("TA29", accepted_carelessly(bench, unit=no_encoding), "the answer is no ebMS error")


def damaged(parts: list[Wire]) -> list[Wire]:
    return [(name, type_, octets[:-20] + bytes(20)) for name, type_, octets in parts]


def test_TA30(bench: Bench, holds) -> None:
    holds("TA30", refused(bench, wire=damaged))


def test_TA30_twin(bench: Bench, breaks) -> None:
    """A product with another code for it."""
    _, part = bench.foreign_document()
    with bench.msh.answering("/other", bench.msh.refusing("EBMS:0004")):
        exchange = bench.msh.send_to_simulator("th", bench.msh.compose("th", [part], wire=damaged), "/other")
    breaks("TA30", Story(exchanges=(exchange,)), ", not ")


def test_TA31(bench: Bench, holds) -> None:
    """The consumer hears of it once, however often the partner sends the damaged message."""
    _, part = bench.foreign_document()
    composed = bench.msh.compose("th", [part], wire=damaged)
    exchange, _ = bench.msh.send("th", composed), bench.msh.send("th", composed)
    bench.notice(composed.message_id, "refused")
    notices = bench.notices(composed.message_id)
    holds("TA31", Story(exchanges=(exchange,), notices=notices))


def test_TA31_twin(bench: Bench, breaks) -> None:
    """A product that answers rightly and does not tell its consumer."""
    _, part = bench.foreign_document()
    with bench.msh.answering("/quiet", bench.msh.refusing("EBMS:0303")):
        exchange = bench.msh.send_to_simulator("th", bench.msh.compose("th", [part], wire=damaged), "/quiet")
    breaks("TA31", Story(exchanges=(exchange,)), "the consumer was told []")


def test_TA32(bench: Bench, holds) -> None:
    holds("TA32", received(bench))


def test_TA32_twin(bench: Bench, breaks) -> None:
    """A product that hands over what came, compressed."""
    breaks("TA32", simulated_delivery(bench, as_it_came), "the consumer's payloads are not")


def test_TA33(bench: Bench, holds) -> None:
    note = Part(content_id=f"note-{secrets.token_hex(4)}@th", content=NOTE, mime_type="text/plain")
    holds("TA33", received(bench, [*attachments(), note]))


def test_TA33_twin(bench: Bench, breaks) -> None:
    """A product that delivers the document and forgets what came with it."""

    def the_first(request: Http) -> list[Delivery]:
        content = wire.contents(request)[0]
        return [Delivery(about="first", payloads=(Payload(content=content, mime_type="application/xml"),))]

    breaks("TA33", simulated_delivery(bench, the_first, attachments()), "the consumer's payloads are not")


def test_TA45(bench: Bench, holds) -> None:
    one = Part(content_id="z-first@vn", content=SCAN, mime_type="image/png")
    two = Part(content_id="a-second@vn", content=b"%PDF-1.7", mime_type="application/pdf")
    holds("TA45", produced(bench, [document(bench), one, two]))


def test_TA45_twin(bench: Bench, breaks) -> None:
    """A product that sorts the other payloads."""

    def sorted_(infos: list[PartInfo]) -> list[PartInfo]:
        return [infos[0], *sorted(infos[1:], key=lambda info: info.content_id, reverse=True)]

    breaks("TA45", simulated(bench, attachments(), infos=sorted_), "the order is")


def test_the_damage_is_in_the_compression_alone() -> None:
    """The damaged payload of TA30 is signed as sent: nothing but gzip can object to it."""
    octets = compress(SCAN)
    [(_, _, broken)] = damaged([("x", wire.GZIP, octets)])
    assert len(broken) == len(octets) and broken != octets


def test_exchange_is_kept_byte_for_byte(bench: Bench) -> None:
    """The evidence is what went over the socket."""
    story: Story = submitted_by_portal(bench)
    exchange: Exchange = story.exchanges[0]
    assert int(exchange.request.header("Content-Length")) == len(exchange.request.body)
    assert exchange.request.raw.endswith(exchange.request.body)
