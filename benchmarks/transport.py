"""The transport floor: a bare echo over mutual TLS, as grade `http.server` would be, without any gateway.

python -m benchmarks.transport [--seconds 3]
"""

from __future__ import annotations

import argparse
import socket
import ssl
import threading
import time
from pathlib import Path

from certs.make_dev_pki import make_pki

REQUEST_BYTES, ANSWER_BYTES = 7_000, 4_600
_FIELDS = b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
_HEAD = b"POST /as4 HTTP/1.1\r\nHost: localhost\r\n" + _FIELDS
_ANSWER_HEAD = b"HTTP/1.1 200 OK\r\n" + _FIELDS


def measure(directory: Path, seconds: float) -> dict[str, float]:
    """Exchanges a second of one kept connection, and CPU microseconds of each end."""
    pki = directory / "pki"
    make_pki(pki, ["vn", "th"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "th" / "tls-server.pem", pki / "th" / "tls-server.key")
    context.load_verify_locations(pki / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(pki / "root.pem"))
    client.load_cert_chain(pki / "vn" / "tls-client.pem", pki / "vn" / "tls-client.key")
    spent: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=_serve, args=(listener, context, spent), daemon=True)
        serving.start()
        plain = socket.create_connection(listener.getsockname(), timeout=10)
        with client.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            request = _HEAD % REQUEST_BYTES + bytes(REQUEST_BYTES)
            whole = len(_ANSWER_HEAD % ANSWER_BYTES) + ANSWER_BYTES
            count, began, cpu = 0, time.monotonic(), time.thread_time()
            while time.monotonic() - began < seconds:
                connection.sendall(request)
                left = whole
                while left:
                    data = connection.recv(65536)
                    if not data:
                        raise ConnectionError("the echo ended")
                    left -= len(data)
                count += 1
            took, cpu = time.monotonic() - began, time.thread_time() - cpu
        serving.join(5)
    return {
        "per_second": round(count / took, 1),
        "client_us": round(cpu / count * 1e6, 1),
        "server_us": round(spent[0] / count * 1e6, 1) if spent else 0.0,
    }


def _serve(listener: socket.socket, context: ssl.SSLContext, spent: list[float]) -> None:
    plain, _ = listener.accept()
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer = _ANSWER_HEAD % ANSWER_BYTES + bytes(ANSWER_BYTES)
    with context.wrap_socket(plain, server_side=True) as connection:
        began, data = time.thread_time(), b""
        while True:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    spent.append(time.thread_time() - began)
                    return
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            left = int(head.rpartition(b"Content-Length: ")[2]) - len(body)
            while left > 0:
                left -= len(connection.recv(65536))
            data = b""
            connection.sendall(answer)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--seconds", type=float, default=3.0)
    print(measure(Path("build/bench/transport"), asked.parse_args().seconds))


if __name__ == "__main__":
    main()
