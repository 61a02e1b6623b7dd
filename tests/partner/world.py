"""Two gateways, vn and th, with real throw-away keys, and what tests of the partner side need around them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from attrs import evolve
from prometheus_client import CollectorRegistry
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint, wrapServerTLS

from asw_gateway import tls
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.message import Part, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.messaging.party import Partner, PartyId
from asw_gateway.messaging.pmode import PMode, ReceptionAwareness, SecurityProfile
from asw_gateway.metrics import Metrics
from asw_gateway.web import LimitedSite, Route, Router
from certs.make_dev_pki import Pair, Pki, make_pki

SCHEME = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
AGREEMENT = "urn:asw:agreement:test"
HOST = "127.0.0.1"


@cache
def pki() -> Pki:
    folder = Path(tempfile.mkdtemp(prefix="asw-partner-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_pki(folder, ["vn", "th", "id"], bad=True)


@cache
def key_pair(country: str, use: str) -> tls.KeyPair:
    return pair_of(pki().gateways[country][use])


def pair_of(files: Pair) -> tls.KeyPair:
    return tls.load_key_pair(files.key, files.certificate)


@cache
def root() -> tuple[tls.Certificate, ...]:
    return tuple(tls.load_certificates(pki().root))


@cache
def identity(country: str, use: str = "signing") -> SigningIdentity:
    pair = key_pair(country, use)
    return SigningIdentity(private_key=pair.private_key, certificate=pair.certificate, chain=pair.chain)


def party(country: str) -> PartyId:
    return PartyId(value=f"asw-{country}", type=SCHEME)


def pmode(sender: str, receiver: str, address: str, **reception: Any) -> PMode:
    return PMode(
        id=f"{sender}_{receiver}",
        agreement=AGREEMENT,
        initiator=party(sender),
        responder=party(receiver),
        address=address,
        security=SecurityProfile(signature_algorithm=identity(sender).algorithm),
        reception=ReceptionAwareness(**reception),
    )


def partner(country: str, *, seen_by: str, port: int = 1, **changes: Any) -> Partner:
    """`country` as configured at `seen_by`; its gateway listens on `port` of this machine."""
    reception = changes.pop("reception", {})
    found = Partner(
        name=country,
        party_id=party(country),
        country=country.upper(),
        outbound=pmode(seen_by, country, f"https://{HOST}:{port}/as4", **reception),
        inbound=pmode(country, seen_by, ""),
        tls_certificates=(key_pair(country, "tls-client").certificate,),
        signing_certificates=(identity(country).certificate,),
        seal_certificates=(key_pair(country, "seal").certificate,),
        server_trust=root(),
    )
    return evolve(found, **changes)


def sealed_message(
    sender: str = "vn",
    receiver: str = "th",
    *,
    number: int = 1,
    now: float,
    content: bytes = b"<Form/>",
    **changes: Any,
) -> SealedMessage:
    message = user_message(sender, receiver, number=number, now=now)
    part = Part(content_id=f"{number}.document@asw-{sender}", content=content, mime_type="application/xml")
    return pack(
        evolve(message, **changes), (part,), pmode(sender, receiver, "https://x/"), identity(sender)
    )


def user_message(sender: str = "vn", receiver: str = "th", *, number: int = 1, now: float) -> UserMessage:
    return UserMessage(
        message_id=f"{number}.test@asw-{sender}.example",
        timestamp_at=now,
        from_party=party(sender),
        from_role="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/initiator",
        to_party=party(receiver),
        to_role="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/responder",
        agreement=AGREEMENT,
        service="urn:asw:atiga-form-d",
        action="certificate",
        conversation_id=f"conversation-{number}",
    )


def metrics() -> Metrics:
    made = Metrics(CollectorRegistry())
    made.zero(["vn", "th", "id"])
    return made


def value(family: Any, **labels: str) -> float:
    """The present value of a counter or gauge."""
    return float(family.labels(**labels)._value.get())


async def listen(routes: list[Route], *, country: str, pins: list[tls.Certificate], **options: Any) -> Any:
    """A TLS listener of `country` on a free port; the listening port."""
    site = LimitedSite(Router(routes, peer_certificate=tls.peer_certificate), reactor=reactor, **options)
    server = tls.ServerTls(key_pair(country, "tls-server"), pins=pins)
    endpoint = wrapServerTLS(server, TCP4ServerEndpoint(reactor, 0, interface=HOST))
    return await endpoint.listen(site)
