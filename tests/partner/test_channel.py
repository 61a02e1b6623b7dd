"""One channel: the real store in memory, a clock that stands still, a sender that obeys the test."""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.messaging.packing import SealedMessage
from asw_gateway.messaging.pmode import ReceptionAwareness
from asw_gateway.partner import channel as channel_module
from asw_gateway.partner.channel import Channel
from asw_gateway.partner.turn import ChannelTurn
from asw_gateway.store import feed, outbox, partner_state, sending
from asw_gateway.store.outbox_rows import DueMessage, NewOutbound, OutboundRow
from tests.exchange.builders import own_gateway
from tests.partner import world
from tests.partner.inline import InlineDatabase

RECEIPT = Outcome(
    kind=OutcomeKind.RECEIPT,
    retryable=False,
    reason="receipt",
    receipt=b"<receipt/>",
    receipt_content_type="x/y",
)
REFUSED_CONNECTION = Outcome(kind=OutcomeKind.CONNECTION_ERROR, retryable=True, reason="connection_refused")
LOST = Outcome(kind=OutcomeKind.CONNECTION_ERROR, retryable=True, reason="connection_lost")
FINAL_ERROR = Outcome(kind=OutcomeKind.ERROR_SIGNAL, retryable=False, reason="EBMS:0101", detail="no")
TEMPORARY_ERROR = Outcome(kind=OutcomeKind.ERROR_SIGNAL, retryable=True, reason="EBMS:0202", detail="full")
DUPLICATE = Outcome(
    kind=OutcomeKind.DUPLICATE,
    retryable=False,
    reason="EBMS:4001",
    receipt=b"<error/>",
    receipt_content_type="x/y",
)
BUSY = Outcome(
    kind=OutcomeKind.HTTP_ERROR, retryable=True, reason="http_503", http_status=503, retry_after_seconds=500
)
AWARENESS = ReceptionAwareness(initial_delay_seconds=10, maximum_delay_seconds=1000, jitter=0.0)


class ObedientSender:
    """Answers each message with `answer`, or, when that is None, as the test decides later."""

    def __init__(self) -> None:
        self.answer: Outcome | None = None
        self.sent: list[str] = []
        self.under_way: deque[tuple[str, Deferred[Outcome]]] = deque()

    async def submit(self, sealed: SealedMessage) -> Outcome:
        self.sent.append(sealed.message_id)
        if self.answer is not None:
            return self.answer
        waiting: Deferred[Outcome] = Deferred(
            lambda d: d.callback(Outcome(kind=OutcomeKind.INTERRUPTED, retryable=True, reason="interrupted"))
        )
        self.under_way.append((sealed.message_id, waiting))
        return await waiting

    def finish(self, outcome: Outcome) -> str:
        """End the oldest attempt under way."""
        message_id, waiting = self.under_way.popleft()
        waiting.callback(outcome)
        return message_id


