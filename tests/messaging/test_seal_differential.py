"""Our seal verification beside signxml's and libxmlsec's: whatever we accept, they accept, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import xmlsec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from asw_gateway.messaging import seal as seal_module
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.seal import check_seal, seal
from asw_gateway.messaging.xml import canonical
from tests.messaging.material import FORM_D, NOW, identity

ALGORITHMS = ("rsa-sha256", "ecdsa-sha256", "ecdsa-sha384")
SEALED = {algorithm: seal(FORM_D, identity("seal", algorithm)) for algorithm in ALGORITHMS}
#: Pieces that an attacker would put in, take out or put elsewhere.
PIECES = (
    b" ",
    b"\n",
    b"<!-- x -->",
    b"<x/>",
    b"&amp;",
    b"&#13;",
    b"<?p x?>",
    b"<![CDATA[x]]>",
    b' Id="a"',
    b' URI="#a"',
    b' xmlns="urn:x"',
    b' xmlns:ds="urn:x"',
    b"<ds:Object/>",
    b"<ds:Transform/>",
    b"sha512",
    b"A",
    b"=",
    b"",
)
CUTS = (b">", b"<", b"</", b'"', b"ds:", b"sha256", b"=")


def ours(document: bytes, signer) -> bytes | None:
    """The signed bytes, or None."""
    try:
        return check_seal(document, [signer.certificate], NOW).document
    except RemoteFault:
        return None


def by_signxml(document: bytes, signer) -> bytes | None:
    configuration = SignatureConfiguration(
        location="./", expect_references=1, verification_time=datetime.fromtimestamp(NOW, UTC)
    )
    try:
        found = XMLVerifier().verify(document, x509_cert=signer.certificate, expect_config=configuration)
    except (SignXMLException, InvalidSignature, etree.LxmlError, ValueError, TypeError):
        return None
    return found.signed_data


def by_xmlsec(document: bytes, signer) -> bool:
    try:
        root = etree.fromstring(document)
        context = xmlsec.SignatureContext()
        pem = signer.certificate.public_bytes(Encoding.PEM)
        context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.CERT_PEM)
        context.verify(xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE))
    except (xmlsec.Error, etree.LxmlError, TypeError):
        return False
    return True


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A sealed document with a few pieces put in, replaced or moved."""
    algorithm = draw(st.sampled_from(ALGORITHMS))
    document = SEALED[algorithm]
    for _ in range(draw(st.integers(1, 3))):
        cut = draw(st.sampled_from(CUTS))
        places = document.count(cut)
        if not places:
            continue
        at = -1
        for _ in range(draw(st.integers(1, places))):
            at = document.index(cut, at + 1)
        end = at + draw(st.sampled_from((0, len(cut), len(cut) + draw(st.integers(0, 300)))))
        document = document[:at] + draw(st.sampled_from(PIECES)) + document[end:]
    return algorithm, document


@given(damaged())
@settings(max_examples=300, deadline=None)
def test_what_we_accept_signxml_and_xmlsec_accept(case):
    algorithm, document = case
    signer = identity("seal", algorithm)
    accepted = ours(document, signer)
    if accepted is not None:
        assert by_signxml(document, signer) == accepted
        assert by_xmlsec(document, signer)


@given(damaged())
@settings(max_examples=300, deadline=None)
def test_what_the_short_way_accepts_the_long_way_accepts(case):
    algorithm, document = case
    signer = identity("seal", algorithm)
    for each in (document, SEALED[algorithm]):
        short = seal_module._check_as_written(each, (signer.certificate,), NOW)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(seal_module, "_check_as_written", lambda *_: None)
            long = ours(each, signer)
        assert short is None or short.document == long
    assert short is not None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_three_agree_on_what_is_sound_and_what_is_damaged(algorithm):
    signer, document = identity("seal", algorithm), SEALED[algorithm]
    assert ours(document, signer) == by_signxml(document, signer) != None  # noqa: E711
    assert by_xmlsec(document, signer)
    altered = document.replace(b">rice<", b">gold<", 1)
    assert ours(altered, signer) is by_signxml(altered, signer) is None
    assert not by_xmlsec(altered, signer)


def test_white_space_after_the_signature_belongs_to_the_document():
    signer = identity("seal")
    document = SEALED["ecdsa-sha256"].replace(b"</ds:Signature>", b"</ds:Signature>\n  ")
    assert ours(document, signer) is by_signxml(document, signer) is None


def test_the_tree_given_back_is_the_tree_that_was_digested():
    found = check_seal(SEALED["ecdsa-sha256"], [identity("seal").certificate], NOW)
    assert canonical(found.root) == found.document
    assert found.root.find("{*}Signature") is None
