"""Record what phase4 really sends, for tests that need neither Java nor phase4.

    python -m interop.record [DIRECTORY]          default: tests/messaging/recorded

Each role below gets a document of ours and gives a receipt; some also refuse one, or send a message of their
own. Kept are the bytes as they came, and in recordings.json what a test must know to judge them: the message
they answer with its digests, the certificate that signed them, when. All keys are throw-away ones. Earlier
recordings in the directory are removed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from asw_gateway.messaging.mime import split_body
from asw_gateway.messaging.namespaces import DS
from asw_gateway.messaging.pmode import EDELIVERY_1_15, EDELIVERY_2_0, Limits
from asw_gateway.store import evidence, outbox
from asw_gateway.store.database import Database
from interop.acts import deliver, message_id_of, receipted, sealed_file
from interop.build import Unavailable, classpath
from interop.documents import form_d
from interop.keys import ECDSA, MODERN
from interop.stage import Role, Stage
from interop.wire_check import read_wire

DIRECTORY = Path(__file__).resolve().parents[1] / "tests" / "messaging" / "recorded"
#: What a recording is called, and the partner that makes it.
ROLES = {
    "rsa": Role(country="TH"),
    "ecdsa": Role(country="MY", kind=ECDSA),
    "ed25519": Role(country="LA", kind=MODERN, encrypt=True),
    "encrypted": Role(country="ID", encrypt=True),
    "pkipath": Role(country="SG", key_reference="pkipath"),
    "issuer-serial": Role(country="PH", key_reference="issuer-serial"),
    "ski": Role(country="KH", key_reference="ski"),
    "thumbprint": Role(country="BN", key_reference="thumbprint"),
}
#: Partners whose own messages are recorded too; those that encrypt would need a private key beside them.
SENDERS = ("rsa", "ecdsa", "pkipath", "issuer-serial", "ski", "thumbprint")


def main(arguments: list[str]) -> int:
    """Record everything anew; the exit status."""
    target = Path(arguments[0]) if arguments else DIRECTORY
    try:
        peers_classpath = classpath()
    except Unavailable as reason:
        print(f"record: skipped ({reason})")
        return 2
    with (
        tempfile.TemporaryDirectory() as folder,
        Stage(Path(folder), peers_classpath, tuple(ROLES.values())) as stage,
    ):
        recordings = [found for name, role in ROLES.items() for found in _record(stage, name, role)]
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.as4"):
        old.unlink()
    for recording in recordings:
        (target / recording["file"]).write_bytes(recording.pop("body"))
    text = json.dumps(recordings, indent=1, ensure_ascii=False)
    (target / "recordings.json").write_text(f"{text}\n", encoding="utf-8")
    print(f"record: {len(recordings)} recordings in {target}")
    return 0


def _record(stage: Stage, name: str, role: Role) -> Iterator[dict[str, Any]]:
    peer = stage.peers[role.name]
    if role.kind == ECDSA:
        stage.sign_with("signing-ecdsa")  # phase4 asks for the algorithm it signs with
    mark = peer.mark()
    deliver(stage, role.name, "signed+encrypted" if role.encrypt else "signed")
    yield _answer(stage, f"receipt-{name}", role, peer.wait("received", after=mark).rest[0])
    if name in ("rsa", "ecdsa"):
        peer.treat_next("refuse", "EBMS:0003")
        number, envelope = form_d("VN", role.country, stage.serial())
        mark = peer.mark()
        stage.portal.submit(envelope)
        refused = peer.wait("refused", after=mark).rest[0]
        stage.portal.status(number, "failed")
        yield _answer(stage, f"error-{name}", role, refused)
    if name in SENDERS:
        message_id = message_id_of(role.name)
        _, file = sealed_file(stage, role.name)
        receipted(peer.send(stage.order(role.name, message_id, [file], key_reference=role.key_reference)))
        found = read_wire(peer.wire("sent")[-1])
        assert found is not None
        yield _about(stage, f"message-{name}", role, message_id, *found)
    if role.kind == ECDSA:
        stage.sign_with("signing")


def _answer(stage: Stage, name: str, role: Role, message_id: str) -> dict[str, Any]:
    """The receipt or error for one message of ours, as our store keeps it, and that message's digests."""
    database = Database.open(stage.database_url, node="record", upgrade=False)
    try:
        row = database.read_now(outbox.by_message_id, message_id)
        assert row is not None
        stored = {each.role: each for each in database.read_now(evidence.of_outbound, row).bytes}
    finally:
        database.close_now()
    answer, sent = stored[name.partition("-")[0]], stored["sent"]
    about = _about(stage, name, role, message_id, answer.content_type, answer.data)
    return about | {"reference_digests": _digests(sent.content_type, sent.data)}


def _about(
    stage: Stage, name: str, role: Role, message_id: str, content_type: str, body: bytes
) -> dict[str, Any]:
    certificate = stage.keys.certificate(role.name, "signing")
    return {
        "name": name,
        "file": f"{name}.as4",
        "content_type": content_type,
        "suite": EDELIVERY_2_0 if role.kind == MODERN else EDELIVERY_1_15,
        "country": role.country,
        "message_id": message_id,
        "recorded_at": int(time.time()),
        "signer": certificate.public_bytes(Encoding.PEM).decode("ascii"),
        "body": body,
    }


def _digests(content_type: str, body: bytes) -> list[list[str]]:
    """URI and digest value of every ds:Reference of a message of ours."""
    root = etree.fromstring(split_body(content_type, body, Limits())[0])
    return [
        [found.get("URI", ""), found.findtext(f"{{{DS}}}DigestValue", "")]
        for found in root.iter(f"{{{DS}}}Reference")
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
