"""A gateway of Viet Nam with its feed, in memory: real profiles, real store, no sockets, a still clock."""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from asw_gateway.config.profile_files import read_profiles
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.messaging.party import DocumentCapability, Partner
from asw_gateway.messaging.pmode import PMode
from asw_gateway.messaging.values import PartyId
from asw_gateway.messaging.xml import parse
from asw_gateway.metrics import Metrics
from asw_gateway.portal.clients import PortalClients
from asw_gateway.portal.feed import Feed, FeedLimits
from asw_gateway.portal.parts import Openers, Parts
from asw_gateway.portal.routes import portal_routes
from asw_gateway.portal.status import StatusQuery
from asw_gateway.portal.submit import SubmissionRules, Submissions
from asw_gateway.store import feed as feed_store
from asw_gateway.store.outbox_rows import SubmittedMessage
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.translation.envelope import read_envelope
from asw_gateway.translation.profile_loading import load_profile
from asw_gateway.web import Router, WebRequest
from simulators import documents
from tests.doubles import InlineWorkers
from tests.exchange.world import gateway
from tests.partner.inline import InlineDatabase

ROOT = Path(__file__).parents[2]
SCHEME = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
NOW = 1_795_000_000.0  # 18 November 2026
MAX_BODY_BYTES = 400_000


@cache
def catalogue() -> Catalogue:
    files = read_profiles(ROOT / "profiles")
    return Catalogue(load_profile(name, content, files.reference) for name, content in files.profiles.items())


@cache
def own_gateway() -> OwnGateway:
    sample = read_envelope(form_d(), 1_000_000)
    return OwnGateway(
        party_id=PartyId(value="asw-vn", type=SCHEME),
        country="VN",
        organisation=sample.recipient,
        portal_organisation=sample.sender,
    )


def partner(country: str = "TH", **changes: Any) -> Partner:
    ours, theirs = (PartyId(value=f"asw-{code}", type=SCHEME) for code in ("vn", country.lower()))
    given: dict[str, Any] = {
        "name": country.lower(),
        "party_id": theirs,
        "country": country,
        "outbound": PMode(id="out", agreement="urn:a", initiator=ours, responder=theirs),
        "inbound": PMode(id="in", agreement="urn:a", initiator=theirs, responder=ours),
        "capabilities": tuple(DocumentCapability(document_type=name) for name in ("atiga-form-d", "acdd")),
    }
    return Partner(**{**given, **changes})


def openers() -> Openers:
    """What opens messages that tests.exchange.world's Thailand sealed for Viet Nam."""
    here = gateway("VN", "TH")
    return Openers(partners={"th": here.partner}, own=here.own, identities=here.identities)


