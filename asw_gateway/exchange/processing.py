"""What follows for a receipted message: business seal, schema, rules, translation.

One call is one whole stage for a worker thread.  A faulty document is answered with a technical error that
names every fault; a technical error itself is never answered, so that two gateways cannot argue for ever.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from asw_gateway.exchange import clocks
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.outbound import DOCUMENT_NUMBER
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.message import UserMessage
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.seal import check_seal
from asw_gateway.messaging.unpacking import VerifiedMessage
from asw_gateway.messaging.xml import XmlFault, parse
from asw_gateway.translation.aliases import read_aliases
from asw_gateway.translation.convert import (
    apply_rules,
    business_digest,
    check_asean,
    issue_day,
    read_facts_asean,
    technical_error,
    to_national,
)
from asw_gateway.translation.envelope import delivery_envelope
from asw_gateway.translation.facts import DocumentFacts
from asw_gateway.translation.goods import GoodsLine, read_goods
from asw_gateway.translation.problem import Problem, blocking
from asw_gateway.translation.rule_table import RuleTable
from asw_gateway.translation.timers import Timer

if TYPE_CHECKING:
    from asw_gateway.translation.catalogue import Catalogue
    from asw_gateway.translation.kind import MessageKind
    from asw_gateway.translation.profile import Profile

TECHNICAL_ERROR = "technical-error"
_CERTIFICATE_REASONS = frozenset({"unknown_certificate", "expired_certificate", "certificate_not_yet_valid"})


@frozen(kw_only=True)
class Converted:
    """A document ready for the feed, if the registry agrees (``settlement.settle``).

    ``envelope`` is the VNSW envelope, empty for a kind that the portal hears of as a status only;
    ``business_digest`` is lower-case hex SHA-256; ``goods`` are what a certificate certifies, item by item.
    """

    facts: DocumentFacts
    profile: str
    effect: str
    business_digest: str
    document_digest: str
    envelope: bytes = field(repr=False)
    problems: tuple[Problem, ...] = ()
    losses: tuple[Problem, ...] = ()
    timers: tuple[Timer, ...] = field(default=(), repr=False)
    rules: RuleTable = field(factory=RuleTable, repr=False)
    goods: tuple[GoodsLine, ...] = field(default=(), repr=False)


@frozen(kw_only=True)
class Answered:
    """A faulty document and the technical error that answers it (an ASEAN document, not yet sealed)."""

    document_type: str
    profile: str
    kind: str
    document_number: str
    problems: tuple[Problem, ...]
    functional_reference: str
    document: bytes = field(repr=False)
    priority: int
    facts: DocumentFacts | None = None


@frozen(kw_only=True)
class Unconvertible:
    """A valid message that we cannot translate, or a fault that must not be answered; an operator looks."""

    reason: str
    problems: tuple[Problem, ...] = ()
    facts: DocumentFacts | None = None


def process(
    verified: VerifiedMessage,
    *,
    catalogue: Catalogue,
    partner: Partner,
    own: OwnGateway,
    received_at: float,
    now: float,
    national_message_id: str,
    functional_reference: str,
) -> Converted | Answered | Unconvertible:
    """Check and translate a receipted document; every fault of it is found in one go.

    ``national_message_id`` (32 hex characters) names the envelope for the portal, ``functional_reference``
    the technical error, if there is one.
    """
    message = verified.user_message
    day = clocks.national_date(received_at)
    found = catalogue.for_message(message.service, message.action, day)
    if found is None:
        return Unconvertible(reason="unknown_service")
    profile, kind = found
    opened = read_document(verified, profile, kind, partner, received_at)
    facts, root, problems = opened.facts, opened.root, list(opened.problems)
    if facts is not None:
        problems += apply_rules(profile, kind, root, on=day, own_country=own.country)
        problems += _check_route(facts, partner, own)
    if facts is None or blocking(problems):
        return answer(
            message,
            profile,
            kind,
            facts,
            tuple(problems),
            catalogue=catalogue,
            own=own,
            received_at=received_at,
            now=now,
            functional_reference=functional_reference,
        )
    envelope: bytes = b""
    losses: tuple[Problem, ...] = ()
    if kind.deliver is not None:
        translation = to_national(profile, kind, root, now=now)
        if blocking(translation.problems):
            return Unconvertible(reason="translation", problems=translation.problems, facts=facts)
        losses = translation.losses
        envelope = delivery_envelope(
            profile,
            kind,
            translation.document,
            own=own.organisation,
            portal=own.portal_organisation,
            message_id=national_message_id,
            reference=message.conversation_id,
            previous_reference=facts.previous_number or "",
            now=now,
        )
    certifies = kind.effect in ("opens", "replaces")
    return Converted(
        facts=facts,
        goods=read_goods(profile.compiled().goods, kind, root) if certifies else (),
        timers=profile.timers,
        rules=profile.rule_table,
        profile=profile.name,
        effect=kind.effect,
        # Of the document as it came: a re-transmission is the same document whatever the aliases are by then.
        business_digest=business_digest(profile, kind, opened.original, opened.written),
        document_digest=hashlib.sha256(verified.parts[0].content).hexdigest(),
        envelope=envelope,
        problems=tuple(problems),
        losses=losses,
    )


@frozen(kw_only=True)
class Opened:
    """A document taken out of its message, as far as it could be read.

    facts: None where the schema or the form does not hold; original: its root as it came, written: the
    exclusive canonical form of that, if the seal holds; root: with our codes in place of the partner's.
    """

    problems: tuple[Problem, ...]
    facts: DocumentFacts | None = None
    original: Any = field(default=None, repr=False)
    written: bytes = field(default=b"", repr=False)
    root: Any = field(default=None, repr=False)


def read_document(
    verified: VerifiedMessage, profile: Profile, kind: MessageKind, partner: Partner, received_at: float
) -> Opened:
    """Open the leading document of a message.

    A seal that fails does not stop the schema check: the partner hears of both.
    """
    problems: list[Problem] = []
    most = 1 + _max_attachments(partner, profile.document_type)
    if not 1 <= len(verified.parts) <= most:
        agreed = "exactly one document" if most == 1 else f"one document and at most {most - 1} attachments"
        text = f"a message carries {agreed}, this one {len(verified.parts)} parts"
        return Opened(problems=(Problem(rule="T01", message=text),))
    # The leading part is the document; the others are only ever handed on beside it (eDelivery AS4 1.15).
    content, size_bytes = verified.parts[0].content, verified.parts[0].size_bytes
    if size_bytes > kind.max_bytes or verified.parts[0].withheld_bytes is not None:
        text = f"a {kind.name} may have at most {kind.max_bytes} bytes, this one has {size_bytes}"
        return Opened(problems=(Problem(rule="T10", message=text),))
    written = b""
    try:
        # Only what the seal covers is looked at any further.
        sealed = check_seal(content, partner.accepted(partner.seal_certificates), received_at)
        original, written = sealed.root, sealed.document
    except RemoteFault as fault:
        try:
            original = parse(content)
        except XmlFault as trouble:
            place = f"line {trouble.line}, column {trouble.column}" if trouble.line else ""
            text = f"the document cannot be read: {trouble.detail}"
            return Opened(problems=(Problem(rule="T01", message=text, path=place),))
        rule = "T05" if fault.reason in _CERTIFICATE_REASONS else "T04"
        problems.append(Problem(rule=rule, message=f"the document's seal does not hold: {fault.detail}"))
        _drop_seal(original)
    root, notes = read_aliases(profile, kind, original, partner.aliases)
    facts = read_facts_asean(profile, kind, root)
    found = check_asean(profile, kind, root, on=issue_day(facts))
    return Opened(
        problems=(*problems, *notes, *found),
        facts=None if blocking(found) else facts,
        original=original,
        written=written,
        root=root,
    )


def _max_attachments(partner: Partner, document_type: str) -> int:
    return next((c.max_attachments for c in partner.capabilities if c.document_type == document_type), 0)


def _drop_seal(root: Any) -> None:
    """Take a seal that does not hold out of the tree: the schema check speaks of the document alone."""
    for child in list(root):
        if str(child.tag).endswith("}Signature"):
            root.remove(child)


def answer(
    message: UserMessage,
    profile: Profile,
    kind: MessageKind,
    facts: DocumentFacts | None,
    problems: tuple[Problem, ...],
    *,
    catalogue: Catalogue,
    own: OwnGateway,
    received_at: float,
    now: float,
    functional_reference: str,
) -> Answered | Unconvertible:
    """Write the technical error for a faulty document; a faulty technical error is left to an operator."""
    if kind.effect == "refuses":
        return Unconvertible(reason="faulty_technical_error", problems=problems, facts=facts)
    _, error_kind = catalogue.kind(profile.document_type, TECHNICAL_ERROR, clocks.national_date(received_at))
    named = {p.name: p.value for p in message.properties}
    number = facts.order_key_number if facts is not None else named.get(DOCUMENT_NUMBER, "")
    document = technical_error(
        profile,
        problems,
        answers_number=number,
        answers_reference=(facts.functional_reference or "") if facts is not None else "",
        functional_reference=functional_reference,
        now=now,
        sender_country=own.country,
    )
    return Answered(
        document_type=profile.document_type,
        profile=profile.name,
        kind=kind.name,
        document_number=number or message.message_id,
        problems=problems,
        functional_reference=functional_reference,
        document=document,
        priority=error_kind.priority,
        facts=facts,
    )


def answer_for(
    verified: VerifiedMessage,
    problems: tuple[Problem, ...],
    *,
    catalogue: Catalogue,
    own: OwnGateway,
    received_at: float,
    now: float,
    functional_reference: str,
) -> Answered | Unconvertible:
    """Answer a stored message that something other than its own content speaks against."""
    message = verified.user_message
    found = catalogue.for_message(message.service, message.action, clocks.national_date(received_at))
    if found is None:
        return Unconvertible(reason="unknown_service", problems=problems)
    profile, kind = found
    facts = None
    if verified.parts:
        try:
            root = parse(verified.parts[0].content)
        except XmlFault:
            root = None
        if root is not None and not blocking(check_asean(profile, kind, root)):
            facts = read_facts_asean(profile, kind, root)
    return answer(
        message,
        profile,
        kind,
        facts,
        problems,
        catalogue=catalogue,
        own=own,
        received_at=received_at,
        now=now,
        functional_reference=functional_reference,
    )


def _check_route(facts: DocumentFacts, partner: Partner, own: OwnGateway) -> tuple[Problem, ...]:
    problems = []
    if facts.destination_country and facts.destination_country != own.country:
        text = f"the document is meant for {facts.destination_country}, not for {own.country}"
        problems.append(Problem(rule="T06", message=text, value=facts.destination_country))
    if facts.origin_country and facts.origin_country != partner.country:
        text = f"partner {partner.name} may not send a document of {facts.origin_country}"
        problems.append(Problem(rule="T06", message=text, value=facts.origin_country))
    return tuple(problems)
