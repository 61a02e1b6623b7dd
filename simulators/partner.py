"""A partner gateway run by hand that misbehaves on purpose.

    python -m simulators.partner --config var/world/th/gateway.toml --scenario simulators/scenarios/slow.toml
    python -m simulators.partner --config … --scenario … --send document.xml --to vn --service S --action A

It takes the place of the gateway whose gateway.toml it is given: same keys, same port, same partners.  What
it does wrong is said by a scenario (scenarios/*.toml, the keys of `Scenario`).  Every message, answer and
attempt is a line of its ledger, <state_directory>/partner-ledger.jsonl.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import field, frozen, validators
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, wrapServerTLS
from twisted.internet.task import deferLater, react
from twisted.web.client import readBody
from twisted.web.http_headers import Headers

from asw_gateway.config import load
from asw_gateway.config.values import GatewayConfig
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.message import Part, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.seal import seal
from asw_gateway.messaging.signal import SignalBytes, build_error, build_receipt, read_signal
from asw_gateway.messaging.signature import SigningIdentity
from asw_gateway.messaging.unpacking import unpack, verify
from asw_gateway.partner.connections import PartnerConnections
from asw_gateway.tls.client import ClientTls
from asw_gateway.tls.files import KeyPair, fingerprint, load_key_pair
from asw_gateway.tls.server import ServerTls, peer_certificate
from asw_gateway.web import LimitedSite, Route, Router, WebAnswer, WebRequest, problem
from simulators.ledger import Ledger
from simulators.portal_client import BytesProducer

RECEIPTS = ("honest", "none", "unsigned", "broken-signature", "other-key", "other-message")
SIGNATURES = ("honest", "broken", "other-key")
CERTIFICATES = ("own", "unknown", "expired")


@frozen(kw_only=True)
class Scenario:
    """How this partner behaves; the defaults are an honest one.

    maltreated_attempts: the first so many attempts of each message get the treatment below, later ones an
    honest answer (0: every attempt).  receipt: one of RECEIPTS; "none" keeps the message and answers without
    a receipt.  refuse_with: an EBMS code, or an HTTP status.  times: how often each message of ours is sent;
    altered: with other content under the same id from the second time on.  signature, client_certificate,
    server_certificate: what we show.
    """

    name: str = "honest"
    about: str = ""
    maltreated_attempts: int = 0
    delay_seconds: float = 0.0
    receipt: str = field(default="honest", validator=validators.in_(RECEIPTS))
    refuse_with: str = ""
    times: int = 1
    altered: bool = False
    signature: str = field(default="honest", validator=validators.in_(SIGNATURES))
    client_certificate: str = field(default="own", validator=validators.in_(CERTIFICATES))
    server_certificate: str = field(default="own", validator=validators.in_(CERTIFICATES))


def load_scenario(path: Path) -> Scenario:
    """Raises TypeError or ValueError for a key or value that no scenario has."""
    return Scenario(**tomllib.loads(path.read_text(encoding="utf-8")))


class FaultyPartner:
    """Receives and answers; `now` is UTC epoch seconds.  One for one process."""

    def __init__(
        self,
        config: GatewayConfig,
        scenario: Scenario,
        ledger: Ledger,
        *,
        reactor: Any,
        now: Callable[[], float],
    ) -> None:
        self._config = config
        self._scenario = scenario
        self._ledger = ledger
        self._reactor = reactor
        self._now = now
        self._attempts: Counter[str] = Counter()
        self._identity = _identity(config.signing)
        self._by_certificate = {
            fingerprint(certificate): partner
            for partner in config.partners
            for certificate in partner.tls_certificates
        }

    async def receive(self, request: WebRequest) -> WebAnswer:
        """Answer one AS4 request as the scenario says."""
        partner = self._by_certificate.get(fingerprint(request.peer_certificate))
        if partner is None:
            return problem(403, "unknown certificate")
        signal_id = f"{uuid4()}@{self._config.party_id.value}"
        try:
            raw = unpack(request.content_type, request.body, partner.inbound.limits)
            verified = verify(raw, partner, partner.inbound, self._config.party_id, self._now())
        except RemoteFault as fault:
            self._ledger.write("refused", partner=partner.name, code=fault.code, detail=fault.detail)
            return _answer(
                build_error(
                    fault,
                    message_id=signal_id,
                    ref_to_message_id=fault.ref_to_message_id,
                    now=self._now(),
                    identity=self._identity,
                )
            )
        message = verified.user_message
        self._attempts[message.message_id] += 1
        attempt = self._attempts[message.message_id]
        self._ledger.write(
            "received",
            partner=partner.name,
            message_id=message.message_id,
            action=message.action,
            attempt=attempt,
            digests=[list(pair) for pair in verified.reference_digests],
        )
        scenario = self._scenario
        if scenario.maltreated_attempts and attempt > scenario.maltreated_attempts:
            scenario = Scenario()
        if scenario.delay_seconds:
            await deferLater(self._reactor, scenario.delay_seconds, lambda: None)
        if scenario.refuse_with:
            return self._refuse(scenario.refuse_with, message.message_id, signal_id)
        receipt = build_receipt(
            verified, message_id=signal_id, now=self._now(), identity=self._signer(scenario.receipt)
        )
        self._ledger.write("receipt", message_id=message.message_id, receipt=scenario.receipt)
        return _maltreat(receipt, scenario.receipt, message.message_id)

    def _refuse(self, code: str, message_id: str, signal_id: str) -> WebAnswer:
        self._ledger.write("refused", message_id=message_id, code=code)
        if code.isdigit():
            return problem(int(code), "this partner refuses")
        fault = RemoteFault(code, "refusing", "this partner refuses on purpose")
        return _answer(
            build_error(
                fault,
                message_id=signal_id,
                ref_to_message_id=message_id,
                now=self._now(),
                identity=self._identity,
            )
        )

    def _signer(self, treatment: str) -> SigningIdentity:
        """With "other-key" that of our document seal, which no partner takes for an AS4 signature."""
        return self._identity if treatment != "other-key" else _identity(self._config.seal)

    # --- sending

    async def send(self, document: bytes, partner: Partner, *, service: str, action: str) -> list[str]:
        """Seal, pack and send a document as often as the scenario says; returns a word for each answer."""
        message_id = f"{uuid4()}@{self._config.party_id.value}"
        words = []
        for attempt in range(1, self._scenario.times + 1):
            altered = self._scenario.altered and attempt > 1
            content = document.replace(b"</", b" </", 1) if altered else document
            sealed = self._pack(content, partner, message_id, service, action)
            self._ledger.write("attempt", message_id=message_id, attempt=attempt, altered=altered)
            word = await self._exchange(sealed, partner)
            self._ledger.write("answer", message_id=message_id, attempt=attempt, answer=word)
            words.append(word)
        return words

    def _pack(
        self, document: bytes, partner: Partner, message_id: str, service: str, action: str
    ) -> SealedMessage:
        outbound = partner.outbound
        message = UserMessage(
            message_id=message_id,
            timestamp_at=self._now(),
            from_party=self._config.party_id,
            from_role=outbound.initiator_role,
            to_party=partner.party_id,
            to_role=outbound.responder_role,
            agreement=outbound.agreement,
            agreement_type=outbound.agreement_type,
            pmode_id=outbound.id,
            service=service,
            action=action,
            conversation_id=message_id,
        )
        sealed_document = seal(document, _identity(self._config.seal))
        part = Part(
            content_id=f"document@{self._config.party_id.value}",
            content=sealed_document,
            mime_type="application/xml",
        )
        sealed = pack(message, [part], outbound, self._signer(self._scenario.signature))
        if self._scenario.signature != "broken":
            return sealed
        return SealedMessage(
            message_id=sealed.message_id,
            content_type=sealed.content_type,
            body=_break_signature(sealed.body),
            reference_digests=sealed.reference_digests,
        )

    async def _exchange(self, sealed: SealedMessage, partner: Partner) -> str:
        pair = self._shown(self._scenario.client_certificate, self._config.partner_client)
        connections = PartnerConnections(
            policy=ClientTls(pair, trusted=partner.server_trust), reactor=self._reactor, kept=1
        )
        try:
            request = connections.agent.request(
                b"POST",
                partner.outbound.address.encode(),
                Headers({"Content-Type": [sealed.content_type]}),
                BytesProducer(sealed.body),
            )
            response = await request.addTimeout(30, self._reactor)
            body = await readBody(response).addTimeout(30, self._reactor)
            content_type = response.headers.getRawHeaders("content-type", [""])[0]
            answer = read_signal(content_type, body, sent=sealed, partner=partner, now=self._now())
        except RemoteFault as fault:
            return f"HTTP {response.code}: {fault.reason}"
        except Exception as error:  # noqa: BLE001 - whatever went wrong is what a person wants to read
            return f"{type(error).__name__}: {error}"
        finally:
            await connections.close()
        errors = getattr(answer, "errors", None)
        return "receipt" if errors is None else " ".join(error.code for error in errors)

    # --- listening

    async def listen(self) -> Any:
        """Take the gateway's AS4 port; fires with the listening port."""
        listener = self._config.partner_listener
        pair = self._shown(self._scenario.server_certificate, listener.pair)
        pins = [certificate for partner in self._config.partners for certificate in partner.tls_certificates]
        route = Route("POST", "/as4", self.receive, max_body_bytes=listener.max_body_bytes)
        site = LimitedSite(Router([route], peer_certificate=peer_certificate), reactor=self._reactor)
        endpoint: Any = TCP4ServerEndpoint(self._reactor, listener.port, interface=listener.host)
        policy: Any = ServerTls(pair, pins=pins)
        secured: Any = wrapServerTLS(policy, endpoint)
        return await secured.listen(site)

    def _shown(self, certificate: str, own: KeyPair) -> KeyPair:
        """Our own pair, or one of the bad ones beside the world's keys (pki/bad)."""
        if certificate == "own":
            return own
        bad = self._config.path.parent.parent / "pki" / "bad"
        return load_key_pair(bad / f"{certificate}.key", bad / f"{certificate}.pem")