class ChannelCase(SynchronousTestCase):
    window = 4

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.0)
        self.database = InlineDatabase()
        self.addCleanup(self.database.close)
        self.sender = ObedientSender()
        self.metrics = world.metrics()
        self.fed = 0
        self.ids = iter(range(1, 1_000_000))
        self.pings = 0
        self.channel = self.new_channel()

    def new_channel(self, **changes: Any) -> Channel:
        return Channel(
            partner="th",
            window=self.window,
            submit=self.sender.submit,
            prepare=self.prepare,
            make_ping=self.make_ping,
            take_turn=ChannelTurn(
                partner="th",
                own=own_gateway(),
                awareness=AWARENESS,
                window=self.window,
                lease_seconds=90.0,
                **changes,
            ),
            database=self.database,
            reactor=self.clock,
            now=self.clock.seconds,
            random=lambda: 0.5,
            new_id=lambda: f"{next(self.ids):032x}",
            metrics=self.metrics,
            on_feed=self.count_feed,
        )

    def count_feed(self) -> None:
        self.fed += 1

    async def prepare(self, due: DueMessage) -> SealedMessage:
        assert due.row.message_id is not None
        return SealedMessage(
            message_id=due.row.message_id,
            content_type=due.content_type,
            body=due.body,
            reference_digests=due.reference_digests,
        )

    async def make_ping(self) -> SealedMessage:
        self.pings += 1
        return SealedMessage(
            message_id=f"ping-{self.pings}", content_type="x/y", body=b"", reference_digests=()
        )

    def queue(self, number: int, key: str | None = None, **changes: Any) -> int:
        """Put a message in the queue; its row's number."""
        new = NewOutbound(
            origin="portal",
            partner="th",
            document_type="atiga-form-d",
            profile="atiga-form-d-1.0",
            kind="certificate",
            document_number=f"D-{number}",
            order_key=key or f"th/atiga-form-d/D-{number}",
            priority=2,
            expires_at=self.clock.seconds() + 10_000,
            digest="0" * 64,
            body=b"<Envelope/>",
            sender_identity="moit",
            national_message_id=f"N-{number}",
        )
        row = self.database.now(outbox.submit, evolve(new, **changes), self.clock.seconds()).row
        self.database.now(
            outbox.mark_queued,
            row.id,
            message_id=f"m{number}@vn",
            content_type="multipart/related",
            body=b"sealed",
            reference_digests=(("#body", "abc"),),
            signed_with="f" * 64,
            document_digest="2" * 64,
            now=self.clock.seconds(),
        )
        return int(row.id)

    def row(self, id: int) -> OutboundRow:
        found = self.database.now(outbox.get, id)
        assert isinstance(found, OutboundRow)
        return found

    def states(self) -> list[str]:
        rows = (self.database.now(outbox.get, id) for id in range(1, 100))
        return [row.state for row in rows if row is not None]

    def remembered(self) -> partner_state.PartnerState:
        state = self.database.now(partner_state.get, "th")
        assert isinstance(state, partner_state.PartnerState)
        return state

    def start(self) -> None:
        self.channel.startService()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        stopped = self.channel.stopService()
        self.clock.pump([1.0] * 10)
        self.successResultOf(stopped)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps, so that every timer fires at its own time."""
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)


class Delivery(ChannelCase):
    """The partner is well."""

    def test_queued_messages_are_delivered(self) -> None:
        """Every message ends delivered with its receipt stored; the portal is told."""
        for number in range(1, 11):
            self.queue(number)
        self.sender.answer = RECEIPT
        self.start()
        self.assertEqual(self.states(), ["delivered"] * 10)
        [attempt] = self.database.now(sending.attempts, 1)
        self.assertEqual((attempt.outcome, attempt.answer), ("receipt", b"<receipt/>"))
        self.assertEqual(len(self.database.now(feed.after, 0)), 10)
        self.assertGreater(self.fed, 0)
        self.assertEqual(world.value(self.metrics.deliveries, partner="th", outcome="delivered"), 10)

    def test_a_lost_receipt_that_the_partner_will_not_repeat(self) -> None:
        """The partner calls the retry a duplicate: sent no more, its successor goes, the portal knows."""
        id = self.queue(1, key="th/atiga-form-d/D-1")
        next_id = self.queue(2, key="th/atiga-form-d/D-1")
        self.start()
        self.sender.finish(LOST)
        self.sender.answer = DUPLICATE
        self.pass_time(15)
        self.assertEqual(self.sender.sent[:2], ["m1@vn", "m1@vn"])
        self.assertEqual((self.row(id).state, self.row(id).last_reason), ("delivered", "EBMS:4001"))
        bodies = [entry.body.decode() for entry in self.database.now(feed.after, 0)]
        told = [body for body in bodies if "N-1<" in body]
        self.assertIn("<Status>unreceipted</Status>", told[-1])
        self.assertIn("<Reason>EBMS:0301</Reason>", told[-1])
        self.assertEqual(self.sender.sent[2], "m2@vn")
        self.assertEqual(self.row(next_id).state, "failed")  # a duplicate of what was never sent before

    def test_wake_finds_new_work(self) -> None:
        """A message that is queued later leaves when the channel is woken, without a timer."""
        self.sender.answer = RECEIPT
        self.start()
        id = self.queue(1)
        self.channel.wake()
        self.assertEqual(self.row(id).state, "delivered")

    def test_window(self) -> None:
        """No more than the window is in flight; each answer makes room for one more."""
        for number in range(1, 8):
            self.queue(number)
        self.start()
        self.assertEqual(len(self.sender.under_way), 4)
        self.sender.finish(RECEIPT)
        self.assertEqual(len(self.sender.under_way), 4)
        self.assertEqual(len(self.sender.sent), 5)

    def test_attempt_is_on_record_before_the_request(self) -> None:
        """While a request is out, the store says `sending`, attempt 1, leased to this node."""
        id = self.queue(1)
        self.start()
        row = self.row(id)
        self.assertEqual((row.state, row.attempt, row.lease_owner), ("sending", 1, "node-a"))
        self.assertGreater(row.lease_until, self.clock.seconds())

    def test_outcomes_and_claims_share_units(self) -> None:
        """At full load the store sees about one unit a message, not one for each step."""
        for number in range(1, 101):
            self.queue(number)
        before = self.database.units
        self.sender.answer = RECEIPT
        self.start()
        self.assertLessEqual(self.database.units - before, 110)

    def test_order_within_a_key(self) -> None:
        """The second message of a document leaves after the first one's receipt."""
        first, second = self.queue(1, key="k"), self.queue(2, key="k")
        self.start()
        self.assertEqual(self.sender.sent, ["m1@vn"])
        self.sender.finish(RECEIPT)
        self.assertEqual(self.sender.sent, ["m1@vn", "m2@vn"])
        self.sender.finish(RECEIPT)
        self.assertEqual([self.row(first).state, self.row(second).state], ["delivered", "delivered"])


