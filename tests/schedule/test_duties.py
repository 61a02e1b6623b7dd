"""What time brings: expiry with news, gauges, certificates near their end."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.messaging.seal import check_seal
from asw_gateway.schedule.duties import Certificates, Duties
from asw_gateway.store import chains, heads, outbox, sending
from asw_gateway.store.retention import Periods
from simulators import documents
from tests.conversion.nodes import Node
from tests.exchange.world import NOW, gateway


class Duty(SynchronousTestCase):
    def setUp(self) -> None:
        self.node = Node(gateway("VN", "TH"))
        self.addCleanup(self.node.database.close_now)
        self.node.conversion.startService()
        self.addCleanup(self.node.conversion.stopService)
        self.fed = 0
        self.woken: list[str] = []
        self.duties = Duties(
            database=self.node.store,
            own=lambda: self.node.side.own,
            certificates=lambda: Certificates(
                partners={"th": self.node.side.partner}, identities=self.node.side.identities
            ),
            metrics=self.node.metrics,
            node="node-VN",
            now=self.node.clock.seconds,
            new_id=self.node.new_id,
            on_queued=self.woken.append,
            on_feed=self.heard,
            end_parking=self.node.conversion.end_parking,
        )
        self.node.metrics.zero(["th"])

    def heard(self) -> None:
        self.fed += 1

    def done(self, coroutine: Any) -> int:
        result: int = self.successResultOf(Deferred.fromCoroutine(coroutine))
        return result

    def submit(self, last: str, message_id: str, **more: Any) -> Any:
        number = documents.number_for(documents.FORM_D, "VN", "TH", 120, now=NOW)[:-1] + last
        data = documents.form_d(
            number=number, origin="VN", destination="TH", message_id=message_id * 16, now=NOW
        )
        if more.get("cancelled"):
            data = documents.cancellation(data, message_id=message_id * 16, now=NOW)
        return self.node.submit(data)


class DutiesTests(Duty):
    def test_a_message_past_its_time_expires_and_the_portal_is_told_once(self) -> None:
        first = self.submit("1", "a1")
        second = self.submit("1", "a2", cancelled=True)
        self.node.clock.advance(first.expires_at - NOW - 1)
        self.assertEqual(self.done(self.duties.expire()), 0)
        self.node.database.run_now(_live_longer, second.id)
        self.node.clock.advance(2)
        self.assertEqual(self.done(self.duties.expire()), 1)
        self.assertEqual(self.done(self.duties.expire()), 0)
        self.assertEqual(self.node.statuses(), ["queued", "queued", "expired", "held"])
        self.assertEqual(self.node.outbound(first.id).last_reason, "EBMS:0301")
        self.assertEqual(self.node.outbound(second.id).state, "held")
        self.assertEqual(self.fed, 1)

    def test_a_silent_nodes_messages_are_queued_again_and_the_channel_woken(self) -> None:
        self.submit("2", "a3")
        self.assertEqual(len(self.node.due()), 1)
        self.assertEqual(self.done(self.duties.rescue()), 0)
        self.node.clock.advance(61)
        self.assertEqual(self.done(self.duties.rescue()), 1)
        self.assertEqual(self.woken, ["th"])
        self.assertEqual(len(self.node.due()), 1)

    def test_the_gauges_show_what_waits_and_fall_back_to_zero(self) -> None:
        self.submit("3", "a4")
        self.done(self.duties.measure())
        text = self.node.metrics.render().decode()
        self.assertIn('asw_outbox_messages{partner="th",state="queued"} 1.0', text)
        self.assertIn("asw_feed_entries_unacknowledged 1.0", text)
        self.node.due()
        self.done(self.duties.measure())
        text = self.node.metrics.render().decode()
        self.assertIn('asw_outbox_messages{partner="th",state="queued"} 0.0', text)
        self.assertIn('asw_outbox_messages{partner="th",state="sending"} 1.0', text)

    def test_every_certificates_end_is_a_metric(self) -> None:
        self.assertEqual(self.done(self.duties.watch_certificates()), 4)
        text = self.node.metrics.render().decode()
        self.assertIn('asw_certificate_not_after_timestamp_seconds{party="th",use="seal"}', text)

    def test_every_job_has_a_name_of_its_own_and_revocation_joins_when_there_is_one(self) -> None:
        async def refresh() -> int:
            return 0

        names = [job.name for job in self.duties.jobs()]
        self.assertEqual(len(names), len(set(names)))
        self.assertNotIn("refresh-revocation", names)
        more = evolve(self.duties, refresh_revocation=refresh).jobs()
        self.assertIn("refresh-revocation", [job.name for job in more])


def _live_longer(conn: Any, id: int) -> None:
    from sqlalchemy import update

    from asw_gateway.store import tables

    conn.connection.execute(update(tables.outbox).where(tables.outbox.c.id == id).values(expires_at=9e9))
    assert outbox.get(conn, id) is not None


class EvidenceTests(Duty):
    def test_retention_is_kept_by_the_purge_job_and_written_down(self) -> None:
        row = self.submit("4", "a5")
        self.node.due()
        self.node.clock.advance(1)
        receipt = {"outcome": "receipt", "retryable": False, "reason": "", "detail": "", "receipt": b"r"}
        now = self.node.clock.seconds()
        self.node.database.run_now(
            sending.record_attempt, row.id, 1, new_state="delivered", now=now, **receipt
        )
        self.assertEqual(self.done(self.duties.purge()), 0)
        self.node.clock.advance(Periods().payload_seconds + 1)
        self.assertEqual(self.done(self.duties.purge()), 1)
        self.assertIsNone(self.node.database.read_now(outbox.sealed_body, row.id))
        self.node.clock.advance(Periods().evidence_seconds)
        self.assertGreater(self.done(self.duties.purge()), 1)
        self.assertIsNone(self.node.database.read_now(outbox.get, row.id))
        self.assertTrue(self.node.database.read_now(chains.verify).whole)

    def test_heads_of_the_journal_are_signed_when_it_has_grown(self) -> None:
        self.assertEqual(self.done(self.duties.publish_heads()), 0)
        self.submit("5", "a6")
        self.assertEqual(self.done(self.duties.publish_heads()), 1)
        self.assertEqual(self.done(self.duties.publish_heads()), 0)
        head = self.node.database.read_now(heads.covering, "node-VN", 1)
        assert head is not None
        seal = self.node.side.identities.seal.certificate
        sealed = check_seal(head.statement, [seal], self.node.clock.seconds())
        self.assertEqual(sealed.root.findtext("{*}Hash"), head.hash)
