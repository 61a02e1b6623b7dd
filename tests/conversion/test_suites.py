"""Agreements that encrypt, on either security suite: what one gateway queues, the other one opens."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from asw_gateway.exchange.outbound import certificate_digest
from asw_gateway.messaging.pmode import EDELIVERY_1_15, EDELIVERY_2_0, PMode
from tests.conversion.nodes import Node
from tests.conversion.test_conversion import NUMBER, form_d
from tests.exchange.world import Gateway, gateway
from tests.messaging import material

SUITES = {EDELIVERY_1_15: ("ecdsa-sha256", "rsa-sha256"), EDELIVERY_2_0: ("ed25519", "x25519")}


def encrypted(country: str, other: str, suite: str) -> Gateway:
    """One side of an agreement that encrypts; its other keys are for agreements on the other suite."""
    signing, encryption = SUITES[suite]

    def leg(mode: PMode) -> PMode:
        return evolve(
            mode,
            security=evolve(mode.security, name=suite, signature_algorithm=signing, encrypt=True),
        )

    side = gateway(country, other)
    modern = {
        "signing_2_0": material.identity(f"{country} 2.0", "ed25519"),
        "decryption_key_2_0": material.private_key("x25519", f"{country} for 2.0"),
        "decryption_key": material.private_key("rsa-sha256", f"{country} for 1.15"),
    }
    name = "2.0" if suite == EDELIVERY_2_0 else "1.15"
    theirs: dict[str, Any] = {
        "outbound": leg(side.partner.outbound),
        "inbound": leg(side.partner.inbound),
        "encryption_certificate": material.certificate(f"{other} for {name}", encryption),
    }
    if suite == EDELIVERY_2_0:
        theirs["signing_certificates"] = (material.certificate(f"{other} 2.0", "ed25519"),)
    return evolve(side, identities=evolve(side.identities, **modern), partner=evolve(side.partner, **theirs))


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("hand_over", [False, True], ids=["stored", "handed over"])
def test_a_certificate_crosses_and_is_receipted(suite: str, hand_over: bool) -> None:
    vn, th = (Node(encrypted(*sides, suite)) for sides in (("VN", "TH"), ("TH", "VN")))
    for node in (vn, th):
        node.conversion.startService()
    try:
        row = vn.submit(form_d(), hand_over=hand_over)
        [due] = vn.due()
        assert b"EncryptedData" in due.body
        assert due.signed_with == certificate_digest(
            vn.side.identities.signing_for(vn.side.partner.outbound.security)
        )
        vn.receipted(due, th.take(due, hand_over=hand_over))
        assert vn.outbound(row.id).state == "delivered"
        [there] = th.delivered()
        assert there.content.findtext("Number") == NUMBER
    finally:
        for node in (vn, th):
            node.conversion.stopService()
            node.database.close_now()
