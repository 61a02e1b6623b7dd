"""What a configuration amounts to: compiled profiles, identities, partners. Built whole, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from attrs import evolve, field, frozen

from asw_gateway.config import GatewayConfig, StartFault
from asw_gateway.config.profile_files import read_profiles
from asw_gateway.conversion.setup import Setup
from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.party import Partner
from asw_gateway.partner.reception import Readers
from asw_gateway.portal.parts import Openers
from asw_gateway.portal.submit import SubmissionRules
from asw_gateway.tls import Certificate, KeyPair
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.translation.envelope import Organisation
from asw_gateway.translation.profile import FileProblem, Profile, ProfileFault
from asw_gateway.translation.profile_loading import load_profile
from asw_gateway.translation.timers import Timer


@frozen(kw_only=True)
class Standing:
    """What the rooms are given of a configuration; schemas, stylesheets and keys are loaded here, once.

    What every message asks for is put together at the first question and kept.
    """

    config: GatewayConfig
    catalogue: Catalogue = field(repr=False)
    own: OwnGateway
    identities: Identities = field(repr=False)
    refused: Mapping[str, Mapping[str, str]] = field(factory=dict)

    @cached_property
    def partners(self) -> Mapping[str, Partner]:
        """By name, each without the certificates that its issuer has taken back."""
        return {
            partner.name: evolve(partner, refused=self.refused.get(partner.name, {}))
            for partner in self.config.partners
        }

    def partner_pins(self) -> list[Certificate]:
        """The client certificates that partners may show."""
        return [
            certificate
            for partner in self.partners.values()
            for certificate in partner.accepted(partner.tls_certificates)
        ]

    def refused_pins(self) -> Mapping[str, str]:
        """Why certificates of partners are not accepted, by SHA-256 in hex."""
        return {name: reason for refused in self.refused.values() for name, reason in refused.items()}

    def message_id(self, unique: str) -> str:
        """An AS4 message id of ours: `unique@host` (RFC 2822), the host being our party id."""
        return f"{unique}@{self.own.message_host}"

    @cached_property
    def setup(self) -> Setup:
        """For conversion."""
        return Setup(
            catalogue=self.catalogue, partners=self.partners, own=self.own, identities=self.identities
        )

    def readers(self) -> Readers:
        """For the partners' door."""
        return Readers(own=self.own, identities=self.identities, catalogue=self.catalogue)

    def openers(self) -> Openers:
        """For the portal, to read a stored message's payloads."""
        return Openers(partners=self.partners, own=self.own, identities=self.identities)

    @cached_property
    def rules(self) -> SubmissionRules:
        """For the portal's door."""
        by_country = {partner.country: partner for partner in self.partners.values()}
        return SubmissionRules(
            catalogue=self.catalogue,
            partners=by_country,
            own=self.own,
            max_bytes=self.config.portal_listener.max_body_bytes,
        )

    def procedures(self) -> Mapping[str, str]:
        """National procedure code to document type."""
        return {profile.procedure: profile.document_type for profile in self.catalogue.profiles}

    def timers(self) -> tuple[Timer, ...]:
        """The clocks of every document type, those of its newest profile."""
        found: dict[tuple[str, str], Timer] = {}
        for profile in reversed(self.catalogue.profiles):
            found |= {(timer.document_type, timer.id): timer for timer in profile.timers}
        return tuple(found.values())

    def message_types(self) -> list[str]:
        """Every `<document type>/<kind>`, the values of the metric label."""
        return [
            f"{profile.document_type}/{kind.name}"
            for profile in self.catalogue.profiles
            for kind in profile.kinds
        ]


def standing(config: GatewayConfig) -> Standing:
    """Load what `config` names. Raises StartFault with every mistake of every profile."""
    return Standing(
        config=config,
        catalogue=_catalogue(config),
        own=OwnGateway(
            party_id=config.party_id,
            country=config.country,
            organisation=Organisation(**config.organisation),
            portal_organisation=Organisation(**config.portal_organisation),
            environment=config.environment,
        ),
        identities=Identities(
            signing=_identity(config.signing),
            seal=_identity(config.seal),
            decryption_key=_private_key(config.decryption),
            signing_2_0=_identity(config.signing_2_0) if config.signing_2_0 is not None else None,
            decryption_key_2_0=_private_key(config.decryption_2_0),
        ),
    )


def _identity(pair: KeyPair) -> SigningIdentity:
    return SigningIdentity(private_key=pair.private_key, certificate=pair.certificate, chain=pair.chain)


def _private_key(pair: KeyPair | None) -> Any:
    return pair.private_key if pair is not None else None


def _catalogue(config: GatewayConfig) -> Catalogue:
    try:
        files = read_profiles(config.profiles_directory)
    except OSError as error:
        raise StartFault(f"the profiles in {config.profiles_directory} cannot be read ({error})") from error
    if not files.profiles:
        raise StartFault(f"{config.profiles_directory} has no folder with a profile.toml")
    profiles: list[Profile] = []
    problems: list[FileProblem] = []
    for name, content in files.profiles.items():
        try:
            profiles.append(load_profile(name, content, files.reference))
        except ProfileFault as fault:
            problems.extend(fault.problems)
    if problems:
        lines = "\n".join(str(found) for found in problems)
        count = f"{len(problems)} mistakes"
        raise StartFault(f"the profiles in {config.profiles_directory} have {count}:\n{lines}")
    return Catalogue(profiles)
