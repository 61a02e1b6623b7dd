"""From a stored submission to signed bytes: rules, translation, business seal, AS4 packing.

One call is one whole stage for a worker thread.  What is wrong with the content comes back as ``Rejected``
with every problem; only our own faults are raised.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from asw_gateway.exchange import clocks, routing
from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.exchange.submission import CheckedContent
from asw_gateway.messaging.encryption import ContentSecret
from asw_gateway.messaging.keys import SigningIdentity, pinned
from asw_gateway.messaging.message import MessageProperty, Part, UserMessage
from asw_gateway.messaging.packing import SealedMessage, pack
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.seal import seal_canonical
from asw_gateway.messaging.xml import canonical, parse
from asw_gateway.translation.aliases import write_spellings
from asw_gateway.translation.convert import (
    apply_rules,
    business_digest,
    check_national,
    check_translation,
    issue_day,
    read_facts_asean,
    read_facts_national,
    to_asean,
)
from asw_gateway.translation.envelope import read_content
from asw_gateway.translation.facts import DocumentFacts
from asw_gateway.translation.goods import GoodsLine, read_goods
from asw_gateway.translation.problem import Problem, blocking
from asw_gateway.translation.rule_table import RuleTable
from asw_gateway.translation.timers import Timer

if TYPE_CHECKING:
    from asw_gateway.translation.catalogue import Catalogue
    from asw_gateway.translation.kind import MessageKind
    from asw_gateway.translation.profile import Profile

MIME_TYPE = "application/xml"
ORIGINAL_SENDER, FINAL_RECIPIENT = "originalSender", "finalRecipient"
DOCUMENT_TYPE, DOCUMENT_NUMBER = "documentType", "documentNumber"
NATIONAL_MESSAGE_ID = "nationalMessageId"


class SubmittedFacts(Protocol):
    """What preparing needs of an outbox row; ``created_at`` decides which profile is in force."""

    @property
    def document_type(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def document_number(self) -> str: ...
    @property
    def conversation_id(self) -> str | None: ...
    @property
    def ref_to_message_id(self) -> str | None: ...
    @property
    def national_message_id(self) -> str | None: ...
    @property
    def created_at(self) -> float: ...


@frozen(kw_only=True)
class Prepared:
    """A message ready to queue.

    ``document_digest`` is the SHA-256 of the sealed ASEAN document, ``business_digest`` that of its content
    apart from what a re-transmission changes; ``signed_with`` names the certificate; all are lower-case hex.
    ``facts`` and ``effect`` let the commit settle it; ``goods`` are the lines of a back-to-back certificate.
    """

    sealed: SealedMessage = field(repr=False)
    document_digest: str
    business_digest: str
    signed_with: str
    functional_reference: str
    facts: DocumentFacts
    effect: str
    problems: tuple[Problem, ...] = ()
    losses: tuple[Problem, ...] = ()
    timers: tuple[Timer, ...] = field(default=(), repr=False)
    rules: RuleTable = field(factory=RuleTable, repr=False)
    goods: tuple[GoodsLine, ...] = field(default=(), repr=False)


@frozen(kw_only=True)
class Rejected:
    """The content cannot be sent; the portal is told every problem."""

    problems: tuple[Problem, ...]


def prepare(
    raw: bytes,
    row: SubmittedFacts,
    *,
    catalogue: Catalogue,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    message_id: str,
    functional_reference: str,
    now: float,
    content_secret: ContentSecret | None = None,
    checked: CheckedContent | None = None,
) -> Prepared | Rejected:
    """Prepare a national envelope (``raw``, as submitted) for its partner.

    ``message_id`` is the new AS4 id (``unique@host``), ``functional_reference`` the WCO reference of this
    transmission, ``content_secret`` fresh key material where the agreement encrypts, ``checked`` what the
    check of this very submission found, if it is still in memory.  Rules run on the ASEAN form, so that both
    sides run the same ones.
    """
    day = clocks.national_date(row.created_at)
    profile, kind = catalogue.kind(row.document_type, row.kind, day, takes=partial(routing.takes, partner))
    if checked is None or checked.profile is not profile or checked.kind is not kind:
        # It was good when it was accepted; the profile may be another one since.
        checked = _checked_again(raw, profile, kind)
    content, national, problems = checked.content, checked.facts, list(checked.problems)
    if blocking(problems):
        return Rejected(problems=tuple(problems))
    translation = to_asean(
        profile,
        kind,
        content,
        functional_reference=functional_reference,
        now=now,
        sender_country=own.country,
    )
    root = translation.root
    problems += check_translation(profile, kind, root)
    if not blocking(problems):
        problems += apply_rules(profile, kind, root, on=day, own_country=own.country)
    written = canonical(root)
    problems += routing.check_capability(
        partner,
        document_type=profile.document_type,
        version=profile.version,
        kind=kind.name,
        size_bytes=len(written),
    )
    if blocking(problems):
        return Rejected(problems=tuple(problems))
    goods: tuple[GoodsLine, ...] = ()
    if profile.goods is not None and profile.goods.mark in national.marks:
        tree = profile.trees["asean"][kind.name]
        goods = read_goods(profile.compiled().goods, kind, root, tree=tree, classes=profile.classes)
    spelled, notes = write_spellings(profile, kind, root, partner.spellings)
    problems += notes
    return _pack(
        written if spelled is root else canonical(spelled),
        row,
        profile,
        kind,
        national,
        digest=business_digest(profile, kind, root, written),
        partner=partner,
        own=own,
        identities=identities,
        message_id=message_id,
        functional_reference=functional_reference,
        now=now,
        content_secret=content_secret,
        problems=tuple(problems),
        losses=translation.losses,
        goods=goods,
    )


def _checked_again(raw: bytes, profile: Profile, kind: MessageKind) -> CheckedContent:
    """What the check of a submission would find in it now."""
    content = read_content(raw)
    facts = read_facts_national(profile, kind, content)
    problems = check_national(profile, kind, content, on=issue_day(facts))
    return CheckedContent(profile=profile, kind=kind, content=content, facts=facts, problems=problems)


def pack_ready(
    document: bytes,
    row: SubmittedFacts,
    *,
    catalogue: Catalogue,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    message_id: str,
    functional_reference: str,
    now: float,
    content_secret: ContentSecret | None = None,
) -> Prepared:
    """Seal and pack one of the gateway's own answers, which is already an ASEAN document."""
    day = clocks.national_date(row.created_at)
    profile, kind = catalogue.kind(row.document_type, row.kind, day, takes=partial(routing.takes, partner))
    root = parse(document)
    written = canonical(root)
    return _pack(
        written,
        row,
        profile,
        kind,
        read_facts_asean(profile, kind, root),
        digest=business_digest(profile, kind, root, written),
        partner=partner,
        own=own,
        identities=identities,
        message_id=message_id,
        functional_reference=functional_reference,
        now=now,
        content_secret=content_secret,
    )


