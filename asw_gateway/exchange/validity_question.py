"""The question for the validity of a certificate, as the portal and operators ask it: read strictly.

`number` and `date` must both be exact: who asks has the certificate before him.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Protocol

from attrs import asdict, frozen

from asw_gateway.exchange.clocks import utc_date
from asw_gateway.exchange.validity import JournalFact, KnownDocument, judge

MAX_NUMBER_CHARS = 70


class BadQuestion(Exception):
    """A question that cannot be understood; the text is one sentence for who asked."""


@frozen(kw_only=True)
class Question:
    """number: as printed; issued_on: day of issue; at: the moment asked about, UTC epoch seconds."""

    number: str
    issued_on: date
    at: float


class RegisteredDocument(KnownDocument, Protocol):
    """What is told of a row of the register."""

    @property
    def direction(self) -> str: ...
    @property
    def party(self) -> str: ...
    @property
    def document_type(self) -> str: ...
    @property
    def document_number(self) -> str: ...
    @property
    def message_id(self) -> str | None: ...
    @property
    def digest(self) -> str: ...


def read_question(query: Mapping[str, str]) -> Question:
    """From number=…&date=YYYY-MM-DD&at=YYYY-MM-DDThh:mm:ss±hh:mm; raises BadQuestion."""
    number = query.get("number", "").strip()
    if not number or len(number) > MAX_NUMBER_CHARS:
        raise BadQuestion("number must be the certificate's number.")
    try:
        issued_on = date.fromisoformat(query.get("date", ""))
    except ValueError:
        raise BadQuestion("date must be the certificate's day of issue, YYYY-MM-DD.") from None
    try:
        # a plus sign that nobody escaped arrives as a blank
        moment = datetime.fromisoformat(query.get("at", "").replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadQuestion("at must be a moment with its zone, such as 2026-11-22T09:30:00+07:00.")
    return Question(number=number, issued_on=issued_on, at=moment.timestamp())


def answer(
    question: Question, found: Iterable[tuple[RegisteredDocument, Iterable[JournalFact]]]
) -> dict[str, Any] | None:
    """The answer as JSON: one entry for each document of that number and day; None when there is none."""
    told = []
    for document, facts in found:
        if document.issued_at is None or utc_date(document.issued_at) != question.issued_on:
            continue
        told.append(
            {
                "document_type": document.document_type,
                "direction": document.direction,
                "partner": document.party,
                "number": document.document_number,
                "issued_on": question.issued_on.isoformat(),
                "valid_until": document.valid_until_at,
                "replaced_by": document.replaced_by,
                "message_id": document.message_id,
                "digest": document.digest,
                **asdict(judge(document, facts, question.at)),
            }
        )
    return {"at": question.at, "certificates": told} if told else None
