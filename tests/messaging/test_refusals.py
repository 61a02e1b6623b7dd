"""One broken rule, one answer: the EBMS code and the bounded reason of every refusal (issue 3, item 4)."""

from __future__ import annotations

import base64
import gzip
import re

import pytest
from attrs import evolve

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.compression import compress
from asw_gateway.messaging.error_codes import ERROR_CODES
from asw_gateway.messaging.faults import REASONS, RemoteFault
from asw_gateway.messaging.message import PartInfo
from asw_gateway.messaging.party import PartyId
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.unpacking import unpack, verify
from tests.messaging.forgery import CONTENT_ID, INFO, forged, replaced
from tests.messaging.material import (
    FORM_D,
    MESSAGE_ID,
    NOW,
    THAILAND,
    certificate,
    identity,
    partner,
    pmode,
    user_message,
)

GZIPPED = compress(FORM_D)
OTHER_INFO = PartInfo(content_id="other@vn", mime_type="image/png")
MESSAGING = re.compile(r"<eb:Messaging .*?</eb:Messaging>")
BODY = re.compile(r"<S12:Body .*?</S12:Body>")
SECURITY = re.compile(r"<wsse:Security .*?</wsse:Security>")
SIGNATURE = re.compile(r"<ds:Signature .*?</ds:Signature>")
UNIT = re.compile(r"<eb:UserMessage>.*?</eb:UserMessage>")


def cut(pattern):
    return lambda text: pattern.sub("", text, count=1)


def doubled(pattern):
    return lambda text: pattern.sub(lambda match: match.group() * 2, text, count=1)


def wrapped_header(text):
    """The classic: the signed header moved aside, another one put in its place."""
    original = MESSAGING.search(text).group()
    evil = original.replace('wsu:Id="eb-messaging"', 'wsu:Id="evil"').replace("certificate<", "cancellation<")
    return text.replace(original, evil).replace(
        "</wsse:Security>", f'</wsse:Security><x:Wrapper xmlns:x="urn:x">{original}</x:Wrapper>'
    )


def moved_body(text):
    body = BODY.search(text).group()
    return text.replace(body, '<S12:Body wsu:Id="b2" xmlns:wsu="' + ns.WSU + '"></S12:Body>').replace(
        "</S12:Header>", f'<x:Aside xmlns:x="urn:x">{body}</x:Aside></S12:Header>'
    )


def other_signature_value(text):
    value = base64.b64encode(bytes(64)).decode()
    return re.sub(r"<ds:SignatureValue>[^<]*", f"<ds:SignatureValue>{value}", text)


def big_header(text):
    return text.replace("</eb:UserMessage>", "<!--" + "x" * 300_000 + "--></eb:UserMessage>")


TIMESTAMP = re.compile(r"<eb:Timestamp>[^<]*")

