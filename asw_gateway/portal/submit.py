"""The portal hands in a document: `POST /feed/v1/messages`, a VNSW Envelope, answered by an Envelope.

    read the body → check it in a worker (every fault at once) → one commit → answer 99, or 00

99 leaves only after the commit, and says "stored here", not "delivered abroad" (T10 of `envelope_reading`).
00 means that nothing was stored but the record of the refusal; a refused id may be used again.  A message id
that was accepted gets the same answer, byte for byte, as often as the same bytes come again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.submission import (
    MAX_ENVELOPE_BYTES,
    Accepted,
    CheckedContent,
    Refused,
    check_submission,
)
from asw_gateway.logs import Log
from asw_gateway.messaging.party import Partner
from asw_gateway.metrics import Metrics
from asw_gateway.portal import answers
from asw_gateway.portal.clients import PortalClients, refused
from asw_gateway.portal.storage import RETRY_AFTER_SECONDS, Storage, StoreUnavailable, unavailable
from asw_gateway.store import outbox, refusals
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import NewOutbound, OutboundRow, Repeated, Submitted, SubmittedMessage
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.problem import Problem, blocking
from asw_gateway.web import WebAnswer, WebRequest, problem
from asw_gateway.workers import Runs, WorkersStopped

if TYPE_CHECKING:
    from asw_gateway.translation.catalogue import Catalogue

STORE_CODE = "ASW04_CODE"  # our own storage failure, named as the ministries name theirs
TOO_LARGE_CODE = "ERR02_CODE"
REUSED_CODE = "ERR00_CODE"
_MEDIA_TYPES = ("application/xml", "text/xml")
_log = Log("portal.submit")


@frozen(kw_only=True)
class SubmissionRules:
    """What the check needs beside the bytes; replaced as a whole when configuration is loaded again.

    ``partners`` maps the ISO country code to its gateway.
    """

    catalogue: Catalogue
    partners: Mapping[str, Partner]
    own: OwnGateway
    max_bytes: int = MAX_ENVELOPE_BYTES


class Submissions:
    """The handler of submissions.

    ``new_id`` gives 32 fresh hexadecimal characters.  ``on_submitted`` is called on the reactor thread after
    each commit, whether or not the client is still there: with the message and its bytes if its row was born
    leased (``lease`` gives owner and end), without arguments if nobody has room for it now.
    """

    def __init__(
        self,
        *,
        database: Database,
        workers: Runs,
        rules: Callable[[], SubmissionRules],
        clients: PortalClients,
        metrics: Metrics,
        now: Callable[[], float],
        new_id: Callable[[], str],
        on_submitted: Callable[..., object],
        lease: Callable[[], tuple[str | None, float]] = lambda: (None, 0.0),
    ) -> None:
        self._database = database
        self._storage = Storage(database, metrics, "portal.submit")
        self._workers = workers
        self._rules = rules
        self._clients = clients
        self._metrics = metrics
        self._now = now
        self._new_id = new_id
        self._on_submitted = on_submitted
        self._lease = lease

    async def submit(self, request: WebRequest) -> WebAnswer:
        """Answer one envelope: 200 with 99 or 00, or 503 with 00 when the store cannot commit."""
        if request.content_type.partition(";")[0].strip().lower() not in _MEDIA_TYPES:
            refused(request, 415, "unsupported_media_type")
            return problem(415, "Unsupported Media Type", f"Send the Envelope as {_MEDIA_TYPES[0]}.")
        client = self._clients.name_of(request) or "unknown"
        rules, now = self._rules(), self._now()
        try:
            outcome = await self._workers.run(
                check_submission,
                request.body,
                sender_name=client,
                catalogue=rules.catalogue,
                partners=rules.partners,
                own=rules.own,
                now=now,
                max_bytes=rules.max_bytes,
            )
        except WorkersStopped:
            return unavailable("The gateway is stopping; send the message again.")
        try:
            if isinstance(outcome, Refused):
                return await self._refuse(request, client, outcome, rules, now)
            return await self._accept(request, client, outcome, rules, now)
        except StoreUnavailable:
            return self._not_stored(outcome, rules, now)

    async def too_large(self, request: WebRequest) -> WebAnswer:
        """Answer 413 with 00 to a body that was dropped while it was read."""
        client = self._clients.name_of(request) or "unknown"
        rules, now = self._rules(), self._now()
        text = f"the message is larger than {rules.max_bytes} bytes"
        fault = Refused(problems=(Problem(rule="SIZE", message=text, error_code=TOO_LARGE_CODE),))
        try:
            answer = await self._refuse(request, client, fault, rules, now)
        except StoreUnavailable:
            return self._not_stored(fault, rules, now)
        return evolve(answer, status=413)

    async def _accept(
        self, request: WebRequest, client: str, accepted: Accepted, rules: SubmissionRules, now: float
    ) -> WebAnswer:
        new = _new_outbound(accepted, *self._lease())
        done = await self._commit(new, now, accepted.checked)
        if isinstance(done, Repeated) and not done.same_digest:
            text = (
                f"the message id {accepted.national_message_id} was accepted before with other content;"
                " nothing of this message was stored"
            )
            reused = Problem(
                rule="ENVELOPE",
                message=text,
                path="Envelope/Header/Reference/messageId",
                value=accepted.national_message_id,
                error_code=REUSED_CODE,
            )
            refusal = Refused(
                problems=(reused,),
                national_message_id=accepted.national_message_id,
                envelope=accepted.envelope,
            )
            return await self._refuse(request, client, refusal, rules, now, reason="reused_id")
        if isinstance(done, Repeated):
            return self._repeated(client, done.row, accepted, rules)
        message_type = f"{accepted.document_type}/{accepted.kind}"
        self._metrics.submissions.labels(message_type=message_type, outcome="accepted").inc()
        _log.event(
            "submission-accepted",
            sender=client,
            national_message_id=accepted.national_message_id,
            outbound_id=done.row.id,
            message_type=message_type,
            partner=accepted.partner,
            document_number=accepted.document_number,
        )
        return answers.accepted(accepted.envelope, done.row, rules.own)

    async def _commit(self, new: NewOutbound, now: float, checked: CheckedContent) -> Submitted | Repeated:
        """Store it and wake conversion; a client that leaves meanwhile does not stop either."""
        answered: Deferred[Submitted | Repeated] = Deferred()

        def committed(done: Submitted | Repeated) -> None:
            if isinstance(done, Submitted):
                self._hand_over(done.row, new, checked)
            answered.callback(done)

        def failed(failure: Failure) -> None:
            if answered.called:  # the client has gone and will send it again
                _log.failure("internal-error", failure, where="portal.submit")
            else:
                answered.errback(failure)

        self._database.run(outbox.submit, new, now).addCallbacks(committed, failed)
        return await self._storage.settle(answered)

    def _hand_over(self, row: OutboundRow, new: NewOutbound, checked: CheckedContent) -> None:
        assert isinstance(new.body, bytes)
        try:
            if row.lease_owner is None:
                self._on_submitted()
            else:
                self._on_submitted(
                    SubmittedMessage(row=row, content_type=new.content_type, body=new.body, checked=checked)
                )
        except Exception:  # noqa: BLE001  it is committed: conversion finds it later, and 99 is the truth
            self._storage.broken()

    async def _refuse(
        self,
        request: WebRequest,
        client: str,
        refusal: Refused,
        rules: SubmissionRules,
        now: float,
        reason: str | None = None,
    ) -> WebAnswer:
        problems = blocking(refusal.problems) or refusal.problems
        reason = reason or problems[0].rule.lower()
        answer = answers.refused(refusal.envelope, problems, rules.own, message_id=self._new_id(), now=now)
        evidence = record_unless_accepted
        earlier = await self._storage.run(
            evidence, refusal, request, client=client, reason=reason, answer=answer.body, now=now
        )
        if earlier is not None and refusal.envelope is not None:
            return self._repeated(client, earlier, refusal, rules)
        self._metrics.submissions.labels(message_type="other", outcome="refused").inc()
        for found in problems:
            self._metrics.conversion_problems.labels(message_type="other", rule=found.rule).inc()
        _log.event(
            "submission-refused",
            sender=client,
            national_message_id=refusal.national_message_id,
            problems=len(problems),
            reason=reason,
        )
        return answer

    def _repeated(
        self, client: str, row: OutboundRow, outcome: Accepted | Refused, rules: SubmissionRules
    ) -> WebAnswer:
        assert outcome.envelope is not None
        message_type = f"{row.document_type}/{row.kind}"
        self._metrics.submissions.labels(message_type=message_type, outcome="repeated").inc()
        _log.event(
            "submission-repeated",
            sender=client,
            national_message_id=row.national_message_id,
            outbound_id=row.id,
        )
        return answers.accepted(outcome.envelope, row, rules.own)

    def _not_stored(self, outcome: Accepted | Refused, rules: SubmissionRules, now: float) -> WebAnswer:
        text = "the gateway could not store the message; send the same message again"
        fault = Problem(rule="STORE", message=text, error_code=STORE_CODE)
        answer = answers.refused(outcome.envelope, (fault,), rules.own, message_id=self._new_id(), now=now)
        return evolve(answer, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def record_unless_accepted(
    conn: Transaction,
    refusal: Refused,
    request: WebRequest,
    *,
    client: str,
    reason: str,
    answer: bytes,
    now: float,
) -> OutboundRow | None:
    """One unit: keep the evidence of a refusal; answer the stored row if these bytes were accepted before.

    What was accepted stays accepted, although a profile or a partner may have changed since.
    """
    envelope = refusal.envelope
    if envelope is not None and refusal.national_message_id:
        earlier = outbox.by_national_id(conn, envelope.sender.identity, refusal.national_message_id)
        if earlier is not None and earlier.digest == envelope.raw_digest:
            return earlier
    refusals.record_refusal(
        conn,
        side="portal",
        party=client,
        message_id=refusal.national_message_id,
        code=refusal.problems[0].error_code,
        reason=reason,
        detail="; ".join(found.sentence() for found in refusal.problems),
        body=request.body,
        content_type=request.content_type,
        answer=answer,
        now=now,
    )
    return None


def _new_outbound(accepted: Accepted, owner: str | None, until: float) -> NewOutbound:
    return NewOutbound(
        origin="portal",
        sender_identity=accepted.sender_identity,
        national_message_id=accepted.national_message_id,
        digest=accepted.digest,
        partner=accepted.partner,
        document_type=accepted.document_type,
        profile=accepted.profile,
        kind=accepted.kind,
        document_number=accepted.document_number,
        previous_number=accepted.previous_number,
        effect=accepted.effect,
        order_key=accepted.order_key,
        priority=accepted.priority,
        expires_at=accepted.expires_at,
        dossier=accepted.dossier,
        conversation_id=accepted.conversation_id,
        body=accepted.raw,
        lease_owner=owner,
        lease_until=until,
    )
