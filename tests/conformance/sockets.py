"""The other side's HTTPS, from the standard library alone: one request per connection, mutual TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.conformance.wire import Exchange, Http

HOST = "127.0.0.1"
SECONDS = 20.0


def post(port: int, path: str, content_type: str, body: bytes, context: ssl.SSLContext) -> Exchange:
    """POST and read the answer; the answer is None when the connection ended without one."""
    headers = (
        ("Host", f"{HOST}:{port}"),
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    )
    request = Http(start=f"POST {path} HTTP/1.1", headers=headers, body=body)
    with (
        socket.create_connection((HOST, port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        secured.sendall(request.raw)
        try:
            response = HTTPResponse(secured, method="POST")
            response.begin()
            answer = response.read()
        except TimeoutError:
            raise
        except (OSError, HTTPException):
            return Exchange(request=request)
        start = f"HTTP/1.1 {response.status} {response.reason}"
        headers = tuple(response.getheaders())
        return Exchange(request=request, answer=Http(start=start, headers=headers, body=answer))


def post_and_hang_up(
    port: int, path: str, content_type: str, body: bytes, context: ssl.SSLContext
) -> Exchange:
    """POST, wait until the answer is on its way, and lose it: a network cut between us."""
    exchange = post(port, path, content_type, body, context)
    return Exchange(request=exchange.request)


def client_context(root: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(root))
    context.load_cert_chain(certificate, key)
    return context


class Listener:
    """An HTTPS server; ``answer(path, request)`` gives the response, or None to cut the connection."""

    def __init__(self, answer: Callable[[str, Http], Http | None]) -> None:
        self._server = _Server((HOST, 0), _handler(answer))
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self, root: Path, certificate: Path, key: Path) -> None:
        """Begin to answer clients whose certificate the root has signed."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(root))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        self._server.context = context
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(SECONDS)
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                self.RequestHandlerClass(secured, client_address, self)  # type: ignore[arg-type]
        except (OSError, ConnectionError):
            return  # a client that was refused or left

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Said by the test that waits in vain."""


def _handler(answer: Callable[[str, Http], Http | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            request = Http(start=self.requestline, headers=tuple(self.headers.items()), body=body)
            self.close_connection = True
            response = answer(self.path, request)
            if response is None:
                self.connection.close()
                return
            self.wfile.write(response.raw)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: every exchange is kept as evidence."""

    return Handler


def response(status: int, content_type: str = "", body: bytes = b"") -> Http:
    """An answer of ours."""
    reasons = {200: "OK", 204: "No Content", 400: "Bad Request"}
    headers = [("Content-Length", str(len(body))), ("Connection", "close")]
    if content_type:
        headers.insert(0, ("Content-Type", content_type))
    return Http(start=f"HTTP/1.1 {status} {reasons.get(status, 'Status')}", headers=tuple(headers), body=body)
