"""Signing the heads of the journal's chains."""

from __future__ import annotations

from hashlib import sha256

from asw_gateway.exchange.evidence import head_statement
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.messaging.keys import SigningIdentity, pinned
from asw_gateway.store.heads import PublishedHead
from asw_gateway.store.journal import Head


def signed_head(
    own: OwnGateway, identity: SigningIdentity, chain: str, head: Head, now: float
) -> PublishedHead:
    """One head with our signed statement of it; ``identity`` is the seal's."""
    return PublishedHead(
        chain=chain,
        sequence=head.sequence,
        hash=head.hash,
        published_at=now,
        signed_with=sha256(pinned(identity.certificate).der).hexdigest(),
        statement=head_statement(
            own, identity, chain=chain, sequence=head.sequence, hash=head.hash, now=now
        ),
    )
