"""The portal asks what became of a document or a message: `GET /feed/v1/status`.

``?documentType=ASW-EFORMD&number=…`` tells everything about one document in both directions: its business
state, every message about it, attempts, receipts and history.  ``?messageId=…`` tells the same about one
message the portal submitted (its own id or the one on the network), and what was refused under that id.
Times are UTC epoch seconds; answers may be asked for again at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from asw_gateway.exchange.validity_question import BadQuestion, answer, read_question
from asw_gateway.metrics import Metrics
from asw_gateway.portal.storage import Storage, StoreUnavailable, unavailable
from asw_gateway.store import inbox, journal, outbox, refusals, registry, sending, validity
from asw_gateway.store.database import Database
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.transaction import Transaction
from asw_gateway.web import WebAnswer, WebRequest, json_answer, problem


class StatusQuery:
    """The handler of status questions.

    ``procedures`` maps the national procedure code to our document type; either is understood.
    ``portal_identity`` is the identity under which the portal submits.
    """

    def __init__(
        self,
        *,
        database: Database,
        metrics: Metrics,
        procedures: Callable[[], Mapping[str, str]],
        portal_identity: Callable[[], str],
    ) -> None:
        self._storage = Storage(database, metrics, "portal.status")
        self._procedures = procedures
        self._portal_identity = portal_identity

    async def ask(self, request: WebRequest) -> WebAnswer:
        """Answer 200 with what is known, 404 when nothing is, 400 when it is not clear what is asked."""
        message_id = request.query.get("messageId", "")
        document_type, number = request.query.get("documentType", ""), request.query.get("number", "")
        if bool(message_id) == bool(document_type or number) or bool(document_type) != bool(number):
            return problem(400, "Bad Request", "Ask with messageId, or with documentType and number.")
        try:
            if message_id:
                known = await self._storage.read(about_message, self._portal_identity(), message_id)
            else:
                document_type = self._procedures().get(document_type, document_type)
                known = await self._storage.read(about_document, document_type, number)
        except StoreUnavailable:
            return unavailable()
        if not any(known.values()):
            return problem(404, "Not Found", "Nothing is known of it.")
        return json_answer(known)

    async def validity(self, request: WebRequest) -> WebAnswer:
        """Answer `GET /feed/v1/validity?number=&date=&at=`: was it valid then, and what proves it.

        200 with one entry for each certificate of exactly that number and day of issue, 404 when there is
        none, 400 when it is not clear what is asked.
        """
        try:
            question = read_question(request.query)
            found = await self._storage.read(validity.stories, question.number)
        except BadQuestion as fault:
            return problem(400, "Bad Request", str(fault))
        except StoreUnavailable:
            return unavailable()
        told = answer(question, found)
        if told is None:
            return problem(404, "Not Found", "No certificate of that number and date is known.")
        return json_answer(told)


def about_document(conn: Transaction, document_type: str, number: str) -> dict[str, list[dict[str, Any]]]:
    """Everything about one document: business states, messages both ways."""
    return {
        "documents": [_document(conn, row) for row in registry.by_number(conn, document_type, number)],
        "sent": [_sent(conn, row) for row in outbox.by_document(conn, document_type, number)],
        "received": [_received(conn, row) for row in inbox.by_document(conn, document_type, number)],
        "refused": [],
    }


def about_message(
    conn: Transaction, portal_identity: str, message_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Everything about one message of the portal, by its own id or by the id on the network."""
    row = outbox.by_national_id(conn, portal_identity, message_id) or outbox.by_message_id(conn, message_id)
    documents = [] if row is None else registry.by_number(conn, row.document_type, row.document_number)
    return {
        "documents": [_document(conn, found) for found in documents],
        "sent": [] if row is None else [_sent(conn, row)],
        "received": [],
        "refused": [
            _refused(found) for found in refusals.by_message_id(conn, message_id) if found.side == "portal"
        ],
    }


def _document(conn: Transaction, row: registry.Document) -> dict[str, Any]:
    return {
        "direction": row.direction,
        "partner": row.party,
        "document_type": row.document_type,
        "number": row.document_number,
        "state": row.state,
        "version": row.version,
        "replaced_by": row.replaced_by,
        "first_known_at": row.created_at,
        "changed_at": row.updated_at,
        "history": _history(conn, row.subject),
    }


def _sent(conn: Transaction, row: OutboundRow) -> dict[str, Any]:
    attempts = sending.attempts(conn, row.id)
    receipts = [attempt.finished_at for attempt in attempts if attempt.outcome == "receipt"]
    return {
        "id": row.subject,
        "message_id": row.national_message_id,
        "network_message_id": row.message_id,
        "partner": row.partner,
        "document_type": row.document_type,
        "number": row.document_number,
        "kind": row.kind,
        "state": row.state,
        "reason": row.last_reason,
        "submitted_at": row.created_at,
        "queued_at": row.queued_at,
        "next_attempt_at": row.next_attempt_at if row.state == "queued" else None,
        "expires_at": row.expires_at,
        "receipted_at": receipts[0] if receipts else None,
        "finished_at": row.finalized_at,
        "attempts": [
            {
                "attempt": attempt.attempt,
                "started_at": attempt.started_at,
                "finished_at": attempt.finished_at,
                "outcome": attempt.outcome,
                "reason": attempt.reason,
            }
            for attempt in attempts
        ],
        "history": _history(conn, row.subject),
    }


def _received(conn: Transaction, row: InboundRow) -> dict[str, Any]:
    return {
        "id": row.subject,
        "network_message_id": row.message_id,
        "partner": row.partner,
        "document_type": row.document_type,
        "number": row.document_number,
        "kind": row.kind,
        "state": row.state,
        "reason": row.last_reason,
        "received_at": row.received_at,
        "finished_at": row.finalized_at,
        "history": _history(conn, row.subject),
    }


def _refused(row: refusals.Refusal) -> dict[str, Any]:
    return {
        "id": f"refusal:{row.id}",
        "message_id": row.message_id,
        "code": row.code,
        "reason": row.reason,
        "detail": row.detail,
        "refused_at": row.refused_at,
    }


def _history(conn: Transaction, subject: str) -> list[dict[str, Any]]:
    told = ("at", "event", "actor", "detail", "digest")
    return [{name: getattr(fact, name) for name in told} for fact in journal.about(conn, subject)]
