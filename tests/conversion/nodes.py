"""Two whole nodes, VN and TH, on databases in memory, with a wire of function calls between them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.task import Clock

from asw_gateway.conversion import Conversion, Doors, Setup
from asw_gateway.exchange.inbound import ReceivedMessage, receive
from asw_gateway.exchange.submission import Accepted, check_submission
from asw_gateway.messaging.signal import Receipt, read_signal
from asw_gateway.metrics import Metrics
from asw_gateway.store import feed, inbox, outbox, registry, sending
from asw_gateway.store.database import Database
from asw_gateway.store.inbox_rows import Duplicate, InboundRow, NewInbound
from asw_gateway.store.outbox_rows import DueMessage, NewOutbound, OutboundRow, Submitted, SubmittedMessage
from asw_gateway.translation.envelope import Envelope, read_envelope
from tests.doubles import InlineWorkers
from tests.exchange.world import NOW, Gateway, catalogue


class Store:
    """A database whose Deferreds have fired already; ``away`` makes every unit fail."""

    def __init__(self, database: Database) -> None:
        self.database, self.away = database, False

    def run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        if self.away:
            return fail(RuntimeError("the store is away"))
        return maybeDeferred(self.database.run_now, fn, *args, **kwargs)

    read = run


class Node:
    """One gateway without sockets: portal and partner act by method calls."""

    def __init__(self, side: Gateway, clock: Clock | None = None, workers: Any = None) -> None:
        self.side = side
        self.clock = clock or Clock()
        if clock is None:
            self.clock.advance(NOW)
        self.database = Database.open("sqlite://", node=f"node-{side.own.country}")
        self.store = Store(self.database)
        self.workers = workers or InlineWorkers()
        self.numbers = count(1)
        self.queued: list[str] = []
        self.fed = 0
        self.metrics = Metrics(CollectorRegistry())
        self.conversion = self.new_conversion()

    def new_conversion(self, clock: Clock | None = None) -> Conversion:
        doors = Doors(
            database=self.store,
            workers=self.workers,
            setup=lambda: Setup(
                catalogue=catalogue(),
                partners={self.side.partner.name: self.side.partner},
                own=self.side.own,
                identities=self.side.identities,
            ),
            metrics=self.metrics,
            now=self.clock.seconds,
            new_id=self.new_id,
            fresh_bytes=bytes,
            node=self.database.node,
            on_queued=self.queued.append,
            on_feed=self.heard,
        )
        return Conversion(doors, clock=clock or self.clock)

    def new_id(self) -> str:
        return f"{self.side.own.country.encode().hex()}{next(self.numbers):028x}"

    def heard(self) -> None:
        self.fed += 1

    # the portal

    def submit(self, data: bytes, *, hand_over: bool = False) -> OutboundRow:
        found = check_submission(
            data,
            sender_name="portal",
            catalogue=catalogue(),
            partners=self.side.partners,
            own=self.side.own,
            now=self.clock.seconds(),
        )
        assert isinstance(found, Accepted), found
        owner, until = self.conversion.lease() if hand_over else (None, 0.0)
        new = NewOutbound(
            origin="portal",
            partner=found.partner,
            document_type=found.document_type,
            profile=found.profile,
            kind=found.kind,
            document_number=found.document_number,
            order_key=found.order_key,
            priority=found.priority,
            expires_at=found.expires_at,
            digest=found.digest,
            body=found.raw,
            sender_identity=found.sender_identity,
            national_message_id=found.national_message_id,
            dossier=found.dossier,
            conversation_id=found.conversation_id,
            previous_number=found.previous_number,
            effect=found.effect,
            lease_owner=owner,
            lease_until=until,
        )
        done = self.database.run_now(outbox.submit, new, self.clock.seconds())
        assert isinstance(done, Submitted)
        if hand_over:
            message = SubmittedMessage(
                row=done.row, content_type="application/xml", body=data, checked=found.checked
            )
            self.conversion.on_submitted(message)
        else:
            self.conversion.on_submitted()
        return self.outbound(done.row.id)

    def feed(self) -> list[feed.Entry]:
        return self.database.read_now(feed.after, 0, 1000)

    def delivered(self) -> list[Envelope]:
        return [read_envelope(entry.body, 1_000_000) for entry in self.feed() if entry.kind == "message"]

    def statuses(self) -> list[str]:
        found = [read_envelope(entry.body, 1_000_000) for entry in self.feed() if entry.kind == "status"]
        return [envelope.content.findtext("Status") for envelope in found]

    # the partner

    def due(self) -> list[DueMessage]:
        return self.database.run_now(
            sending.claim_due, self.side.partner.name, self.database.node, 50, self.clock.seconds(), 60.0
        )

    def take(self, due: DueMessage, *, hand_over: bool = False) -> bytes:
        """Receive what a partner sends; gives the receipt."""
        found = receive(
            due.content_type,
            due.body,
            partner=self.side.partner,
            own=self.side.own,
            identities=self.side.identities,
            catalogue=catalogue(),
            now=self.clock.seconds(),
            signal_id=f"{self.new_id()}@{self.side.own.party_id.value}",
        )
        assert isinstance(found, ReceivedMessage), found
        owner, until = self.conversion.lease() if hand_over else (None, 0.0)
        new = NewInbound(
            partner=found.partner,
            message_id=found.message_id,
            reference_digests=found.reference_digests,
            content_type=due.content_type,
            body=due.body,
            receipt_content_type=found.receipt.content_type,
            receipt=found.receipt.body,
            service=found.service,
            action=found.action,
            signer="",
            conversation_id=found.conversation_id,
            ref_to_message_id=found.ref_to_message_id,
            order_key=found.order_key,
            priority=found.priority,
            lease_owner=owner,
            lease_until=until,
        )
        done = self.database.run_now(inbox.register, new, self.clock.seconds())
        if isinstance(done, Duplicate):
            return done.receipt
        if hand_over:
            self.conversion.on_received(done.row, found.verified)
        else:
            self.conversion.on_received()
        return found.receipt.body

    def receipted(self, due: DueMessage, receipt: bytes) -> None:
        """Write the receipt for one of our messages, as a channel does."""
        sent = outbox_message(due)
        found = read_signal(
            "application/soap+xml; charset=UTF-8",
            receipt,
            sent=sent,
            partner=self.side.partner,
            now=self.clock.seconds(),
        )
        assert isinstance(found, Receipt)
        self.database.run_now(
            sending.record_attempt,
            due.row.id,
            due.row.attempt,
            outcome="receipt",
            retryable=False,
            reason="receipt",
            detail="",
            new_state="delivered",
            receipt=receipt,
            now=self.clock.seconds(),
        )

    # what an operator sees

    def outbound(self, id: int) -> OutboundRow:
        row = self.database.read_now(outbox.get, id)
        assert row is not None
        return row

    def inbound(self, id: int) -> InboundRow:
        row = self.database.read_now(inbox.get, id)
        assert row is not None
        return row

    def document(self, direction: str, number: str) -> str | None:
        found = self.database.read_now(
            registry.find, direction, self.side.partner.name, "atiga-form-d", number
        )
        return found.state if found is not None else None


class outbox_message:
    """What reading a receipt must know of the message sent."""

    def __init__(self, due: DueMessage) -> None:
        assert due.row.message_id is not None
        self.message_id = due.row.message_id
        self.reference_digests = due.reference_digests


def carry(sender: Node, receiver: Node, *, hand_over: bool = False) -> int:
    """Bring everything that is due from one node to the other; gives how many messages."""
    carried = 0
    while due := sender.due():
        for message in due:
            sender.receipted(message, receiver.take(message, hand_over=hand_over))
            carried += 1
    return carried
