"""The payloads beside a delivered document."""

from __future__ import annotations

import json
import time

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.messaging.message import Part, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.store import feed, inbox
from asw_gateway.store.inbox_rows import NewInbound
from tests.exchange import world as border
from tests.portal.world import Answer, World

DOCUMENT = Part(content_id="d@th", content=b"<Form/>", mime_type="application/xml", character_set="UTF-8")
SCAN = Part(content_id="s@th", content=bytes(range(256)), mime_type="image/png")


def sealed(*parts: Part) -> SealedMessage:
    here, there = border.gateway("VN", "TH"), border.gateway("TH", "VN")
    mode = here.partner.inbound
    message = UserMessage(
        message_id="1@asw-th",
        timestamp_at=border.NOW,
        from_party=mode.initiator,
        from_role=mode.initiator_role,
        to_party=mode.responder,
        to_role=mode.responder_role,
        agreement=mode.agreement,
        service="urn:x",
        action="certificate",
        conversation_id="c",
    )
    return pack(message, parts, mode, there.identities.signing)


class PartsTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.database.close)

    def deliver(self, message: SealedMessage) -> None:
        """Put a message of Thailand into the inbox, and an entry about it on the feed."""
        new = NewInbound(
            partner="th",
            message_id=message.message_id,
            reference_digests=message.reference_digests,
            content_type=message.content_type,
            body=message.body,
            receipt_content_type="text/plain",
            receipt=b"receipt",
            service="urn:x",
            action="certificate",
            signer="0" * 64,
        )
        row = self.world.database.now(inbox.register, new, border.NOW).row
        self.world.database.now(
            feed.append, kind="message", subject=row.subject, body=b"<E/>", inbox_id=row.id, now=time.time()
        )

    def ask(self, path: str) -> Answer:
        answer: Answer = self.successResultOf(self.world.start("GET", path))
        return answer

    def test_every_payload_beside_its_document(self) -> None:
        """The entry says where; the list says what; each is given as the partner submitted it."""
        self.deliver(sealed(DOCUMENT, SCAN))
        [entry] = json.loads(self.ask("/feed/v1/messages").body)["entries"]
        listed = json.loads(self.ask(entry["parts"]).body)["parts"]
        self.assertEqual(
            [(p["content_id"], p["mime_type"], p["character_set"], p["size_bytes"]) for p in listed],
            [("d@th", "application/xml", "UTF-8", 7), ("s@th", "image/png", None, 256)],
        )
        self.assertEqual([p["leading"] for p in listed], [True, False])
        found = [self.ask(f"{entry['parts']}/{p['number']}") for p in listed]
        self.assertEqual([answer.body for answer in found], [DOCUMENT.content, SCAN.content])
        self.assertEqual({answer.content_type for answer in found}, {"application/octet-stream"})

    def test_what_there_is_not(self) -> None:
        """No such entry, an entry without a message, no such part, a number that is none."""
        self.world.add(b"<Status/>")
        self.deliver(sealed(DOCUMENT))
        for path, status in (("9/parts", 404), ("1/parts", 404), ("2/parts/2", 404), ("x/parts", 400)):
            self.assertEqual(self.ask(f"/feed/v1/messages/{path}").status, status, path)

    def test_stored_bytes_that_were_changed(self) -> None:
        """A message whose signature no longer holds is not given out."""
        message = sealed(DOCUMENT)
        changed = message.body.replace(b">certificate<", b">cancellation<")
        self.deliver(evolve(message, body=changed))
        self.assertEqual(self.ask("/feed/v1/messages/1/parts").status, 404)

    def test_store_that_fails(self) -> None:
        self.world.database.broken = True
        self.assertEqual(self.ask("/feed/v1/messages/1/parts").status, 503)
        self.flushLoggedErrors()
