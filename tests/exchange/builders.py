"""Small values for the tests of this room; no keys, no files."""

from __future__ import annotations

from typing import Any

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.messaging.party import DocumentCapability, Partner, PartyId
from asw_gateway.messaging.pmode import PMode
from asw_gateway.translation.envelope import Organisation

PARTY_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"


def organisation(name: str, country: str = "VN") -> Organisation:
    return Organisation(
        name=name, identity=name, country_code=country, ministry_code="BTC", organization_code="TCHQ"
    )


def own_gateway(country: str = "VN", **more: Any) -> OwnGateway:
    return OwnGateway(
        party_id=PartyId(value=f"asw-{country.lower()}", type=PARTY_TYPE),
        country=country,
        organisation=organisation("ASW", country),
        portal_organisation=organisation("NSW", country),
        **more,
    )


def partner(country: str = "TH", own_country: str = "VN", **more: Any) -> Partner:
    own = PartyId(value=f"asw-{own_country.lower()}", type=PARTY_TYPE)
    theirs = PartyId(value=f"asw-{country.lower()}", type=PARTY_TYPE)
    more.setdefault(
        "capabilities",
        (
            DocumentCapability(document_type="atiga-form-d", versions=("1.0",)),
            DocumentCapability(
                document_type="acdd", versions=("1.0",), kinds=("declaration",), max_bytes=1000
            ),
        ),
    )
    return Partner(
        name=country.lower(),
        party_id=theirs,
        country=country,
        outbound=PMode(id="out", agreement="urn:a", initiator=own, responder=theirs),
        inbound=PMode(id="in", agreement="urn:a", initiator=theirs, responder=own),
        **more,
    )
