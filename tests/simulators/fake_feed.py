"""A gateway's feed in memory, as the contract has it: idempotent submissions, permanent entries."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from simulators.facts import read_facts
from simulators.portal_client import Answer, FeedEntry, FeedUnavailable


def answer_body(message_id: str, function: str, errors: list[tuple[str, str]]) -> bytes:
    listed = "".join(
        f"<Error><ErrorCode>{code}</ErrorCode><ErrorName>{name}</ErrorName></Error>" for code, name in errors
    )
    return (
        f"<Envelope><Header><Reference><messageId>{message_id}</messageId></Reference><Subject><function>{function}"
        f"</function></Subject></Header><Body><Content><ErrorList>{listed}</ErrorList></Content></Body></Envelope>"
    ).encode()


class FakeFeed:
    """`down` makes everything fail; `lose_answers` stores submissions and then breaks the connection."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.order: list[str] = []
        self.requests: list[str] = []
        self.entries: list[FeedEntry] = []
        self.acknowledged: list[tuple[int, str]] = []
        self.refuse: set[str] = set()
        self.down = False
        self.lose_answers = 0
        self.lose_acknowledgements = 0
        self._waiting: list[Deferred[None]] = []

    def append(self, envelope: str) -> None:
        sequence = len(self.entries) + 1
        self.entries.append(
            FeedEntry(
                sequence=sequence, identity=f"e{sequence}", kind="document", created_at=0.0, envelope=envelope
            )
        )
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    async def submit(self, envelope: bytes) -> Answer:
        try:
            identity = read_facts(envelope).message_id
        except ValueError:
            self.refuse.add(identity := "")
        self.requests.append(identity)
        if self.down:
            raise FeedUnavailable("down")
        function, errors = "99", []
        if identity in self.refuse or self.stored.setdefault(identity, envelope) != envelope:
            function, errors = "00", [("ERR05_CODE", "no")]
        elif identity not in self.order:
            self.order.append(identity)
        if self.lose_answers:
            self.lose_answers -= 1
            raise FeedUnavailable("the answer was lost")
        return Answer(
            http_status=200,
            function=function,
            message_id=identity,
            errors=tuple(errors),
            body=answer_body(identity, function, errors),
        )

    async def read(self, after: int, *, wait_seconds: float = 0.0) -> tuple[FeedEntry, ...]:
        if self.down:
            raise FeedUnavailable("down")
        found = tuple(entry for entry in self.entries if entry.sequence > after)
        if not found and wait_seconds:
            deferred: Deferred[None] = Deferred()
            self._waiting.append(deferred)
            await deferred
        return tuple(entry for entry in self.entries if entry.sequence > after)

    async def acknowledge(self, sequence: int, result: str = "ok", detail: str = "") -> None:
        if self.down:
            raise FeedUnavailable("down")
        self.acknowledged.append((sequence, result))
        if self.lose_acknowledgements:
            self.lose_acknowledgements -= 1
            raise FeedUnavailable("the acknowledgement's answer was lost")


class FakeFeedResource(Resource):
    """The same over HTTP, for the client library."""

    isLeaf = True

    def __init__(self, feed: FakeFeed) -> None:
        super().__init__()
        self.feed = feed
        self.status = 200
        self.garbage: bytes | None = None

    def render(self, request: Any) -> Any:
        if self.garbage is not None:
            request.setResponseCode(self.status)
            return self.garbage
        Deferred.fromCoroutine(self._answer(request)).addErrback(
            lambda failure: request.processingFailed(failure)
        )
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        path = request.path.decode()
        if path.endswith("/acknowledgement"):
            body = json.loads(request.content.read())
            await self.feed.acknowledge(int(path.split("/")[-2]), body["result"], body["detail"])
            request.setResponseCode(204)
        elif request.method == b"POST":
            answer = await self.feed.submit(request.content.read())
            ElementTree.fromstring(answer.body)
            request.write(answer.body)
        else:
            after = int(request.args[b"after"][0])
            entries = await self.feed.read(after)
            request.write(
                json.dumps(
                    {
                        "entries": [
                            {
                                "sequence": e.sequence,
                                "id": e.identity,
                                "kind": e.kind,
                                "created_at": e.created_at,
                                "envelope": e.envelope,
                            }
                            for e in entries
                        ],
                        "next": entries[-1].sequence if entries else after,
                    }
                ).encode()
            )
        request.finish()
