"""A national portal, small but durable.  Offices drop Envelopes into a directory; it submits them, reads the
feed, acknowledges, and answers certificates from abroad like a customs office.

    python -m simulators.portal --config portal.toml

`directory` holds everything it knows:

    outgoing/*.xml   waiting to be answered by the gateway, submitted in the order of their names
    desk/*.xml       replies of the customs office, which takes its time; dropped if the document is withdrawn
    answered/*.xml   answered, 99 or 00
    ledger.jsonl     what happened (see ledger.py)

A submission without an answer is sent again, byte for byte, until there is one; documents with the same key
(type and number) never overtake each other.  A feed entry is acknowledged only when it is in the ledger and
the reply of the customs office, if any, lies in desk/.  So the process may be killed at any point and
started again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, FirstError, gatherResults
from twisted.internet.task import deferLater, react
from twisted.python.failure import Failure

from simulators.documents import customs_response
from simulators.facts import Facts, read_facts, withdrawn_by
from simulators.ledger import Ledger, read_ledger, write_file_durably
from simulators.office import CustomsOffice
from simulators.portal_client import Answer, FeedEntry, FeedUnavailable, PortalClient

ACKNOWLEDGEMENTS = 5
"""On their way at the same time; the client keeps more connections than that."""


class Office(Protocol):
    """The customs office behind a portal: may answer a delivered document with an Envelope to submit."""

    def reply(self, envelope: str, facts: Facts, message_id: str, now: float) -> bytes | None: ...


class Feed(Protocol):
    """What a portal needs of `PortalClient`."""

    async def submit(self, envelope: bytes) -> Answer: ...
    async def read(self, after: int, *, wait_seconds: float = ...) -> tuple[FeedEntry, ...]: ...
    async def acknowledge(self, sequence: int, result: str = ..., detail: str = ...) -> None: ...


@frozen(kw_only=True)
class Waiting:
    """One file in outgoing/: its bytes never change once it is there."""

    path: Path
    envelope: bytes
    facts: Facts

    @property
    def key(self) -> tuple[str, str]:
        return self.facts.document_type, self.facts.number


class PortalSimulator:
    """Submits and reads until stopped; `broken` fails with a fault that ended either."""

    def __init__(
        self,
        *,
        feed: Feed,
        party: str,
        directory: Path,
        reactor: Any,
        office: Office | None = None,
        now: Callable[[], float] = time.time,
        documents_per_second: float = 20.0,
        in_flight: int = 4,
        retry_seconds: float = 0.5,
        scan_seconds: float = 0.1,
        poll_seconds: float = 10.0,
        reply_seconds: float = 0.0,
    ) -> None:
        self._feed = feed
        self._party = party
        self._directory = directory
        self._reactor = reactor
        self._office = office
        self._now = now
        self._pause = 1.0 / documents_per_second
        self._in_flight = in_flight
        self._retry_seconds = retry_seconds
        self._scan_seconds = scan_seconds
        self._poll_seconds = poll_seconds
        self._reply_seconds = reply_seconds
        self._desk: dict[Path, tuple[float, str]] = {}
        self._outgoing: dict[Path, Waiting] = {}
        self._acknowledging = DeferredSemaphore(ACKNOWLEDGEMENTS)
        self._running: list[Deferred[None]] = []
        self._submitting: dict[Path, Deferred[None]] = {}
        self._busy_keys: set[tuple[str, str]] = set()

    def start(self) -> None:
        for name in ("outgoing", "desk", "answered"):
            (self._directory / name).mkdir(parents=True, exist_ok=True)
        for path in (self._directory / "desk").glob("*.xml"):
            self._desk[path] = self._now() + self._reply_seconds, read_facts(path.read_bytes()).number
        path = self._directory / "ledger.jsonl"
        self._resume(path)
        self._ledger = Ledger(path, party=self._party, now=self._now)
        self._ledger.write("started", pid=os.getpid())
        self._stopping = False
        self.broken: Deferred[None] = Deferred()
        self._running = [Deferred.fromCoroutine(self._submit_all()), Deferred.fromCoroutine(self._read_all())]
        for running in self._running:
            running.addErrback(self._break)

    def _break(self, failure: Failure) -> None:
        """A loop ended: either we stop, or it is a fault that must not stay silent."""
        if failure.check(CancelledError) is None and not self.broken.called:
            self.broken.errback(failure)

    async def stop(self) -> None:
        """Fires when every loop has ended; whatever had no answer will be sent again after the next start."""
        self._stopping = True
        for running in [*self._running, *self._submitting.values()]:
            running.cancel()
            await running
        self._running = []
        self._ledger.write("stopped")
        self._ledger.close()

    def _resume(self, path: Path) -> None:
        self._planned: set[str] = set()
        self._answered: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._seen: set[tuple[int, str]] = set()
        open_entries: set[int] = set()
        for record in read_ledger(path):
            match record["event"]:
                case "planned":
                    self._planned.add(record["message_id"])
                case "attempt":
                    self._attempts[record["message_id"]] = record["attempt"]
                case "answer":
                    self._answered.add(record["message_id"])
                case "entry":
                    self._seen.add((record["sequence"], record["id"]))
                    open_entries.add(record["sequence"])
                case "acknowledged":
                    open_entries.discard(record["sequence"])
        # Of one page some may be acknowledged and some not: all from the first open one on are read again.
        self._after = min(open_entries, default=max((each for each, _ in self._seen), default=0) + 1) - 1

    # --- our documents

    async def _submit_all(self) -> None:
        while True:
            self._clear_desk()
            for waiting in self._waiting():
                if len(self._submitting) >= self._in_flight:
                    break
                if waiting.path in self._submitting or waiting.key in self._busy_keys:
                    continue
                if waiting.facts.message_id in self._answered:  # since the directory was looked at
                    continue
                self._begin(waiting)
                await self._sleep(self._pause)
            await self._sleep(self._scan_seconds)

    def _waiting(self) -> list[Waiting]:
        found: list[Waiting] = []
        for path in sorted((self._directory / "outgoing").glob("*.xml")):
            known = self._outgoing.get(path)
            if known is not None:
                found.append(known)
                continue
            try:
                envelope = path.read_bytes()
            except FileNotFoundError:
                continue
            facts = _facts_or_file_name(envelope, path)
            waiting = Waiting(path=path, envelope=envelope, facts=facts)
            if facts.message_id in self._answered:
                self._put_away(waiting)
                continue
            if facts.message_id not in self._planned:
                self._planned.add(facts.message_id)
                self._ledger.write(
                    "planned",
                    message_id=facts.message_id,
                    document_type=facts.document_type,
                    type=facts.type,
                    function=facts.function,
                    number=facts.number,
                    destination=facts.across_from(self._party),
                    status=facts.status,
                    replaces=facts.replaces,
                    sha256=hashlib.sha256(envelope).hexdigest(),
                    digest=facts.digest,
                    file=path.name,
                )
            found.append(waiting)
            self._outgoing[path] = waiting
        return found

    def _begin(self, waiting: Waiting) -> None:
        self._busy_keys.add(waiting.key)
        running = Deferred.fromCoroutine(self._submit(waiting)).addErrback(self._break)
        if not running.called:
            self._submitting[waiting.path] = running

    async def _submit(self, waiting: Waiting) -> None:
        identity = waiting.facts.message_id
        try:
            while True:
                attempt = self._attempts[identity] = self._attempts.get(identity, 0) + 1
                self._ledger.write("attempt", message_id=identity, attempt=attempt)
                try:
                    answer = await self._feed.submit(waiting.envelope)
                except FeedUnavailable as fault:
                    self._ledger.write("no-answer", message_id=identity, reason=str(fault))
                    await self._sleep(self._retry_seconds)
                    continue
                self._ledger.write(
                    "answer",
                    message_id=identity,
                    function=answer.function,
                    http_status=answer.http_status,
                    errors=[list(error) for error in answer.errors],
                )
                self._answered.add(identity)
                self._put_away(waiting)
                return
        finally:
            self._busy_keys.discard(waiting.key)
            self._submitting.pop(waiting.path, None)

    def _put_away(self, waiting: Waiting) -> None:
        self._outgoing.pop(waiting.path, None)
        waiting.path.rename(self._directory / "answered" / waiting.path.name)

    # --- documents and news from abroad

    async def _read_all(self) -> None:
        while True:
            try:
                page = await self._feed.read(self._after, wait_seconds=self._poll_seconds)
                taken = [(entry, *self._take(entry)) for entry in page]
                await gatherResults([self._acknowledge(*each) for each in taken], consumeErrors=True)
                if page:
                    self._after = page[-1].sequence
            except FirstError as first:
                if first.subFailure.check(FeedUnavailable, CancelledError) is None:
                    first.subFailure.raiseException()
                await self._sleep(self._retry_seconds)
            except FeedUnavailable:
                await self._sleep(self._retry_seconds)

    def _acknowledge(self, entry: FeedEntry, result: str, detail: str) -> Deferred[None]:
        async def acknowledge() -> None:
            await self._feed.acknowledge(entry.sequence, result, detail)
            self._ledger.write("acknowledged", sequence=entry.sequence, result=result)

        running: Deferred[None] = self._acknowledging.run(lambda: Deferred.fromCoroutine(acknowledge()))
        return running

    def _take(self, entry: FeedEntry) -> tuple[str, str]:
        """Put on disk what must be there before the acknowledgement; returns its result and detail."""
        result, detail, facts = "ok", "", Facts(message_id="")
        try:
            facts = read_facts(entry.envelope)
        except ValueError as fault:
            result, detail = "not-readable", str(fault)
        if (entry.sequence, entry.identity) in self._seen:
            return result, detail
        if self._office is not None:
            self._file_reply(entry, facts, self._office)
        self._seen.add((entry.sequence, entry.identity))
        self._ledger.write(
            "entry",
            sequence=entry.sequence,
            id=entry.identity,
            kind=entry.kind,
            message_id=facts.message_id,
            document_type=facts.document_type,
            type=facts.type,
            function=facts.function,
            number=facts.number,
            origin=facts.across_from(self._party),
            digest=facts.digest,
            status=facts.status,
            about=facts.about,
            problems=list(facts.problems),
            content=facts.content,
        )
        return result, detail

    def _file_reply(self, entry: FeedEntry, facts: Facts, office: Office) -> None:
        for path, (_, number) in list(self._desk.items()):
            if number and number in withdrawn_by(facts):
                del self._desk[path]
                path.unlink()
        name = f"reply-{entry.sequence:09d}.xml"
        if any((self._directory / place / name).exists() for place in ("desk", "outgoing", "answered")):
            return
        message_id = uuid5(NAMESPACE_URL, f"{self._party}/{entry.identity}/reply").hex
        reply = office.reply(entry.envelope, facts, message_id, self._now())
        if reply is not None:
            path = self._directory / "desk" / name
            write_file_durably(path, reply)
            self._desk[path] = self._now() + self._reply_seconds, facts.number

    def _clear_desk(self) -> None:
        for path, (due_at, _) in list(self._desk.items()):
            if due_at <= self._now():
                del self._desk[path]
                path.rename(self._directory / "outgoing" / path.name)

    async def _sleep(self, seconds: float) -> None:
        """A cancelled request may look like a broken one: nobody starts to wait after `stop`."""
        if self._stopping:
            raise CancelledError
        await deferLater(self._reactor, seconds, lambda: None)


def _facts_or_file_name(envelope: bytes, path: Path) -> Facts:
    """Even a file that is no Envelope is submitted (the gateway must refuse it); it is known by its name."""
    try:
        facts = read_facts(envelope)
        if facts.message_id:
            return facts
    except ValueError:
        pass
    return Facts(message_id=f"unreadable:{path.name}")


# --- by hand


def main(arguments: list[str]) -> None:
    options = argparse.ArgumentParser(
        prog="python -m simulators.portal", description=__doc__.split("\n\n")[0]
    )
    options.add_argument("--config", type=Path, required=True, help="portal.toml, as world.py writes it")
    chosen = options.parse_args(arguments)
    settings = tomllib.loads(chosen.config.read_text(encoding="utf-8"))
    react(lambda reactor: Deferred.fromCoroutine(_run(reactor, settings, chosen.config.parent)))


def build(reactor: Any, settings: dict[str, Any], base: Path) -> PortalSimulator:
    """A portal from its portal.toml; file names are relative to `base`."""
    client = PortalClient.over_tls(
        reactor,
        settings["feed"],
        ca_file=base / settings["ca"],
        certificate_file=base / settings["certificate"],
        key_file=base / settings["key"],
        timeout_seconds=settings.get("timeout_seconds", 15.0),
    )
    office = CustomsOffice(
        country=settings["party"],
        write=customs_response,
        seed=settings.get("seed", 1),
        **settings.get("office", {}),
    )
    return PortalSimulator(
        feed=client,
        party=settings["party"],
        directory=base / settings["directory"],
        reactor=reactor,
        office=office,
        **settings.get("pace", {}),
    )


async def _run(reactor: Any, settings: dict[str, Any], base: Path) -> None:
    portal = build(reactor, settings, base)
    portal.start()
    outgoing = base / settings["directory"] / "outgoing"
    print(f"{settings['party']} talks to {settings['feed']}; drop Envelopes into {outgoing}", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(portal.stop()))
    await portal.broken


if __name__ == "__main__":
    main(sys.argv[1:])
