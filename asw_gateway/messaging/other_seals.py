"""Seals made by other products: enveloped XML-DSig in forms that `seal` does not write, verified by signxml.

XML-DSig leaves a signer much freedom: inclusive or exclusive canonical form, prefixes named in a PrefixList,
SHA-384 and SHA-512, RSA-PSS. What is taken here still covers the whole document with one reference, is the
last child of its root (`seal` has checked both) and belongs to a pinned certificate.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.faults import RemoteFault

_DS = f"{{{ns.DS}}}"
_C14N_10 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_C14N_11 = "http://www.w3.org/2006/12/xml-c14n11"
_CANONICAL_FORMS = frozenset({ns.EXC_C14N, _C14N_10, _C14N_11})
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})


def verify_other_form(
    root: etree._Element, signature: etree._Element, signer: x509.Certificate, now: float
) -> tuple[etree._Element, bytes]:
    """The document without its seal and the bytes that were digested, if the seal of `signer` holds at `now`.

    Raises :class:`RemoteFault` EBMS:0101 with reasons weak_algorithm, wrapped_signature or bad_signature.
    """
    transforms = [
        each.get("Algorithm")
        for each in signature.iterfind(f"{_DS}SignedInfo/{_DS}Reference/{_DS}Transforms/{_DS}Transform")
    ]
    if transforms[:1] != [ns.ENVELOPED_SIGNATURE] or not set(transforms[1:]) <= _CANONICAL_FORMS:
        raise _failed("weak_algorithm", "the signature uses other transforms than enveloped, canonical form")
    method = signature.find(f"{_DS}SignedInfo/{_DS}CanonicalizationMethod")
    if method is None or method.get("Algorithm") not in _CANONICAL_FORMS:
        raise _failed("weak_algorithm", "the signature is not in a canonical form without comments")
    configuration = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=datetime.fromtimestamp(now, UTC),
    )
    try:
        # A verifier keeps state of its last call, so it is never shared.
        result = XMLVerifier().verify(root, x509_cert=signer, expect_config=configuration)
    except (SignXMLException, InvalidSignature, etree.LxmlError, ValueError, TypeError):
        raise _failed("bad_signature", "the document's signature does not verify") from None
    if isinstance(result, list) or result.signed_xml is None or result.signed_xml.tag != root.tag:
        raise _failed("wrapped_signature", "the signature does not cover the whole document")
    return result.signed_xml, result.signed_data


def _failed(reason: str, detail: str) -> RemoteFault:
    return RemoteFault("EBMS:0101", reason, detail)
