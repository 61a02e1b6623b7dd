"""A receipt for any message at all, written from its text: what a product does that checks nothing."""

from __future__ import annotations

import time

from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.pmode import SecurityProfile
from asw_gateway.messaging.signature import security_header
from asw_gateway.messaging.xml import canonical, parse
from tests.conformance import sockets, wire
from tests.conformance.wire import Http


def receipt_for(request: Http, signer: SigningIdentity, message_id: str) -> Http:
    """Signed, and repeating whatever digests the message claims."""
    claimed = wire.find(wire.soap(request), "//wsse:Security/ds:Signature/ds:SignedInfo/ds:Reference")
    information = "".join(
        f"<ebbp:MessagePartNRInformation>{canonical(reference).decode()}</ebbp:MessagePartNRInformation>"
        for reference in claimed
    )
    info = writer.message_info(message_id, time.time(), wire.message_id(request))
    messaging = writer.messaging_header(
        f"<eb:SignalMessage>{info}<eb:Receipt><ebbp:NonRepudiationInformation "
        f'xmlns:ebbp="{wire.NS["ebbp"]}">{information}</ebbp:NonRepudiationInformation></eb:Receipt>'
        "</eb:SignalMessage>"
    )
    text = canonical(parse(messaging.encode())).decode()
    profile = SecurityProfile(signature_algorithm=signer.algorithm)
    security = security_header(writer.header_references(text), signer, profile)
    return sockets.response(200, f"{wire.SOAP_TYPE}; charset=UTF-8", writer.envelope(text, security))
