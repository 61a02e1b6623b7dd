"""Messages that no profile would make, through the queue and the channel of our daemon."""

from __future__ import annotations

import time
from hashlib import sha256
from uuid import uuid4

from asw_gateway.messaging.message import MessageProperty, Part, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.messaging.pmode import PMode, SecurityProfile
from asw_gateway.messaging.values import PartyId
from asw_gateway.store import outbox
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import NewOutbound, Submitted
from asw_gateway.store.transaction import Transaction
from interop.acts import until
from interop.documents import DOCUMENT_TYPE, KIND, SERVICE
from interop.phase4_peer import Event
from interop.stage import OWN, Stage
from simulators.world_files import PARTY_ID_TYPE


def through_the_queue(stage: Stage, name: str, parts: list[tuple[str, bytes]], *, compress: bool) -> Event:
    """Queue a message of any parts, as no profile would make it, while our gateway is down; it sends it."""
    peer = stage.peers[name]
    sealed = _packed(stage, name, parts, compress=compress)
    stage.gateway.stop()
    database = Database.open(stage.database_url, node="interop")
    try:
        database.run_now(_queue, sealed, name, time.time())
    finally:
        database.close_now()
    mark = peer.mark()
    stage.start_gateway()
    event = peer.received(sealed.message_id, after=mark)
    until(lambda: _state(stage, sealed.message_id) == "delivered", "the receipt for several parts")
    return event


def _packed(stage: Stage, name: str, parts: list[tuple[str, bytes]], *, compress: bool) -> SealedMessage:
    role = stage.roles[name]
    own = PartyId(value=stage.site.party_id, type=PARTY_ID_TYPE)
    theirs = PartyId(value=stage.partners[name].party_id, type=PARTY_ID_TYPE)
    mode = PMode(
        id=f"{own.value}_{theirs.value}",
        agreement=f"urn:asw:agreement:{'-'.join(sorted((OWN, role.name)))}",
        initiator=own,
        responder=theirs,
        security=SecurityProfile(signature_algorithm="rsa-sha256"),
        compress=compress,
    )
    message_id = f"{uuid4()}@{own.value}"
    message = UserMessage(
        message_id=message_id,
        timestamp_at=time.time(),
        ref_to_message_id=None,
        from_party=own,
        from_role=mode.initiator_role,
        to_party=theirs,
        to_role=mode.responder_role,
        agreement=mode.agreement,
        agreement_type=None,
        pmode_id=mode.id,
        service=SERVICE,
        service_type=None,
        action=KIND,
        conversation_id=message_id,
        properties=(MessageProperty(name="originalSender", value="VN"),),
    )
    made = [
        Part(content_id=f"part-{number}.{message_id}", content=content, mime_type=kind)
        for number, (kind, content) in enumerate(parts, start=1)
    ]
    return pack(message, made, mode, stage.keys.identity(OWN, "signing"))


def _queue(conn: Transaction, sealed: SealedMessage, partner: str, now: float) -> None:
    number = sealed.message_id
    new = NewOutbound(
        origin="gateway",
        partner=partner,
        document_type=DOCUMENT_TYPE,
        profile="atiga-form-d-2022",
        kind=KIND,
        document_number=number,
        order_key=f"{partner}|{number}",
        priority=1,
        expires_at=now + 3600,
        digest=sha256(sealed.body).hexdigest(),
        body=b"<queued-by-the-interoperability-suite/>",
    )
    submitted = outbox.submit(conn, new, now)
    assert isinstance(submitted, Submitted)
    outbox.mark_queued(
        conn,
        submitted.row.id,
        message_id=sealed.message_id,
        content_type=sealed.content_type,
        body=sealed.body,
        reference_digests=sealed.reference_digests,
        signed_with="",
        document_digest=sha256(sealed.body).hexdigest(),
        now=now,
    )


def _state(stage: Stage, message_id: str) -> str:
    database = Database.open(stage.database_url, node="interop", upgrade=False)
    try:
        row = database.read_now(outbox.by_message_id, message_id)
        return row.state if row is not None else ""
    finally:
        database.close_now()
