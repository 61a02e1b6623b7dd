"""What each assertion leaves behind: build/conformance/TAnn/ with raw exchanges, and signatures for the JDK.

request.http, answer.http    the first exchange, byte for byte; request-2.http … the further ones
twin/                        the exchange of the negative twin
jdk/                         one folder for each signature of ours: envelope, signer, parts as signed
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from tests.conformance import wire
from tests.conformance.story import Story
from tests.conformance.wire import Http
from tests.messaging.jdk import lay_out

DIRECTORY = Path(__file__).parents[2] / "build" / "conformance"
NO_ANSWER = b"(the connection ended without an answer)\n"


def begin() -> None:
    """Forget the last run."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)


def keep(name: str, story: Story, *, own: x509.Certificate, aspect: str = "") -> None:
    """Write the exchanges of an assertion, and lay out every signature of `own` in them.

    A further `aspect` of the same assertion gets a folder below.
    """
    folder = DIRECTORY / name / aspect
    _write(folder, story)
    for number, exchange in enumerate(story.exchanges, 1):
        for kind, message in (("request", exchange.request), ("answer", exchange.answer)):
            if message is not None and _is_signed_by(message, own):
                label = "-".join(filter(None, (name, aspect, kind, str(number))))
                _lay_out(DIRECTORY / name / "jdk" / label, message, own, story.recipient_key)


def keep_twin(name: str, story: Story, complaints: list[str]) -> None:
    """Write what the negative twin did, and why it was found wanting."""
    folder = DIRECTORY / name / "twin"
    _write(folder, story)
    (folder / "complaints.txt").write_text("".join(f"{line}\n" for line in complaints), encoding="utf-8")


def _write(folder: Path, story: Story) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, exchange in enumerate(story.exchanges, 1):
        ending = "" if number == 1 else f"-{number}"
        (folder / f"request{ending}.http").write_bytes(exchange.request.raw)
        answer = NO_ANSWER if exchange.answer is None else exchange.answer.raw
        (folder / f"answer{ending}.http").write_bytes(answer)


def _is_signed_by(message: Http, own: x509.Certificate) -> bool:
    if not message.body or message.media_type not in (wire.SOAP_TYPE, "multipart/related"):
        return False
    return wire.signing_token(message) == own.public_bytes(Encoding.DER)


def _lay_out(folder: Path, message: Http, own: x509.Certificate, key: rsa.RSAPrivateKey | None) -> None:
    parts = {part.content_id: (part.content_type, part.content) for part in wire.decrypted(message, key)}
    lay_out(folder, _envelope_octets(message), own, parts)


def _envelope_octets(message: Http) -> bytes:
    """The envelope as it was sent; only a packaged one has to be taken out."""
    if message.media_type != "multipart/related":
        return message.body
    start = message.body.index(b"\r\n\r\n") + 4
    end = start + message.body[start:].index(b"</S12:Envelope>") + len(b"</S12:Envelope>")
    octets = message.body[start:end]
    etree.fromstring(octets)
    return octets
