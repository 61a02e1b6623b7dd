"""The statement by which a gateway vouches for a head of its journal: small, signed, good for ever.

    <JournalHead xmlns="urn:asw-gateway:evidence:1">
      <Gateway type="…">party id</Gateway><Chain>node</Chain><Sequence>17</Sequence>
      <Hash>64 hex digits</Hash><At>2026-11-22T03:30:00.000Z</At>
      <ds:Signature/>  (enveloped, by the gateway's seal key)
    </JournalHead>
"""

from __future__ import annotations

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.messaging.envelope_writer import wire_time
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.seal import seal
from asw_gateway.messaging.xml import escape_attribute, escape_text

NAMESPACE = "urn:asw-gateway:evidence:1"


def head_statement(
    own: OwnGateway, identity: SigningIdentity, *, chain: str, sequence: int, hash: str, now: float
) -> bytes:
    """The signed statement of one head; ``identity`` is our seal's."""
    text = (
        f'<JournalHead xmlns="{NAMESPACE}">'
        f'<Gateway type="{escape_attribute(own.party_id.type)}">{escape_text(own.party_id.value)}</Gateway>'
        f"<Chain>{escape_text(chain)}</Chain><Sequence>{sequence}</Sequence>"
        f"<Hash>{escape_text(hash)}</Hash><At>{wire_time(now)}</At></JournalHead>"
    )
    return seal(text.encode(), identity)
