"""The scriptable message handler of the other side: composes messages, breaks them, answers as told.

Messages are built with asw_gateway.messaging, so that a broken one differs from a good one in one place only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition

from attrs import evolve, frozen

from asw_gateway.config import load
from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging.compression import compress
from asw_gateway.messaging.encryption import ContentSecret, EncryptedParts, encrypt_parts
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.message import MessageProperty, Part, PartInfo, UserMessage
from asw_gateway.messaging.mime import build_multipart
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.pmode import SecurityProfile
from asw_gateway.messaging.signal import SignalBytes, build_error, build_receipt
from asw_gateway.messaging.signature import reference_to_part, security_header
from asw_gateway.messaging.unpacking import unpack, verify
from asw_gateway.tls import Certificate, KeyPair, load_key_pair
from tests.conformance import sockets
from tests.conformance.careless import receipt_for
from tests.conformance.site import OWN, PARTNERS, Files
from tests.conformance.wire import GZIP, Exchange, Http, message_id

Text = Callable[[str], str]
Wire = tuple[str, str, bytes]
"""Content id, content type, octets."""
Answering = Callable[[str, Http], Http | None]
WAIT_SECONDS = 15.0


def same(text: str) -> str:
    return text


@frozen(kw_only=True)
class Composed:
    """A message of the simulator, ready to go, and what it carries."""

    message_id: str
    content_type: str
    body: bytes
    parts: tuple[Part, ...]


class Msh:
    """Plays every partner of VN. Give it `files` before the first message is composed or answered."""

    files: Files

    def __init__(self) -> None:
        self._answering: dict[str, Answering] = {}
        self._seen: list[tuple[str, Exchange]] = []
        self._news = Condition()
        self._listener: sockets.Listener | None = None
        self._partners: dict[str, Partner] = {}
        self._identities: dict[str, SigningIdentity] = {}

    # --- who is who

    def open(self, files: Files) -> None:
        """Read the gateway's own configuration and see it from the other side."""
        self.files = files
        config = load(files.site.gateway_file)
        own = identity_of(config.signing)
        for partner in config.partners:
            self._identities[partner.name] = identity_of(self.pair(partner.name, "signing"))
            self._partners[partner.name] = evolve(
                partner,
                name=OWN,
                party_id=config.party_id,
                country=config.country,
                outbound=partner.inbound,
                inbound=partner.outbound,
                signing_certificates=(own.certificate,),
                encryption_certificate=config.decryption.certificate if config.decryption else None,
            )

    def pair(self, party: str, use: str) -> KeyPair:
        return load_key_pair(self.files.key(party, use), self.files.certificate(party, use))

    def gateway_seen_by(self, name: str) -> Partner:
        return self._partners[name]

    def identity(self, name: str) -> SigningIdentity:
        return self._identities[name]

    # --- sending

    def compose(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        message: UserMessage | None = None,
        compressed: bool = True,
        infos: Callable[[list[PartInfo]], list[PartInfo]] = lambda infos: infos,
        wire: Callable[[list[Wire]], list[Wire]] = lambda parts: parts,
        signed: Callable[[list[Wire]], list[Wire]] = lambda parts: parts,
        sent: Callable[[list[Wire]], list[Wire]] = lambda parts: parts,
        unit: Text = same,
        soap: Text = same,
        body: Text = same,
        covers_body: bool = True,
        signer: SigningIdentity | None = None,
        encrypted_for: Certificate | None = None,
        encrypted_first: bool = False,
    ) -> Composed:
        """A message of partner `name` to VN, with what the case wants different.

        `infos` changes the header's list of parts, `wire` the parts before signing, `signed` what the
        signature covers, `sent` what leaves after signing and encryption; `unit`, `body` and `soap` change
        the text of the user message and the Body before signing, and the envelope after it.
        `encrypted_first` encrypts, then compresses, then signs.
        """
        mode = self._partners[name].outbound
        message = message or self.header(name)
        listed = infos(
            [
                PartInfo(
                    content_id=part.content_id,
                    mime_type=part.mime_type,
                    character_set=part.character_set,
                    compression_type=GZIP if compressed else None,
                )
                for part in parts
            ]
        )
        contents: list[Wire] = wire(
            [
                (p.content_id, GZIP, compress(p.content))
                if compressed
                else (p.content_id, p.mime_type, p.content)
                for p in parts
            ]
        )
        encrypting = mode.security.encrypt and bool(contents)
        encryption = ""
        if encrypted_first:
            plain: list[Wire] = [(p.content_id, p.mime_type, p.content) for p in parts]
            first = encrypt_parts(plain, self._secret(name, len(plain), encrypted_for), mode.security)
            contents = [(content_id, GZIP, compress(octets)) for content_id, _, octets in first.parts]
            encryption, encrypting = first.header, False
        text = unit(writer.user_message(evolve(message, parts=tuple(listed))))
        messaging, soap_body = writer.messaging_header(text), body(writer.EMPTY_BODY)
        references = writer.header_references(messaging, soap_body)[: 2 if covers_body else 1]
        references += [reference_to_part(*part) for part in signed(contents)]
        encrypted = EncryptedParts(header=encryption, parts=tuple(contents))
        if encrypting:
            secret = self._secret(name, len(contents), encrypted_for)
            encrypted = encrypt_parts(contents, secret, mode.security)
        signer = signer or self._identities[name]
        profile = SecurityProfile(signature_algorithm=signer.algorithm)
        security = security_header(references, signer, profile, encryption=encrypted.header)
        envelope = soap(writer.envelope(messaging, security, soap_body).decode()).encode()
        carried = sent(list(encrypted.parts))
        content_type, octets = (
            build_multipart(envelope, carried, message_id=message.message_id)
            if carried
            else (writer.ns.SOAP_MIME_TYPE + "; charset=UTF-8", envelope)
        )
        return Composed(
            message_id=message.message_id, content_type=content_type, body=octets, parts=tuple(parts)
        )

    def header(self, name: str, **changes: object) -> UserMessage:
        """The header of a certificate from `name`, unless `changes` say something else."""
        mode = self._partners[name].outbound
        message = UserMessage(
            message_id=f"{secrets.token_hex(12)}@{name}-gateway",
            timestamp_at=time.time(),
            from_party=mode.initiator,
            from_role=mode.initiator_role,
            to_party=mode.responder,
            to_role=mode.responder_role,
            agreement=mode.agreement,
            agreement_type=mode.agreement_type,
            pmode_id=mode.id,
            service="urn:asw:e-form-d:2022",
            action="certificate",
            conversation_id=secrets.token_hex(8),
            properties=(
                MessageProperty(name="originalSender", value=name.upper()),
                MessageProperty(name="finalRecipient", value="VN"),
            ),
        )
        return evolve(message, **changes)  # type: ignore[arg-type]

    def send(self, name: str, composed: Composed) -> Exchange:
        """To the gateway under test, over mutual TLS as partner `name`."""
        return self._post(name, composed, self.files.site.partner_port, "/as4", sockets.post)

    def send_and_lose_answer(self, name: str, composed: Composed) -> Exchange:
        """The same, and the network is cut before the answer arrives."""
        return self._post(name, composed, self.files.site.partner_port, "/as4", sockets.post_and_hang_up)

    def send_to_simulator(self, name: str, composed: Composed, path: str = "/peer") -> Exchange:
        """To our own listener: both sides are simulated, for exchanges the gateway would never make."""
        return self._post(name, composed, self.port, path, sockets.post)

    def _post(
        self, name: str, composed: Composed, port: int, path: str, act: Callable[..., Exchange]
    ) -> Exchange:
        context = sockets.client_context(
            self.files.root, self.files.certificate(name, "tls-client"), self.files.key(name, "tls-client")
        )
        return act(port, path, composed.content_type, composed.body, context)

    def _secret(self, name: str, parts: int, certificate: Certificate | None) -> ContentSecret:
        certificate = certificate or self._partners[name].encryption_certificate
        assert certificate is not None
        return ContentSecret(
            certificate=certificate,
            key=secrets.token_bytes(16),
            vectors=tuple(secrets.token_bytes(12) for _ in range(parts)),
        )

    # --- receiving

    @property
    def port(self) -> int:
        assert self._listener is not None
        return self._listener.port

    def listen(self, files_of: Callable[[int], Files]) -> None:
        """Take a port; the keys come with the files that name the port."""
        self._listener = sockets.Listener(self._take)
        self.open(files_of(self._listener.port))
        self._listener.start(
            self.files.root, self.files.certificate("th", "tls-server"), self.files.key("th", "tls-server")
        )

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.stop()

    @contextmanager
    def answering(self, path: str, answering: Answering) -> Iterator[None]:
        """While this lasts, requests to `path` are answered so; before and after it honestly."""
        self._answering[path] = answering
        try:
            yield
        finally:
            del self._answering[path]

    def _take(self, path: str, request: Http) -> Http | None:
        answer = self._answering.get(path, self.honest)(path, request)
        with self._news:
            self._seen.append((path, Exchange(request=request, answer=answer)))
            self._news.notify_all()
        return answer

    def seen(self, about: bytes) -> list[Exchange]:
        """Exchanges whose header speaks of a document number, message id or the like, in order."""
        with self._news:
            return [exchange for _, exchange in self._seen if about in exchange.request.body]

    def wait_for(self, about: bytes, count: int = 1, seconds: float = WAIT_SECONDS) -> list[Exchange]:
        """Until so many exchanges were seen. AssertionError when they do not come."""
        limit = time.monotonic() + seconds
        while True:
            found = self.seen(about)
            if len(found) >= count:
                return found
            left = limit - time.monotonic()
            assert left > 0, f"{len(found)} of {count} messages about {about!r} came within {seconds} s"
            with self._news:
                self._news.wait(min(left, 0.1))

    # --- ways to answer

    def honest(self, path: str, request: Http) -> Http | None:
        """Verify, and give a signed receipt or a signed error."""
        name = path.split("/")[1]
        if name not in PARTNERS:
            return self.lenient(path, request)
        partner = self._partners[name]
        try:
            raw = unpack(request.header("Content-Type"), request.body, partner.inbound.limits)
            key = self.pair(name, "encryption").private_key
            own = partner.inbound.responder
            verified = verify(raw, partner, partner.inbound, own, time.time(), key)
        except RemoteFault as fault:
            return answered(self._error(name, fault))
        return answered(
            build_receipt(
                verified, message_id=self._id(name), now=time.time(), identity=self._identities[name]
            )
        )

    def lenient(self, path: str, request: Http) -> Http:
        """A receipt for anything, judged by nothing: what a careless product does."""
        return receipt_for(request, self._identities["th"], self._id("th"))

    def refusing(self, code: str) -> Answering:
        """An ebMS error for everything that names the refused message."""

        def answer(path: str, request: Http) -> Http:
            fault = RemoteFault(code, "refusing", "this simulator refuses on purpose")
            fault.ref_to_message_id = message_id(request)
            return answered(self._error("th", fault))

        return answer

    def _error(self, name: str, fault: RemoteFault) -> SignalBytes:
        return build_error(
            fault,
            message_id=self._id(name),
            ref_to_message_id=fault.ref_to_message_id,
            now=time.time(),
            identity=self._identities[name],
        )

    def _id(self, name: str) -> str:
        return f"{secrets.token_hex(12)}@{name}-gateway"


def silent(path: str, request: Http) -> Http:
    """The receipt is suppressed."""
    return sockets.response(204)


def cut(path: str, request: Http) -> None:
    """The network is cut before the answer."""


def in_turn(*ways: Answering) -> Answering:
    """Each request is answered in the next way; the last one stands."""
    left = list(ways)

    def answer(path: str, request: Http) -> Http | None:
        return (left.pop(0) if len(left) > 1 else left[0])(path, request)

    return answer


def changed(answering: Answering, change: Callable[[bytes], bytes], status: int | None = None) -> Answering:
    """The same answer with another body, or another status."""

    def answer(path: str, request: Http) -> Http | None:
        given = answering(path, request)
        if given is None:
            return None
        return sockets.response(status or given.status, given.header("Content-Type"), change(given.body))

    return answer


def answered(signal: SignalBytes) -> Http:
    return sockets.response(signal.http_status, signal.content_type, signal.body)


def identity_of(pair: KeyPair) -> SigningIdentity:
    return SigningIdentity(private_key=pair.private_key, certificate=pair.certificate, chain=pair.chain)
