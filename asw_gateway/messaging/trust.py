"""Which pinned certificate a signature names: by token, path, issuer and serial, or key identifier."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

from cryptography import x509
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.envelope_reader import ReceivedEnvelope
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.keys import (
    PinnedCertificate,
    end_certificate_of_path,
    normal_name,
    pinned,
)

_DS = f"{{{ns.DS}}}"
_WSSE = f"{{{ns.WSSE}}}"


class TrustedCertificates:
    """Pinned certificates, found by every way a signature may name one."""

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        known = []
        for certificate in certificates:
            try:
                known.append(pinned(certificate))
            except LocalFault:
                # A key we would never accept cannot verify anything: leave it out, its messages are refused.
                continue
        self.by_der = {certificate.der: certificate for certificate in known}
        self.by_issuer_serial = {certificate.issuer_serial: certificate for certificate in known}
        self.by_subject_key_identifier = {
            certificate.subject_key_identifier: certificate for certificate in known
        }
        self.by_thumbprint = {certificate.thumbprint: certificate for certificate in known}


@lru_cache(maxsize=512)
def trusted(certificates: tuple[x509.Certificate, ...]) -> TrustedCertificates:
    """The index of a partner's certificates, built once per set."""
    return TrustedCertificates(certificates)


def signer_certificate(
    key_info: etree._Element,
    received: ReceivedEnvelope,
    security: etree._Element,
    known: TrustedCertificates,
) -> PinnedCertificate:
    """The pinned certificate that ds:KeyInfo names in one of the four accepted ways."""
    references = key_info.findall(_WSSE + "SecurityTokenReference")
    if len(references) != 1 or len(key_info) != 1 or len(references[0]) != 1:
        raise failed("bad_security", "ds:KeyInfo must hold one wsse:SecurityTokenReference with one child")
    named = references[0][0]
    found: PinnedCertificate | None
    if named.tag == _WSSE + "Reference":
        uri = named.get("URI", "")
        token = received.elements_by_id.get(uri[1:]) if uri.startswith("#") else None
        if token is None or token.getparent() is not security or token.tag != _WSSE + "BinarySecurityToken":
            raise failed("bad_security", "the signing token is not in the security header")
        der: bytes | None = base64_octets(token)
        if token.get("ValueType") == ns.X509_PKIPATH:
            der = end_certificate_of_path(der or b"")
        elif token.get("ValueType") != ns.X509V3:
            raise failed("bad_security", "the signing token is neither X509v3 nor X509PKIPathv1")
        found = known.by_der.get(der or b"")
        if found is None:
            fingerprint = hashlib.sha256(der or b"").hexdigest()
            raise failed(
                "unknown_certificate", f"the signing certificate (SHA-256 {fingerprint}) is not known"
            )
        return found
    if named.tag == _WSSE + "KeyIdentifier":
        identifier = "".join((named.text or "").split())
        by_thumbprint = named.get("ValueType", "").endswith("#ThumbprintSHA1")
        if not by_thumbprint and named.get("ValueType") != ns.X509_SKI:
            raise failed("bad_security", "a key identifier is neither SKI nor thumbprint")
        found = (known.by_thumbprint if by_thumbprint else known.by_subject_key_identifier).get(identifier)
    else:
        found = known.by_issuer_serial.get(_issuer_serial(named))
    if found is None:
        raise failed("unknown_certificate", "the named signing certificate is not known")
    return found


def _issuer_serial(named: etree._Element) -> tuple[str, int]:
    path = f"{_DS}X509IssuerSerial/{_DS}"
    issuer, serial = named.findtext(path + "X509IssuerName"), named.findtext(path + "X509SerialNumber")
    if named.tag != _DS + "X509Data" or issuer is None or serial is None or not serial.strip().isdecimal():
        raise failed("bad_security", "the signing certificate is named in a way that is not supported")
    return normal_name(issuer), int(serial.strip()[:60])


def check_validity(certificate: PinnedCertificate, now: float) -> None:
    """Refuse a certificate outside its time, EBMS:0101."""
    if now > certificate.valid_until_at:
        raise failed("expired_certificate", "the signing certificate has expired")
    if now < certificate.valid_from_at:
        raise failed("certificate_not_yet_valid", "the signing certificate is not valid yet")


def check_refused(certificate: PinnedCertificate, refused: Mapping[str, str]) -> None:
    """Refuse a certificate that its issuer revoked, or whose state an agreement wants known and is not."""
    reason = refused.get(hashlib.sha256(certificate.der).hexdigest()) if refused else None
    if reason is not None:
        words = {"revoked_certificate": "was revoked by its issuer"}
        raise failed(
            reason, f"the signing certificate {words.get(reason, 'cannot be vouched for at the moment')}"
        )


def base64_octets(element: etree._Element) -> bytes:
    """The octets an element's text stands for; raises :class:`RemoteFault` EBMS:0101."""
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise failed("bad_security", "a value is not base64") from None


def failed(reason: str, detail: str) -> RemoteFault:
    """A signature that does not hold: EBMS:0101, FailedAuthentication."""
    return RemoteFault("EBMS:0101", reason, detail)
