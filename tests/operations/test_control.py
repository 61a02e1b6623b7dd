"""The operators' acts, by the life-cycle tables, journalled, and told to the portal."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.health import failed as bad
from asw_gateway.store import feed, inbox, journal, outbox, partner_state, sending
from tests.operations.world import World, failed, outcome, queued, received, submitted
from tests.portal.world import NOW

LAN = "lan (uid 1004)"


def _claim(conn: Any) -> Any:
    return sending.claim_due(conn, "th", conn.node, 1, NOW, 60.0)


class ControlTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.database.close)
        self.client = StubTreq(self.world.router)

    def get(self, path: str, **query: object) -> tuple[int, Any]:
        return self.ask("GET", path + ("?" + urlencode(query) if query else ""))

    def post(self, path: str, **order: object) -> tuple[int, Any]:
        return self.ask("POST", path, data=json.dumps(order).encode())

    def ask(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        asked = self.client.request(method, f"http://gateway{path}", **given)
        for _ in range(3):
            self.client.flush()
        response = self.successResultOf(asked)
        return response.code, json.loads(self.successResultOf(self.client.content(response)))

    def now(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return self.world.database.now(fn, *args, **kwargs)

    def journal(self, subject: str) -> list[tuple[str, str, str]]:
        return [(fact.event, fact.actor, fact.detail) for fact in self.now(journal.about, subject)]

    def statuses(self) -> list[str]:
        """What the portal was told, in order."""
        return [
            word
            for entry in self.now(feed.after, 0, 100)
            for word in ("queued", "cancelled", "held")
            if f">{word}<".encode() in entry.body
        ]

    def test_an_order_or_a_question_that_finds_no_store_is_told_so(self) -> None:
        self.world.database.broken = True
        for status, told in (self.post("/v1/reload"), self.get("/v1/message", id="outbound:1")):
            self.assertEqual(status, 503)
            self.assertIn("the store", told["detail"])
        self.assertEqual(self.world.moved.calls, [])  # an act without its entry in the journal is not done

    # questions

    def test_status(self) -> None:
        self.now(queued)
        self.now(received, "parked")
        self.world.moved.check = bad("disk full")
        status, found = self.get("/v1/status")
        self.assertEqual(status, 200)
        self.assertEqual((found["node"], found["party"], found["now"]), ("node-a", "asw-vn", NOW))
        self.assertEqual(found["checks"], {"store": {"ok": False, "reason": "disk full"}})
        self.assertEqual(
            [(d["partner"], d["state"], d["messages"]) for d in found["outbox"]], [("th", "queued", 1)]
        )
        self.assertEqual([(d["state"], d["messages"]) for d in found["inbox"]], [("parked", 1)])
        self.assertEqual(found["feed"]["unacknowledged"], 0)

    def test_partners(self) -> None:
        self.now(failed, document_number="2", order_key="th|2")
        self.now(queued)
        _, found = self.get("/v1/partners")
        self.assertEqual(
            [(p["name"], p["channel"], p["waiting"]) for p in found],
            [("id", "backing_off", 0), ("th", "idle", 1)],
        )
        self.assertEqual(found[1]["messages"], {"failed": 1, "queued": 1})

    def test_messages(self) -> None:
        first = self.now(queued)
        other = self.now(queued, partner="id", document_number="2", order_key="id|2")
        theirs = self.now(received)
        _, found = self.get("/v1/messages")
        self.assertEqual([m["id"] for m in found], [other.subject, first.subject, theirs.subject])
        for query, expected in (
            ({"direction": "inbound"}, [theirs.subject]),
            ({"partner": "id"}, [other.subject]),
            ({"state": "queued,held", "limit": 1}, [other.subject]),
            ({"number": "2"}, [other.subject]),
            ({"direction": "outbound", "before": other.id}, [first.subject]),
        ):
            self.assertEqual([m["id"] for m in self.get("/v1/messages", **query)[1]], expected, query)
        for query in ({"direction": "up"}, {"limit": 0}, {"before": "x"}):
            self.assertEqual(self.get("/v1/messages", **query)[0], 400, query)

    def test_dead_letters(self) -> None:
        self.now(queued)
        dead = self.now(failed, document_number="2", order_key="th|2")
        stuck = self.now(received)
        self.assertEqual([m["id"] for m in self.get("/v1/messages/dead")[1]], [dead.subject, stuck.subject])

    def test_one_message_by_each_of_its_names(self) -> None:
        row = self.now(failed)
        theirs = self.now(received)
        for name in (row.subject, row.message_id, row.national_message_id):
            status, found = self.get("/v1/message", id=name)
            self.assertEqual((status, found["id"], found["state"]), (200, row.subject, "failed"), name)
        self.assertEqual([a["outcome"] for a in found["attempts"]], ["error_signal"])
        self.assertIn("outbound.failed", [fact["event"] for fact in found["history"]])
        for name in (theirs.subject, theirs.message_id):
            self.assertEqual(self.get("/v1/message", id=name)[1]["id"], theirs.subject)
        for name in ("outbound:999", "nothing", "", "inbound:-1", "outbound:1 OR 1=1"):
            self.assertEqual(self.get("/v1/message", id=name)[0], 404, name)

    def test_no_payload_is_ever_shown(self) -> None:
        row = self.now(failed, body=b"<Secret/>")
        shown = json.dumps(self.get("/v1/message", id=row.subject)[1])
        self.assertNotIn("Secret", shown)

    def test_unacknowledged(self) -> None:
        self.now(
            feed.append,
            kind="status",
            subject="outbound:1",
            body=b"<A/>",
            now=NOW,
            entry_id="e1",
            partner="th",
        )
        _, found = self.get("/v1/feed/unacknowledged")
        self.assertEqual([(e["sequence"], e["entry_id"], e["partner"]) for e in found], [(1, "e1", "th")])

    # partners

    def test_suspend_and_resume(self) -> None:
        status, found = self.post("/v1/partners/th/suspend", reason="key lost")
        self.assertEqual((status, found["suspended_at"]), (200, NOW))
        self.assertEqual(self.now(partner_state.get, "th").suspended_at, NOW)
        self.assertIn(("operator.suspend", LAN, "key lost"), self.journal("partner:th"))
        self.assertEqual(self.world.moved.calls, [("wake", "th")])
        self.post("/v1/partners/th/resume", reason="new key")
        self.assertIsNone(self.now(partner_state.get, "th").suspended_at)
        self.assertIn(("operator.resume", LAN, "new key"), self.journal("partner:th"))

    def test_a_reason_is_needed(self) -> None:
        for body in ({}, {"reason": ""}, {"reason": "  "}):
            self.assertEqual(self.post("/v1/partners/th/suspend", **body)[0], 400, body)
        self.assertEqual(self.ask("POST", "/v1/partners/th/suspend", data=b"reason")[0], 400)
        self.assertEqual(self.journal("partner:th"), [])

    def test_an_unknown_partner(self) -> None:
        for act in ("suspend", "resume", "wake", "ping"):
            self.assertEqual(self.post(f"/v1/partners/xx/{act}", reason="r")[0], 404, act)

    def test_wake(self) -> None:
        row = self.now(queued)
        self.now(_postpone, row.id)
        status, found = self.post("/v1/partners/th/wake")
        self.assertEqual((status, found["hastened"]), (200, 1))
        self.assertEqual(self.now(outbox.get, row.id).next_attempt_at, NOW)
        self.assertEqual(self.world.moved.calls, [("wake", "th")])

    def test_ping(self) -> None:
        self.world.moved.outcome = outcome("timeout", "no answer in 60 s")
        status, found = self.post("/v1/partners/th/ping")
        self.assertEqual((status, found["outcome"], found["detail"]), (200, "timeout", "no answer in 60 s"))
        self.assertEqual(self.journal("partner:th"), [("operator.ping", LAN, "")])

    # messages

    def test_replay_sends_again_and_releases_what_was_held(self) -> None:
        dead = self.now(failed)
        held = self.now(queued)
        self.assertEqual(held.state, "held")
        status, found = self.post("/v1/message/replay", id=dead.subject, reason="TH mended it")
        self.assertEqual((status, found["state"]), (200, "queued"))
        row = self.now(outbox.get, dead.id)
        self.assertEqual((row.state, row.message_id), ("queued", dead.message_id))
        self.assertGreater(row.expires_at, NOW + 86_400)
        self.assertEqual(self.now(outbox.get, held.id).state, "queued")
        self.assertEqual(self.statuses(), ["queued", "queued"])
        self.assertIn(("operator.replay", LAN, "TH mended it"), self.journal(dead.subject))
        self.assertEqual(self.world.moved.calls, [("wake", "th"), ("news",)])

    def test_resend_is_for_what_a_partner_has_lost(self) -> None:
        row = self.now(queued)
        self.assertEqual(self.post("/v1/message/resend", id=row.subject, reason="lost there")[0], 409)
        [due] = self.now(_claim)
        self.now(
            sending.record_attempt, row.id, due.row.attempt, outcome="receipt", retryable=False, reason="",
            detail="", new_state="delivered", now=NOW, receipt=b"<Receipt/>",
        )  # fmt: skip
        status, found = self.post("/v1/message/resend", id=row.subject, reason="lost there")
        self.assertEqual((status, found["state"]), (200, "queued"))
        self.assertEqual(self.now(outbox.get, row.id).message_id, row.message_id)
        self.assertIn(("operator.resend", LAN, "lost there"), self.journal(row.subject))
        self.assertEqual(self.world.moved.calls, [("wake", "th"), ("news",)])

    def test_replay_of_one_that_was_never_packed_converts_it_again(self) -> None:
        row = self.now(submitted)
        self.now(outbox.move, row.id, "submitted", "failed", now=NOW)
        self.assertEqual(
            self.post("/v1/message/replay", id=row.subject, reason="mended")[1]["state"], "submitted"
        )
        self.assertIn(("submitted",), self.world.moved.calls)

    def test_discard_gives_up_and_releases_what_was_held(self) -> None:
        dead = self.now(failed)
        held = self.now(queued)
        status, found = self.post("/v1/message/discard", id=dead.subject, reason="sent on paper")
        self.assertEqual((status, found["state"]), (200, "cancelled"))
        self.assertEqual(self.now(outbox.get, held.id).state, "queued")
        self.assertEqual(sorted(self.statuses()), ["cancelled", "queued"])
        self.assertIn(("operator.cancel", LAN, "sent on paper"), self.journal(dead.subject))

    def test_only_a_dead_letter_can_be_discarded(self) -> None:
        row = self.now(queued)
        status, found = self.post("/v1/message/discard", id=row.subject, reason="r")
        self.assertEqual(status, 409)
        self.assertIn("queued", found["detail"])
        self.assertEqual(self.now(outbox.get, row.id).state, "queued")

    def test_cancel_before_delivery(self) -> None:
        row = self.now(queued)
        self.assertEqual(
            self.post("/v1/message/cancel", id=row.subject, reason="wrong file")[1]["state"], "cancelled"
        )
        self.assertEqual(self.statuses(), ["cancelled"])

    def test_what_is_delivered_or_under_way_cannot_be_moved(self) -> None:
        row = self.now(queued)
        self.now(outbox.move, row.id, "queued", "delivered", now=NOW)
        for act in ("replay", "cancel", "discard"):
            status, found = self.post(f"/v1/message/{act}", id=row.subject, reason="r")
            self.assertEqual((status, "delivered" in found["detail"]), (409, True), act)
        self.assertEqual(self.world.moved.calls, [])
        self.assertNotIn("operator.cancel", [event for event, _, _ in self.journal(row.subject)])

    def test_a_received_message_is_converted_again(self) -> None:
        row = self.now(received)
        status, found = self.post("/v1/message/replay", id=row.subject, reason="profile mended")
        self.assertEqual((status, found["state"]), (200, "received"))
        self.assertIn(("received",), self.world.moved.calls)

    def test_a_received_message_is_given_up(self) -> None:
        row = self.now(received)
        status, found = self.post("/v1/message/discard", id=row.subject, reason="not ours")
        self.assertEqual((status, found["state"]), (200, "rejected_by_rules"))
        self.assertEqual(self.world.moved.calls[0], ("give_up", row.id, LAN, "not ours"))

    def test_when_somebody_else_was_faster(self) -> None:
        row = self.now(received)
        self.world.moved.given_up = False
        self.assertEqual(self.post("/v1/message/discard", id=row.subject, reason="r")[0], 409)

    def test_a_received_message_cannot_be_cancelled(self) -> None:
        row = self.now(received)
        self.assertEqual(self.post("/v1/message/cancel", id=row.subject, reason="r")[0], 400)
        self.assertEqual(self.now(inbox.get, row.id).state, "unconvertible")

    def test_orders_about_nothing(self) -> None:
        self.assertEqual(self.post("/v1/message/replay", id="outbound:5", reason="r")[0], 404)
        self.assertEqual(self.post("/v1/message/replay", reason="r")[0], 404)
        self.assertEqual(self.post("/v1/message/replay", id="outbound:5")[0], 400)

    # the gateway

    def test_reload(self) -> None:
        self.assertEqual(self.post("/v1/reload")[0], 200)
        self.world.moved.reload_errors = ["gateway.toml: gateway.country: expected two letters"]
        status, found = self.post("/v1/reload")
        self.assertEqual((status, found["errors"]), (409, self.world.moved.reload_errors))
        self.assertEqual([event for event, _, _ in self.journal("gateway")], ["operator.reload"] * 2)


def _postpone(conn: Any, id: int) -> None:
    from asw_gateway.store import sending

    sending.claim_due(conn, "th", "node-a", 1, NOW, 60.0)
    sending.record_attempt(
        conn,
        id,
        1,
        outcome="timeout",
        retryable=True,
        reason="timeout",
        detail="",
        new_state="queued",
        now=NOW,
        next_attempt_at=NOW + 600,
    )
