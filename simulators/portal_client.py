"""The portal's half of the gateway's feed contract, over HTTPS with mutual TLS.

Three acts, as in `asw_gateway.portal`:

    submit        POST feed/v1/messages                          an Envelope; answered by an Envelope 99 or 00
    read          GET  feed/v1/messages?after=SEQ&wait=SECONDS   long poll
    acknowledge   POST feed/v1/messages/SEQ/acknowledgement      ok, ok-with-warnings, not-readable

Every act ends within its time-out; whatever goes wrong on the way is one `FeedUnavailable`, after which the
caller may simply do the same again: the gateway is idempotent on the messageId and on the sequence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IPolicyForHTTPS
from zope.interface import implementer

MAX_ANSWER_BYTES = 64 * 1024 * 1024


class FeedUnavailable(Exception):
    """No usable answer: no connection, time-out, TLS refused, or an HTTP status outside the contract."""


@frozen(kw_only=True)
class Answer:
    """What the gateway said to one submission."""

    http_status: int
    function: str
    message_id: str
    errors: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def accepted(self) -> bool:
        return self.function == "99"


@frozen(kw_only=True)
class FeedEntry:
    """One entry of the feed; `sequence` and `identity` never change and never come back for another entry."""

    sequence: int
    identity: str
    kind: str
    created_at: float | str
    envelope: str


@implementer(IPolicyForHTTPS)
class _ClientTls:
    """One server root, one client certificate, whatever the host name."""

    def __init__(self, ca_file: Path, certificate_file: Path, key_file: Path) -> None:
        self._trust = trustRootFromCertificates(_certificates(ca_file))
        self._client = PrivateCertificate.loadPEM(
            certificate_file.read_bytes() + b"\n" + key_file.read_bytes()
        )

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return optionsForClientTLS(
            hostname.decode("ascii"), trustRoot=self._trust, clientCertificate=self._client
        )


class PortalClient:
    """Talks to one gateway through `agent` (an IAgent).  `base_url` ends before `/feed/v1`, for example
    `https://127.0.0.1:8444`."""

    def __init__(self, agent: Any, base_url: str, *, reactor: Any, timeout_seconds: float = 15.0) -> None:
        self._agent = agent
        self._messages = base_url.rstrip("/") + "/feed/v1/messages"
        self._reactor = reactor
        self._timeout = timeout_seconds
        self._pool: HTTPConnectionPool | None = None

    @classmethod
    def over_tls(
        cls,
        reactor: Any,
        base_url: str,
        *,
        ca_file: Path,
        certificate_file: Path,
        key_file: Path,
        timeout_seconds: float = 15.0,
    ) -> PortalClient:
        """Raises OSError or OpenSSL.crypto.Error when a file cannot be used."""
        pool = HTTPConnectionPool(reactor, persistent=True)
        pool.maxPersistentPerHost = 8
        policy = _ClientTls(ca_file, certificate_file, key_file)
        agent = Agent(reactor, policy, connectTimeout=5, pool=pool)
        client = cls(agent, base_url, reactor=reactor, timeout_seconds=timeout_seconds)
        client._pool = pool
        return client

    async def submit(self, envelope: bytes) -> Answer:
        """POST one Envelope.  An answer 00 is an answer; FeedUnavailable means: try the same bytes again."""
        response, body = await self._request(
            b"POST", self._messages, envelope, "application/xml; charset=utf-8", self._timeout
        )
        if response.code == 503:
            raise FeedUnavailable("503: the gateway could not store it")
        try:
            root = ElementTree.fromstring(body)  # noqa: S314 - from our own gateway, on this machine
        except ElementTree.ParseError:
            raise FeedUnavailable(f"HTTP {response.code} without an Envelope") from None
        return Answer(
            http_status=response.code,
            function=root.findtext("Header/Subject/function") or "",
            message_id=root.findtext("Header/Reference/messageId") or "",
            errors=tuple(
                (error.findtext("ErrorCode") or "", error.findtext("ErrorName") or "")
                for error in root.iter("Error")
            ),
            body=body,
        )

    async def read(
        self, after: int, *, wait_seconds: float = 0.0, limit: int | None = None
    ) -> tuple[FeedEntry, ...]:
        """Entries with sequence > `after`, oldest first; empty when none came within `wait_seconds`."""
        url = f"{self._messages}?after={after}&wait={wait_seconds:g}"
        if limit is not None:
            url += f"&limit={limit}"
        response, body = await self._request(b"GET", url, None, "", self._timeout + wait_seconds)
        if response.code != 200:
            raise FeedUnavailable(f"HTTP {response.code} to a feed request")
        try:
            entries = json.loads(body)["entries"]
            return tuple(
                FeedEntry(
                    sequence=int(entry["sequence"]),
                    identity=str(entry["id"]),
                    kind=str(entry["kind"]),
                    created_at=entry["created_at"],
                    envelope=str(entry["envelope"]),
                )
                for entry in entries
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise FeedUnavailable(f"the feed answered something else: {fault!r}") from fault

    async def acknowledge(self, sequence: int, result: str = "ok", detail: str = "") -> None:
        """Tell the gateway that entry `sequence` is stored here; may be repeated."""
        body = json.dumps({"result": result, "detail": detail}).encode()
        url = f"{self._messages}/{sequence}/acknowledgement"
        response, _ = await self._request(b"POST", url, body, "application/json", self._timeout)
        if response.code not in (200, 201, 204):
            raise FeedUnavailable(f"HTTP {response.code} to an acknowledgement")

    async def close(self) -> None:
        """Close idle connections; fires when they are closed."""
        if self._pool is not None:
            await self._pool.closeCachedConnections()

    async def _request(
        self, method: bytes, url: str, body: bytes | None, content_type: str, timeout: float
    ) -> tuple[Any, bytes]:
        headers = Headers({"Content-Type": [content_type]} if content_type else {})
        producer = BytesProducer(body) if body is not None else None
        both = Deferred.fromCoroutine(self._exchange(method, url, headers, producer))
        both.addTimeout(timeout, self._reactor)
        try:
            return await both
        except (FeedUnavailable, CancelledError):
            raise
        except Exception as fault:
            if isinstance(fault, OSError) or type(fault).__module__.startswith(("OpenSSL", "twisted")):
                raise FeedUnavailable(_short(fault)) from fault
            raise

    async def _exchange(
        self, method: bytes, url: str, headers: Headers, producer: BytesProducer | None
    ) -> tuple[Any, bytes]:
        response = await self._agent.request(method, url.encode("ascii"), headers, producer)
        return response, await _read_body(response)


@implementer(IBodyProducer)
class BytesProducer:
    """A request body that is already in memory."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing to pause: the body is written in one piece."""

    def resumeProducing(self) -> None:
        """Nothing to resume."""

    def stopProducing(self) -> None:
        """Nothing to stop."""


class _BodyCollector(Protocol):
    """Fires `done` with the whole body, or fails it when the body is too large or breaks off."""

    def __init__(self, done: Deferred[bytes]) -> None:
        self._done: Deferred[bytes] | None = done
        self._received = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > MAX_ANSWER_BYTES and self._done is not None:
            done, self._done = self._done, None
            done.errback(FeedUnavailable("the answer is too large"))
            transport: Any = self.transport
            transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        if reason.check(ResponseDone):
            done.callback(bytes(self._received))
        else:
            done.errback(FeedUnavailable("the answer broke off"))


def _read_body(response: Any) -> Deferred[bytes]:
    done: Deferred[bytes] = Deferred()
    response.deliverBody(_BodyCollector(done))
    return done


def _certificates(path: Path) -> list[Certificate]:
    end = b"-----END CERTIFICATE-----"
    blocks = path.read_bytes().split(end)[:-1]
    return [Certificate.loadPEM(block + end) for block in blocks]


def _short(fault: BaseException) -> str:
    reasons = getattr(fault, "reasons", None)
    if reasons:
        return f"{type(fault).__name__}: {reasons[0].type.__name__}: {reasons[0].getErrorMessage()}"[:300]
    return f"{type(fault).__name__}: {fault}"[:300]
