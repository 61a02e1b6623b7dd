"""The values of a VNSW Envelope: header, parties, subject, content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from .problem import Problem


class EnvelopeFault(Exception):
    """The bytes are not an acceptable Envelope; carries every problem, and the id where it could be read."""

    def __init__(self, problems: Sequence[Problem], message_id: str | None = None) -> None:
        self.problems = tuple(problems)
        self.message_id = message_id
        super().__init__("; ".join(problem.message for problem in self.problems))


@frozen(kw_only=True)
class Organisation:
    """One party of an Envelope (From or To)."""

    name: str
    identity: str
    country_code: str
    ministry_code: str
    organization_code: str
    unit_code: str = ""


@frozen(kw_only=True)
class Subject:
    """What an Envelope is about.  sent_at: UTC epoch seconds; send_date: the text as it was written (T7)."""

    document_type: str
    type: str
    function: str
    reference: str
    document_year: int
    pre_reference: str
    send_date: str
    sent_at: float
    pre_document_year: int | None = None


@frozen(kw_only=True)
class Envelope:
    """A read Envelope.

    content: the business element inside Body/Content (lxml element, left in its tree), None where Content
    holds only text or nothing.  raw_digest: lower-case hex SHA-256 of the bytes received.  notes: what was
    normalised on reading (T2, T5), for the caller's log.
    """

    version: str
    message_id: str
    sender: Organisation
    recipient: Organisation
    subject: Subject
    content: Any = field(eq=False)
    header_signature: str = ""
    body_signature: str = ""
    system_signature: str = ""
    raw_digest: str
    notes: tuple[str, ...] = ()
