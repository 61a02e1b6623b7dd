"""From a document's destination to the partner gateway, or the plain reasons why it cannot go there."""

from __future__ import annotations

from collections.abc import Mapping

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.messaging.party import DocumentCapability, Partner
from asw_gateway.translation.kind import MessageKind
from asw_gateway.translation.problem import Problem
from asw_gateway.translation.profile import Profile

#: Our own error code for what a partner does not take (OCP Rule 27(2)); the ministries' lists have none.
CAPABILITY_CODE = "ASW12_CODE"


def find_partner(partners: Mapping[str, Partner], country: str, own: OwnGateway) -> Partner | Problem:
    """Give the partner that serves ``country`` (ISO 3166-1 alpha-2), or what is wrong with it."""
    if not country:
        return _refuse("the document names no destination country")
    if country == own.country:
        return _refuse(f"the destination {country} is our own country", country)
    partner = partners.get(country)
    if partner is None:
        return _refuse(f"no partner gateway is known for the destination country {country}", country)
    return partner


def check_partner(partner: Partner, own: OwnGateway) -> tuple[Problem, ...]:
    """Tell why nothing may be sent to ``partner`` now: suspended, or not of our environment."""
    problems: list[Problem] = []
    if partner.status == "suspended":
        problems.append(_refuse(f"the exchange with partner {partner.name} is suspended", partner.name))
    if partner.environment != own.environment:
        problems.append(
            _refuse(
                f"partner {partner.name} belongs to the {partner.environment} environment,"
                f" this gateway to {own.environment}",
                partner.name,
            )
        )
    elif partner.status == "test" and own.environment == "production":
        problems.append(
            _refuse(
                f"partner {partner.name} is still being tested and takes no production documents",
                partner.name,
            )
        )
    return tuple(problems)


def takes(partner: Partner, profile: Profile, kind: MessageKind) -> bool:
    """Tell whether the partner takes this version and kind at all, whatever the size (OCP Rule 27(2))."""
    return not check_capability(
        partner,
        document_type=profile.document_type,
        version=profile.version,
        kind=kind.name,
        size_bytes=0,
    )


def check_capability(
    partner: Partner, *, document_type: str, version: str, kind: str, size_bytes: int
) -> tuple[Problem, ...]:
    """Tell everything in which the partner cannot take this document: type, version, kind and size."""
    of_type = [c for c in partner.capabilities if c.document_type == document_type]
    if not of_type:
        return (_capability(partner, f"does not take documents of type {document_type}", document_type),)
    problems: list[Problem] = []
    versions = [c for c in of_type if not c.versions or version in c.versions]
    if not versions:
        known = ", ".join(sorted({v for c in of_type for v in c.versions}))
        text = f"takes {document_type} in version {known}, not {version}"
        problems.append(_capability(partner, text, version))
    candidates: list[DocumentCapability] = versions or of_type
    kinds = [c for c in candidates if not c.kinds or kind in c.kinds]
    if not kinds:
        known = ", ".join(sorted({k for c in candidates for k in c.kinds}))
        problems.append(
            _capability(partner, f"takes of {document_type} only {known}, not messages of kind {kind}", kind)
        )
    largest = max(c.max_bytes for c in kinds or candidates)
    if size_bytes > largest:
        problems.append(
            _capability(
                partner,
                f"takes {document_type} documents of at most {largest} bytes, this one has {size_bytes}",
                str(size_bytes),
            )
        )
    return tuple(problems)


def _refuse(message: str, value: str = "") -> Problem:
    return Problem(rule="ROUTE", message=message, value=value)


def _capability(partner: Partner, message: str, value: str) -> Problem:
    return Problem(
        rule="CAPABILITY",
        message=f"partner {partner.name} {message}",
        message_vi=f"đối tác {partner.name} không nhận: {value}",
        value=value,
        error_code=CAPABILITY_CODE,
    )
