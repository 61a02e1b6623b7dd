"""What issuers say of their certificates: revocation lists (RFC 5280) and OCSP answers (RFC 6960).

Bytes come in, a Status comes out; who fetches them, how often, and what a missing answer means for a partner
is the shell's and the partner file's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from attrs import field, frozen, validators
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

GOOD, REVOKED, UNKNOWN = "good", "revoked", "unknown"
MODES = ("off", "soft", "hard")
#: An OCSP answer without nextUpdate is believed for so long.
ANSWER_SECONDS = 3600.0
#: How far ahead of ours an issuer's clock may be.
SKEW_SECONDS = 300.0


class RevocationFault(Exception):
    """A list or an answer that proves nothing; the text says why, in one sentence."""


@frozen(kw_only=True)
class RevocationPolicy:
    """How a partner's certificates are asked after.

    ``mode``: off, soft (what is revoked is refused) or hard (so is what nobody vouches for at the moment).
    ``issuers`` are the authorities whose lists and answers count; ``list_files`` the paths of their lists,
    which somebody keeps up to date; ``ocsp`` whether to ask the responder that a certificate names.
    """

    mode: str = field(default="off", validator=validators.in_(MODES))
    issuers: tuple[x509.Certificate, ...] = ()
    list_files: tuple[str, ...] = ()
    ocsp: bool = False


@frozen(kw_only=True)
class Status:
    """What is known of one certificate: `good`, `revoked` or `unknown`, by which proof and until when.

    `valid_until_at` (UTC epoch seconds) ends the proof of a good one; revoked stays revoked.
    """

    state: str
    source: str
    produced_at: float
    valid_until_at: float
    proof: bytes = field(default=b"", repr=False)


@frozen(kw_only=True)
class RevocationList:
    """One issuer's list, its signature verified."""

    issuer: bytes
    revoked: frozenset[int] = field(repr=False)
    produced_at: float
    valid_until_at: float
    proof: bytes = field(repr=False)


def read_revocation_list(data: bytes, issuers: Sequence[x509.Certificate]) -> RevocationList:
    """A complete CRL, PEM or DER, signed by one of `issuers`. Raises RevocationFault."""
    pem = data.lstrip().startswith(b"-----BEGIN")
    try:
        found = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        return _checked_list(found, issuers)
    except (ValueError, x509.DuplicateExtension, x509.InvalidVersion):
        raise RevocationFault("this is not a certificate revocation list") from None


def _checked_list(
    found: x509.CertificateRevocationList, issuers: Sequence[x509.Certificate]
) -> RevocationList:
    # Several may bear the name: an authority that changes its key.
    named = [each for each in issuers if each.subject == found.issuer]
    if not named:
        raise RevocationFault(f"its issuer {found.issuer.rfc4514_string()} is not a trusted one")
    if not any(_has_signed(each, found) for each in named):
        raise RevocationFault("its signature is not its issuer's")
    if found.next_update_utc is None:
        raise RevocationFault("it does not say when the next one comes")
    if any(not _is_understood(extension) for extension in found.extensions):
        raise RevocationFault("it lists only some of its issuer's certificates, or not only its own")
    return RevocationList(
        issuer=found.issuer.public_bytes(),
        revoked=frozenset(entry.serial_number for entry in found),
        produced_at=found.last_update_utc.timestamp(),
        valid_until_at=found.next_update_utc.timestamp(),
        proof=found.public_bytes(Encoding.DER),
    )


def _has_signed(issuer: x509.Certificate, found: x509.CertificateRevocationList) -> bool:
    try:
        return found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _is_understood(extension: x509.Extension[x509.ExtensionType]) -> bool:
    """Whether a list with this extension still speaks of every end certificate (RFC 5280 §5.2)."""
    value = extension.value
    if isinstance(value, x509.IssuingDistributionPoint):
        partial = (value.only_contains_ca_certs, value.only_contains_attribute_certs, value.indirect_crl)
        return not any(partial) and value.only_some_reasons is None
    return not extension.critical


