"""The business signature: ours verified by signxml, xmlsec and the JDK; theirs by signxml; attacks by
nobody."""

from __future__ import annotations

import re

import pytest
import xmlsec
from attrs import evolve
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from signxml.algorithms import CanonicalizationMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.seal import check_seal, seal
from tests.messaging.jdk import lay_out, needs_java, verdicts
from tests.messaging.material import FORM_D, NOW, certificate, identity

ALGORITHMS = ("rsa-sha256", "ecdsa-sha256", "ecdsa-sha384")
AWKWARD = (
    '<?xml version="1.0" encoding="UTF-8"?><!-- a --><w:MetaData xmlns:w="urn:wco" xmlns="urn:d" '
    'b="1" a="&#9;x">'
    '<Ten w:x="2" xmlns:unused="urn:u">Cà phê &amp; gạo &#13; <![CDATA[<raw>]]></Ten><empty/>\n</w:MetaData>'
).encode()


def xmlsec_verifies(document, identity_):
    root = etree.fromstring(document)
    signature = xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(
        identity_.certificate.public_bytes(Encoding.PEM), xmlsec.KeyFormat.CERT_PEM
    )
    try:
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True


def refused(document, certificates=None, now=NOW):
    with pytest.raises(RemoteFault) as caught:
        check_seal(document, certificates or [identity("seal").certificate], now)
    assert caught.value.code == "EBMS:0101"
    return caught.value.reason


SEALED = seal(FORM_D, identity("seal"))
SIGNATURE = re.compile(rb"<ds:Signature .*</ds:Signature>")


