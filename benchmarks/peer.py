"""The AS4 layer alone, beside phase4 on the same machine in the same run.

    python -m benchmarks.peer [--messages 2000]

phase4 to phase4 (interop/, nothing kept on the disk) after 2,000 warm-up messages, against us to us: the
same sealed document, signed with RSA-2048, compressed, receipted, the receipt verified. Ours is durable:
packed and queued in a store, claimed, sent, stored with its receipt at the other side, the outcome
committed. Our messages carry ebMS's test service, so that the receiver does all that AS4 asks and delivers
nothing. The ratio is CPU per message of both sides, theirs over ours.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from asw_gateway import config
from asw_gateway.messaging.message import PING_ACTION, PING_SERVICE, Part, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.signature import SigningIdentity
from asw_gateway.partner.large_sending import PackedMessage
from asw_gateway.store import engine as engines
from asw_gateway.store import outbox
from asw_gateway.store.group import Unit, Writer
from asw_gateway.store.outbox_rows import NewOutbound, Submitted
from asw_gateway.store.transaction import Transaction
from benchmarks import stages
from benchmarks.database import Store
from benchmarks.load import wait_at_rest
from benchmarks.pair import COUNTRIES, Setting, difference, running

WARM_UP = 2_000
GROUP = 32
SETTLE_SECONDS = 4.0


def document() -> bytes:
    """The sealed 10 kB Form D that every benchmark uses."""
    way, _ = stages.walk("rsa", 1)
    return way.received[0].verified.parts[0].content


def theirs(directory: Path, content: bytes, messages: int) -> dict[str, float]:
    """CPU milliseconds per message of phase4's two processes; raises interop.build.Unavailable."""
    from interop.build import classpath
    from interop.measure import Phase4Pair

    peers = classpath(online_seconds=0)
    file = directory / "document.xml"
    file.write_bytes(content)
    with Phase4Pair(directory, peers) as pair:
        pair.flood(file, WARM_UP, 8)
        measured = pair.flood(file, messages, 8)
    count = max(1, measured.flood.receipted)
    return {
        "sender_ms": round(measured.flood.cpu_seconds / count * 1e3, 3),
        "receiver_ms": round(measured.receiver_cpu_seconds / count * 1e3, 3),
        "per_second": round(measured.flood.per_second, 1),
    }


def ours(directory: Path, content: bytes, messages: int) -> dict[str, float]:
    """CPU milliseconds per message of our two gateways, packing and queueing included."""
    with running(directory, Setting(algorithm="rsa", window=32)) as pair:
        site = pair.world.sites["VN"]
        partner = next(p for p in config.load(site.gateway_file).partners if p.country == "TH")
        identity = signing_identity(pair.world.directory / "pki" / "vn")
        pair.world.gateways["VN"].stop()
        made = queue(pair.stores["VN"].url, [partner], identity, content, messages)
        pair.world.start_gateway("VN")
        drained = pair.again()
        drained.pin()
        still_waiting(pair.stores["VN"])
        before, began = drained.snapshot(), time.monotonic()
        wait_at_rest(pair.stores["VN"], pair.stores["TH"], seconds=240)
        after, took = drained.snapshot(), time.monotonic() - began
        delivered = pair.stores["VN"].number("SELECT count(*) FROM outbox WHERE state = 'delivered'")
    if delivered != messages:
        raise SystemExit(f"peer: {delivered} of {messages} delivered")
    spent = {c: difference(after.cpu[c], before.cpu[c])["all"] / messages * 1e3 for c in COUNTRIES}
    return {
        "queued_ms": round(made, 3),
        "sender_ms": round(spent["VN"] + made, 3),
        "receiver_ms": round(spent["TH"], 3),
        "per_second": round(messages / took, 1),
    }


def signing_identity(folder: Path) -> SigningIdentity:
    """The AS4 signing key of a country of the world."""
    key: Any = load_pem_private_key((folder / "signing.key").read_bytes(), password=None)
    certificate = x509.load_pem_x509_certificate((folder / "signing.pem").read_bytes())
    return SigningIdentity(private_key=key, certificate=certificate)


