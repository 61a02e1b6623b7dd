"""Every algorithm and way of naming a key: what is packed is what arrives, and receipts prove it."""

from __future__ import annotations

import secrets

import pytest
from attrs import evolve

from asw_gateway.messaging.encryption import ContentSecret
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.message import PING_ACTION, PING_SERVICE, MessageProperty, Part
from asw_gateway.messaging.mime import split_body
from asw_gateway.messaging.packing import pack, reseal
from asw_gateway.messaging.pmode import KEY_REFERENCES, Limits
from asw_gateway.messaging.signal import Receipt, build_receipt, read_signal
from asw_gateway.messaging.unpacking import unpack, verify
from asw_gateway.messaging.xml import canonical, parse
from tests.messaging.jdk import lay_out, needs_java, verdicts
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

ALGORITHMS = ("rsa-sha256", "ecdsa-sha256", "ecdsa-sha384")
PARTS = [
    form_d(),
    Part(content_id="scan@vn", content=bytes(range(256)) * 40, mime_type="image/png"),
    Part(
        content_id="note@vn",
        content="Ghi chú\nline two\r\nthree\rfour".encode(),
        mime_type="text/plain",
        character_set="UTF-8",
        properties=(MessageProperty(name="language", value="vi"),),
    ),
]


def _arrive(sealed, signer, key=None, **security):
    sender = partner(signer, **security)
    raw = unpack(sealed.content_type, sealed.body, Limits())
    return verify(raw, sender, sender.inbound, THAILAND, NOW, key)


