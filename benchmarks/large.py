"""What a 100 MB part costs in memory, on either side: two real gateways over mutual TLS.

    python -m benchmarks.large [--megabytes 100] [--limit 64]

A process of its own packs two messages into VN's store (a compressible part that travels as gzip, and one of
random octets that travels as it is). VN's gateway starts with them queued and TH away; when TH comes up, VN
sends them from its chunk rows. Last line: `large: 100 MB rise sender=… MB receiver=… MB`; exit status 1 when
either rise is beyond the limit or a message does not arrive. A rise is the peak of the resident memory of
a process (VmHWM, reset before) above what it had before; the sender's is the larger of packing and sending.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from asw_gateway import config
from asw_gateway.messaging.large_packing import LargePart
from asw_gateway.messaging.message import UserMessage
from asw_gateway.partner.large_sending import PackedMessage, pack_to_store
from asw_gateway.service.standing import standing
from asw_gateway.spool import Spool
from asw_gateway.store import outbox
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import NewOutbound, Submitted
from asw_gateway.store.transaction import Transaction
from asw_gateway.tls import fingerprint
from asw_gateway.workers import Workers
from benchmarks.database import Store
from simulators.world import REPOSITORY, World
from simulators.world_files import Agreement

ARRIVAL_SECONDS = 120.0
PIECE_BYTES = 64 * 1024


@frozen
class Memory:
    """The resident memory of one process: what it had, and how far it rose above that."""

    pid: int
    before_kb: int

    @classmethod
    def from_now(cls, pid: int) -> Memory:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # the peak starts again
        return cls(pid, _status_kb(pid, "VmRSS"))

    @property
    def rise_mb(self) -> float:
        return (_status_kb(self.pid, "VmHWM") - self.before_kb) * 1024 / 1e6


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise ValueError(name)


@frozen(kw_only=True)
class Rise:
    """MB of resident memory above what was there before."""

    packing: float
    sending: float
    receiving: float
    seconds: float


def measure(megabytes: int, directory: Path) -> Rise:
    """Send two parts of this size from one gateway to another. Raises when they do not arrive."""
    agreement = Agreement(send_timeout_seconds=60.0, initial_delay_seconds=1.0, maximum_delay_seconds=1.0)
    with World(directory, countries=("VN", "TH"), agreement=agreement) as world:
        world.write()
        packing = _pack_elsewhere(world.sites["VN"].gateway_file, megabytes)
        world.start_gateway("VN")
        time.sleep(1.0)  # the first attempt has failed by then
        sending = world.gateways["VN"].pid or 0
        sender = Memory.from_now(sending)
        os.kill(sending, signal.SIGSTOP)  # nothing comes before the receiver is looked at
        world.start_gateway("TH")
        receiver = Memory.from_now(world.gateways["TH"].pid or 0)
        os.kill(sending, signal.SIGCONT)
        began = time.monotonic()
        store = Store(f"sqlite:///{world.sites['VN'].directory / 'state' / 'gateway.sqlite'}")
        while store.number("SELECT count(*) FROM outbox WHERE state = 'delivered'") < 2:
            if time.monotonic() - began > ARRIVAL_SECONDS:
                found = store.rows("SELECT state, last_reason FROM outbox")
                raise TimeoutError(f"not delivered: {found}")
            time.sleep(0.05)
        seconds = time.monotonic() - began
        store.close()
        theirs = Store(f"sqlite:///{world.sites['TH'].directory / 'state' / 'gateway.sqlite'}")
        while theirs.unconverted():
            time.sleep(0.05)  # what conversion does with them counts too
        theirs.close()
        return Rise(packing=packing, sending=sender.rise_mb, receiving=receiver.rise_mb, seconds=seconds)


def _pack_elsewhere(gateway_file: Path, megabytes: int) -> float:
    command = [sys.executable, "-m", "benchmarks.large", "--pack", str(gateway_file)]
    done = subprocess.run(  # noqa: S603 - our own module
        [*command, "--megabytes", str(megabytes)],
        check=True,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=120,
    )
    return float(done.stdout.split()[-1])


def _pack(reactor: object, gateway_file: Path, megabytes: int) -> Deferred[None]:
    return Deferred.fromCoroutine(_pack_both(reactor, gateway_file, megabytes))


async def _pack_both(reactor: object, gateway_file: Path, megabytes: int) -> None:
    """In a process of its own: queue both messages and say how far the memory rose."""
    loaded = config.load(gateway_file)
    current = standing(loaded)
    partner = current.partners["th"]
    database = Database.open(loaded.database_url, node="packing", reactor=reactor)  # type: ignore[arg-type]
    workers = Workers(reactor)
    spool = Spool(loaded.state_directory / "spool")
    service = tomllib.loads((REPOSITORY / "profiles/atiga-form-d-2022/profile.toml").read_text())["service"]
    memory = Memory.from_now(os.getpid())
    for compress in (True, False):
        mode = evolve(partner.outbound, compress=compress)
        message_id = current.message_id(secrets.token_hex(16))
        message = UserMessage(
            message_id=message_id,
            timestamp_at=time.time(),
            from_party=mode.initiator,
            from_role=mode.initiator_role,
            to_party=mode.responder,
            to_role=mode.responder_role,
            agreement=mode.agreement,
            agreement_type=mode.agreement_type,
            pmode_id=mode.id,
            service=service,
            action="certificate",
            conversation_id=message_id,
        )

        def pieces(compressible: bool = compress) -> Iterator[bytes]:
            return _octets(megabytes * 1_000_000, compressible)

        part = LargePart(
            content_id=f"large.{message_id}", pieces=pieces, mime_type="application/octet-stream"
        )
        packed = await pack_to_store(
            message,
            [part],
            mode,
            current.identities.signing,
            content_secret=None,
            spool=spool,
            database=database,
            workers=workers,
            now=time.time,
        )
        await database.run(
            _queue, packed, fingerprint(current.identities.signing.certificate), compress, time.time()
        )
    print(memory.rise_mb)
    await workers.stop()
    await database.close()


def _queue(conn: Transaction, packed: PackedMessage, signed_with: str, compress: bool, now: float) -> None:
    number = f"LARGE-{'GZIP' if compress else 'RAW'}"
    new = NewOutbound(
        origin="gateway",
        partner="th",
        document_type="atiga-form-d",
        profile="atiga-form-d-2022",
        kind="certificate",
        document_number=number,
        order_key=f"th|atiga-form-d|{number}",
        priority=2,
        expires_at=now + 86400,
        digest=number,
        body=b"",
    )
    submitted = outbox.submit(conn, new, now)
    assert isinstance(submitted, Submitted)
    outbox.mark_queued(
        conn,
        submitted.row.id,
        message_id=packed.message_id,
        content_type=packed.content_type,
        body=packed.body,
        reference_digests=packed.reference_digests,
        signed_with=signed_with,
        document_digest=number,
        now=now,
    )


def _octets(size_bytes: int, compressible: bool) -> Iterator[bytes]:
    left = size_bytes
    while left:
        size = min(left, PIECE_BYTES)
        piece = os.urandom(size // 2) + bytes(size - size // 2) if compressible else os.urandom(size)
        yield piece
        left -= size


def main() -> int:
    """Measure and print; 1 beyond the limit."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    asked.add_argument("--megabytes", type=int, default=100)
    asked.add_argument("--limit", type=float, default=64.0, help="MB of rise on either side")
    asked.add_argument("--pack", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.pack is not None:
        react(_pack, (given.pack, given.megabytes))
    with tempfile.TemporaryDirectory(prefix="asw-large-") as directory:
        rise = measure(given.megabytes, Path(directory) / "world")
    sender = max(rise.packing, rise.sending)
    print(f"packing {rise.packing:.1f} MB, sending {rise.sending:.1f} MB; both sent in {rise.seconds:.1f} s")
    print(f"large: {given.megabytes} MB rise sender={sender:.1f} MB receiver={rise.receiving:.1f} MB")
    return 0 if max(sender, rise.receiving) < given.limit else 1


if __name__ == "__main__":
    sys.exit(main())
