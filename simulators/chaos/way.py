"""Faults of the way between two processes, and messages that come again."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable
from random import Random

from asw_gateway.store import search
from asw_gateway.store.outbox import sealed_body
from asw_gateway.store.transaction import Transaction
from simulators.chaos.link import Link
from simulators.chaos.link_faults import Fault
from simulators.chaos.node import Node
from simulators.chaos.pair import Pair, Party
from simulators.chaos.table import Table, any_party, read_store


def on_link(kind: str, make: Callable[[Random], Fault], *, portals: bool = False) -> Callable[[Table], bool]:
    def play(table: Table) -> bool:
        _, party = any_party(table)
        link = party.portal_link if portals else party.partner_link
        fault = make(table.random)
        fault.fired = lambda: table.count(kind, link.name)
        return bool(table.in_reactor(lambda: link.arm(fault)))

    return play


def partner_away(table: Table) -> bool:
    """A partner's port resets every connection for some seconds."""
    _, party = any_party(table)
    link: Link = party.partner_link
    seconds = table.random.uniform(1.0, 5.0)
    table.in_reactor(lambda: link.leave(seconds))
    table.count("partner away", link.name, seconds=round(seconds, 1))
    return True


def message_doubled(table: Table) -> bool:
    """The bytes of a message that was sent arrive again, from its sender: the same receipt must come back."""
    pair, sender = any_party(table)
    node = table.random.choice(sender.nodes)
    receiver = pair.across_from(sender)
    if not node.ready or not any(each.ready for each in receiver.nodes):
        return False
    table.helpers.submit(_send_again, table, pair, sender, node, receiver, table.random.random())
    return True


def _send_again(table: Table, pair: Pair, sender: Party, node: Node, receiver: Party, chance: float) -> None:
    try:
        found = read_store(node.database_url, lambda conn: _sent_lately(conn, receiver.name, chance))
        if found is None:
            return
        content_type, body, subject = found
        first = _post(pair, sender, receiver, content_type, body)
        second = _post(pair, sender, receiver, content_type, body)
    except Exception:  # noqa: BLE001 - somebody was killed meanwhile; nothing is counted
        return
    if first is None or second is None:
        return
    if b"Receipt" not in first or first != second:
        table.complain(
            f"{node.name} {subject}, sent again twice, was not answered by one and the same receipt"
        )
    table.count("message doubled", f"to {receiver.country}")


def _sent_lately(conn: Transaction, partner: str, chance: float) -> tuple[str, bytes, str] | None:
    """Content type, bytes and name of one of the newest messages that were sent at least once."""
    rows = [
        row
        for row in search.outbound(conn, partner=partner, states=("sending", "delivered"), limit=40)
        if row.attempt > 0
    ]
    if not rows:
        return None
    row = rows[int(chance * len(rows))]
    sealed = sealed_body(conn, row.id)
    return None if sealed is None else (*sealed, row.subject)


def _post(pair: Pair, sender: Party, receiver: Party, content_type: str, body: bytes) -> bytes | None:
    """POST as the sender would; the answer's bytes, None when the receiver could not take it now."""
    pki = pair.directory / "pki"
    context = ssl.create_default_context(cafile=str(pki / "root.pem"))
    context.load_cert_chain(pki / sender.name / "tls-client.pem", pki / sender.name / "tls-client.key")
    node = next((each for each in receiver.nodes if each.ready), None)
    if node is None:
        return None
    url = f"https://127.0.0.1:{node.site.partner_port}/as4"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            return bytes(answer.read())
    except OSError:
        return None