class MessageFaults(ChannelCase):
    """The partner is well, a message is not."""

    def test_final_error_fails_the_message_and_holds_its_successors(self) -> None:
        """A refusal ends one message; later ones of its document wait, others pass, the portal learns all."""
        bad, after, other = self.queue(1, key="k"), self.queue(2, key="k"), self.queue(3)
        self.start()
        self.sender.finish(FINAL_ERROR)
        self.sender.finish(RECEIPT)
        self.assertEqual([self.row(id).state for id in (bad, after, other)], ["failed", "held", "delivered"])
        self.assertEqual(len(self.database.now(feed.after, 0)), 3)
        self.assertEqual(self.channel.state, "idle")

    def test_temporary_error_waits_alone(self) -> None:
        """A temporary refusal of one message delays that one only, and is tried again by itself."""
        slow, other = self.queue(1), self.queue(2)
        self.start()
        self.sender.finish(TEMPORARY_ERROR)
        self.sender.finish(RECEIPT)
        self.assertEqual([self.row(slow).state, self.row(other).state], ["queued", "delivered"])
        self.assertEqual(self.channel.state, "idle")
        self.sender.answer = RECEIPT
        self.pass_time(9.5)
        self.assertEqual(self.row(slow).state, "queued")
        self.pass_time(1.0)
        self.assertEqual(self.row(slow).state, "delivered")

    def test_one_lost_connection_is_not_an_outage(self) -> None:
        """A single lost request leaves the partner's other messages alone."""
        self.queue(1)
        self.queue(2)
        self.start()
        self.sender.finish(LOST)
        self.sender.finish(RECEIPT)
        self.assertEqual(self.states(), ["queued", "delivered"])
        self.assertEqual(self.remembered().failures, 0)

    def test_a_message_that_cannot_be_made_ready_stays_queued(self) -> None:
        """Our own fault while preparing costs no message and says nothing of the partner."""

        async def broken(due: DueMessage) -> SealedMessage:
            raise ValueError("no key")

        self.prepare = broken  # type: ignore[method-assign]
        self.channel = self.new_channel()
        id = self.queue(1)
        self.start()
        self.assertEqual((self.row(id).state, self.remembered().failures), ("queued", 0))
        self.flushLoggedErrors(ValueError)


