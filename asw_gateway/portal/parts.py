"""The payloads of a delivered message as the partner sent them: decrypted, decompressed, in header order.

``GET /feed/v1/messages/SEQ/parts`` lists them, ``GET /feed/v1/messages/SEQ/parts/N`` gives the octets of one
(1 is the document itself, the others are its attachments). They are read from the stored message, whose
signature is verified again on the way, so that nothing is kept twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.exchange.inbound import reopen
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.message import Part
from asw_gateway.messaging.party import Partner
from asw_gateway.metrics import Metrics
from asw_gateway.portal.query import BadQuery, whole_number
from asw_gateway.portal.storage import Storage, StoreUnavailable, unavailable
from asw_gateway.store import feed, inbox
from asw_gateway.store.database import Database
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.transaction import Transaction
from asw_gateway.web import WebAnswer, WebRequest, json_answer, problem
from asw_gateway.workers import Runs


@frozen(kw_only=True)
class Openers:
    """What reading a stored message again takes."""

    partners: Mapping[str, Partner]
    own: OwnGateway
    identities: Identities


class _Gone(Exception):
    """There is nothing to give; the text is for the portal."""


class Parts:
    """The two handlers; `openers` gives the values in force."""

    def __init__(
        self, *, database: Database, workers: Runs, openers: Callable[[], Openers], metrics: Metrics
    ) -> None:
        self._storage = Storage(database, metrics, "portal.parts")
        self._workers = workers
        self._openers = openers

    async def list(self, request: WebRequest) -> WebAnswer:
        """Answer what a message carries: number, name, type and size of every payload."""
        try:
            parts = await self._parts(request)
        except (BadQuery, _Gone, StoreUnavailable) as fault:
            return _refused(fault)
        return json_answer(
            {
                "parts": [
                    {
                        "number": number,
                        "content_id": part.content_id,
                        "mime_type": part.mime_type,
                        "character_set": part.character_set,
                        "size_bytes": len(part.content),
                        "leading": number == 1,
                    }
                    for number, part in enumerate(parts, 1)
                ]
            }
        )

    async def read(self, request: WebRequest) -> WebAnswer:
        """Answer the octets of one payload; its type is in the list, and never a partner's word here."""
        try:
            parts = await self._parts(request)
            number = whole_number(request.path, "number", default=0, least=1)
            if number > len(parts):
                raise _Gone(f"The message has {len(parts)} parts.")
        except (BadQuery, _Gone, StoreUnavailable) as fault:
            return _refused(fault)
        return WebAnswer(body=parts[number - 1].content, content_type="application/octet-stream")

    async def _parts(self, request: WebRequest) -> tuple[Part, ...]:
        sequence = whole_number(request.path, "sequence", default=0, least=1)
        stored = await self._storage.read(stored_message, sequence)
        openers = self._openers()
        partner = openers.partners.get(stored[0].partner) if stored is not None else None
        if stored is None or partner is None:
            raise _Gone(f"Entry {sequence} of the feed delivers no message of a partner.")
        row, content_type, body = stored
        try:
            verified = await self._workers.run(
                reopen,
                content_type,
                body,
                partner=partner,
                own=openers.own,
                identities=openers.identities,
                received_at=row.received_at,
            )
        except RemoteFault as fault:
            raise _Gone(f"The stored message can no longer be opened: {fault.detail}") from fault
        return verified.parts


def stored_message(conn: Transaction, sequence: int) -> tuple[InboundRow, str, bytes] | None:
    """The inbound message that a feed entry delivers, with its bytes; None when it delivers none."""
    entry = feed.get(conn, sequence)
    row = inbox.get(conn, entry.inbox_id) if entry is not None and entry.inbox_id is not None else None
    return None if row is None else (row, *inbox.body(conn, row.id))


def _refused(fault: BadQuery | _Gone | StoreUnavailable) -> WebAnswer:
    if isinstance(fault, StoreUnavailable):
        return unavailable()
    if isinstance(fault, BadQuery):
        return problem(400, "Bad Request", str(fault))
    return problem(404, "Not Found", str(fault))
