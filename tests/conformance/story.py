"""What one case observed: the exchanges, what reached the consumer, what the producer was told."""

from __future__ import annotations

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conformance.wire import Exchange, Http


@frozen(kw_only=True)
class Payload:
    """A payload as a producer hands it in or a consumer gets it."""

    content: bytes = field(repr=False)
    mime_type: str
    character_set: str | None = None
    content_id: str = ""


@frozen(kw_only=True)
class Delivery:
    """A message in the consumer's hands; ``about`` names it (AS4 MessageId or document number)."""

    about: str
    payloads: tuple[Payload, ...]


@frozen(kw_only=True)
class Notice:
    """Something the producer or the consumer was told: a status word and the reason for it."""

    about: str
    status: str
    reason: str


@frozen(kw_only=True)
class Story:
    """``submitted`` are the producer's payloads in its order; ``quiet_seconds`` how long nothing came after
    the last exchange; ``about`` is a text that stands in the submitted document, its number."""

    exchanges: tuple[Exchange, ...]
    deliveries: tuple[Delivery, ...] = ()
    notices: tuple[Notice, ...] = ()
    submitted: tuple[Payload, ...] = ()
    about: bytes = b""
    conversation_id: str = ""
    sender_certificate: x509.Certificate | None = None
    recipient_certificate: x509.Certificate | None = None
    recipient_key: rsa.RSAPrivateKey | None = field(default=None, repr=False)
    quiet_seconds: float = 0.0

    @property
    def request(self) -> Http:
        return self.exchanges[0].request

    @property
    def answer(self) -> Http | None:
        return self.exchanges[0].answer