def _identity(pair: KeyPair) -> SigningIdentity:
    return SigningIdentity(private_key=pair.private_key, certificate=pair.certificate, chain=pair.chain)


def _answer(signal: SignalBytes) -> WebAnswer:
    return WebAnswer(status=signal.http_status, content_type=signal.content_type, body=signal.body)


def _maltreat(receipt: SignalBytes, treatment: str, message_id: str) -> WebAnswer:
    if treatment == "none":
        return WebAnswer(status=204)
    body = receipt.body
    if treatment == "unsigned":
        start, end = body.index(b"<wsse:Security"), body.index(b"</wsse:Security>") + len(b"</wsse:Security>")
        body = body[:start] + body[end:]
    elif treatment == "broken-signature":
        body = _break_signature(body)
    elif treatment == "other-message":
        body = body.replace(message_id.encode(), f"{uuid4()}@elsewhere.example".encode())
    return WebAnswer(content_type=receipt.content_type, body=body)


def _break_signature(body: bytes) -> bytes:
    """Another letter in the middle of the signature value."""
    start = body.index(b"SignatureValue>") + len(b"SignatureValue>") + 20
    letter = b"A" if body[start : start + 1] != b"A" else b"B"
    return body[:start] + letter + body[start + 1 :]


def main(arguments: list[str]) -> None:
    options = argparse.ArgumentParser(prog="python -m simulators.partner")
    options.add_argument("--config", type=Path, required=True, help="the gateway.toml whose place is taken")
    options.add_argument("--scenario", type=Path, help="scenarios/*.toml; without it an honest partner")
    options.add_argument("--send", type=Path, help="send this ASEAN document instead of listening")
    options.add_argument("--to", help="name of the partner to send to")
    options.add_argument("--service", default="")
    options.add_argument("--action", default="")
    chosen = options.parse_args(arguments)
    react(lambda reactor: Deferred.fromCoroutine(_run(reactor, chosen)))


async def _run(reactor: Any, chosen: argparse.Namespace) -> None:
    config = load(chosen.config)
    scenario = load_scenario(chosen.scenario) if chosen.scenario else Scenario()
    ledger = Ledger(config.state_directory / "partner-ledger.jsonl", party=config.country, now=time.time)
    partner = FaultyPartner(config, scenario, ledger, reactor=reactor, now=time.time)
    print(f"{config.country} is {scenario.name}: {scenario.about}", flush=True)
    if chosen.send:
        (receiver,) = [one for one in config.partners if one.name == chosen.to]
        for word in await partner.send(
            chosen.send.read_bytes(), receiver, service=chosen.service, action=chosen.action
        ):
            print(word, flush=True)
        return
    port = await partner.listen()
    print(f"listening on 127.0.0.1:{port.getHost().port}; ledger {ledger.path}", flush=True)
    await Deferred()


if __name__ == "__main__":
    main(sys.argv[1:])