REFUSED_UNREAD = [
    # what is sent, EBMS code, reason
    ("not multipart", {"content_type": lambda t: "text/html"}, "EBMS:0007", "bad_content_type"),
    ("not a media type", {"content_type": lambda t: "nonsense"}, "EBMS:0007", "bad_content_type"),
    ("SOAP 1.1 announced", {"content_type": replaced("soap+xml", "xml")}, "EBMS:0007", "bad_content_type"),
    ("no boundary", {"content_type": lambda t: "multipart/related"}, "EBMS:0007", "bad_mime"),
    ("other start", {"content_type": replaced('start="<envelope', 'start="<other')}, "EBMS:0007", "bad_mime"),
    ("cut short", {"packaged": lambda b: b[:-20]}, "EBMS:0007", "bad_mime"),
    ("bare line feeds", {"packaged": lambda b: b.replace(b"\r\n", b"\n")}, "EBMS:0007", "bad_mime"),
    (
        "base64 part",
        {
            "packaged": lambda b: b.replace(
                b"Content-Transfer-Encoding: binary", b"Content-Transfer-Encoding: base64"
            )
        },
        "EBMS:0007",
        "bad_mime",
    ),
    (
        "large MIME header",
        {
            "packaged": lambda b: b.replace(
                b"Content-ID: <doc", b"X: " + b"y" * 9000 + b"\r\nContent-ID: <doc"
            )
        },
        "EBMS:0007",
        "header_too_large",
    ),
    (
        "too many parts",
        {"parts": [(f"p{n}@vn", "image/png", b"") for n in range(66)]},
        "EBMS:0007",
        "too_many_parts",
    ),
    ("part too large", {"parts": [(CONTENT_ID, ns.GZIP, bytes(6_000_000))]}, "EBMS:0007", "part_too_large"),
    (
        "message too large",
        {"parts": [(CONTENT_ID, ns.GZIP, bytes(9_000_000))]},
        "EBMS:0007",
        "message_too_large",
    ),
    ("header too large", {"soap": big_header}, "EBMS:0009", "header_too_large"),
    ("not well-formed", {"soap": replaced("</S12:Envelope>", "")}, "EBMS:0009", "bad_xml"),
    ("document type", {"soap": lambda t: "<!DOCTYPE x>" + t}, "EBMS:0009", "forbidden_xml"),
    (
        "entities",
        {"soap": lambda t: '<!DOCTYPE x [<!ENTITY e "v">]>' + t.replace("certificate<", "&e;<")},
        "EBMS:0009",
        "forbidden_xml",
    ),
    ("processing instruction", {"soap": lambda t: "<?x y?>" + t}, "EBMS:0009", "forbidden_xml"),
    (
        "too deep",
        {"soap": replaced("</S12:Header>", "<a>" * 150 + "</a>" * 150 + "</S12:Header>")},
        "EBMS:0009",
        "forbidden_xml",
    ),
    (
        "SOAP 1.1",
        {"soap": replaced(ns.SOAP, "http://schemas.xmlsoap.org/soap/envelope/", count=99)},
        "EBMS:0009",
        "bad_header",
    ),
    ("no eb:Messaging", {"soap": cut(MESSAGING)}, "EBMS:0009", "bad_header"),
    ("two eb:Messaging", {"soap": doubled(MESSAGING)}, "EBMS:0009", "several_messages"),
    ("two user messages", {"header": doubled(UNIT)}, "EBMS:0009", "several_messages"),
    ("no user message", {"header": cut(UNIT)}, "EBMS:0009", "several_messages"),
    (
        "unknown unit",
        {"header": replaced("eb:UserMessage>", "eb:Other>", count=2)},
        "EBMS:0009",
        "bad_header",
    ),
    (
        "unknown mandatory header",
        {"soap": replaced("</S12:Header>", '<x:h xmlns:x="urn:x" S12:mustUnderstand="1"/></S12:Header>')},
        "EBMS:0008",
        "unsupported_feature",
    ),
    ("two security headers", {"soap": doubled(SECURITY)}, "EBMS:0101", "bad_security"),
    (
        "identifier used twice",
        {"soap": replaced("soap-body", "eb-messaging", count=99)},
        "EBMS:0101",
        "duplicate_id",
    ),
    (
        "payload in the body",
        {"body": replaced("></S12:Body>", "><a/></S12:Body>")},
        "EBMS:0008",
        "body_not_empty",
    ),
    ("text in the body", {"body": replaced("></S12:Body>", ">x</S12:Body>")}, "EBMS:0008", "body_not_empty"),
    ("part without href", {"unit": replaced(f' href="cid:{CONTENT_ID}"', "")}, "EBMS:0008", "body_not_empty"),
    (
        "hyperlinked payload",
        {"unit": replaced("cid:", "https://x.example/")},
        "EBMS:0011",
        "external_payload",
    ),
    (
        "two party ids",
        {"unit": doubled(re.compile("<eb:PartyId .*?</eb:PartyId>"))},
        "EBMS:0009",
        "bad_header",
    ),
    ("no party id", {"unit": cut(re.compile("<eb:PartyId .*?</eb:PartyId>"))}, "EBMS:0009", "bad_header"),
    ("party id without type", {"unit": cut(re.compile(' type="urn:oasis[^"]*"'))}, "EBMS:0009", "bad_header"),
    (
        "no message id",
        {"unit": cut(re.compile("<eb:MessageId>.*?</eb:MessageId>"))},
        "EBMS:0009",
        "bad_header",
    ),
    ("odd message id", {"unit": replaced(MESSAGE_ID, "no-host")}, "EBMS:0009", "bad_header"),
    ("no action", {"unit": cut(re.compile("<eb:Action>.*?</eb:Action>"))}, "EBMS:0009", "bad_header"),
    ("element in a value", {"unit": replaced("certificate<", "<a/>certificate<")}, "EBMS:0009", "bad_header"),
    (
        "timestamp not a time",
        {"unit": lambda t: TIMESTAMP.sub("<eb:Timestamp>yesterday", t)},
        "EBMS:0009",
        "bad_timestamp",
    ),
    ("no MimeType", {"unit": replaced('name="MimeType"', 'name="Other"')}, "EBMS:0007", "missing_mime_type"),
    ("bad CharacterSet", {"unit": replaced(">UTF-8<", ">!utf*<")}, "EBMS:0003", "bad_character_set"),
    (
        "not gzip",
        {"unit": replaced(">application/gzip<", ">application/zip<")},
        "EBMS:0303",
        "unsupported_compression",
    ),
    ("part listed twice", {"infos": [INFO, INFO]}, "EBMS:0007", "duplicate_part"),
    ("listed part missing", {"infos": [INFO, OTHER_INFO]}, "EBMS:0007", "missing_part"),
    ("part not listed", {"infos": []}, "EBMS:0007", "extra_part"),
    (
        "two parts of one id",
        {"parts": [(CONTENT_ID, ns.GZIP, GZIPPED), (CONTENT_ID, ns.GZIP, GZIPPED)]},
        "EBMS:0007",
        "duplicate_part",
    ),
    (
        "part without Content-ID",
        {"packaged": lambda b: b.replace(b"Content-ID: <document@vn-gateway>\r\n", b"")},
        "EBMS:0007",
        "bad_mime",
    ),
]