def queue(
    url: str, partners: Sequence[Partner], identity: SigningIdentity, content: bytes, messages: int
) -> float:
    """Pack and queue for the partners by turns, GROUP in a commit; CPU milliseconds per message.

    They are due a little later, so that the gateway that sends them has started by then.
    """
    writer = Writer(engines.open_engine(url), "vn-bench")
    due_at = time.time() + SETTLE_SECONDS + messages / 250
    began = time.process_time()
    try:
        for start in range(0, messages, GROUP):
            sealed = []
            for number in range(start, min(start + GROUP, messages)):
                partner = partners[number % len(partners)]
                sealed.append((partner.name, _pack(partner, identity, content, number)))
            units = [
                Unit(partial(store, partner=name, sealed=message, due_at=due_at)) for name, message in sealed
            ]
            writer.run(units)
            for unit in units:
                if unit.error is not None:
                    raise unit.error
    finally:
        writer.close()
    return (time.process_time() - began) / messages * 1e3


def still_waiting(store: Store) -> None:
    """Raises SystemExit when sending began before it was measured."""
    if begun := store.number("SELECT count(*) FROM outbox WHERE state <> 'queued'"):
        raise SystemExit(f"{begun} messages left before the measurement began; the machine is too busy")


def _pack(partner: Partner, identity: SigningIdentity, content: bytes, number: int) -> SealedMessage:
    message_id = f"{number:06d}-{hashlib.sha256(content).hexdigest()[:12]}@vn.bench.test"
    part = Part(content_id=f"document.{message_id}", content=content, mime_type="application/xml")
    return pack(test_message(partner, message_id), (part,), partner.outbound, identity)


def test_message(partner: Partner, message_id: str) -> UserMessage:
    """A message of ebMS's test service: the receiver checks and receipts it and delivers nothing."""
    mode = partner.outbound
    return UserMessage(
        message_id=message_id,
        timestamp_at=time.time(),
        ref_to_message_id=None,
        from_party=mode.initiator,
        from_role=mode.initiator_role,
        to_party=mode.responder,
        to_role=mode.responder_role,
        agreement=mode.agreement,
        agreement_type=mode.agreement_type,
        pmode_id=mode.id,
        service=PING_SERVICE,
        service_type=None,
        action=PING_ACTION,
        conversation_id=message_id,
        properties=(),
    )


def store(conn: Transaction, partner: str, sealed: SealedMessage | PackedMessage, due_at: float) -> None:
    """Put a packed message into the queue."""
    number, now = sealed.message_id, time.time()
    new = NewOutbound(
        origin="gateway",
        partner=partner,
        document_type="atiga-form-d",
        profile="atiga-form-d-2022",
        kind="certificate",
        document_number=number,
        order_key=f"{partner}|{number}",
        priority=1,
        expires_at=now + 3600,
        digest="0" * 64,
        body=b"<queued-by-the-benchmark/>",
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
        document_digest="0" * 64,
        now=now,
        next_attempt_at=due_at,
    )


def measure(directory: Path, messages: int = 2_000) -> dict[str, Any]:
    """Both, and the ratio; or why phase4 was skipped."""
    from interop.build import Unavailable

    content = document()
    try:
        with tempfile.TemporaryDirectory(prefix="phase4-") as folder:
            found: dict[str, Any] = {"phase4": theirs(Path(folder), content, messages)}
    except Unavailable as reason:
        return {"skipped": str(reason)}
    found["ours"] = ours(directory, content, messages)
    shutil.rmtree(directory, ignore_errors=True)
    both = {name: found[name]["sender_ms"] + found[name]["receiver_ms"] for name in ("phase4", "ours")}
    return found | {"ratio": round(both["phase4"] / both["ours"], 3)}


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--messages", type=int, default=2_000)
    print(json.dumps(measure(Path("build/bench/phase4"), asked.parse_args().messages), indent=1))


if __name__ == "__main__":
    main()