def _pack(
    written: bytes,
    row: SubmittedFacts,
    profile: Profile,
    kind: MessageKind,
    facts: DocumentFacts,
    *,
    digest: str,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    message_id: str,
    functional_reference: str,
    now: float,
    content_secret: ContentSecret | None,
    problems: tuple[Problem, ...] = (),
    losses: tuple[Problem, ...] = (),
    goods: tuple[GoodsLine, ...] = (),
) -> Prepared:
    sealed_document = seal_canonical(written, identities.seal)
    part = Part(
        content_id=f"document.{message_id}",
        content=sealed_document,
        mime_type=MIME_TYPE,
        character_set="UTF-8",
    )
    message = user_message(row, profile, kind, partner=partner, own=own, message_id=message_id, now=now)
    signing = identities.signing_for(partner.outbound.security)
    sealed = pack(message, (part,), partner.outbound, signing, content_secret=content_secret)
    return Prepared(
        sealed=sealed,
        document_digest=hashlib.sha256(sealed_document).hexdigest(),
        business_digest=digest,
        signed_with=certificate_digest(signing),
        functional_reference=functional_reference,
        facts=facts,
        effect=kind.effect,
        problems=problems,
        losses=losses,
        timers=profile.timers,
        rules=profile.rule_table,
        goods=goods,
    )


def user_message(
    row: SubmittedFacts,
    profile: Profile,
    kind: MessageKind,
    *,
    partner: Partner,
    own: OwnGateway,
    message_id: str,
    now: float,
) -> UserMessage:
    """Make the AS4 header: parties and roles of the agreement, service of the profile, the dossier."""
    mode = partner.outbound
    properties = [
        MessageProperty(name=ORIGINAL_SENDER, value=own.country),
        MessageProperty(name=FINAL_RECIPIENT, value=partner.country),
        MessageProperty(name=DOCUMENT_TYPE, value=row.document_type),
        MessageProperty(name=DOCUMENT_NUMBER, value=row.document_number),
    ]
    if row.national_message_id:
        properties.append(MessageProperty(name=NATIONAL_MESSAGE_ID, value=row.national_message_id))
    return UserMessage(
        message_id=message_id,
        timestamp_at=now,
        ref_to_message_id=row.ref_to_message_id,
        from_party=mode.initiator,
        from_role=mode.initiator_role,
        to_party=mode.responder,
        to_role=mode.responder_role,
        agreement=mode.agreement,
        agreement_type=mode.agreement_type,
        pmode_id=mode.id,
        service=mode.service or profile.service,
        service_type=mode.service_type,
        action=kind.action,
        conversation_id=row.conversation_id or row.document_number,
        properties=tuple(properties),
    )


def certificate_digest(signing: SigningIdentity) -> str:
    """Give the SHA-256 of our signing certificate, so that a replaced one is seen by comparing."""
    return hashlib.sha256(pinned(signing.certificate).der).hexdigest()
