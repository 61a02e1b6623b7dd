"""A bare twisted.web over mutual TLS, without any gateway: what the exchanges of one message cost its ends.

    python -m benchmarks.echo [--seconds 2]

Two processes, each on a core of its own: a Site that reads a request whole and answers so many octets, and
an Agent with kept connections, several requests at a time. CPU is the processes' own, microseconds a request.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from OpenSSL.crypto import FILETYPE_PEM, load_certificate, load_privatekey
from twisted.internet import defer, ssl, task
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    FileBodyProducer,
    HTTPConnectionPool,
    readBody,
)
from twisted.web.resource import Resource
from twisted.web.server import Site

from benchmarks.proc import cpu
from certs.make_dev_pki import make_pki

#: Octets there and back: a national submission and its answer, an AS4 message and its receipt.
SUBMISSION, MESSAGE = (5_000, 1_500), (7_000, 4_600)
WARM_UP = 200
AT_ONCE = 16


class _Answer(Resource):
    isLeaf = True

    def render_POST(self, request: Any) -> bytes:
        request.content.read()
        request.setHeader(b"content-type", b"application/octet-stream")
        return bytes(int(request.path.lstrip(b"/")))


def _options(pki: Path, use: str) -> dict[str, Any]:
    country = "th" if use == "tls-server" else "vn"
    folder = pki / country
    return {
        "privateKey": load_privatekey(FILETYPE_PEM, (folder / f"{use}.key").read_bytes()),
        "certificate": load_certificate(FILETYPE_PEM, (folder / f"{use}.pem").read_bytes()),
    }


def _root(pki: Path) -> Any:
    return ssl.Certificate.loadPEM((pki / "root.pem").read_bytes())


async def _serve(reactor: Any, pki: Path) -> None:
    context = ssl.CertificateOptions(
        **_options(pki, "tls-server"), trustRoot=ssl.trustRootFromCertificates([_root(pki)])
    )
    site = Site(_Answer(), parsePOSTFormSubmission=False)
    site.log = lambda request: None  # type: ignore[method-assign]
    port = await SSL4ServerEndpoint(reactor, 0, context, interface="127.0.0.1").listen(site)
    print(port.getHost().port, flush=True)
    await defer.Deferred()


class _Policy(BrowserLikePolicyForHTTPS):
    def __init__(self, pki: Path) -> None:
        super().__init__(ssl.trustRootFromCertificates([_root(pki)]))
        self._pki = pki
        self._made: Any = None

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        if self._made is None:
            own = ssl.PrivateCertificate.loadPEM(
                b"".join((self._pki / "vn" / f"tls-client.{end}").read_bytes() for end in ("pem", "key"))
            )
            self._made = ssl.optionsForClientTLS(
                hostname.decode("ascii"), trustRoot=self._trustRoot, clientCertificate=own
            )
        return self._made


async def _send(reactor: Any, pki: Path, port: int, sizes: tuple[int, int], seconds: float) -> None:
    """Print that it is warm, wait for a line, send, then print count and CPU seconds as JSON."""
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = AT_ONCE
    agent = Agent(reactor, contextFactory=_Policy(pki), pool=pool)
    body, url = bytes(sizes[0]), f"https://127.0.0.1:{port}/{sizes[1]}".encode()
    count = 0

    async def ask(until: Any) -> None:
        nonlocal count
        while not until():
            producer: Any = FileBodyProducer(BytesIO(body))
            response: Any = await agent.request(b"POST", url, None, producer)
            if len(await readBody(response)) != sizes[1]:
                raise SystemExit("echo: a short answer")
            count += 1

    async def all_at_once(until: Any) -> None:
        await defer.gatherResults([defer.Deferred.fromCoroutine(ask(until)) for _ in range(AT_ONCE)])

    await all_at_once(lambda: count >= WARM_UP)
    print("warm", flush=True)
    sys.stdin.readline()
    count, began, spent = 0, time.monotonic(), time.process_time()
    await all_at_once(lambda: time.monotonic() - began > seconds)
    print(json.dumps({"count": count, "cpu": time.process_time() - spent}), flush=True)
    await pool.closeCachedConnections()


def _child(directory: Path, core: int, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.echo", "--pki", str(directory / "pki"), *words]
    child = subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    os.sched_setaffinity(child.pid, {core})
    return child


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise SystemExit("echo: a process ended")
    return line


def measure(directory: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Microseconds of client and server for one exchange of either kind."""
    make_pki(directory / "pki", ["vn", "th"])
    cores = sorted(os.sched_getaffinity(0))
    server = _child(directory, cores[0], "--serve")
    found: dict[str, dict[str, float]] = {}
    try:
        port = _line(server).strip()
        for name, (there, back) in (("submission", SUBMISSION), ("message", MESSAGE)):
            words = ("--port", port, "--sizes", f"{there},{back}", "--seconds", str(seconds))
            client = _child(directory, cores[-1], *words)
            try:
                _line(client)
                before = cpu(server.pid)["reactor"]
                assert client.stdin is not None
                client.stdin.write("\n")
                client.stdin.flush()
                told = json.loads(_line(client))
                spent = cpu(server.pid)["reactor"] - before
            finally:
                client.kill()
                client.communicate()
            found[name] = {
                "client_us": round(told["cpu"] / told["count"] * 1e6, 1),
                "server_us": round(spent / told["count"] * 1e6, 1),
                "per_second": round(told["count"] / seconds, 1),
            }
    finally:
        server.kill()
        server.communicate()
    return found


def per_message_ms(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """TLS and HTTP of one message: VN answers the portal and sends, TH receives and answers."""
    submission, message = found["submission"], found["message"]
    return {
        "VN": (submission["server_us"] + message["client_us"]) / 1e3,
        "TH": message["server_us"] / 1e3,
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--seconds", type=float, default=2.0)
    for name in ("--pki", "--port", "--sizes"):
        asked.add_argument(name, help=argparse.SUPPRESS)
    asked.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.serve:
        task.react(lambda reactor: defer.Deferred.fromCoroutine(_serve(reactor, Path(given.pki))))
    elif given.port:
        there, back = map(int, given.sizes.split(","))
        task.react(
            lambda reactor: defer.Deferred.fromCoroutine(
                _send(reactor, Path(given.pki), int(given.port), (there, back), given.seconds)
            )
        )
    else:
        found = measure(Path("build/bench/echo"), given.seconds)
        print(json.dumps(found, indent=1))
        print(f"echo: ms of TLS and HTTP a message: {per_message_ms(found)}")


if __name__ == "__main__":
    main()