@pytest.mark.parametrize("document", [FORM_D, AWKWARD, b"<a/>"], ids=["form-d", "awkward", "empty"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_our_seal_holds_for_three_verifiers(algorithm, document):
    signer = identity("seal", algorithm)
    sealed = seal(document, signer)

    checked = check_seal(sealed, [certificate("other"), signer.certificate], NOW)

    assert checked.signer == signer.certificate
    assert checked.document == etree.tostring(
        etree.fromstring(document), method="c14n", exclusive=True, with_comments=False
    )
    assert etree.tostring(checked.root, method="c14n", exclusive=True) == checked.document
    assert xmlsec_verifies(sealed, signer)
    assert not xmlsec_verifies(sealed.replace(b"<ds:DigestValue>", b"<ds:DigestValue>A"), signer)
    XMLVerifier().verify(
        sealed, x509_cert=signer.certificate, expect_config=SignatureConfiguration(location="./")
    )


def test_seal_of_others_is_accepted():
    """A partner may use signxml or xmlsec; both make the same profile of signature."""
    signer = identity("seal", "rsa-sha256")
    made = XMLSigner(
        signature_algorithm="rsa-sha256",
        digest_algorithm="sha256",
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    ).sign(etree.fromstring(FORM_D), key=signer.private_key, cert=[signer.certificate])
    assert check_seal(etree.tostring(made), [signer.certificate], NOW).signer == signer.certificate

    root = etree.fromstring(FORM_D)
    node = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="ds")
    root.append(node)
    reference = xmlsec.template.add_reference(node, xmlsec.Transform.SHA256, uri="")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    info = xmlsec.template.ensure_key_info(node)
    xmlsec.template.x509_data_add_certificate(xmlsec.template.add_x509_data(info))
    context = xmlsec.SignatureContext()
    pem = signer.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    context.key.load_cert_from_memory(
        signer.certificate.public_bytes(Encoding.PEM), xmlsec.KeyFormat.CERT_PEM
    )
    context.sign(node)
    assert check_seal(etree.tostring(root), [signer.certificate], NOW).signer == signer.certificate


OTHER_FORMS = {
    "inclusive": ("rsa-sha256", "sha256", CanonicalizationMethod.CANONICAL_XML_1_0),
    "inclusive-1.1": ("rsa-sha256", "sha256", CanonicalizationMethod.CANONICAL_XML_1_1),
    "sha-512": ("rsa-sha512", "sha512", CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0),
    "pss": ("sha256-rsa-MGF1", "sha384", CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0),
}


def sealed_otherwise(form):
    method, digest_algorithm, canonical_form = OTHER_FORMS[form]
    signer = identity("seal", "rsa-sha256")
    made = XMLSigner(
        signature_algorithm=method, digest_algorithm=digest_algorithm, c14n_algorithm=canonical_form
    ).sign(etree.fromstring(FORM_D), key=signer.private_key, cert=[signer.certificate])
    return etree.tostring(made), signer


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_a_seal_in_another_products_form(form):
    """What XML-DSig allows a partner to use, with the same strictness about what is covered and by whom."""
    sealed, signer = sealed_otherwise(form)

    checked = check_seal(sealed, [signer.certificate], NOW)
    assert etree.tostring(checked.root, method="c14n", exclusive=True) == etree.tostring(
        etree.fromstring(FORM_D), method="c14n", exclusive=True, with_comments=False
    )

    tampered = sealed.replace(b"rice", b"sand", 1)
    assert tampered != sealed
    for document, certificates, reason in (
        (tampered, [signer.certificate], "bad_signature"),
        (sealed, [certificate("other")], "unknown_certificate"),
    ):
        with pytest.raises(RemoteFault) as refused:
            check_seal(document, certificates, NOW)
        assert refused.value.reason == reason


def test_sha1_is_no_other_form():
    sealed, signer = sealed_otherwise("inclusive")
    weak = sealed.replace(
        b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", b"http://www.w3.org/2000/09/xmldsig#rsa-sha1"
    )
    assert weak != sealed
    with pytest.raises(RemoteFault) as refused:
        check_seal(weak, [signer.certificate], NOW)
    assert refused.value.reason == "bad_signature"


@needs_java
def test_our_seal_holds_for_the_jdk(tmp_path):
    directories = [
        lay_out(
            tmp_path / algorithm, seal(AWKWARD, identity("seal", algorithm)), certificate("seal", algorithm)
        )
        for algorithm in ALGORITHMS
    ]
    damaged = SEALED.replace(b">rice<", b">gold<", 1)
    directories.append(lay_out(tmp_path / "damaged", damaged, identity("seal").certificate))
    found = verdicts(*directories)
    assert found.pop("damaged").startswith("invalid digest")
    assert set(found.values()) == {"valid (document)"}


def wrapped(document):
    """The signed document hidden below another root that carries the signature."""
    signature = SIGNATURE.search(document).group()
    inner = SIGNATURE.sub(b"", document)
    return (
        b"<MetaData><Declaration>evil</Declaration><Hidden>"
        + inner
        + b"</Hidden>"
        + signature
        + b"</MetaData>"
    )


def by_id(document):
    return document.replace(b"<Declaration>", b'<Declaration Id="d">').replace(b'URI=""', b'URI="#d"')


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: SIGNATURE.sub(b"", d), "unsigned"),
        (lambda d: b"<a>", "bad_xml"),
        (lambda d: b"<!DOCTYPE a>" + d, "bad_xml"),
        (lambda d: d.replace(b">rice<", b">gold<", 1), "bad_signature"),
        (lambda d: d.replace(b"<MetaData>", b'<MetaData a="b">'), "bad_signature"),
        (lambda d: d.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"), "bad_signature"),
        (lambda d: re.sub(rb"<ds:SignatureValue>[^<]*", b"<ds:SignatureValue>", d), "bad_signature"),
        (lambda d: SIGNATURE.sub(lambda m: m.group() * 2, d), "wrapped_signature"),
        (lambda d: SIGNATURE.sub(lambda m: m.group() + b"<More/>", d), "wrapped_signature"),
        (lambda d: SIGNATURE.sub(lambda m: m.group() + b"more", d), "wrapped_signature"),
        (lambda d: SIGNATURE.sub(lambda m: b"<Box>" + m.group() + b"</Box>", d), "wrapped_signature"),
        (wrapped, "bad_signature"),
        (by_id, "wrapped_signature"),
        (lambda d: d + b"<?after x?>", "wrapped_signature"),
        (lambda d: b"<?before x?>" + d, "wrapped_signature"),
        (lambda d: d.replace(b"ecdsa-sha256", b"ecdsa-sha1"), "bad_signature"),
        (lambda d: d.replace(b"xmlenc#sha256", b"xmlenc#sha512"), "bad_signature"),
        (lambda d: d.replace(b"exc-c14n#", b"exc-c14n#WithComments"), "weak_algorithm"),
        (lambda d: d.replace(b"enveloped-signature", b"base64"), "weak_algorithm"),
        (
            lambda d: d.replace(b"<ds:KeyInfo>", b"<ds:KeyInfo><ds:KeyName>x</ds:KeyName>"),
            "unknown_certificate",
        ),
        (lambda d: re.sub(rb"<ds:KeyInfo>.*</ds:KeyInfo>", b"", d), "wrapped_signature"),
        (lambda d: d.replace(b"</ds:Signature>", b"<ds:Object/></ds:Signature>"), "wrapped_signature"),
    ],
)
def test_attacked_documents_are_refused(change, reason):
    assert refused(change(SEALED)) == reason


def test_certificate_decides():
    assert refused(SEALED, [certificate("stranger")]) == "unknown_certificate"
    assert refused(SEALED, now=NOW + 400 * 86400) == "expired_certificate"
    stranger = seal(FORM_D, identity("stranger"))
    claimed = stranger.replace(
        identity("stranger").certificate_base64.encode(), identity("seal").certificate_base64.encode()
    )
    assert refused(claimed) == "bad_signature"


def test_old_seals_are_verified_at_the_time_they_were_made():
    old = evolve(identity("old", start_days=-4000, days=365))
    at = NOW - 3900 * 86400
    assert check_seal(seal(FORM_D, old), [old.certificate], at).signer == old.certificate


@pytest.mark.parametrize(
    "document", [b"<a>", b"<?p x?><a/>", b"<a/><?p x?>", SEALED], ids=["broken", "before", "after", "signed"]
)
def test_what_cannot_be_sealed(document):
    with pytest.raises(LocalFault):
        seal(document, identity("seal"))
    with pytest.raises(LocalFault):
        seal(FORM_D, identity("ed", "ed25519"))