class Outage(ChannelCase):
    """The partner is away, and comes back."""

    def test_outage_is_survived(self) -> None:
        """Down, probed now and then, up again: everything arrives, nobody typed anything."""
        self.start()
        self.sender.answer = REFUSED_CONNECTION
        for number in range(1, 21):
            self.queue(number)
        self.channel.wake()
        self.assertEqual(self.channel.state, "backing_off")
        self.pass_time(200)
        tries = len(self.sender.sent)
        self.assertLessEqual(tries, 15, "a dead partner is probed, not stormed")
        self.sender.answer = RECEIPT
        self.pass_time(200)
        self.assertEqual(self.states(), ["delivered"] * 20)
        self.assertEqual(self.remembered().failures, 0)

    def test_back_off_survives_a_restart(self) -> None:
        """A gateway that starts again does not storm a partner that is down."""
        self.queue(1)
        self.sender.answer = BUSY
        self.start()
        self.assertEqual(len(self.sender.sent), 1)
        self.stop()
        self.channel = self.new_channel()
        self.start()
        self.pass_time(100)
        self.assertEqual(self.channel.state, "backing_off")
        self.assertEqual(len(self.sender.sent), 1)

    def test_retry_after_is_honoured(self) -> None:
        """A partner that asks for 500 seconds gets them, and then its message."""
        id = self.queue(1)
        self.sender.answer = BUSY
        self.start()
        self.sender.answer = RECEIPT
        self.pass_time(480)
        self.assertEqual(self.row(id).state, "queued")
        self.pass_time(30)
        self.assertEqual(self.row(id).state, "delivered")

    def test_contact_ends_the_back_off(self) -> None:
        """Hearing from the partner is enough: what waits leaves at once."""
        id = self.queue(1)
        self.sender.answer = BUSY
        self.start()
        self.sender.answer = RECEIPT
        self.channel.heard_from()
        self.assertEqual(self.row(id).state, "delivered")
        self.assertEqual(self.channel.state, "idle")

    def test_contact_noted_by_the_receiver_first(self) -> None:
        """The receiver may close the breaker in the store before the channel looks: it works the same."""
        id = self.queue(1)
        self.sender.answer = BUSY
        self.start()
        self.database.now(partner_state.contact_succeeded, "th", received=True, now=self.clock.seconds())
        self.sender.answer = RECEIPT
        self.channel.heard_from()
        self.assertEqual(self.row(id).state, "delivered")

    def test_ping_is_the_probe_when_nothing_is_due(self) -> None:
        """With its only message waiting for a later attempt, a ping asks; its answer frees the message."""
        id = self.queue(1)
        self.sender.answer = REFUSED_CONNECTION
        self.start()
        self.database.now(_put_off, id, self.clock.seconds() + 5000)
        self.sender.answer = RECEIPT
        self.pass_time(15)
        self.assertEqual(self.pings, 1)
        self.assertEqual(self.row(id).state, "delivered")

    def test_catch_up_starts_small(self) -> None:
        """After an outage the first message goes alone, then two, then four."""
        self.sender.answer = REFUSED_CONNECTION
        self.queue(1)
        self.start()
        for number in range(2, 20):
            self.queue(number)
        self.sender.answer = None
        self.pass_time(12)
        self.assertEqual(len(self.sender.under_way), 1)
        self.sender.finish(RECEIPT)
        self.pass_time(0.2)
        self.assertEqual(len(self.sender.under_way), 2)
        self.sender.finish(RECEIPT)
        self.sender.finish(RECEIPT)
        self.pass_time(0.2)
        self.assertEqual(len(self.sender.under_way), 4)

    def test_metrics_tell(self) -> None:
        """Back-off is visible: state, failures, next contact."""
        self.queue(1)
        self.sender.answer = REFUSED_CONNECTION
        self.start()
        self.assertEqual(world.value(self.metrics.channel_state, partner="th", state="backing_off"), 1)
        self.assertEqual(world.value(self.metrics.channel_state, partner="th", state="idle"), 0)
        self.assertEqual(world.value(self.metrics.partner_failures, partner="th"), 1)
        self.assertGreater(world.value(self.metrics.partner_next_contact, partner="th"), self.clock.seconds())

    def test_time_to_live_ends_it(self) -> None:
        """A message whose time is over is expired by the attempt that finds it so, and the portal is told."""
        id = self.queue(1, expires_at=self.clock.seconds() + 20)
        self.sender.answer = REFUSED_CONNECTION
        self.start()
        self.pass_time(60)
        self.assertEqual(self.row(id).state, "expired")