class MemoryDatabase(InlineDatabase):
    """The store in memory, for readers too."""

    def read(self, fn: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        return self.run(fn, *args, **kwargs)


class KnownClient:
    """A configured portal client; any object may stand for its certificate."""

    def __init__(self, name: str, certificate: object) -> None:
        self.name = name
        self.certificate = certificate


def form_d(serial: int = 1, **given: Any) -> bytes:
    """An Envelope that submits a certificate from Viet Nam to Thailand."""
    values: dict[str, Any] = {
        "number": f"VN-TH 26/02/{serial:05d}",
        "origin": "VN",
        "destination": "TH",
        "message_id": f"{serial:032x}",
        "now": NOW,
        "seed": serial,
    }
    return documents.form_d(**{**values, **given})


class Answer:
    """An answer of the feed, with its Envelope taken apart when it is one."""

    def __init__(self, response: Any, body: bytes) -> None:
        self.status: int = response.code
        self.headers = response.headers
        self.body = body
        self.content_type = (response.headers.getRawHeaders("content-type") or [""])[0]
        if "application/xml" in self.content_type:
            root = parse(body, max_bytes=1_000_000)
            self.function = root.findtext("Header/Subject/function")
            self.message_id = root.findtext("Header/Reference/messageId")
            self.errors = [
                (error.findtext("ErrorCode"), error.findtext("ErrorName")) for error in root.iter("Error")
            ]

    @property
    def codes(self) -> set[str]:
        return {code for code, _ in self.errors}


class World:
    """The portal's side of one gateway; `certificate` is what the client of the next request shows."""

    def __init__(self, *, limits: FeedLimits | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.database = MemoryDatabase()
        self.metrics = Metrics(CollectorRegistry())
        self.metrics.zero(["th"], message_types=["atiga-form-d/certificate"])
        self.certificate: object | None = "portal certificate"
        self.clients = PortalClients([KnownClient("vnsw", "portal certificate")])
        self.partners = {"TH": partner()}
        self.lease: tuple[str | None, float] = ("node-a", NOW + 30)
        self.handed_over: list[SubmittedMessage] = []
        self.wake_ups = 0
        numbers = count(1)
        self.feed = Feed(
            database=self.database,
            clients=self.clients,
            metrics=self.metrics,
            clock=self.clock,
            now=self.clock.seconds,
            limits=limits,
        )
        self.submissions = Submissions(
            database=self.database,
            workers=InlineWorkers(),
            rules=self.rules,
            clients=self.clients,
            metrics=self.metrics,
            now=self.clock.seconds,
            new_id=lambda: f"{next(numbers):032x}",
            on_submitted=self.on_submitted,
            lease=lambda: self.lease,
        )
        status = StatusQuery(
            database=self.database,
            metrics=self.metrics,
            procedures=lambda: {p.procedure: p.document_type for p in catalogue().profiles},
            portal_identity=lambda: "NSW",
        )
        routes = portal_routes(
            submissions=self.submissions,
            feed=self.feed,
            status=status,
            parts=Parts(
                database=self.database,
                workers=InlineWorkers(),
                openers=openers,
                metrics=self.metrics,
            ),
            clients=self.clients,
            max_body_bytes=MAX_BODY_BYTES,
        )
        self.router = Router(routes, peer_certificate=lambda transport: self.certificate)
        self.client = StubTreq(self.router)

    def rules(self) -> SubmissionRules:
        return SubmissionRules(
            catalogue=catalogue(), partners=self.partners, own=own_gateway(), max_bytes=MAX_BODY_BYTES
        )

    def on_submitted(self, message: SubmittedMessage | None = None) -> None:
        if message is None:
            self.wake_ups += 1
        else:
            self.handed_over.append(message)

    def start(self, method: str, path: str, **given: Any) -> Deferred[Answer]:
        """A request under way; fires with its Answer."""
        asked = Deferred.fromCoroutine(self._ask(method, path, given))
        self.flush()
        return asked

    def flush(self) -> None:
        """Let bytes that were written arrive on the other side."""
        for _ in range(3):
            self.client.flush()

    async def _ask(self, method: str, path: str, given: dict[str, Any]) -> Answer:
        response = await self.client.request(method, f"https://gateway.example{path}", **given)
        return Answer(response, await self.client.content(response))

    def submit(
        self, envelope: bytes, content_type: str = "application/xml; charset=utf-8"
    ) -> Deferred[Answer]:
        return self.start("POST", "/feed/v1/messages", data=envelope, headers={"Content-Type": content_type})

    def request(self, body: bytes = b"", **given: Any) -> WebRequest:
        """A request as a handler gets it, for tests that have no use for HTTP."""
        values: dict[str, Any] = {
            "method": "POST",
            "path": {},
            "query": {},
            "headers": {"content-type": "application/xml"},
            "peer": "127.0.0.1:1",
            "peer_certificate": self.certificate,
        }
        return WebRequest(body=body, **{**values, **given})

    def add(self, *bodies: bytes, inbox_id: int | None = None) -> None:
        """Put entries on the feed, in one commit."""
        self.database.now(_append, bodies, self.clock.seconds(), inbox_id)

    def count(self, family: Any, **labels: str) -> float:
        return float(family.labels(**labels)._value.get())


def _append(conn: Transaction, bodies: tuple[bytes, ...], now: float, inbox_id: int | None) -> None:
    for body in bodies:
        feed_store.append(
            conn,
            kind="message",
            subject="inbound:1" if inbox_id else "outbound:1",
            body=body,
            now=now,
            entry_id=f"entry-{body.decode()}",
            inbox_id=inbox_id,
        )