REFUSED_UNVERIFIED = [
    ("no security header", {"soap": cut(SECURITY)}, "EBMS:0103", "unsigned"),
    ("no signature", {"soap": cut(SIGNATURE)}, "EBMS:0103", "unsigned"),
    ("two signatures", {"soap": doubled(SIGNATURE)}, "EBMS:0101", "bad_security"),
    ("header changed", {"soap": replaced("certificate<", "cancellation<")}, "EBMS:0101", "bad_digest"),
    (
        "part changed",
        {"signed_parts": [(CONTENT_ID, ns.GZIP, compress(b"other"))]},
        "EBMS:0101",
        "bad_digest",
    ),
    (
        "signed, then compressed (TA35)",
        {"signed_parts": [(CONTENT_ID, "application/octet-stream", FORM_D)]},
        "EBMS:0101",
        "bad_digest",
    ),
    ("signature value", {"soap": other_signature_value}, "EBMS:0101", "bad_signature"),
    (
        "signature value not base64",
        {"soap": replaced("<ds:SignatureValue>", "<ds:SignatureValue>*")},
        "EBMS:0101",
        "bad_security",
    ),
    (
        "digest value changed",
        {"soap": replaced("<ds:DigestValue>", "<ds:DigestValue>AA")},
        "EBMS:0101",
        "bad_signature",
    ),
    ("header wrapped", {"soap": wrapped_header}, "EBMS:0101", "wrapped_signature"),
    ("body moved", {"soap": moved_body}, "EBMS:0101", "wrapped_signature"),
    (
        "signed element gone",
        {"soap": replaced('wsu:Id="soap-body"', 'wsu:Id="b2"')},
        "EBMS:0101",
        "wrapped_signature",
    ),
    ("part not signed", {"signed_parts": []}, "EBMS:0103", "content_not_covered"),
    (
        "signed part missing",
        {"infos": [], "parts": [], "signed_parts": [(CONTENT_ID, ns.GZIP, GZIPPED)]},
        "EBMS:0007",
        "missing_part",
    ),
    (
        "part signed twice",
        {"signed_parts": [(CONTENT_ID, ns.GZIP, GZIPPED)] * 2},
        "EBMS:0101",
        "bad_security",
    ),
    ("unknown certificate", {"signer": identity("stranger")}, "EBMS:0101", "unknown_certificate"),
    ("SHA-1 signature", {"soap": replaced("ecdsa-sha256", "ecdsa-sha1")}, "EBMS:0103", "weak_algorithm"),
    ("Ed25519 outside its suite", {"signer": identity("ed", "ed25519")}, "EBMS:0103", "weak_algorithm"),
    (
        "inclusive canonical form",
        {
            "soap": replaced(
                f'Method Algorithm="{ns.EXC_C14N}"', 'Method Algorithm="http://www.w3.org/TR/2001/REC-x"'
            )
        },
        "EBMS:0103",
        "weak_algorithm",
    ),
    (
        "token elsewhere",
        {"soap": replaced('<wsse:Reference URI="#signing-token"', '<wsse:Reference URI="#soap-body"')},
        "EBMS:0101",
        "bad_security",
    ),
    (
        "token of another kind",
        {"soap": replaced(ns.X509V3, "urn:other", count=99)},
        "EBMS:0101",
        "bad_security",
    ),
    (
        "two ways to name the key",
        {"soap": replaced("</wsse:SecurityTokenReference>", "<a/></wsse:SecurityTokenReference>")},
        "EBMS:0101",
        "bad_security",
    ),
    (
        "object in the signature",
        {"soap": replaced("</ds:Signature>", "<ds:Object/></ds:Signature>")},
        "EBMS:0101",
        "bad_security",
    ),
    (
        "other party",
        {"message": user_message(from_party=PartyId(value="la-gateway", type="urn:x"))},
        "EBMS:0101",
        "wrong_party",
    ),
    (
        "another receiver",
        {"message": user_message(to_party=PartyId(value="la-gateway", type="urn:x"))},
        "EBMS:0003",
        "not_for_us",
    ),
    ("unknown agreement", {"message": user_message(agreement="urn:x")}, "EBMS:0010", "unknown_agreement"),
    ("no agreement", {"message": user_message(agreement=None)}, "EBMS:0010", "unknown_agreement"),
    (
        "unknown processing mode",
        {"message": user_message(pmode_id="urn:x")},
        "EBMS:0010",
        "unknown_agreement",
    ),
    ("swapped roles", {"message": user_message(from_role="urn:x")}, "EBMS:0010", "unknown_role"),
    ("unknown service", {"message": user_message(service="urn:x")}, "EBMS:0001", "unknown_service"),
    ("in the future", {"message": user_message(timestamp_at=NOW + 301)}, "EBMS:0003", "message_in_future"),
    ("too old", {"message": user_message(timestamp_at=NOW - 30 * 86400 - 1)}, "EBMS:0003", "message_too_old"),
    (
        "damaged gzip",
        {"parts": [(CONTENT_ID, ns.GZIP, GZIPPED[:-20] + b"01234567890123456789")]},
        "EBMS:0303",
        "bad_decompression",
    ),
    ("gzip cut short", {"parts": [(CONTENT_ID, ns.GZIP, GZIPPED[:-9])]}, "EBMS:0303", "bad_decompression"),
    ("not gzip at all", {"parts": [(CONTENT_ID, ns.GZIP, FORM_D)]}, "EBMS:0303", "bad_decompression"),
    (
        "something after gzip",
        {"parts": [(CONTENT_ID, ns.GZIP, GZIPPED + b"x")]},
        "EBMS:0303",
        "bad_decompression",
    ),
    (
        "gzip bomb",
        {"parts": [(CONTENT_ID, ns.GZIP, gzip.compress(bytes(4_000_000), 9))]},
        "EBMS:0303",
        "expansion_limit",
    ),
    (
        "compressed part of another type",
        {"parts": [(CONTENT_ID, "application/octet-stream", GZIPPED)]},
        "EBMS:0007",
        "bad_content_type",
    ),
    (
        "damaged XML of the XML class",
        {
            "infos": [evolve(INFO, compression_type=None)],
            "parts": [(CONTENT_ID, "application/xml", b"<a>")],
            "signed_parts": [(CONTENT_ID, "application/octet-stream", b"<a>")],
        },
        "EBMS:0101",
        "bad_digest",
    ),
    (
        "encrypted without agreement",
        {"soap": replaced("<ds:Signature ", f'<xenc:EncryptedKey xmlns:xenc="{ns.XENC}"/><ds:Signature ')},
        "EBMS:0103",
        "bad_encryption",
    ),
]

