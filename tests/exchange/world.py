"""Two gateways, VN and TH, as pure values: keys, agreements, profiles. Made once per test run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.messaging.party import DocumentCapability, Partner, PartyId
from asw_gateway.messaging.pmode import PMode, SecurityProfile
from asw_gateway.messaging.signature import SigningIdentity
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.translation.envelope import Organisation
from asw_gateway.translation.profile_loading import load_profile

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC).timestamp()
PROFILES = Path(__file__).parents[2] / "profiles"
PARTY_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"


@frozen(kw_only=True)
class Gateway:
    """One side: who it is, its keys, and how it sees the other one."""

    own: OwnGateway
    identities: Identities
    partner: Partner

    @property
    def partners(self) -> dict[str, Partner]:
        """By country, as routing wants them."""
        return {self.partner.country: self.partner}


@cache
def identity(name: str) -> SigningIdentity:
    """A self-signed ECDSA identity that is valid around NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=30)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=400))
        .sign(key, hashes.SHA256())
    )
    return SigningIdentity(private_key=key, certificate=certificate)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@cache
def catalogue() -> Catalogue:
    """The committed profiles."""
    reference = _files(PROFILES / "reference")
    names = ("atiga-form-d-2022", "acdd-1.08")
    return Catalogue([load_profile(name, _files(PROFILES / name), reference) for name in names])


def party(country: str) -> PartyId:
    """A gateway's party id."""
    return PartyId(value=f"asw-{country.lower()}", type=PARTY_TYPE)


def leg(sender: str, receiver: str) -> PMode:
    """The agreement's leg from one country to the other."""
    return PMode(
        id=f"{sender}-{receiver}".lower(),
        agreement="urn:asw:agreement:1",
        initiator=party(sender),
        responder=party(receiver),
        security=SecurityProfile(signature_algorithm="ecdsa-sha256"),
    )


def as_partner(country: str, seen_from: str, **more: Any) -> Partner:
    """How one country's gateway is configured at the other one's."""
    values: dict[str, Any] = {
        "name": country.lower(),
        "party_id": party(country),
        "country": country,
        "outbound": leg(seen_from, country),
        "inbound": leg(country, seen_from),
        "signing_certificates": (identity(f"{country} signing").certificate,),
        "seal_certificates": (identity(f"{country} seal").certificate,),
        "capabilities": tuple(
            DocumentCapability(document_type=profile.document_type) for profile in catalogue().profiles
        ),
    }
    return Partner(**(values | more))


def organisation(country: str, name: str) -> Organisation:
    """The gateway or the portal of a country; only identity and country are compared."""
    return Organisation(
        name=name, identity=name, country_code=country, ministry_code="MIN", organization_code="ORG"
    )


def gateway(country: str, other: str, **more: Any) -> Gateway:
    """One side of the border; ``more`` changes how it sees its partner."""
    return Gateway(
        own=OwnGateway(
            party_id=party(country),
            country=country,
            organisation=organisation(country, "ASW"),
            portal_organisation=organisation(country, "NSW"),
        ),
        identities=Identities(signing=identity(f"{country} signing"), seal=identity(f"{country} seal")),
        partner=as_partner(other, country, **more),
    )
