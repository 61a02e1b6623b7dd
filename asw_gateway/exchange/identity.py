"""Who we are: our party, our organisation on the national side, our keys."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from attrs import field, frozen

from asw_gateway.messaging.party import PartyId
from asw_gateway.messaging.pmode import EDELIVERY_2_0, SecurityProfile
from asw_gateway.messaging.signature import SigningIdentity
from asw_gateway.translation.envelope import Organisation


@frozen(kw_only=True)
class OwnGateway:
    """This gateway as partners and portal know it.

    ``organisation`` is the gateway itself in national envelopes, ``portal_organisation`` the portal it
    serves.  ``environment`` is ``production`` or ``test``; a test gateway never feeds a production portal.
    """

    party_id: PartyId
    country: str
    organisation: Organisation
    portal_organisation: Organisation
    environment: str = "production"

    @cached_property
    def message_host(self) -> str:
        """What stands behind the @ of our message ids: our party id, without what an id cannot hold."""
        name = self.party_id.value
        return "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in name)[:100]


@frozen(kw_only=True)
class Identities:
    """Private keys, loaded once by the shell.

    ``signing`` signs AS4 messages and receipts, ``seal`` signs documents, ``decryption_key`` opens
    encrypted parts if an agreement asks for encryption. Agreements on the 2.0 suite have keys of their own
    (Ed25519, X25519) where there are any: no key serves both suites.
    """

    signing: SigningIdentity = field(repr=False)
    seal: SigningIdentity = field(repr=False)
    decryption_key: Any = field(default=None, repr=False)
    signing_2_0: SigningIdentity | None = field(default=None, repr=False)
    decryption_key_2_0: Any = field(default=None, repr=False)

    def signing_for(self, profile: SecurityProfile) -> SigningIdentity:
        """Who signs under an agreement's security profile."""
        modern = self.signing_2_0 if profile.name == EDELIVERY_2_0 else None
        return modern if modern is not None else self.signing

    def decryption_key_for(self, profile: SecurityProfile) -> Any:
        """What opens the parts of an agreement's security profile; None where nothing was agreed."""
        modern = self.decryption_key_2_0 if profile.name == EDELIVERY_2_0 else None
        return modern if modern is not None else self.decryption_key