LIMITS = Limits(max_message_bytes=8_000_000, max_part_bytes=5_000_000, max_parts=64, max_header_bytes=256_000)


def rows(table):
    return [pytest.param(changes, code, reason, id=name) for name, changes, code, reason in table]


def accept(changes, *, sender=None, inbound=None, now=NOW):
    content_type, body = forged(**changes)
    sender = sender or partner()
    inbound = inbound or evolve(
        sender.inbound, limits=LIMITS, service="urn:asw:form-d", service_type="urn:asw:service"
    )
    return verify(unpack(content_type, body, LIMITS), sender, inbound, THAILAND, now)


def refusal(changes, **context):
    with pytest.raises(RemoteFault) as caught:
        accept(changes, **context)
    fault = caught.value
    assert fault.reason in REASONS
    assert fault.code in ERROR_CODES
    assert len(fault.detail) <= 300
    assert fault.detail.isprintable()
    return fault


def test_the_message_that_breaks_no_rule_is_accepted():
    assert accept({}).parts[0].content == FORM_D


@pytest.mark.parametrize(("changes", "code", "reason"), rows(REFUSED_UNREAD))
def test_refused_while_reading(changes, code, reason):
    content_type, body = forged(**changes)
    with pytest.raises(RemoteFault) as caught:
        unpack(content_type, body, LIMITS)
    assert (caught.value.code, caught.value.reason) == (code, reason), caught.value
    assert reason in REASONS
    assert code in ERROR_CODES


