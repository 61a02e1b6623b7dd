"""Both encryption suites: what is encrypted is read by the recipient alone, and nothing half-right is
released."""

from __future__ import annotations

import re
import secrets

import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import x25519

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.encryption import ContentSecret
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.packing import pack
from asw_gateway.messaging.pmode import EDELIVERY_2_0, Limits
from asw_gateway.messaging.signal import Receipt, build_receipt, read_signal
from asw_gateway.messaging.unpacking import unpack, verify
from tests.messaging.material import (
    FORM_D,
    NOW,
    THAILAND,
    VIET_NAM,
    certificate,
    form_d,
    identity,
    partner,
    pmode,
    private_key,
    user_message,
)
from tests.messaging.test_round_trips import PARTS

CLASSIC = {"encrypt": True}
MODERN = {"encrypt": True, "name": EDELIVERY_2_0, "signature_algorithm": "ed25519"}
SUITES = pytest.mark.parametrize("suite", [CLASSIC, MODERN], ids=["1.15", "2.0"])


def signer(suite):
    return identity("vn", suite.get("signature_algorithm", "ecdsa-sha256"))


def key(suite, name="th-encryption"):
    return private_key("x25519" if suite is MODERN else "rsa-sha256", name)


def secret(suite, parts=1, **changes):
    made = ContentSecret(
        certificate=certificate("th-encryption", "x25519" if suite is MODERN else "rsa-sha256"),
        key=secrets.token_bytes(16),
        vectors=tuple(secrets.token_bytes(12) for _ in range(parts)),
        ephemeral_key=x25519.X25519PrivateKey.generate() if suite is MODERN else None,
        salt=secrets.token_bytes(32) if suite is MODERN else b"",
    )
    return evolve(made, **changes)


def packed(suite, parts=None, **changes):
    parts = [form_d()] if parts is None else parts
    return pack(
        user_message(),
        parts,
        pmode(**suite),
        signer(suite),
        content_secret=secret(suite, len(parts), **changes),
    )


def opened(suite, body, content_type, decryption_key="ours"):
    sender = partner(signer(suite), **suite)
    raw = unpack(content_type, body, Limits())
    return verify(
        raw, sender, sender.inbound, THAILAND, NOW, key(suite) if decryption_key == "ours" else decryption_key
    )


@SUITES
def test_parts_arrive_and_are_receipted(suite):
    sealed = packed(suite, PARTS)
    assert b"rice" not in sealed.body
    verified = opened(suite, sealed.body, sealed.content_type)
    assert verified.parts == tuple(PARTS)
    theirs = identity("th", suite.get("signature_algorithm", "ecdsa-sha256"))
    answer = build_receipt(verified, message_id="r@th", now=NOW, identity=theirs)
    thailand = partner(theirs, party=THAILAND, own=VIET_NAM, **suite)
    assert isinstance(
        read_signal(answer.content_type, answer.body, sent=sealed, partner=thailand, now=NOW), Receipt
    )


@SUITES
def test_same_arguments_give_the_same_ciphertext(suite):
    once = secret(suite)
    bodies = {
        pack(user_message(), [form_d()], pmode(**suite), signer(suite), content_secret=once).body.rsplit(
            b"--asw_"
        )[-2]
        for _ in range(2)
    }
    assert len(bodies) == 1


def refused(suite, change=lambda text: text, octets=lambda data: data, **context):
    sealed = packed(suite)
    body = octets(change(sealed.body.decode("latin-1")).encode("latin-1"))
    with pytest.raises(RemoteFault) as caught:
        opened(suite, body, sealed.content_type, **context)
    return caught.value.code, caught.value.reason


def flipped(position):
    def change(body):
        start = body.index(b"\r\n\r\n", body.index(b"octet-stream")) + 4
        at = start + position
        return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

    return change


@SUITES
@pytest.mark.parametrize("position", [0, 12, 60], ids=["vector", "first", "inside"])
def test_one_changed_bit_releases_nothing(suite, position):
    assert refused(suite, octets=flipped(position)) == ("EBMS:0102", "bad_decryption")


@SUITES
def test_another_key_opens_nothing(suite):
    assert refused(suite, decryption_key=key(suite, "someone-else")) == ("EBMS:0102", "bad_decryption")
    assert refused(suite, decryption_key=None) == ("EBMS:0103", "bad_encryption")


