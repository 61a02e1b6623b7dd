"""What no single file can see: clashes between partners, listeners and certificates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asw_gateway.config.errors import Findings
from asw_gateway.messaging.encryption import ENCRYPTION_KEYS, encrypts_for
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.pmode import EDELIVERY_2_0
from asw_gateway.messaging.revocation import issuer_of
from asw_gateway.messaging.verification import ACCEPTED_ALGORITHMS
from asw_gateway.tls.files import Certificate, fingerprint

WARNING_DAYS = 30
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104  compared with, not bound to


def check_listeners(findings: Findings, file: Path, values: dict[str, Any]) -> None:
    """No two listeners on one port."""
    taken: list[tuple[str, str, int]] = []
    for name in ("partner_listener", "portal_listener", "operators"):
        listener = values[name]
        if listener is None or listener.port == 0:  # 0: the system chooses
            continue
        for other, host, port in taken:
            same_host = host == listener.host or host in _ANY_ADDRESS or listener.host in _ANY_ADDRESS
            if port == listener.port and same_host:
                findings.error(file, f"{name}.port", port, f"a port other than {other}'s")
        taken.append((name, listener.host, listener.port))


def check_partners(
    findings: Findings, values: dict[str, Any], partners: Sequence[tuple[Path, Partner]]
) -> None:
    """Names, countries, party ids and TLS certificates tell partners apart; all serve one environment."""
    own = values["party_id"]
    seen: dict[tuple[str, Any], Path] = {("party.id", own): Path("gateway.toml")} if own is not None else {}
    for file, partner in partners:
        marks: list[tuple[str, Any, str]] = [
            ("name", partner.name, partner.name),
            ("country", partner.country, partner.country),
            ("party.id", partner.party_id, partner.party_id.value),
        ]
        marks += [
            ("certificates.tls", fingerprint(one), fingerprint(one)) for one in partner.tls_certificates
        ]
        for key, mark, text in marks:
            other = seen.setdefault((key, mark), file)
            if other != file:
                findings.error(file, key, text, f"one that {other.name} does not have")
        _check_suites(findings, file, values, partner)
        for use, certificate in _nobody_can_vouch_for(partner):
            expected = f"the authority that issued {certificate.subject.rfc4514_string()} ({use}) too"
            findings.error(file, "revocation.issuers", None, f"{expected}: mode hard refuses it otherwise")
        if values["environment"] is not None and partner.environment != values["environment"]:
            findings.error(
                file, "environment", partner.environment, f"{values['environment']}, as the gateway's"
            )


def _check_suites(findings: Findings, file: Path, values: dict[str, Any], partner: Partner) -> None:
    """Every key is there, and of the kind that the suite of its leg asks for."""
    for leg, security in (("outbound", partner.outbound.security), ("inbound", partner.inbound.security)):
        algorithm, allowed = security.signature_algorithm, ACCEPTED_ALGORITHMS[security.name]
        if algorithm not in allowed:
            expected = f"{' or '.join(sorted(allowed))}, which {security.name} has"
            findings.error(file, f"{leg}.security.signature_algorithm", algorithm, expected)
    theirs, suite = partner.encryption_certificate, partner.outbound.security
    if suite.encrypt and theirs is None:
        findings.error(
            file, "certificates.encryption", None, "a certificate: the agreement asks for encryption"
        )
    elif suite.encrypt and theirs is not None and not encrypts_for(theirs, suite):
        findings.error(
            file, "certificates.encryption", theirs.subject.rfc4514_string(), ENCRYPTION_KEYS[suite.name]
        )
    suite = partner.inbound.security
    modern = suite.name == EDELIVERY_2_0 and values["decryption_2_0"] is not None
    key = "decryption_2_0" if modern else "decryption"
    if suite.encrypt and (values[key] is None or not encrypts_for(values[key].certificate, suite)):
        expected = f"[keys.{key}] in gateway.toml, {ENCRYPTION_KEYS[suite.name]}"
        findings.error(file, "inbound.security.encrypt", True, expected)


def _nobody_can_vouch_for(partner: Partner) -> list[tuple[str, Certificate]]:
    """Certificates that mode hard would refuse whatever anybody says."""
    policy = partner.revocation
    uses = ("tls", "signing", "seal") if policy.mode == "hard" else ()
    return [
        (f"certificates.{use}", each)
        for use in uses
        for each in getattr(partner, f"{use}_certificates")
        if each.issuer != each.subject and issuer_of(each, policy.issuers) is None
    ]


def check_portal_clients(findings: Findings, file: Path, values: dict[str, Any]) -> None:
    """One certificate, one client."""
    seen: dict[str, str] = {}
    for client in values["portal_clients"]:
        other = seen.setdefault(fingerprint(client.certificate), client.name)
        if other != client.name:
            findings.error(file, "portal_clients", client.name, f"a certificate other than {other}'s")


def check_validity(
    findings: Findings,
    file: Path,
    values: dict[str, Any],
    partners: Iterable[tuple[Path, Partner]],
    now: float,
) -> None:
    """
    Our own certificates must be valid now. Others are told of: a partner's lapse must not stop the rest.
    """
    own = {
        "partner_listener.certificate_file": values["partner_listener"] and values["partner_listener"].pair,
        "portal_listener.certificate_file": values["portal_listener"] and values["portal_listener"].pair,
        "partner_client.certificate_file": values["partner_client"],
        "keys.signing.certificate_file": values["signing"],
        "keys.seal.certificate_file": values["seal"],
        "keys.decryption.certificate_file": values["decryption"],
        "keys.signing_2_0.certificate_file": values["signing_2_0"],
        "keys.decryption_2_0.certificate_file": values["decryption_2_0"],
    }
    for key, pair in own.items():
        if pair is None:
            continue
        days = days_left(pair.certificate, now)
        if days is None:
            findings.error(file, key, period(pair.certificate), "a certificate that is valid now")
        elif days < WARNING_DAYS:
            findings.warning(file, key, f"ends in {days:.0f} days", "a new certificate soon")
    for client in values["portal_clients"]:
        if days_left(client.certificate, now) is None:
            findings.warning(
                file, f"portal_clients ({client.name})", period(client.certificate), "a valid certificate"
            )
    for partner_file, partner in partners:
        for key in ("tls", "signing", "seal"):
            certificates = getattr(partner, f"{key}_certificates")
            valid = [days for one in certificates if (days := days_left(one, now)) is not None]
            if not valid:
                expected = "one that is valid now; until then what it protects is refused"
                findings.warning(partner_file, f"certificates.{key}", period(certificates[-1]), expected)
            elif max(valid) < WARNING_DAYS:
                findings.warning(
                    partner_file,
                    f"certificates.{key}",
                    f"ends in {max(valid):.0f} days",
                    "a new certificate soon",
                )


def days_left(certificate: Certificate, now: float) -> float | None:
    """Days of validity from `now` (UTC epoch seconds), or None outside of it."""
    at = datetime.fromtimestamp(now, UTC)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return None
    return (certificate.not_valid_after_utc - at).total_seconds() / 86400


def period(certificate: Certificate) -> str:
    """The days of validity, for people."""
    return f"valid {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
