"""A portal's side of the feed, synchronously: submit an Envelope, read what is told about it."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from attrs import frozen

WAIT_SECONDS = 60.0


@frozen(kw_only=True)
class Entry:
    """One feed entry; `status`, `reason` and `detail` are empty unless it is a status notice."""

    sequence: int
    kind: str
    envelope: str
    status: str
    number: str
    reason: str
    detail: str


class Portal:
    """One client of one gateway's feed; remembers every entry it has read."""

    def __init__(self, port: int, *, root: Path, certificate: Path, key: Path) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(root))
        self._context.load_cert_chain(certificate, key)
        self.entries: list[Entry] = []

    def submit(self, envelope: bytes) -> None:
        """Hand over one Envelope; raises AssertionError unless it is accepted (99)."""
        status, body = self._ask("POST", "/feed/v1/messages", envelope, "application/xml; charset=utf-8")
        assert status == 200, f"the portal's submission got HTTP {status}: {body[:300]!r}"
        function = ElementTree.fromstring(body).findtext("Header/Subject/function")  # noqa: S314  our own gateway
        assert function == "99", f"the submission was refused: {body[:600]!r}"

    def wait(self, fits: Callable[[Entry], bool], what: str, *, seconds: float = WAIT_SECONDS) -> Entry:
        """The first entry that fits, whenever it came; raises AssertionError."""
        deadline = time.monotonic() + seconds
        while True:
            for entry in self.entries:
                if fits(entry):
                    return entry
            if time.monotonic() > deadline:
                told = [f"{e.kind} {e.number} {e.status} {e.reason}" for e in self.entries[-6:]]
                raise AssertionError(f"the portal did not hear of {what} within {seconds:g} s; last: {told}")
            self.read(wait_seconds=1.0)

    def status(self, number: str, status: str, *, seconds: float = WAIT_SECONDS) -> Entry:
        """Wait until a document of ours is told to be in a state, for example `receipted`."""
        return self.wait(
            lambda e: e.number == number and e.status == status, f"{number} {status}", seconds=seconds
        )

    def document(self, number: str, *, seconds: float = WAIT_SECONDS) -> Entry:
        """Wait for a document from abroad."""
        return self.wait(lambda e: e.kind == "message" and e.number == number, number, seconds=seconds)

    def about(self, number: str) -> list[Entry]:
        """Everything said about one document so far, after one more look."""
        self.read(wait_seconds=0.0)
        return [entry for entry in self.entries if entry.number == number]

    def read(self, *, wait_seconds: float) -> None:
        """Take in what is new; a gateway that is just being started again is asked later."""
        after = self.entries[-1].sequence if self.entries else 0
        try:
            status, body = self._ask(
                "GET", f"/feed/v1/messages?after={after}&wait={wait_seconds:g}", None, ""
            )
        except OSError:
            time.sleep(0.2)
            return
        assert status == 200, f"the feed answered HTTP {status}"
        self.entries += [_entry(found) for found in json.loads(body)["entries"]]

    def _ask(self, method: str, target: str, body: bytes | None, content_type: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=60)
        try:
            headers = {"Content-Type": content_type} if content_type else {}
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as fault:
            raise OSError(str(fault)) from fault
        finally:
            connection.close()


def _entry(found: dict[str, Any]) -> Entry:
    root = ElementTree.fromstring(found["envelope"])  # noqa: S314  our own gateway
    notice = root.find("Body/Content/MessageStatus")
    content = root.find("Body/Content")
    first = content[0] if content is not None and len(content) else None
    number = "" if first is None else first.findtext("Number") or first.findtext("AnsweredNumber") or ""
    return Entry(
        sequence=int(found["sequence"]),
        kind=str(found["kind"]),
        envelope=str(found["envelope"]),
        status=(notice.findtext("Status") or "") if notice is not None else "",
        number=number,
        reason=(notice.findtext("Reason") or "") if notice is not None else "",
        detail=(notice.findtext("Detail") or "") if notice is not None else "",
    )