def status_by_list(
    certificate: x509.Certificate, lists: Mapping[bytes, RevocationList], now: float
) -> Status | None:
    """What the lists (by issuer name) say; None when none of its issuer is in force."""
    found = lists.get(certificate.issuer.public_bytes())
    if found is None:
        return None
    revoked = certificate.serial_number in found.revoked
    # An old list still proves what it revoked, and no longer what it did not.
    if not revoked and not found.produced_at - SKEW_SECONDS <= now <= found.valid_until_at:
        return None
    return Status(
        state=REVOKED if revoked else GOOD,
        source="crl",
        produced_at=found.produced_at,
        valid_until_at=found.valid_until_at,
        proof=found.proof,
    )


def issuer_of(certificate: x509.Certificate, issuers: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The one of `issuers` that signed a certificate."""
    for each in issuers:
        if each.subject == certificate.issuer:
            try:
                certificate.verify_directly_issued_by(each)
            except (InvalidSignature, TypeError, ValueError):
                continue
            return each
    return None


def responder_address(certificate: x509.Certificate) -> str | None:
    """Where its issuer answers OCSP questions, if the certificate says so and it is http or https."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    addresses = (
        each.access_location.value
        for each in access
        if each.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    )
    return next((found for found in addresses if found.startswith(("http://", "https://"))), None)


def ask(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The OCSP question about one certificate, DER."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256())
    return builder.build().public_bytes(Encoding.DER)


def read_answer(data: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: float) -> Status:
    """The status in an OCSP answer (DER) about `certificate`. Raises RevocationFault.

    The answer must be signed by the issuer or by a responder that the issuer certified for OCSP signing, be
    about this certificate, and be in force.
    """
    try:
        answer = ocsp.load_der_ocsp_response(data)
    except (ValueError, x509.InvalidVersion):
        raise RevocationFault("this is not an OCSP answer") from None
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise RevocationFault(f"the responder answered {answer.response_status.name.lower()}")
    _check_signer(answer, issuer, now)
    single = next(
        (each for each in answer.responses if each.serial_number == certificate.serial_number), None
    )
    if single is None or not _is_about(single, issuer):
        raise RevocationFault("the answer is about another certificate")
    produced_at = single.this_update_utc.timestamp()
    until = single.next_update_utc.timestamp() if single.next_update_utc else produced_at + ANSWER_SECONDS
    if not produced_at - SKEW_SECONDS <= now <= until + SKEW_SECONDS:
        raise RevocationFault("the answer is not in force")
    state = {ocsp.OCSPCertStatus.GOOD: GOOD, ocsp.OCSPCertStatus.REVOKED: REVOKED}.get(
        single.certificate_status, UNKNOWN
    )
    return Status(state=state, source="ocsp", produced_at=produced_at, valid_until_at=until, proof=data)


def _is_about(single: ocsp.OCSPSingleResponse, issuer: x509.Certificate) -> bool:
    digest = hashes.Hash(single.hash_algorithm)
    digest.update(issuer.subject.public_bytes())
    return digest.finalize() == single.issuer_name_hash


def _check_signer(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: float) -> None:
    signer = issuer
    for delegate in answer.certificates:
        if delegate == issuer:
            continue
        if _may_answer(delegate, issuer, now):
            signer = delegate
            break
    key, algorithm = signer.public_key(), answer.signature_hash_algorithm
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
            return
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
            return
    except InvalidSignature:
        pass
    raise RevocationFault("the answer is not signed by the issuer or a responder of its own")


def _may_answer(delegate: x509.Certificate, issuer: x509.Certificate, now: float) -> bool:
    moment = datetime.fromtimestamp(now, UTC)
    if not delegate.not_valid_before_utc <= moment <= delegate.not_valid_after_utc:
        return False
    try:
        usage = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        delegate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, TypeError, ValueError):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage
