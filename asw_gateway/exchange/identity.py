"""Who we are: our party, our organisation on the national side, our keys."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from attrs import field, frozen

from asw_gateway.messaging.party import PartyId
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
    encrypted parts if an agreement asks for encryption.
    """

    signing: SigningIdentity = field(repr=False)
    seal: SigningIdentity = field(repr=False)
    decryption_key: Any = field(default=None, repr=False)