@pytest.mark.parametrize(
    ("suite", "old", "new", "code", "reason"),
    [
        (CLASSIC, "xmlenc11#rsa-oaep", "xmlenc11#rsa-1_5", "EBMS:0103", "weak_algorithm"),
        (CLASSIC, "mgf1sha256", "mgf1sha1", "EBMS:0103", "weak_algorithm"),
        (CLASSIC, "aes128-gcm", "aes256-gcm", "EBMS:0103", "weak_algorithm"),
        (CLASSIC, "xmlenc11#aes128-gcm", "xmlenc#aes128-cbc", "EBMS:0103", "weak_algorithm"),
        (CLASSIC, "Attachment-Content-Only", "Attachment-Complete", "EBMS:0102", "bad_decryption"),
        (CLASSIC, "Attachment-Ciphertext-Transform", "Other", "EBMS:0102", "bad_decryption"),
        (
            CLASSIC,
            'CipherReference URI="cid:document',
            'CipherReference URI="cid:x',
            "EBMS:0102",
            "bad_decryption",
        ),
        (CLASSIC, "<xenc:CipherValue>", "<xenc:CipherValue>*", "EBMS:0102", "bad_decryption"),
        (CLASSIC, "<xenc:CipherValue>", "<xenc:CipherValue>AAAA", "EBMS:0102", "bad_decryption"),
        (MODERN, "<xenc:CipherValue>", "<xenc:CipherValue>AAAA", "EBMS:0102", "bad_decryption"),
        (MODERN, "kw-aes128", "kw-tripledes", "EBMS:0103", "weak_algorithm"),
        (MODERN, "hmac-sha256", "hmac-sha1", "EBMS:0103", "weak_algorithm"),
        (MODERN, "more#hkdf", "more#other", "EBMS:0103", "weak_algorithm"),
        (MODERN, "<more:KeyLength>16", "<more:KeyLength>32", "EBMS:0103", "weak_algorithm"),
        (MODERN, "<more:Salt>", "<more:Salt>AAAA", "EBMS:0102", "bad_decryption"),
        (MODERN, "dsig11:DEREncodedKeyValue", "dsig11:Other", "EBMS:0102", "bad_decryption"),
        (MODERN, "more:HKDFParams", "more:Other", "EBMS:0102", "bad_decryption"),
    ],
)
def test_weakened_or_damaged_encryption_is_refused(suite, old, new, code, reason):
    def change(text):
        assert old in text
        return text.replace(old, new)

    assert refused(suite, change) == (code, reason)


def test_a_part_left_plain_is_refused():
    cut = re.compile(r"<xenc:EncryptedData .*?</xenc:EncryptedData>")
    assert refused(CLASSIC, lambda t: cut.sub("", t)) == ("EBMS:0103", "not_encrypted")
    assert refused(CLASSIC, lambda t: cut.sub(lambda m: m.group() * 2, t)) == ("EBMS:0101", "duplicate_id")


def test_two_content_keys_are_refused():
    keys = re.compile(r"<xenc:EncryptedKey .*?</xenc:EncryptedKey>")

    def doubled(text):
        return keys.sub(lambda m: m.group() + m.group().replace('Id="content-key"', 'Id="second"'), text)

    assert refused(CLASSIC, doubled) == ("EBMS:0102", "bad_decryption")


def test_the_suites_do_not_mix():
    """eDelivery AS4 2.0 is not compatible with 1.x on one agreement."""
    sealed = pack(user_message(), [form_d()], pmode(**{**MODERN, "encrypt": False}), signer(MODERN))
    sender = partner(signer(MODERN))
    with pytest.raises(RemoteFault, match="weak_algorithm"):
        verify(unpack(sealed.content_type, sealed.body, Limits()), sender, sender.inbound, THAILAND, NOW)
    classic = pack(
        user_message(), [form_d()], pmode(signature_algorithm="rsa-sha256"), identity("vn", "rsa-sha256")
    )
    modern = partner(identity("vn", "rsa-sha256"), name=EDELIVERY_2_0)
    with pytest.raises(RemoteFault, match="weak_algorithm"):
        verify(unpack(classic.content_type, classic.body, Limits()), modern, modern.inbound, THAILAND, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": bytes(32)},
        {"vectors": ()},
        {"vectors": (bytes(11),)},
        {"ephemeral_key": None},
        {"certificate": certificate("th")},
    ],
    ids=["key size", "no vector", "short vector", "no ephemeral key", "wrong certificate"],
)
def test_unusable_key_material_is_our_own_fault(changes):
    with pytest.raises(LocalFault):
        packed(MODERN, **changes)


def test_repeated_vectors_and_wrong_certificates_are_our_own_fault():
    with pytest.raises(LocalFault):
        packed(CLASSIC, PARTS, vectors=(bytes(12),) * 3)
    with pytest.raises(LocalFault):
        packed(CLASSIC, certificate=certificate("th"))


def test_the_signature_covers_the_compressed_content_not_the_ciphertext():
    """compress → sign → encrypt: the digests do not depend on the encryption."""
    plain = pack(user_message(), [form_d()], pmode(), signer(CLASSIC))
    assert packed(CLASSIC).reference_digests == plain.reference_digests
    assert FORM_D not in plain.body
    assert ns.GZIP in packed(CLASSIC).body.decode("latin-1")
