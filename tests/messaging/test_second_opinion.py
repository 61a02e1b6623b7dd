"""signxml's verifier, which knows nothing of us, agrees with our message signatures."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from signxml.exceptions import InvalidDigest
from signxml.verifier import SignatureConfiguration, XMLVerifier

from asw_gateway.messaging.mime import split_body
from asw_gateway.messaging.packing import pack
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.xml import parse
from tests.messaging.material import NOW, identity, pmode, user_message
from tests.messaging.test_round_trips import PARTS


def signxml_references(sealed, signer, change=lambda octets: octets):
    soap, parts = split_body(sealed.content_type, sealed.body, Limits())
    contents = {f"cid:{part.content_id}": part.content for part in parts}
    results = XMLVerifier().verify(
        parse(soap),
        x509_cert=signer.certificate,
        uri_resolver=lambda uri: change(contents[uri]),
        expect_config=SignatureConfiguration(
            location=".//", expect_references=5, verification_time=datetime.fromtimestamp(NOW, UTC)
        ),
    )
    return len(results)


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ecdsa-sha256", "ecdsa-sha384"])
def test_signxml_verifies_header_body_and_every_part(algorithm):
    signer = identity("vn", algorithm)
    sealed = pack(user_message(), PARTS, pmode(signature_algorithm=algorithm), signer)
    assert signxml_references(sealed, signer) == 5
    with pytest.raises(InvalidDigest):
        signxml_references(sealed, signer, lambda octets: octets + b" ")
