"""phase4 to phase4, measured as fairly as its API allows: kept TLS connections, no wire copies, no log lines.

    python -m interop.measure [--messages N] [--senders N] [--file DOCUMENT]

Two processes; every message is signed, compressed, receipted, the receipt verified. Prints one JSON object a
run: messages a second and the CPU seconds of either process. Nothing is kept on disk by either, so a gateway
that commits what it receives does more work for each message than this.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from attrs import frozen

from interop.build import Unavailable, classpath
from interop.documents import SERVICE, sealed_certificate
from interop.keys import RSA, Keys
from interop.phase4_peer import Flood, Phase4Peer
from interop.stage import peer_settings, write_key_stores
from simulators.world_files import PARTY_ID_TYPE

SENDER, RECEIVER = "vn", "th"
HOT_AFTER = 3000
RUN_SECONDS = 300.0


@frozen(kw_only=True)
class Measured:
    """One flood from phase4 to phase4."""

    flood: Flood
    receiver_cpu_seconds: float


class Phase4Pair:
    """Two peers that know each other, quiet and without copies; use it in a `with` block."""

    def __init__(self, directory: Path, peers_classpath: str) -> None:
        self._keys = Keys.make(directory / "pki", SENDER, {RECEIVER: RSA})
        ports = {name: _free_port() for name in (SENDER, RECEIVER)}
        self.sender = self._peer(directory, peers_classpath, SENDER, RECEIVER, ports)
        self.receiver = self._peer(directory, peers_classpath, RECEIVER, SENDER, ports)
        self._directory = directory

    def __enter__(self) -> Phase4Pair:
        self.receiver.start()
        self.sender.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.sender.stop()
        self.receiver.stop()

    def document(self) -> Path:
        """A sealed Form D of ordinary size."""
        _, document = sealed_certificate("TH", 1, self._keys.identity(SENDER, "seal"))
        file = self._directory / "document.xml"
        file.write_bytes(document)
        return file

    def flood(self, document: Path, count: int, senders: int) -> Measured:
        """Send `document` `count` times; raises PeerTrouble."""
        before = self.receiver.cpu_seconds()
        order = {
            "message.id": f"flood@{SENDER}.phase4.test",
            "service": SERVICE,
            "action": "certificate",
            "conversation.id": "flood",
            "files": str(document),
        }
        flood = self.sender.flood(order, count, senders, seconds=RUN_SECONDS)
        return Measured(flood=flood, receiver_cpu_seconds=self.receiver.cpu_seconds() - before)

    def _peer(
        self, directory: Path, peers_classpath: str, name: str, other: str, ports: dict[str, int]
    ) -> Phase4Peer:
        folder = directory / name
        write_key_stores(self._keys, name, folder, encrypt_to=self._keys.certificate(other, "encryption"))
        settings = peer_settings(
            own=(PARTY_ID_TYPE, name),
            partner=(PARTY_ID_TYPE, other),
            port=ports[name],
            partner_port=ports[other],
            agreement="urn:asw:agreement:measured",
        )
        quiet = {**settings, "keep": "false", "wire": "false"}
        return Phase4Peer(name, folder, peers_classpath, quiet, log_level="warn")


def main(arguments: list[str]) -> int:
    """Warm both processes up, then measure three times."""
    options = argparse.ArgumentParser(prog="python -m interop.measure", description=__doc__.splitlines()[0])
    options.add_argument("--messages", type=int, default=3000)
    options.add_argument("--senders", type=int, default=8)
    options.add_argument("--file", type=Path, help="the document to send; default: a Form D")
    chosen = options.parse_args(arguments)
    try:
        peers_classpath = classpath()
    except Unavailable as reason:
        print(f"measure phase4: skipped ({reason})")
        return 2
    directory = Path(tempfile.mkdtemp(prefix="phase4-"))
    try:
        with Phase4Pair(directory, peers_classpath) as pair:
            document = chosen.file or pair.document()
            pair.flood(document, HOT_AFTER, chosen.senders)
            for _ in range(3):
                measured = pair.flood(document, chosen.messages, chosen.senders)
                print(json.dumps(_told(measured, chosen.senders)), flush=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _told(measured: Measured, senders: int) -> dict[str, float]:
    flood = measured.flood
    both = flood.cpu_seconds + measured.receiver_cpu_seconds
    return {
        "receipted": flood.receipted,
        "senders": senders,
        "seconds": flood.seconds,
        "per_second": round(flood.per_second, 1),
        "sender_cpu_seconds": flood.cpu_seconds,
        "receiver_cpu_seconds": round(measured.receiver_cpu_seconds, 3),
        "cpu_milliseconds_per_message": round(1000 * both / max(1, flood.receipted), 3),
    }


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
