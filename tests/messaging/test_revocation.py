"""Revocation lists and OCSP answers: what they prove, and what they do not."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from asw_gateway.messaging import revocation
from asw_gateway.messaging.revocation import GOOD, REVOKED, UNKNOWN, RevocationFault

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
AT = NOW.timestamp()
DAY = timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issue(subject, key, issuer_name, issuer_key, *, serial, usage=None):
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(NOW + 300 * DAY)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


CA_KEY, OTHER_KEY, LEAF_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
CA = issue("CA", CA_KEY, name("CA"), CA_KEY, serial=1)
IMPOSTOR = issue("CA", OTHER_KEY, name("CA"), OTHER_KEY, serial=2)
LEAF = issue("TH signing", LEAF_KEY, name("CA"), CA_KEY, serial=77)
RESPONDER = issue(
    "responder", OTHER_KEY, name("CA"), CA_KEY, serial=5, usage=ExtendedKeyUsageOID.OCSP_SIGNING
)
NOT_A_RESPONDER = issue(
    "web server", OTHER_KEY, name("CA"), CA_KEY, serial=6, usage=ExtendedKeyUsageOID.SERVER_AUTH
)


def crl(*serials, key=CA_KEY, begin=NOW - DAY, end=NOW + DAY, extension=None):
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(name("CA")).last_update(begin).next_update(end)
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begin).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, hashes.SHA256())


def by_list(found, certificate=LEAF, now=AT):
    each = revocation.read_revocation_list(found.public_bytes(Encoding.DER), [CA])
    return revocation.status_by_list(certificate, {each.issuer: each}, now)


def answer(
    status=ocsp.OCSPCertStatus.GOOD, *, certificate=LEAF, key=CA_KEY, signer=CA, at=NOW, until=NOW + DAY
):
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate,
            issuer=CA,
            algorithm=hashes.SHA256(),
            cert_status=status,
            this_update=at,
            next_update=until,
            revocation_time=at if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, signer)
    )
    if signer != CA:
        builder = builder.certificates([signer])
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


BUSY = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
    Encoding.DER
)


def test_a_list_tells_the_revoked_from_the_good():
    assert by_list(crl(5, 77)).state == REVOKED
    assert by_list(crl(5)).state == GOOD
    assert by_list(crl(5), certificate=IMPOSTOR).state == GOOD


def test_an_old_list_still_revokes_and_no_longer_vouches():
    old = {"begin": NOW - 9 * DAY, "end": NOW - DAY}
    assert by_list(crl(77, **old)).state == REVOKED
    assert by_list(crl(**old)) is None
    assert by_list(crl(begin=NOW + DAY, end=NOW + 2 * DAY)) is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (crl(77, key=OTHER_KEY).public_bytes(Encoding.PEM), "its signature is not its issuer's"),
        (b"-----BEGIN X509 CRL-----", "this is not a certificate revocation list"),
        (b"", "this is not a certificate revocation list"),
    ],
    ids=["forged", "cut", "empty"],
)
def test_lists_that_prove_nothing(data, sentence):
    with pytest.raises(RevocationFault, match=sentence):
        revocation.read_revocation_list(data, [CA])


def distribution_point(**given):
    """RFC 5280 §5.2.5: which certificates the list is about."""
    nothing = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False, "indirect_crl": False,
        "only_contains_ca_certs": False, "only_some_reasons": None, "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**{**nothing, **given})


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(7),
        distribution_point(only_contains_ca_certs=True),
        distribution_point(indirect_crl=True),
        distribution_point(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])),
    ],
    ids=["changes-only", "authorities-only", "of-others", "some-reasons"],
)
def test_a_list_of_a_part_vouches_for_nobody(extension):
    """What is not on it may well be revoked."""
    with pytest.raises(RevocationFault, match="only some of"):
        by_list(crl(extension=extension))


def test_a_list_of_end_certificates_is_whole_enough():
    extension = distribution_point(only_contains_user_certs=True)
    assert by_list(crl(77, extension=extension)).state == REVOKED
    assert by_list(crl(extension=extension)).state == GOOD


@pytest.mark.parametrize("issuers", [[IMPOSTOR, CA], [CA, IMPOSTOR]])
def test_an_authority_with_an_old_and_a_new_key(issuers):
    data = crl(77).public_bytes(Encoding.DER)
    assert revocation.read_revocation_list(data, issuers).revoked == {77}


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_list_is_refused_and_nothing_else(place, value):
    data = bytearray(crl(5, 77).public_bytes(Encoding.DER))
    data[place % len(data)] = value
    with contextlib.suppress(RevocationFault):
        revocation.read_revocation_list(bytes(data), [CA])


def test_a_list_of_a_stranger():
    with pytest.raises(RevocationFault, match="not a trusted one"):
        revocation.read_revocation_list(crl().public_bytes(Encoding.DER), [LEAF])


@pytest.mark.parametrize(
    ("data", "state"),
    [
        (answer(), GOOD),
        (answer(ocsp.OCSPCertStatus.REVOKED), REVOKED),
        (answer(ocsp.OCSPCertStatus.UNKNOWN), UNKNOWN),
        (answer(key=OTHER_KEY, signer=RESPONDER), GOOD),
    ],
    ids=["good", "revoked", "unknown", "delegated"],
)
def test_answers(data, state):
    assert revocation.read_answer(data, LEAF, CA, AT).state == state


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (answer(key=OTHER_KEY, signer=IMPOSTOR), "not signed by the issuer"),
        (answer(key=OTHER_KEY, signer=NOT_A_RESPONDER), "not signed by the issuer"),
        (answer(certificate=RESPONDER), "about another certificate"),
        (answer(at=NOW - 3 * DAY, until=NOW - DAY), "not in force"),
        (answer(at=NOW + DAY, until=NOW + 2 * DAY), "not in force"),
        (BUSY, "try_later"),
        (b"\x30\x00", "not an OCSP answer"),
    ],
    ids=["forged", "wrong-usage", "other-certificate", "old", "future", "busy", "garbage"],
)  # fmt: skip
def test_answers_that_prove_nothing(data, sentence):
    with pytest.raises(RevocationFault, match=sentence):
        revocation.read_answer(data, LEAF, CA, AT)


def test_the_question_is_about_the_certificate():
    asked = ocsp.load_der_ocsp_request(revocation.ask(LEAF, CA))
    assert asked.serial_number == LEAF.serial_number
    assert revocation.issuer_of(LEAF, [IMPOSTOR, CA]) == CA
    assert revocation.issuer_of(LEAF, [IMPOSTOR]) is None
