"""From what an operator types to the message that is meant."""

from __future__ import annotations

import re

from asw_gateway.operations.levers import Surroundings, Unknown
from asw_gateway.store import inbox, outbox
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction

_SUBJECT = re.compile(r"(outbound|inbound):([0-9]{1,18})\Z")


def find_message(conn: Transaction, name: str, around: Surroundings) -> OutboundRow | InboundRow:
    """The message called `outbound:17` or `inbound:17`, by the portal's id, or by its id on the network.

    Raises Unknown.
    """
    found = _by_subject(conn, name) or _by_id(conn, name, around)
    if found is None:
        raise Unknown("There is no such message.")
    return found


def _by_subject(conn: Transaction, name: str) -> OutboundRow | InboundRow | None:
    subject = _SUBJECT.match(name)
    if subject is None:
        return None
    if subject[1] == "outbound":
        return outbox.get(conn, int(subject[2]))
    return inbox.get(conn, int(subject[2]))


def _by_id(conn: Transaction, name: str, around: Surroundings) -> OutboundRow | InboundRow | None:
    identity = around.own.portal_organisation.identity
    sent = outbox.by_national_id(conn, identity, name) or outbox.by_message_id(conn, name)
    if sent is not None:
        return sent
    for partner in around.partners:
        received = inbox.by_message_id(conn, partner, name)
        if received is not None:
            return received
    return None