@pytest.mark.parametrize(("changes", "code", "reason"), rows(REFUSED_UNVERIFIED))
def test_refused_while_verifying(changes, code, reason):
    fault = refusal(changes)
    assert (fault.code, fault.reason) == (code, reason), fault
    assert fault.ref_to_message_id == MESSAGE_ID


@pytest.mark.parametrize(
    ("validity", "reason"),
    [
        ({"start_days": -400, "days": 365}, "expired_certificate"),
        ({"start_days": 1, "days": 365}, "certificate_not_yet_valid"),
    ],
)
def test_certificate_outside_its_time_is_refused(validity, reason):
    signer = identity("vn", **validity)
    fault = refusal({"signer": signer}, sender=partner(signer))
    assert (fault.code, fault.reason) == ("EBMS:0101", reason)


def test_weak_rsa_key_verifies_nothing():
    weak = certificate("weak", "rsa-1024")
    sender = evolve(partner(), signing_certificates=(weak,))
    assert refusal({}, sender=sender).reason == "unknown_certificate"


def test_agreement_that_encrypts_refuses_plain_parts():
    sender = partner()
    fault = refusal({}, inbound=pmode(encrypt=True), sender=sender)
    assert (fault.code, fault.reason) == ("EBMS:0103", "not_encrypted")


@pytest.mark.parametrize(
    ("changes", "status"), [({"soap": cut(SECURITY)}, 400), ({"message": user_message(agreement="x")}, 200)]
)
def test_security_failures_answer_with_a_fault_and_400_others_with_200(changes, status):
    fault = refusal(changes)
    assert (fault.http_status, fault.soap_fault) == (status, status == 400)


def test_overlapping_certificates_are_both_accepted():
    sender = evolve(
        partner(), signing_certificates=(identity("vn").certificate, identity("vn-next").certificate)
    )
    for name in ("vn", "vn-next"):
        assert accept({"signer": identity(name)}, sender=sender).signer == identity(name).certificate


def test_time_limits_are_inclusive():
    for at in (NOW + 300, NOW - 30 * 86400):
        assert accept({"message": user_message(timestamp_at=at)})
