"""The outbox under random work of two nodes, against a model that knows the promises by heart."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asw_gateway.store import dead_letters, engine, outbox, schema, sending
from asw_gateway.store.group import Unit, Writer
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction
from tests.store.databases import database_url
from tests.store.messages import T0, new_outbound, prepared

LEASE = 100.0
KEYS = st.sampled_from(["k1", "k2", "k3"])
PARTNERS = {"k1": "th", "k2": "th", "k3": "id"}


class Outbox(RuleBasedStateMachine):
    """Two nodes on one SQLite database in memory, used in turn; time moves when the machine says so."""

    def __init__(self) -> None:
        super().__init__()
        self._url = database_url("memory")
        opened = engine.open_engine(self._url.__enter__())
        schema.prepare(opened, upgrade=True)
        self._nodes = {name: Writer(opened, name) for name in ("a", "b")}
        self.now = T0
        self.flying: dict[int, tuple[str, int, float]] = {}
        self.deliveries: dict[str, list[int]] = {}

    def run(self, work: Any, *args: Any, node: str = "a", **kwargs: Any) -> Any:
        unit = Unit(lambda conn: work(conn, *args, **kwargs))
        self._nodes[node].run([unit])
        if unit.error is not None:
            raise unit.error
        return unit.result

    def rows(self) -> list[OutboundRow]:
        def everything(conn: Transaction) -> list[OutboundRow]:
            found = conn.connection.exec_driver_sql("SELECT id FROM outbox ORDER BY id").fetchall()
            return [row for (id,) in found if (row := outbox.get(conn, id)) is not None]

        found: list[OutboundRow] = self.run(everything)
        return found

    @rule(key=KEYS, priority=st.integers(0, 3), lifetime=st.sampled_from([50.0, 5000.0]))
    def submit(self, key: str, priority: int, lifetime: float) -> None:
        new = new_outbound(
            order_key=key, partner=PARTNERS[key], priority=priority, expires_at=self.now + lifetime
        )
        self.run(outbox.submit, new, self.now)

    @rule(node=st.sampled_from("ab"), limit=st.integers(1, 4))
    def convert(self, node: str, limit: int) -> None:
        for each in self.run(outbox.claim_submitted, node, limit, self.now, LEASE, node=node):
            assert self.run(prepared, each.row.id, self.now, node=node) is not None

    @rule(
        node=st.sampled_from("ab"),
        partner=st.sampled_from(["th", "id"]),
        limit=st.integers(1, 3),
        window=st.integers(1, 3),
    )
    def claim(self, node: str, partner: str, limit: int, window: int) -> None:
        before = {row.id: row for row in self.rows()}
        claimed = self.run(sending.claim_due, partner, node, limit, self.now, LEASE, window=window, node=node)
        flying = [id for id in self.flying if before[id].partner == partner]
        assert len(claimed) <= limit
        assert len(claimed) + len(flying) <= max(window, len(flying))
        for each in claimed:
            row = each.row
            assert row.id not in self.flying, "claimed twice"
            assert before[row.id].state == "queued"
            assert before[row.id].next_attempt_at <= self.now
            assert not [
                other.id
                for other in before.values()
                if other.order_key == row.order_key
                and other.id < row.id
                and other.state not in ("delivered", "cancelled", "rejected")
            ], "an older one of its key is not done"
            self.flying[row.id] = (node, row.attempt, self.now + LEASE)
        free = [
            row
            for row in before.values()
            if row.partner == partner
            and row.state == "queued"
            and row.next_attempt_at <= self.now
            and not any(other.open_key == row.order_key and other.id < row.id for other in before.values())
        ]
        room = min(limit, max(0, window - len(flying)))
        assert len(claimed) == min(room, len(free)), "what was due and free was left"
        best = sorted(row.priority for row in free)[: len(claimed)]
        assert sorted(each.row.priority for each in claimed) == best

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), result=st.sampled_from(["delivered", "queued", "failed", "expired"]))
    def finish(self, data: st.DataObject, result: str) -> None:
        id = data.draw(st.sampled_from(sorted(self.flying)))
        node, attempt, _ = self.flying.pop(id)
        recorded = self.run(
            sending.record_attempt, id, attempt, outcome="x", retryable=False, reason="", detail="",
            now=self.now, new_state=result, node=node,
            next_attempt_at=self.now + 10 if result == "queued" else None,
        )  # fmt: skip
        assert recorded.moved
        assert recorded.row.state == result
        if result == "delivered":
            self.deliveries.setdefault(recorded.row.order_key, []).append(id)
        elif result in dead_letters.DEAD:
            self.run(dead_letters.hold_successors, recorded.row, self.now)

    @rule(seconds=st.sampled_from([1.0, 11.0, 60.0, 101.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(node=st.sampled_from("ab"))
    def rescue(self, node: str) -> None:
        rescued = self.run(sending.rescue_expired_leases, self.now, node=node)
        late = {id for id, (_, _, until) in self.flying.items() if until <= self.now}
        assert {row.id for row in rescued} == late
        for id in late:
            del self.flying[id]

    @rule(node=st.sampled_from("ab"))
    def restart(self, node: str) -> None:
        freed = self.run(sending.rescue_own_leases, self.now, node=node)
        mine = {id for id, (owner, _, _) in self.flying.items() if owner == node}
        assert {row.id for row in freed} == mine
        for id in mine:
            del self.flying[id]

    @rule()
    def expire(self) -> None:
        self.run(dead_letters.expire_due, self.now)
        for row in self.rows():
            assert row.state in ("sending", "delivered", "failed", "cancelled", "expired") or (
                row.expires_at > self.now
            )

    @rule(data=st.data(), replay=st.booleans())
    def decide(self, data: st.DataObject, replay: bool) -> None:
        dead = self.run(dead_letters.dead_letters)
        if not dead:
            return
        row = data.draw(st.sampled_from(dead))
        if replay:
            assert self.run(
                dead_letters.replay, row.id, expires_at=self.now + 5000, actor="operator", now=self.now
            )
        else:
            assert self.run(dead_letters.discard, row.id, reason="", actor="operator", now=self.now)

    @invariant()
    def promises_hold(self) -> None:
        rows = self.rows()
        flying = [row for row in rows if row.state == "sending"]
        assert {row.id for row in flying} == set(self.flying)
        assert len({row.order_key for row in flying}) == len(flying), "two of a key in flight"
        for key, delivered in self.deliveries.items():
            assert delivered == sorted(delivered), f"{key} reordered"
        for row in rows:
            dead_before = any(
                other.order_key == row.order_key and other.id < row.id and other.state in dead_letters.DEAD
                for other in rows
            )
            if row.state == "held":
                assert dead_before, "held for nothing: it would wait for ever"

    def teardown(self) -> None:
        for writer in self._nodes.values():
            writer.close()
        self._url.__exit__(None, None, None)


Outbox.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOutbox = Outbox.TestCase
