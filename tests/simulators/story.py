"""Small made-up runs for the checker and the portal: Envelopes as bare as the tests need them."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from simulators.facts import read_facts
from simulators.records import PartyRecord


def envelope(
    message_id: str,
    *,
    number: str = "",
    type: str = "10",
    function: str = "01",
    origin: str = "VN",
    destination: str = "TH",
    status: str = "",
    about: str = "",
    document_type: str = "ASW-EFORMD",
    content: str = "FormD",
) -> str:
    """An Envelope with just the facts of simulators/facts.py in it."""
    facts = {
        "Number": number,
        "ExportCountry": origin,
        "ImportCountry": destination,
        "Status": status,
        "MessageId": about,
    }
    inside = "".join(f"<{tag}>{escape(value)}</{tag}>" for tag, value in facts.items() if value)
    return (
        f"<Envelope><Header><Reference><version>01</version><messageId>{message_id}</messageId></Reference>"
        f"<Subject><documentType>{document_type}</documentType><type>{type}</type><function>{function}</function>"
        f"<reference>D1</reference></Subject></Header><Body><Content><{content}>{inside}</{content}></Content></Body>"
        "</Envelope>"
    )


class Story:
    """Two portals, VN and TH, that saw what the test says."""

    def __init__(self) -> None:
        self.ledgers: dict[str, list[dict[str, Any]]] = {"VN": [], "TH": []}
        self.feeds: dict[str, list[dict[str, Any]]] = {"VN": [], "TH": []}

    def submit(
        self,
        message_id: str,
        number: str,
        *,
        party: str = "VN",
        to: str = "TH",
        answer: str | None = "99",
        function: str = "01",
        status: str = "",
        content: str = "",
    ) -> None:
        ledger = self.ledgers[party]
        ledger.append(
            {
                "event": "planned",
                "message_id": message_id,
                "document_type": "ASW-EFORMD",
                "type": "10",
                "function": function,
                "number": number,
                "destination": to,
                "status": status,
                "digest": content,
            }
        )
        ledger.append({"event": "attempt", "message_id": message_id, "attempt": 1})
        if answer is not None:
            ledger.append({"event": "answer", "message_id": message_id, "function": answer})

    def feed(
        self,
        party: str,
        text: str,
        *,
        sequence: int | None = None,
        identity: str | None = None,
        seen: bool = True,
        acknowledged: bool = True,
    ) -> None:
        feed = self.feeds[party]
        sequence = len(feed) + 1 if sequence is None else sequence
        identity = f"{party}-{sequence}" if identity is None else identity
        feed.append({"sequence": sequence, "id": identity, "kind": "document", "envelope": text})
        if seen:
            self.ledgers[party].append({"event": "entry", "sequence": sequence, "id": identity})
        if seen and acknowledged:
            self.ledgers[party].append({"event": "acknowledged", "sequence": sequence, "result": "ok"})

    def deliver(
        self,
        number: str,
        *,
        to: str = "TH",
        origin: str = "VN",
        function: str = "01",
        status: str = "",
        message_id: str | None = None,
        **how: Any,
    ) -> None:
        text = envelope(
            message_id or f"net-{to}-{len(self.feeds[to])}",
            number=number,
            type="20",
            function=function,
            origin=origin,
            destination=to,
            status=status,
        )
        self.feed(to, text, **how)

    def tell(self, about: str, *words: str, party: str = "VN") -> None:
        for word in words:
            self.feed(party, envelope(f"s-{about}-{word}", type="21", status=word, about=about))

    def cross(self, message_id: str, number: str, **how: Any) -> None:
        """Submitted, delivered and receipted as it should be."""
        self.submit(message_id, number, **how)
        self.deliver(number, **how)
        self.tell(message_id, "queued", "receipted")

    def records(self) -> dict[str, PartyRecord]:
        return {
            party: PartyRecord(ledger=self.ledgers[party], feed=self.feeds[party]) for party in self.ledgers
        }


assert read_facts(envelope("m", number="N")).number == "N"