class Operators(ChannelCase):
    """Suspension, stop, and a store that fails."""

    def test_suspended_partner_gets_nothing(self) -> None:
        """Suspending lets what is out finish and sends nothing more; resuming goes on."""
        self.queue(1)
        self.start()
        self.database.now(partner_state.suspend, "th", actor="ops", reason="test", now=self.clock.seconds())
        id = self.queue(2)
        self.sender.answer = RECEIPT
        self.sender.finish(RECEIPT)
        self.assertEqual(self.channel.state, "paused")
        self.pass_time(20)
        self.assertEqual(self.row(id).state, "queued")
        self.database.now(partner_state.resume, "th", actor="ops", reason="test", now=self.clock.seconds())
        self.channel.wake()
        self.pass_time(6)
        self.assertEqual(self.row(id).state, "delivered")

    def test_stop_waits_for_what_is_out(self) -> None:
        """A stop lets a request under way finish and takes nothing new."""
        first = self.queue(1)
        self.start()
        second = self.queue(2)
        stopped = self.channel.stopService()
        self.assertNoResult(stopped)
        self.sender.finish(RECEIPT)
        self.successResultOf(stopped)
        self.assertEqual([self.row(first).state, self.row(second).state], ["delivered", "queued"])
        self.assertEqual(self.channel.state, "stopped")

    def test_stop_releases_what_does_not_end(self) -> None:
        """A request that hangs is dropped in time; its message is due again, the attempt does not count."""
        id = self.queue(1)
        self.start()
        stopped = self.channel.stopService()
        self.clock.advance(channel_module.GRACE_SECONDS)
        self.successResultOf(stopped)
        row = self.row(id)
        self.assertEqual((row.state, row.attempt, row.lease_owner), ("queued", 0, None))

    def test_stop_during_a_claim(self) -> None:
        """What a turn claims while the service stops is given back unsent."""
        id = self.queue(1)
        self.database.held = True
        self.start()
        stopped = self.channel.stopService()
        self.database.let_go()
        self.successResultOf(stopped)
        self.assertEqual((self.row(id).state, self.sender.sent), ("queued", []))

    def test_stop_does_not_wait_for_a_dead_store(self) -> None:
        """Within ten seconds the service ends, whatever the store does; leases do the rest."""
        self.queue(1)
        self.start()
        self.database.held = True
        stopped = self.channel.stopService()
        self.clock.pump([1.0] * 10)
        self.successResultOf(stopped)

    def test_stop_and_start_twice(self) -> None:
        """A channel can be stopped twice, and started again."""
        self.start()
        self.stop()
        self.stop()
        self.channel.startService()
        self.sender.answer = RECEIPT
        id = self.queue(1)
        self.channel.wake()
        self.assertEqual(self.row(id).state, "delivered")

    def test_outcome_outlives_a_store_failure(self) -> None:
        """A receipt that cannot be committed is kept until the store is back: no second request."""
        id = self.queue(1)
        self.start()
        self.database.broken = True
        self.sender.finish(RECEIPT)
        self.pass_time(5)
        self.database.broken = False
        self.pass_time(2)
        self.assertEqual(self.row(id).state, "delivered")
        self.assertEqual(self.sender.sent, ["m1@vn"])
        self.flushLoggedErrors()

    def test_late_receipt_wins(self) -> None:
        """A receipt that comes after another hand moved the message on still delivers it."""
        id = self.queue(1)
        self.start()
        self.database.now(outbox.move, id, "sending", "failed", now=self.clock.seconds(), reason="operator")
        self.sender.finish(RECEIPT)
        self.assertEqual(self.row(id).state, "delivered")

    def test_operator_ping(self) -> None:
        """A ping on demand tells the outcome and, answered, ends the back-off."""
        id = self.queue(1)
        self.sender.answer = BUSY
        self.start()
        self.sender.answer = RECEIPT
        outcome = self.successResultOf(Deferred.fromCoroutine(self.channel.ping()))
        self.assertEqual(outcome.kind, OutcomeKind.RECEIPT)
        self.assertEqual(self.row(id).state, "delivered")


def _put_off(conn: Any, id: int, until: float) -> None:
    conn.connection.exec_driver_sql("UPDATE outbox SET next_attempt_at = ? WHERE id = ?", (until, id))


