"""A portal that hands in documents over kept mTLS connections, so many unreceipted at once at most."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.database import Store
from simulators.world_files import Site


class Portal:
    """Keeps one TLS connection; `submit` blocks until the gateway's answer and raises when it is not 99."""

    def __init__(self, site: Site, pki: Path) -> None:
        context = ssl.create_default_context(cafile=str(pki / "root.pem"))
        context.load_cert_chain(pki / site.name / "portal.pem", pki / site.name / "portal.key")
        plain = socket.create_connection(("127.0.0.1", site.portal_port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._head = (
            f"POST /feed/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{site.portal_port}\r\n"
            "Content-Type: application/xml\r\nContent-Length: "
        ).encode()

    def submit(self, envelope: bytes) -> None:
        self._socket.sendall(b"%s%d\r\n\r\n%s" % (self._head, len(envelope), envelope))
        head, _, body = self._receive_head()
        length = int(_header(head, b"content-length"))
        while len(body) < length:
            body += self._more()
        if not head.startswith(b"HTTP/1.1 200") or b"<function>99</function>" not in body:
            raise RuntimeError(f"not accepted: {head[:60]!r} {body[-600:]!r}")

    def close(self) -> None:
        self._socket.close()

    def _receive_head(self) -> tuple[bytes, bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        return data.partition(b"\r\n\r\n")

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the gateway closed the connection")
        return data


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    raise RuntimeError("an answer without Content-Length")


class Load:
    """Threads that submit; `outstanding` bounds what is handed in and not yet at rest (0 = no bound)."""

    def __init__(
        self,
        sites: Sequence[Site],
        pki: Path,
        store: Store,
        *,
        connections: int,
        outstanding: int,
        per_second: float = 0.0,
    ) -> None:
        self._portals = [Portal(sites[n % len(sites)], pki) for n in range(connections)]
        self._store = store
        self._outstanding = outstanding
        self._per_second = per_second
        self._lock = threading.Lock()
        self._room = threading.Semaphore(0)
        self._error: BaseException | None = None

    def run(self, envelopes: Iterable[bytes], *, until: Callable[[], bool] = lambda: False) -> int:
        """Submit until they or the time are over, then wait until all are at rest; how many were taken."""
        waiting = iter(envelopes)
        ended = threading.Event()
        counts = [0] * len(self._portals)
        after = self._store.last_outbound() if self._store.open_messages() else 0

        def work(index: int) -> None:
            portal = self._portals[index]
            try:
                while not ended.is_set() and not until():
                    if not self._room.acquire(timeout=0.2):
                        continue
                    with self._lock:
                        envelope = next(waiting, None)
                    if envelope is None:
                        ended.set()
                        return
                    portal.submit(envelope)
                    counts[index] += 1
            except BaseException as error:  # noqa: BLE001 - told by the main thread
                self._error = error
                ended.set()

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(len(self._portals))]
        for thread in threads:
            thread.start()
        granted, began = 0, time.monotonic()
        pause = 0.002 if self._outstanding == 1 else 0.01
        while any(thread.is_alive() for thread in threads):
            if self._per_second:
                due = int((time.monotonic() - began) * self._per_second)
            else:
                done = sum(counts) - self._store.open_messages(after)
                due = max(done, 0) + self._outstanding
            while granted < due:
                granted += 1
                self._room.release()
            time.sleep(pause)
        if self._error is not None:
            raise self._error
        return sum(counts)

    def close(self) -> None:
        for portal in self._portals:
            portal.close()


def wait_at_rest(sender: Store, receiver: Store, *, after: int = 0, seconds: float = 120.0) -> None:
    """Wait until every message later than `after` is delivered and converted; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while sender.open_messages(after) > 0 or receiver.unconverted() > 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{sender.open_messages(after)} messages still open after {seconds:g} s")
        time.sleep(0.02)
