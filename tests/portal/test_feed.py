"""Reading the feed and confirming it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.portal.feed import FeedLimits
from asw_gateway.store import feed, inbox, journal
from asw_gateway.store.database import StoreClosed
from asw_gateway.store.engine import StoreUnavailable
from tests.portal.world import NOW, Answer, World
from tests.store.messages import new_inbound


class FeedTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(limits=FeedLimits(waiters=2, recheck_seconds=20, page_bytes=100))
        self.addCleanup(self.world.database.close)

    def get(self, query: str = "") -> Deferred[Answer]:
        return self.world.start("GET", f"/feed/v1/messages{query}")

    def page(self, query: str = "") -> dict[str, Any]:
        answer = self.successResultOf(self.get(query))
        self.assertEqual(answer.status, 200, answer.body)
        page: dict[str, Any] = json.loads(answer.body)
        return page

    def acknowledge(self, sequence: object, body: object) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = f"/feed/v1/messages/{sequence}/acknowledgement"
        answer: Answer = self.successResultOf(self.world.start("POST", path, data=data))
        return answer

    # reading

    def test_an_empty_feed(self) -> None:
        self.assertEqual(self.page(), {"entries": [], "next": 0})
        self.assertEqual(self.page("?after=7"), {"entries": [], "next": 7})

    def test_entries_in_order_with_their_envelopes(self) -> None:
        self.world.add(b"<A/>", b"<B/>")
        self.world.add("<C>Hà Nội</C>".encode())
        page = self.page()
        self.assertEqual([entry["sequence"] for entry in page["entries"]], [1, 2, 3])
        self.assertEqual([entry["envelope"] for entry in page["entries"]], ["<A/>", "<B/>", "<C>Hà Nội</C>"])
        self.assertEqual(page["next"], 3)
        expected = {"id": "entry-<A/>", "kind": "message", "created_at": NOW, "acknowledged_at": None}
        self.assertEqual({name: page["entries"][0][name] for name in expected}, expected)

    def test_reading_goes_on_after_a_sequence_and_in_pages(self) -> None:
        self.world.add(b"<A/>", b"<B/>", b"<C/>")
        page = self.page("?after=1&limit=1")
        self.assertEqual(([entry["sequence"] for entry in page["entries"]], page["next"]), ([2], 2))

    def test_a_page_is_bounded_in_bytes_but_never_empty(self) -> None:
        self.world.add(b"<A>" + b"a" * 200 + b"</A>", b"<B/>", b"<C/>")
        self.assertEqual(self.page()["next"], 1)
        self.assertEqual(self.page("?after=1")["next"], 3)

    def test_confirmed_entries_can_be_read_again(self) -> None:
        self.world.add(b"<A/>")
        before = self.page()["entries"][0]
        self.acknowledge(1, {"result": "ok"})
        again = self.page()["entries"][0]
        self.assertEqual(again, {**before, "acknowledged_at": NOW})

    def test_wrong_queries(self) -> None:
        for query in (
            "?after=-1",
            "?after=x",
            "?after=1e3",
            "?limit=0",
            "?limit=501",
            "?wait=soon",
            "?wait=-1",
            "?wait=nan",
            "?after=" + "9" * 30,
        ):
            answer = self.successResultOf(self.get(query))
            self.assertEqual((answer.status, answer.content_type), (400, "application/problem+json"), query)

    # waiting

    def test_a_waiting_reader_is_woken(self) -> None:
        reading = self.get("?wait=30")
        self.assertNoResult(reading)
        self.world.add(b"<A/>")
        self.world.feed.wake()
        self.world.flush()
        self.assertEqual(json.loads(self.successResultOf(reading).body)["next"], 1)
        self.assertEqual(self.world.feed.waiting, 0)

    def test_news_for_others_does_not_end_a_wait(self) -> None:
        self.world.add(b"<A/>")
        reading = self.get("?after=1&wait=30")
        self.world.feed.wake()
        self.world.flush()
        self.assertNoResult(reading)

    def test_the_wait_ends_with_an_empty_page(self) -> None:
        reading = self.get("?after=4&wait=30")
        for _ in range(3):
            self.world.clock.advance(10)
        self.world.flush()
        self.assertEqual(json.loads(self.successResultOf(reading).body), {"entries": [], "next": 4})

    def test_a_longer_wait_than_allowed_is_cut(self) -> None:
        reading = self.get("?wait=100000.5")
        for _ in range(6):
            self.world.clock.advance(10)
        self.world.flush()
        self.assertEqual(self.successResultOf(reading).status, 200)

    def test_what_another_node_wrote_is_found_without_being_woken(self) -> None:
        reading = self.get("?wait=50")
        self.world.add(b"<A/>")
        self.world.clock.advance(20)
        self.world.flush()
        self.assertEqual(json.loads(self.successResultOf(reading).body)["next"], 1)

    def test_news_while_the_store_is_being_read_is_not_missed(self) -> None:
        self.world.database.held = True
        reading = self.get("?wait=30")
        self.world.feed.wake()
        self.world.database.let_go()
        self.world.flush()
        self.assertNoResult(reading)  # it looked again at once, and there was nothing for it
        self.world.add(b"<A/>")
        self.world.feed.wake()
        self.world.flush()
        self.assertEqual(json.loads(self.successResultOf(reading).body)["next"], 1)

    def test_a_reader_that_leaves_frees_its_place(self) -> None:
        readers = [self.world.request(query={"wait": "30"}) for _ in range(2)]
        running = [Deferred.fromCoroutine(self.world.feed.read(each)) for each in readers]
        self.assertEqual(self.world.feed.waiting, 2)
        running[0].cancel()
        self.failureResultOf(running[0])
        self.assertEqual(self.world.feed.waiting, 1)
        self.assertEqual(len(self.world.clock.getDelayedCalls()), 1)

    def test_too_many_readers(self) -> None:
        waiting = [self.get("?wait=30"), self.get("?wait=30")]
        answer = self.successResultOf(self.get("?wait=30"))
        self.assertEqual((answer.status, answer.headers.getRawHeaders("retry-after")), (503, ["5"]))
        for each in waiting:
            self.assertNoResult(each)

    def test_stopping_answers_everyone(self) -> None:
        reading = self.get("?wait=30")
        self.world.feed.stop()
        self.world.flush()
        self.assertEqual(self.successResultOf(reading).status, 200)
        self.assertEqual(self.page("?wait=30"), {"entries": [], "next": 0})

    def test_stopping_does_not_read_the_store_again(self) -> None:
        reading = self.get("?wait=30")
        self.world.database.broken = True
        self.world.feed.stop()
        self.world.flush()
        self.assertEqual(self.successResultOf(reading).status, 200)

    def test_a_closed_store_is_no_fault_of_ours(self) -> None:
        self.patch(self.world.database, "run", lambda *given, **more: fail(StoreClosed("closed")))
        self.assertEqual(self.successResultOf(self.get()).status, 503)

    def test_a_store_that_cannot_be_read(self) -> None:
        self.world.database.broken = True
        self.assertEqual(self.successResultOf(self.get()).status, 503)
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)

    # confirming

    def test_the_three_grades(self) -> None:
        self.world.add(b"<A/>", b"<B/>", b"<C/>")
        for sequence, result in enumerate(("ok", "ok-with-warnings", "not-readable"), 1):
            answer = self.acknowledge(sequence, {"result": result, "detail": "seen"})
            self.assertEqual(answer.status, 200, answer.body)
            told = {"sequence": sequence, "result": result, "acknowledged_at": NOW}
            self.assertEqual({name: json.loads(answer.body)[name] for name in told}, told)
            entry = self.world.database.now(feed.get, sequence)
            self.assertEqual((entry.result, entry.detail), (result, "seen"))
            self.assertEqual(self.world.count(self.world.metrics.acknowledgements, result=result), 1)

    def test_the_inbound_message_is_handed_over_in_the_same_commit(self) -> None:
        row = self.world.database.now(inbox.register, new_inbound(), NOW).row
        self.world.database.now(inbox.move, row.id, "received", "available", now=NOW)
        self.world.add(b"<A/>", inbox_id=row.id)
        units = self.world.database.units
        self.acknowledge(1, {"result": "ok"})
        self.assertEqual(self.world.database.units, units + 1)
        self.assertEqual(self.world.database.now(inbox.get, row.id).state, "acknowledged")
        events = [fact.event for fact in self.world.database.now(journal.about, row.subject)]
        self.assertIn("feed.acknowledged", events)
        self.assertIn("inbound.acknowledged", events)

    def test_the_same_again_gets_the_same_receipt(self) -> None:
        self.world.add(b"<A/>")
        first = self.acknowledge(1, {"result": "ok"})
        self.world.clock.advance(60)
        again = self.acknowledge(1, {"result": "ok", "detail": "again"})
        self.assertEqual((again.status, again.body), (200, first.body))
        self.assertEqual(self.world.count(self.world.metrics.acknowledgements, result="ok"), 1)

    def test_another_acknowledgement_is_told_and_changes_nothing(self) -> None:
        self.world.add(b"<A/>")
        self.acknowledge(1, {"result": "ok"})
        answer = self.acknowledge(1, {"result": "not-readable"})
        self.assertEqual(answer.status, 409)
        self.assertEqual(json.loads(answer.body)["acknowledgement"]["result"], "ok")
        self.assertEqual(self.world.database.now(feed.get, 1).result, "ok")

    def test_an_unknown_sequence(self) -> None:
        self.assertEqual(self.acknowledge(99, {"result": "ok"}).status, 404)

    def test_bad_acknowledgements(self) -> None:
        self.world.add(b"<A/>")
        bad: list[object] = [
            b"",
            b"[" * 5000,
            b"\xff",
            [],
            {"result": "fine"},
            {"result": "ok", "detail": 7},
            {},
        ]
        for body in bad:
            self.assertEqual(self.acknowledge(1, body).status, 400, body)
        self.assertEqual(self.acknowledge("0", {"result": "ok"}).status, 400)
        self.assertEqual(self.acknowledge("x", {"result": "ok"}).status, 400)
        self.assertEqual(self.acknowledge(1, {"result": "ok", "detail": "d" * 20_000}).status, 413)
        self.assertIsNone(self.world.database.now(feed.get, 1).result)

    def test_a_long_remark_is_bounded(self) -> None:
        self.world.add(b"<A/>")
        self.acknowledge(1, {"result": "ok-with-warnings", "detail": "d" * 5000})
        self.assertEqual(len(self.world.database.now(feed.get, 1).detail), 500)

    def test_when_the_store_cannot_commit_nothing_is_confirmed(self) -> None:
        self.world.add(b"<A/>")
        self.world.database.broken = True
        self.assertEqual(self.acknowledge(1, {"result": "ok"}).status, 503)
        self.world.database.broken = False
        self.assertIsNone(self.world.database.now(feed.get, 1).acknowledged_at)
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)

    def test_without_a_known_certificate(self) -> None:
        self.world.add(b"<A/>")
        self.world.certificate = "a partner's"
        self.assertEqual(self.successResultOf(self.get()).status, 403)
        self.assertEqual(self.acknowledge(1, {"result": "ok"}).status, 403)
        self.assertIsNone(self.world.database.now(feed.get, 1).acknowledged_at)
