"""Message layer security: signature, encryption, and the order of the three operations."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from asw_gateway.messaging.message import Part
from tests.conformance.bench import Bench
from tests.conformance.msh import Wire
from tests.conformance.story import Story


def test_TA12(bench: Bench, holds) -> None:
    submitted = bench.submit("TH")
    exchange = bench.msh.wait_for(submitted.about)[0]
    holds("TA12", Story(exchanges=(exchange,), sender_certificate=bench.config.signing.certificate))


def sha1_digests(text: str) -> str:
    return text.replace(
        'DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"',
        'DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"',
    )


def sha1_signature(text: str) -> str:
    return text.replace("2001/04/xmldsig-more#rsa-sha256", "2000/09/xmldsig#rsa-sha1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"covers_body": False}, "signed is"),
        ({"signed": lambda parts: []}, "signed is"),
        ({"soap": sha1_digests}, "the hash functions are"),
        ({"soap": sha1_signature}, "the signature algorithm is"),
        ({"signer": "my"}, "the signing certificate is not the sender's"),
    ],
    ids=["body not signed", "part not signed", "SHA-1 digests", "RSA-SHA1", "another's certificate"],
)
def test_TA12_twin(bench: Bench, breaks, change: dict[str, object], said: str) -> None:
    """A sender that leaves something unsigned, or signs weakly, or as another. Our receiver takes none."""
    if "signer" in change:
        change = {"signer": bench.msh.identity("my")}
    _, part = bench.foreign_document()
    exchange = bench.msh.send("th", bench.msh.compose("th", [part], **change))  # type: ignore[arg-type]
    assert exchange.answer is not None and exchange.answer.status == 400
    own = bench.msh.identity("th").certificate
    breaks("TA12", Story(exchanges=(exchange,), sender_certificate=own), said)


def test_TA13(bench: Bench, holds) -> None:
    submitted = bench.submit("SG")
    exchange = bench.msh.wait_for(submitted.about)[0]
    pair = bench.msh.pair("sg", "encryption")
    story = Story(
        exchanges=(exchange,),
        about=submitted.about,
        recipient_certificate=pair.certificate,
        recipient_key=pair.private_key,
    )
    holds("TA13", story)


def test_TA13_twin(bench: Bench, breaks) -> None:
    """A sender that encrypts for somebody else. Our receiver cannot read it and says so."""
    number, part = bench.foreign_document("sg")
    other = bench.msh.pair("th", "encryption").certificate
    exchange = bench.msh.send("sg", bench.msh.compose("sg", [part], encrypted_for=other))
    assert exchange.answer is not None and b"EBMS:0102" in exchange.answer.body
    pair = bench.msh.pair("vn", "encryption")
    story = Story(
        exchanges=(exchange,),
        about=number.encode(),
        recipient_certificate=pair.certificate,
        recipient_key=pair.private_key,
    )
    breaks("TA13", story, "")


def received(bench: Bench, name: str, others: tuple[Part, ...] = (), **changes: object) -> Story:
    _, part = bench.foreign_document(name)
    composed = bench.msh.compose(name, [part, *others], **changes)  # type: ignore[arg-type]
    return Story(exchanges=(bench.msh.send(name, composed),))


def simulated(bench: Bench, name: str, path: str, others: tuple[Part, ...] = (), **changes: object) -> Story:
    _, part = bench.foreign_document(name)
    composed = bench.msh.compose(name, [part, *others], **changes)  # type: ignore[arg-type]
    return Story(exchanges=(bench.msh.send_to_simulator(name, composed, path),))


def at_a_refuser(bench: Bench, name: str, code: str, others: tuple[Part, ...] = ()) -> Story:
    """A good message at a product that cannot do this combination."""
    with bench.msh.answering("/unable", bench.msh.refusing(code)):
        return simulated(bench, name, "/unable", others)


def scan() -> Part:
    return Part(content_id=f"scan-{secrets.token_hex(4)}@sg", content=bytes(4000), mime_type="image/png")


def test_TA34(bench: Bench, holds) -> None:
    holds("TA34", received(bench, "th"))


def test_TA34_twin(bench: Bench, breaks) -> None:
    """A product that verifies what it decompressed."""
    breaks("TA34", at_a_refuser(bench, "th", "EBMS:0101"), "")


def plain_signed(document: Part) -> Callable[[list[Wire]], list[Wire]]:
    """The signature covers the document as it was before compression."""
    return lambda parts: [(name, "application/octet-stream", document.content) for name, _, _ in parts]


def test_TA35(bench: Bench, holds) -> None:
    _, part = bench.foreign_document()
    composed = bench.msh.compose("th", [part], signed=plain_signed(part))
    holds("TA35", Story(exchanges=(bench.msh.send("th", composed),)))


def test_TA35_twin(bench: Bench, breaks) -> None:
    """A product that gives a receipt, for digests that are not those of the message."""
    _, part = bench.foreign_document()
    composed = bench.msh.compose("th", [part], signed=plain_signed(part))
    breaks("TA35", Story(exchanges=(bench.msh.send_to_simulator("th", composed),)), "")


def test_TA35_twin_without_fault(bench: Bench, breaks) -> None:
    """A product that answers with the ebMS error alone, HTTP 200."""
    _, part = bench.foreign_document()
    composed = bench.msh.compose("th", [part], signed=plain_signed(part))
    with bench.msh.answering("/plain", bench.msh.refusing("EBMS:0004")):
        exchange = bench.msh.send_to_simulator("th", composed, "/plain")
    breaks("TA35", Story(exchanges=(exchange,)), "")


def test_TA36(bench: Bench, holds) -> None:
    holds("TA36", received(bench, "sg"))


def test_TA36_twin(bench: Bench, breaks) -> None:
    """A product that cannot decrypt."""
    breaks("TA36", at_a_refuser(bench, "sg", "EBMS:0102"), "")


def test_TA37(bench: Bench, holds) -> None:
    holds("TA37", received(bench, "sg", encrypted_first=True))


def test_TA37_twin(bench: Bench, breaks) -> None:
    """A product that does not open what it receipts."""
    breaks("TA37", simulated(bench, "sg", "/peer", encrypted_first=True), "")


def test_TA38(bench: Bench, holds) -> None:
    """Several parts, each compressed, signed and encrypted."""
    holds("TA38", received(bench, "sg", (scan(),)))


def test_TA38_twin(bench: Bench, breaks) -> None:
    """A product that does one thing at a time."""
    breaks("TA38", at_a_refuser(bench, "sg", "EBMS:0103", (scan(),)), "")
