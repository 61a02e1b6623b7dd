"""partners/NAME.toml: one partner and what was agreed with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import asdict

from asw_gateway.config.gateway_file import COUNTRY, ENVIRONMENTS, NAME
from asw_gateway.config.keys import read_certificate, read_certificates
from asw_gateway.config.section import Section
from asw_gateway.messaging.party import PARTNER_STATUSES, Contact, DocumentCapability, Partner, PartyId
from asw_gateway.messaging.pmode import (
    CONTENT_ENCRYPTIONS,
    EDELIVERY_1_15,
    EDELIVERY_2_0,
    INITIATOR_ROLE,
    KEY_REFERENCES,
    RESPONDER_ROLE,
    SIGNATURE_ALGORITHMS,
    Limits,
    PMode,
    ReceptionAwareness,
    SecurityProfile,
)
from asw_gateway.messaging.revocation import MODES, RevocationPolicy
from asw_gateway.tls.files import Certificate, key_fits, suitable_algorithm

_DAY = 86400.0
EMPTY = r"[^\x00-\x1f\x7f]{0,1024}"


def read_partner(
    root: Section, own_party: PartyId | None, own_signing: Mapping[str, Certificate]
) -> Partner | None:
    """The partner of one file, or None with every fault noted; `own_signing` is by security profile."""
    party, endpoint, agreement = (root.section(key) for key in ("party", "endpoint", "agreement"))
    outbound, inbound = root.section("outbound"), root.section("inbound")
    certificates = root.section("certificates")
    revocation = root.section("revocation")
    party_id = _party(party)
    signing = read_certificates(certificates, "signing", required=True)
    values: dict[str, Any] = {
        "name": root.text("name", pattern=NAME, expected="a short name in lower case, such as th"),
        "country": root.text("country", pattern=COUNTRY, expected="an ISO 3166-1 alpha-2 code such as TH"),
        "status": root.choice("status", PARTNER_STATUSES, "live"),
        "environment": root.choice("environment", ENVIRONMENTS, "production"),
        "window": root.number("window", 8, least=1, most=256, whole=True, unit="messages"),
        "tls_certificates": read_certificates(certificates, "tls", required=True),
        "signing_certificates": signing,
        "seal_certificates": read_certificates(certificates, "seal", required=True),
        "encryption_certificate": read_certificate(certificates, "encryption"),
        "server_trust": read_certificates(endpoint, "server_trust_files", required=True),
        "capabilities": _capabilities(root),
        "revocation": _revocation(revocation),
        "contacts": _contacts(root),
        "aliases": _codes(root.section("aliases")),
        "spellings": _codes(root.section("spellings")),
    }
    address = _address(endpoint)
    shared, sections = _agreement(agreement)
    standard = asdict(SecurityProfile()) | {"signature_algorithm": None}
    agreed = agreement.section("security")
    common = _security(agreed, standard)
    legs = {}
    for leg, initiator, responder in ((outbound, own_party, party_id), (inbound, party_id, own_party)):
        own = leg.section("security")
        said = _security(own, common)
        if leg is inbound:
            signer = signing[0] if signing else None
        else:
            signer = own_signing.get(said["name"], own_signing.get(EDELIVERY_1_15))
        security = _profile(own, said, signer) if agreed.sound else None
        legs[leg] = _pmode(leg, initiator, responder, security, {"address": address, **shared})
    parts = (party, endpoint, agreement, outbound, inbound, certificates, revocation, *sections)
    root.done(*parts)
    everything = (root, *parts)
    if not all(section.sound for section in everything) or any(pmode is None for pmode in legs.values()):
        return None
    return root.build(Partner, party_id=party_id, outbound=legs[outbound], inbound=legs[inbound], **values)


def _revocation(section: Section) -> RevocationPolicy | None:
    """Lists are read anew at every refresh; here they only must be there."""
    mode = section.choice("mode", MODES, "off")
    issuers = read_certificates(section, "issuers", required=mode in ("soft", "hard"))
    lists = []
    for name in section.texts("list_files"):
        path = section.file.parent / name
        if not path.is_file():
            section.fault("list_files", str(path), "a certificate revocation list, PEM or DER")
        lists.append(str(path))
    ocsp = section.boolean("ocsp", False)
    if section.sound and mode != "off" and not lists and not ocsp:
        section.fault("mode", mode, "list_files, or ocsp = true: nobody to ask otherwise")
    return section.build(RevocationPolicy, mode=mode, issuers=issuers, list_files=tuple(lists), ocsp=ocsp)


def _party(section: Section) -> PartyId | None:
    value = section.text("id", expected="the partner's party id")
    kind = section.text("type", expected="the party id's type, a URI")
    return None if value is None or kind is None else PartyId(value=value, type=kind)


def _address(section: Section) -> str:
    expected = "an address such as https://gateway.example:8443/as4"
    address = section.text("address", expected=expected)
    if address is None:
        return ""
    try:
        parts = urlsplit(address)
        usable = (
            parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
        )
    except ValueError:
        usable = False
    if not usable:
        section.fault("address", address, expected)
    return str(address)


def _agreement(section: Section) -> tuple[dict[str, Any], list[Section]]:
    """What both legs share, and the tables it was read from."""
    reception, limits = section.section("reception"), section.section("limits")
    default = ReceptionAwareness()
    awareness = {
        "initial_delay_seconds": reception.number(
            "initial_delay_seconds", default.initial_delay_seconds, least=0.05
        ),
        "multiplier": reception.number("multiplier", default.multiplier, least=1, most=100),
        "maximum_delay_seconds": reception.number(
            "maximum_delay_seconds", default.maximum_delay_seconds, least=0.05
        ),
        "jitter": reception.number("jitter", default.jitter, least=0, most=0.9),
        "time_to_live_seconds": reception.number(
            "time_to_live_seconds", default.time_to_live_seconds, least=1
        ),
        "send_timeout_seconds": reception.number(
            "send_timeout_seconds", default.send_timeout_seconds, least=0.1
        ),
    }
    weight = Limits()
    bounds = {
        key: limits.number(key, getattr(weight, key), least=1, whole=True)
        for key in (
            "max_message_bytes",
            "max_parts",
            "max_part_bytes",
            "max_header_bytes",
            "max_expansion_ratio",
        )
    }
    shared = {
        "agreement": section.text("id", expected="the agreement's id, the same on both sides"),
        "agreement_type": section.text("type", None),
        "service": section.text("service", None),
        "service_type": section.text("service_type", None),
        "compress": section.boolean("compress", True),
        "replay_window_seconds": section.number("replay_window_seconds", 30 * _DAY, least=1, unit="seconds"),
        "clock_skew_seconds": section.number("clock_skew_seconds", 300.0, least=0, most=_DAY, unit="seconds"),
        "reception": reception.build(ReceptionAwareness, **awareness),
        "limits": limits.build(Limits, **bounds),
    }
    window, life = shared["replay_window_seconds"], awareness["time_to_live_seconds"]
    if window is not None and life is not None and window < life:
        expected = f"at least reception.time_to_live_seconds ({life:g}): else a late retry counts as new"
        section.fault("replay_window_seconds", window, expected)
    return shared, [reception, limits]


def _security(section: Section, default: dict[str, Any]) -> dict[str, Any]:
    """The keys of a [security] table over `default`."""
    options = {
        "name": (EDELIVERY_1_15, EDELIVERY_2_0),
        "signature_algorithm": SIGNATURE_ALGORITHMS,
        "key_reference": KEY_REFERENCES,
        "content_encryption": CONTENT_ENCRYPTIONS,
    }
    values = {key: section.choice(key, allowed, default[key]) for key, allowed in options.items()}
    values |= {key: section.boolean(key, default[key]) for key in ("encrypt", "timestamp")}
    section.done()
    return values


def _profile(section: Section, values: dict[str, Any], signer: Certificate | None) -> SecurityProfile | None:
    """The leg's profile; unless it is said, the algorithm follows the signer's key."""
    algorithm = values["signature_algorithm"] or suitable_algorithm(signer)
    if signer is not None and not key_fits(algorithm, signer):
        section.fault(
            "signature_algorithm", algorithm, f"{suitable_algorithm(signer)}: it must fit the signing key"
        )
    return section.build(SecurityProfile, **(values | {"signature_algorithm": algorithm}))


def _pmode(
    leg: Section,
    initiator: PartyId | None,
    responder: PartyId | None,
    security: SecurityProfile | None,
    shared: dict[str, Any],
) -> PMode | None:
    standard = (
        f"{initiator.value}_{responder.value}" if initiator is not None and responder is not None else ""
    )
    values = {
        "id": leg.text("pmode_id", standard or None),
        "initiator_role": leg.text("initiator_role", INITIATOR_ROLE),
        "responder_role": leg.text("responder_role", RESPONDER_ROLE),
    }
    needed = (initiator, responder, security, shared["agreement"], shared["reception"], shared["limits"])
    if None in needed or shared["replay_window_seconds"] is None or shared["clock_skew_seconds"] is None:
        return None
    return leg.build(PMode, initiator=initiator, responder=responder, security=security, **values, **shared)


def _codes(section: Section) -> dict[str, dict[str, str]]:
    """Tables of codes by code list: `[aliases.units]` with lines such as `PCE = "H87"`."""
    tables: dict[str, dict[str, str]] = {}
    for name in section.names():
        table = section.section(name)
        tables[name] = {
            code: table.text(code, pattern=r"\S{1,17}", expected="a code without blanks")
            for code in table.names()
        }
        table.done()
    section.done()
    return tables


def _capabilities(root: Section) -> tuple[DocumentCapability, ...]:
    found = []
    for section in root.sections("capabilities"):
        values = {
            "document_type": section.text("document_type", expected="a profile's document type"),
            "versions": section.texts("versions"),
            "kinds": section.texts("kinds"),
            "max_bytes": section.number("max_bytes", 5_000_000, least=1, whole=True, unit="bytes"),
            "max_attachments": section.number("max_attachments", 0, least=0, most=64, whole=True),
        }
        section.done()
        capability = section.build(DocumentCapability, **values)
        found += [capability] if capability is not None else []
    return tuple(found)


def _contacts(root: Section) -> tuple[Contact, ...]:
    found = []
    for section in root.sections("contacts"):
        values = {"name": section.text("name", expected="a person or desk")}
        for key in ("function", "email", "phone", "organisation"):
            values[key] = section.text(key, "", pattern=EMPTY)
        section.done()
        contact = section.build(Contact, **values)
        found += [contact] if contact is not None else []
    return tuple(found)
