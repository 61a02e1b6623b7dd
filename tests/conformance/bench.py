"""The system under test: VN's gateway as a daemon, its portal's hands, and documents to send through it."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import date
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from asw_gateway.cli.control_client import ControlClient
from asw_gateway.config import GatewayConfig, load
from asw_gateway.messaging.message import Part, UserMessage
from asw_gateway.messaging.packing import pack
from asw_gateway.messaging.seal import seal
from asw_gateway.store import outbox
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import NewOutbound
from asw_gateway.translation.convert import to_asean
from asw_gateway.translation.envelope import read_envelope
from simulators import documents
from simulators.processes import Household, Process
from simulators.world import REPOSITORY
from tests.conformance import sockets
from tests.conformance.msh import WAIT_SECONDS, Msh, identity_of
from tests.conformance.site import Files, write_files
from tests.conformance.story import Delivery, Notice, Payload
from tests.exchange.world import catalogue

READY_SECONDS = 40.0


@frozen(kw_only=True)
class Submitted:
    """A national envelope the portal handed in."""

    national_message_id: str
    number: str

    @property
    def about(self) -> bytes:
        return self.number.encode()


class Bench:
    """One for the whole run; `close` ends every process and thread."""

    def __init__(self, directory: Path) -> None:
        self.msh = Msh()
        self.msh.listen(lambda port: write_files(directory, port))
        self.files: Files = self.msh.files
        self._household = Household()
        self._serial = 0
        self._read: list[dict[str, Any]] = []
        self._start()

    def _start(self) -> None:
        command = [
            str(Path(sys.executable).with_name("twistd")),
            "--nodaemon",
            "--pidfile=",
            "--logger",
            "asw_gateway.logs.stdout",
            "asw-gateway",
            "--config",
            str(self.files.site.gateway_file),
        ]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        self.daemon = self._household.add(
            Process(
                "gateway VN", command, log=self.files.site.directory / "gateway.log", environment=environment
            )
        )
        self.daemon.start()
        self.daemon.wait_until(self._ready, timeout_seconds=READY_SECONDS)

    def close(self) -> None:
        self._household.close()
        self.msh.stop()

    @cached_property
    def config(self) -> GatewayConfig:
        return load(self.files.site.gateway_file)

    @cached_property
    def control(self) -> ControlClient:
        return ControlClient(self.config.operators.control_socket)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.files.site.operators_url}/ready", timeout=2) as answer:
                return int(answer.status) == 200
        except OSError:
            return False

    # --- documents

    def number(self, origin: str, destination: str) -> str:
        self._serial += 1
        return documents.number_for(documents.FORM_D, origin, destination, self._serial, now=time.time())

    def foreign_document(self, name: str = "th", number: str | None = None) -> tuple[str, Part]:
        """A sealed Form D of that partner for VN, as it travels; its number and the part."""
        country = name.upper()
        number = number or self.number(country, "VN")
        now = time.time()
        raw = documents.form_d(
            number=number, origin=country, destination="VN", message_id=secrets.token_hex(16), now=now
        )
        envelope = read_envelope(raw, len(raw))
        subject = envelope.subject
        found = catalogue().for_submission(
            subject.document_type, subject.type, subject.function, date.today()
        )
        profile, kind = found  # type: ignore[misc]
        translation = to_asean(
            profile,
            kind,
            envelope.content,
            functional_reference=secrets.token_hex(16),
            now=now,
            sender_country=country,
        )
        sealed = seal(translation.document, identity_of(self.msh.pair(name, "seal")))
        part = Part(
            content_id=f"document-{secrets.token_hex(6)}@{name}",
            content=sealed,
            mime_type="application/xml",
            character_set="UTF-8",
        )
        return number, part

    # --- the portal: producer and consumer

    def submit(self, destination: str, *, envelope: bytes | None = None, number: str = "") -> Submitted:
        """The portal hands in a certificate for that country (or `envelope`); answered with 99."""
        national_message_id = secrets.token_hex(16)
        number = number or self.number("VN", destination)
        body = envelope or documents.form_d(
            number=number,
            origin="VN",
            destination=destination,
            message_id=national_message_id,
            now=time.time(),
        )
        status, answer = self._ask("POST", "/feed/v1/messages", body, {"Content-Type": "application/xml"})
        assert status == 200 and b"<function>99</function>" in answer, answer.decode()
        if envelope is not None:
            national_message_id = etree.fromstring(envelope).findtext("Header/Reference/messageId")
        return Submitted(national_message_id=national_message_id, number=number)

    def answer_by_customs(self, delivered: bytes, number: str) -> Submitted:
        """The portal's customs answer a document from abroad."""
        envelope = documents.customs_response(
            delivered, status="UTL", message_id=secrets.token_hex(16), now=time.time(), own_country="VN"
        )
        return self.submit("", envelope=envelope, number=number)

    def delivery(self, number: str, *, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """The feed entry that brought this document. AssertionError when it does not come."""
        return self._entry(lambda entry: _is_document(entry) and number in entry["envelope"], seconds)

    def deliveries(self, number: str) -> tuple[Delivery, ...]:
        """What of this document has reached the consumer by now, with every payload."""
        self._read_on(0)
        found = [entry for entry in self._read if _is_document(entry) and number in entry["envelope"]]
        return tuple(Delivery(about=number, payloads=self._payloads(entry)) for entry in found)

    def notice(self, about: str, status: str, *, seconds: float = WAIT_SECONDS) -> tuple[Notice, ...]:
        """Wait for a status about a national or network message id; AssertionError when it does not come."""
        self._entry(lambda entry: any(n.status == status for n in _notices(entry, about)), seconds)
        return tuple(n for n in self.notices(about) if n.status == status)

    def notices(self, about: str) -> tuple[Notice, ...]:
        """Every status about a message so far."""
        self._read_on(0)
        return tuple(notice for entry in self._read for notice in _notices(entry, about))

    def everything_delivered(self) -> tuple[Delivery, ...]:
        """Every document on the feed."""
        self._read_on(0)
        return tuple(Delivery(about=e["id"], payloads=()) for e in self._read if _is_document(e))

    def _payloads(self, entry: dict[str, Any]) -> tuple[Payload, ...]:
        status, answer = self._ask("GET", entry["parts"])
        assert status == 200, answer
        return tuple(
            Payload(
                content=self._ask("GET", f"{entry['parts']}/{part['number']}")[1],
                mime_type=part["mime_type"],
                character_set=part["character_set"],
                content_id=part["content_id"],
            )
            for part in json.loads(answer)["parts"]
        )

    def _entry(self, wanted: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        limit = time.monotonic() + seconds
        looked_at = 0
        while True:
            for entry in self._read[looked_at:]:
                if wanted(entry):
                    return entry
            looked_at = len(self._read)
            left = limit - time.monotonic()
            assert left > 0, f"nothing on the feed within {seconds} s"
            self._read_on(min(left, 2.0))

    def _read_on(self, wait_seconds: float) -> None:
        after = self._read[-1]["sequence"] if self._read else 0
        status, answer = self._ask("GET", f"/feed/v1/messages?after={after}&wait={wait_seconds:g}&limit=500")
        assert status == 200, answer
        self._read += json.loads(answer)["entries"]

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            sockets.HOST, self.files.site.portal_port, context=self._portal_context, timeout=30
        )
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @cached_property
    def _portal_context(self) -> ssl.SSLContext:
        files = self.files
        return sockets.client_context(
            files.root, files.certificate("vn", "portal"), files.key("vn", "portal")
        )

    # --- a producer beside the portal: payloads of any kind, through the same queue and channel

    def produce(self, name: str, parts: Sequence[Part]) -> str:
        """Queue a message of these payloads for a partner, as the gateway's conversion does; its message id.

        The national envelope carries one document and no other payloads, so cases about several payloads or
        other encodings enter where conversion hands over: packed by the gateway's own code into its outbox,
        sent by the daemon's channel.
        """
        config, now = self.config, time.time()
        [partner] = [each for each in config.partners if each.name == name]
        mode = partner.outbound
        message = UserMessage(
            message_id=f"{secrets.token_hex(16)}@{config.party_id.value}",
            timestamp_at=now,
            from_party=mode.initiator,
            from_role=mode.initiator_role,
            to_party=mode.responder,
            to_role=mode.responder_role,
            agreement=mode.agreement,
            pmode_id=mode.id,
            service="urn:asw:e-form-d:2022",
            action="certificate",
            conversation_id=secrets.token_hex(8),
        )
        identity = identity_of(config.signing)
        sealed = pack(message, parts, mode, identity)
        number = secrets.token_hex(6)
        new = NewOutbound(
            origin="gateway",
            partner=name,
            document_type="atiga-form-d",
            profile="atiga-form-d-2022",
            kind="certificate",
            document_number=number,
            order_key=f"{name}/atiga-form-d/{number}",
            priority=2,
            expires_at=now + 600,
            digest=sha256(parts[0].content).hexdigest(),
            body=parts[0].content,
            lease_owner="producer",
            lease_until=now + 60,
        )
        database = Database.open(config.database_url, node="producer", upgrade=False)
        try:
            row = database.run_now(outbox.submit, new, now).row
            database.run_now(
                outbox.mark_queued,
                row.id,
                message_id=sealed.message_id,
                content_type=sealed.content_type,
                body=sealed.body,
                reference_digests=sealed.reference_digests,
                signed_with=sha256(config.signing.certificate.public_bytes(Encoding.DER)).hexdigest(),
                document_digest=new.digest,
                now=now,
            )
        finally:
            database.close_now()
        self.control.post(f"/v1/partners/{name}/wake")
        return sealed.message_id


def _is_document(entry: dict[str, Any]) -> bool:
    return bool(entry["kind"] == "message")


def _notices(entry: dict[str, Any], about: str) -> list[Notice]:
    if entry["kind"] != "status" or about not in entry["envelope"]:
        return []
    root = etree.fromstring(entry["envelope"].encode())
    return [
        Notice(about=about, status=status.findtext("Status") or "", reason=status.findtext("Reason") or "")
        for status in root.iter("MessageStatus")
    ]