@pytest.mark.parametrize("key_reference", KEY_REFERENCES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signed_message_and_its_receipt(algorithm, key_reference):
    ours, theirs = identity("vn", algorithm), identity("th", algorithm)
    security = {"signature_algorithm": algorithm, "key_reference": key_reference}
    sealed = pack(user_message(), PARTS, pmode(**security), ours)

    verified = _arrive(sealed, ours, **security)

    assert verified.parts == tuple(PARTS)
    assert verified.signer == ours.certificate
    assert verified.reference_digests == sealed.reference_digests
    assert len(sealed.reference_digests) == 5
    expected = evolve(user_message(), parts=verified.user_message.parts)
    assert verified.user_message == expected
    answer = build_receipt(verified, message_id="r@th", now=NOW, identity=theirs, pmode=pmode(**security))
    thailand = partner(theirs, party=THAILAND, own=VIET_NAM, **security)
    receipt = read_signal(answer.content_type, answer.body, sent=sealed, partner=thailand, now=NOW)
    assert receipt == Receipt(
        message_id="r@th", ref_to_message_id=sealed.message_id, timestamp_at=NOW, signer=theirs.certificate
    )


@pytest.mark.parametrize("content_encryption", ["aes128-gcm", "aes256-gcm"])
def test_signed_then_encrypted(content_encryption):
    ours = identity("vn")
    security = {"encrypt": True, "content_encryption": content_encryption}
    secret = ContentSecret(
        certificate=certificate("th-encryption", "rsa-sha256"),
        key=secrets.token_bytes(16 if content_encryption == "aes128-gcm" else 32),
        vectors=tuple(secrets.token_bytes(12) for _ in PARTS),
    )
    sealed = pack(user_message(), PARTS, pmode(**security), ours, content_secret=secret)
    assert b"rice" not in sealed.body

    verified = _arrive(sealed, ours, private_key("rsa-sha256", "th-encryption"), **security)

    assert verified.parts == tuple(PARTS)
    again = reseal(sealed.content_type, sealed.body, identity("vn-new"))
    assert _arrive(
        again, identity("vn-new"), private_key("rsa-sha256", "th-encryption"), **security
    ).parts == tuple(PARTS)


def test_uncompressed_parts_of_every_content_class():
    ours = identity("vn")
    plain = evolve(pmode(), compress=False)
    sealed = pack(user_message(), PARTS, plain, ours)
    assert FORM_D in sealed.body

    assert _arrive(sealed, ours).parts == tuple(PARTS)


def test_xml_part_may_be_rewritten_in_transit_without_changing_its_canonical_form():
    """The XML class is digested in canonical form (SwA profile), so quotes and blanks inside tags don't
    count."""
    ours = identity("vn")
    part = form_d(content=b"<a b='1'   c='2'/>")
    sealed = pack(user_message(), [part], evolve(pmode(), compress=False), ours)
    rewritten = evolve(sealed, body=sealed.body.replace(part.content, b'<a c="2" b="1"></a>'))

    assert _arrive(rewritten, ours).parts[0].content == b'<a c="2" b="1"></a>'


def test_packing_again_gives_the_same_digests_and_for_rsa_the_same_bytes():
    ours = identity("vn", "rsa-sha256")
    agreed = pmode(signature_algorithm="rsa-sha256")
    assert pack(user_message(), PARTS, agreed, ours) == pack(user_message(), PARTS, agreed, ours)
    elliptic = [pack(user_message(), PARTS, pmode(), identity("vn")) for _ in range(2)]
    assert elliptic[0].reference_digests == elliptic[1].reference_digests


@pytest.mark.parametrize("key_reference", KEY_REFERENCES)
@pytest.mark.parametrize("parts", [PARTS, []], ids=["parts", "ping"])
@pytest.mark.parametrize(
    ("before", "after"), [("ecdsa-sha256", "ecdsa-sha256"), ("rsa-sha256", "ecdsa-sha384")]
)
def test_resealed_message_keeps_id_parts_and_digests(key_reference, parts, before, after):
    security = {"signature_algorithm": before, "key_reference": key_reference}
    sealed = pack(user_message(), parts, pmode(**security), identity("vn", before))
    replacement = identity("vn-new", after)

    again = reseal(sealed.content_type, sealed.body, replacement)

    assert (again.message_id, again.reference_digests) == (sealed.message_id, sealed.reference_digests)
    assert _arrive(again, replacement, signature_algorithm=after).signer == replacement.certificate
    with pytest.raises(RemoteFault, match="unknown_certificate|weak_algorithm"):
        _arrive(again, identity("vn", before))


def test_reseal_refuses_what_we_did_not_write():
    with pytest.raises(LocalFault):
        reseal("application/soap+xml", b"<a/>", identity("vn"))


def test_ping_travels_as_plain_soap_and_is_recognised():
    ours = identity("vn")
    ping = user_message(service=PING_SERVICE, service_type=None, action=PING_ACTION)
    agreed = evolve(pmode(), service="urn:asw:form-d")
    sealed = pack(ping, [], agreed, ours)
    assert sealed.content_type.startswith("application/soap+xml")
    sender = partner(ours)

    raw = unpack(sealed.content_type, sealed.body, Limits())
    verified = verify(raw, sender, evolve(sender.inbound, service="urn:asw:form-d"), THAILAND, NOW)

    assert verified.user_message.is_ping
    assert verified.parts == ()


def test_security_timestamp_by_agreement_is_signed_and_checked():
    ours = identity("vn")
    sealed = pack(user_message(), PARTS, pmode(timestamp=True), ours)
    assert "#security-timestamp" in dict(sealed.reference_digests)
    assert _arrive(sealed, ours).reference_digests == sealed.reference_digests
    sender = partner(ours)
    raw = unpack(sealed.content_type, sealed.body, Limits())
    with pytest.raises(RemoteFault, match="message_too_old"):
        verify(raw, sender, sender.inbound, THAILAND, NOW + 20 * 86400)


def test_written_header_and_body_are_their_own_canonical_form():
    """What is signed without parsing must be what a parser canonicalises."""
    awkward = user_message(
        conversation_id="a&b<c>d\"e'f",
        action="tab\tand\nline".replace("\t", " ").replace("\n", " "),
        properties=(MessageProperty(name="q\"<>&'", value="x\r\ny\tz<&>\"'", type='t"&'),),
    )
    sealed = pack(awkward, PARTS, pmode(key_reference="pkipath", timestamp=True), identity("vn"))
    soap, _ = split_body(sealed.content_type, sealed.body, Limits())
    root = parse(soap)
    for element in (root[0][0], root[1], *root.iter("{*}Timestamp", "{*}SignedInfo")):
        if element.getparent().tag.endswith("MessageInfo"):
            continue
        assert canonical(element) in soap


def test_wrong_key_for_the_agreement_is_our_own_fault():
    with pytest.raises(LocalFault, match="asks for"):
        pack(user_message(), PARTS, pmode(signature_algorithm="rsa-sha256"), identity("vn"))
    with pytest.raises(LocalFault, match="content secret"):
        pack(user_message(), PARTS, pmode(encrypt=True), identity("vn"))


@needs_java
def test_the_jdk_verifies_what_we_sign(tmp_path):
    directories = []
    for algorithm in ALGORITHMS:
        for compress in (True, False):
            ours = identity("vn", algorithm)
            agreed = evolve(pmode(signature_algorithm=algorithm, key_reference="pkipath"), compress=compress)
            sealed = pack(user_message(), PARTS, agreed, ours)
            soap, mime_parts = split_body(sealed.content_type, sealed.body, Limits())
            parts = {part.content_id: (part.content_type, part.content) for part in mime_parts}
            directories.append(lay_out(tmp_path / f"{algorithm}-{compress}", soap, ours.certificate, parts))
            verified = _arrive(sealed, ours, signature_algorithm=algorithm)
            receipt = build_receipt(verified, message_id="r@th", now=NOW, identity=identity("th", algorithm))
            directories.append(
                lay_out(
                    tmp_path / f"receipt-{algorithm}-{compress}",
                    receipt.body,
                    identity("th", algorithm).certificate,
                )
            )
    damaged = lay_out(
        tmp_path / "damaged", soap, ours.certificate, {**parts, "scan@vn": ("image/png", b"other")}
    )

    found = verdicts(*directories, damaged)

    assert found.pop("damaged").startswith("invalid digest of cid:scan@vn")
    for name, verdict in found.items():
        expected = "#eb-messaging,#soap-body"
        if not name.startswith("receipt"):
            expected += ",cid:document@vn-gateway,cid:scan@vn,cid:note@vn"
        assert verdict == f"valid {expected}", name
