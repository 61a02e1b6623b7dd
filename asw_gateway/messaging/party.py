"""Who speaks: party identifiers, contacts, and what a partner gateway has agreed to."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen, validators
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from asw_gateway.messaging.pmode import PMode
from asw_gateway.messaging.revocation import RevocationPolicy
from asw_gateway.messaging.values import PartyId, bounded_text

__all__ = ["Contact", "DocumentCapability", "Partner", "PartyId"]

PARTNER_STATUSES = ("live", "test", "suspended")


@frozen(kw_only=True)
class Contact:
    """A person or desk to call; every field but the name may be empty."""

    name: str
    function: str = ""
    email: str = ""
    phone: str = ""
    organisation: str = ""


@frozen(kw_only=True)
class DocumentCapability:
    """A document type agreed with the partner: versions, kinds (empty means all) and the largest document.

    ``max_attachments`` is how many other payloads may come with a document from the partner.
    """

    document_type: str
    versions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    max_bytes: int = 5_000_000
    max_attachments: int = 0


@frozen(kw_only=True)
class Partner:
    """One partner country's gateway, with every certificate we accept from it.

    Several signing certificates may be valid at once, so that a partner can change keys with an overlap.
    ``window`` is the number of messages in flight to this partner.  ``refused`` gives, by SHA-256 in hex, the
    reason for every certificate that is not accepted at the moment although it is configured.
    ``aliases`` are codes it writes otherwise than the code lists (list → its code → ours), ``spellings``
    those that it wants to read otherwise (list → our code → its code).
    """

    name: str = field(validator=bounded_text(64))
    party_id: PartyId
    country: str = field(validator=validators.matches_re(r"[A-Z]{2}"))
    outbound: PMode
    inbound: PMode
    tls_certificates: tuple[x509.Certificate, ...] = ()
    signing_certificates: tuple[x509.Certificate, ...] = ()
    seal_certificates: tuple[x509.Certificate, ...] = ()
    encryption_certificate: x509.Certificate | None = None
    server_trust: tuple[x509.Certificate, ...] = ()
    capabilities: tuple[DocumentCapability, ...] = ()
    contacts: tuple[Contact, ...] = ()
    window: int = field(default=8, validator=validators.ge(1))
    status: str = field(default="live", validator=validators.in_(PARTNER_STATUSES))
    environment: str = "production"
    revocation: RevocationPolicy = RevocationPolicy()
    refused: Mapping[str, str] = field(factory=dict)
    aliases: Mapping[str, Mapping[str, str]] = field(factory=dict)
    spellings: Mapping[str, Mapping[str, str]] = field(factory=dict)

    def accepted(self, certificates: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
        """Those of these certificates that are not refused."""
        if not self.refused:
            return certificates
        return tuple(
            each for each in certificates if each.fingerprint(hashes.SHA256()).hex() not in self.refused
        )
