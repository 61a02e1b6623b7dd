"""The portal's envelope at the door: every fault at once, or everything a row needs.

The answer 99 may only follow the commit of what ``Accepted`` holds; ``Refused`` becomes an answer 00.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from asw_gateway.exchange import clocks, priority, routing
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.messaging.party import Partner
from asw_gateway.translation.convert import check_national, issue_day, read_facts_national
from asw_gateway.translation.envelope import Envelope, EnvelopeFault, Organisation, read_envelope
from asw_gateway.translation.facts import DocumentFacts
from asw_gateway.translation.problem import Problem, blocking

if TYPE_CHECKING:
    from asw_gateway.translation.catalogue import Catalogue
    from asw_gateway.translation.kind import MessageKind
    from asw_gateway.translation.profile import Profile

#: The largest envelope taken from the portal, unless configuration says otherwise.
MAX_ENVELOPE_BYTES = 20_000_000


@frozen(kw_only=True, eq=False)
class CheckedContent:
    """A document found good, by one state of a profile: a stage that follows at once need not begin again.

    content: its element, which nobody changes; problems: warnings.
    """

    profile: Profile
    kind: MessageKind
    content: Any = field(repr=False)
    facts: DocumentFacts
    problems: tuple[Problem, ...]


@frozen(kw_only=True)
class Accepted:
    """A submission that may be stored and answered with 99.

    ``digest`` is the SHA-256 of the bytes as received (lower-case hex): the same messageId with the same
    digest is a repetition.  ``expires_at`` is the end of the time to live, UTC seconds.
    """

    envelope: Envelope = field(eq=False, repr=False)
    national_message_id: str
    sender_identity: str
    digest: str
    partner: str
    document_type: str
    profile: str
    kind: str
    effect: str
    document_number: str
    previous_number: str | None
    order_key: str
    priority: int
    expires_at: float
    dossier: str
    conversation_id: str
    problems: tuple[Problem, ...] = ()
    raw: bytes = field(eq=False, repr=False)
    checked: CheckedContent = field(eq=False, repr=False)


@frozen(kw_only=True)
class Refused:
    """A submission to answer with 00; ``envelope`` is there when at least it could be read."""

    problems: tuple[Problem, ...]
    national_message_id: str | None = None
    envelope: Envelope | None = field(default=None, eq=False, repr=False)


def check_submission(
    data: bytes,
    *,
    sender_name: str,
    catalogue: Catalogue,
    partners: Mapping[str, Partner],
    own: OwnGateway,
    now: float,
    max_bytes: int = MAX_ENVELOPE_BYTES,
) -> Accepted | Refused:
    """Check an envelope: form, sender, procedure and function, schema, size, destination, capability.

    ``sender_name`` is the portal client that the TLS certificate belongs to; ``partners`` maps the ISO
    country code to its gateway.
    """
    try:
        envelope = read_envelope(data, max_bytes)
    except EnvelopeFault as fault:
        return Refused(problems=fault.problems, national_message_id=fault.message_id)
    subject = envelope.subject
    problems = list(check_parties(envelope, own, sender_name))
    found = catalogue.for_submission(
        subject.document_type,
        subject.type,
        subject.function,
        clocks.national_date(now),
        takes=lambda profile, kind: _is_taken(profile, kind, envelope, partners),
    )
    if isinstance(found, Problem):
        return _refused(envelope, [*problems, found])
    profile, kind = found
    if envelope.content is None:
        place = "Envelope/Body/Content"
        empty = Problem(rule="ENVELOPE", message="Body/Content holds no document", path=place)
        return _refused(envelope, [*problems, empty])
    facts = read_facts_national(profile, kind, envelope.content)
    found_in_content = check_national(profile, kind, envelope.content, on=issue_day(facts))
    problems += found_in_content
    if len(data) > kind.max_bytes:
        text = f"a {kind.name} may have at most {kind.max_bytes} bytes, this one has {len(data)}"
        problems.append(Problem(rule="SIZE", message=text, error_code="ERR02_CODE"))
    partner = _route(facts, profile, kind, len(data), partners, own, problems)
    if not facts.order_key_number:
        problems.append(Problem(rule="ROUTE", message="the document has no number"))
    if partner is None or blocking(problems):
        return _refused(envelope, problems)
    number = facts.order_key_number
    return Accepted(
        envelope=envelope,
        national_message_id=envelope.message_id,
        sender_identity=envelope.sender.identity,
        digest=envelope.raw_digest,
        partner=partner.name,
        document_type=profile.document_type,
        profile=profile.name,
        kind=kind.name,
        effect=kind.effect,
        document_number=number,
        previous_number=facts.previous_number,
        order_key=priority.order_key(partner.name, profile.document_type, number),
        priority=priority.effective_priority(kind.priority, kind.effect),
        expires_at=now + partner.outbound.reception.time_to_live_seconds,
        dossier=subject.reference,
        conversation_id=subject.reference or number,
        problems=tuple(problems),
        raw=data,
        checked=CheckedContent(
            profile=profile,
            kind=kind,
            content=envelope.content,
            facts=facts,
            problems=found_in_content,
        ),
    )


def check_parties(envelope: Envelope, own: OwnGateway, sender_name: str) -> tuple[Problem, ...]:
    """Tell what is wrong with From and To: this feed belongs to one portal and one gateway."""
    problems = []
    if not _same(envelope.sender, own.portal_organisation):
        text = (
            f"the client {sender_name} may send only for {own.portal_organisation.identity},"
            f" not for {envelope.sender.identity or 'nobody'}"
        )
        problems.append(_header(text, "Envelope/Header/From/identity", envelope.sender.identity))
    if not _same(envelope.recipient, own.organisation):
        text = f"the envelope must be addressed to {own.organisation.identity}, the gateway"
        problems.append(_header(text, "Envelope/Header/To/identity", envelope.recipient.identity))
    return tuple(problems)


def _same(given: Organisation, known: Organisation) -> bool:
    return (given.identity, given.country_code) == (known.identity, known.country_code)


def _header(message: str, path: str, value: str) -> Problem:
    return Problem(rule="SENDER", message=message, path=path, value=value, error_code="ERR00_CODE")


def _is_taken(
    profile: Profile, kind: MessageKind, envelope: Envelope, partners: Mapping[str, Partner]
) -> bool:
    """Whether the partner that the document is for, read as this version has it, takes this version."""
    if envelope.content is None:
        return False
    country = read_facts_national(profile, kind, envelope.content).destination_country
    return country in partners and routing.takes(partners[country], profile, kind)


def _route(
    facts: DocumentFacts,
    profile: Profile,
    kind: MessageKind,
    size_bytes: int,
    partners: Mapping[str, Partner],
    own: OwnGateway,
    problems: list[Problem],
) -> Partner | None:
    found = routing.find_partner(partners, facts.destination_country, own)
    if isinstance(found, Problem):
        problems.append(found)
        return None
    problems += routing.check_partner(found, own)
    problems += routing.check_capability(
        found,
        document_type=profile.document_type,
        version=profile.version,
        kind=kind.name,
        size_bytes=size_bytes,
    )
    return found


def _refused(envelope: Envelope, problems: list[Problem]) -> Refused:
    return Refused(problems=tuple(problems), national_message_id=envelope.message_id, envelope=envelope)
