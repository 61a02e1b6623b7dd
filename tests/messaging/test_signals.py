"""Receipts prove exactly what was sent; errors say what was wrong; everything else proves nothing."""

from __future__ import annotations

import base64
import re

import pytest
from attrs import evolve

from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.error_codes import ERROR_CODES, EbmsError, ebms_error, is_retryable
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.packing import pack
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.signal import ErrorSignal, build_error, build_receipt, read_signal
from asw_gateway.messaging.unpacking import unpack, verify
from asw_gateway.messaging.verification import ReceivedReference
from asw_gateway.messaging.xml import canonical, parse
from tests.messaging.material import (
    MESSAGE_ID,
    NOW,
    THAILAND,
    VIET_NAM,
    form_d,
    identity,
    partner,
    pmode,
    user_message,
)

SEALED = pack(user_message(), [form_d()], pmode(), identity("vn"))
SOAP = "application/soap+xml; charset=UTF-8"


def verified(sealed=SEALED):
    sender = partner()
    return verify(unpack(sealed.content_type, sealed.body, Limits()), sender, sender.inbound, THAILAND, NOW)


def receipt(sealed=SEALED, signer=None):
    return build_receipt(verified(sealed), message_id="r@th", now=NOW, identity=signer or identity("th"))


def read(body, *, content_type=SOAP, sent=SEALED, now=NOW):
    thailand = partner(identity("th"), party=THAILAND, own=VIET_NAM)
    return read_signal(content_type, body, sent=sent, partner=thailand, now=now)


def refused(body, **context):
    with pytest.raises(RemoteFault) as caught:
        read(body, **context)
    assert caught.value.code == "EBMS:0302"
    assert caught.value.ref_to_message_id == MESSAGE_ID
    return caught.value.reason


@pytest.mark.parametrize(
    "inside",
    [
        "<ds:Transforms/>",
        f'<eb:x xmlns:eb="{ns.EB}"/>',
        f'<S12:x xmlns:S12="{ns.SOAP}" S12:y="&quot; xmlns:eb=&quot;"/>',
        '<eb:x xmlns:eb="urn:other"><x xmlns="urn:x"/></eb:x>',
        f'<x xmlns="{ns.EBBP}"><ebbp:y xmlns:ebbp="{ns.EBBP}"/></x>',
    ],
)
def test_a_receipt_is_signed_in_canonical_form_whatever_its_references_declare(inside):
    element = parse(f'<ds:Reference xmlns:ds="{ns.DS}" URI="#a">{inside}</ds:Reference>'.encode())
    message = evolve(verified(), references=(ReceivedReference(element=element, uri="#a", digest="x"),))
    body = build_receipt(message, message_id="r@th", now=NOW, identity=identity("th")).body
    header = parse(body).find(f"{{{ns.SOAP}}}Header/{{{ns.EB}}}Messaging")
    assert canonical(header) in body


def test_references_cut_out_of_the_signed_info_are_in_canonical_form():
    references = verified().references
    assert len(references) == 3
    for reference in references:
        assert reference.written == canonical(reference.element).decode()


def error(fault=None, signer="th"):
    fault = fault or RemoteFault("EBMS:0010", "unknown_agreement", "the agreement is not known")
    return build_error(
        fault,
        message_id="e@th",
        ref_to_message_id=MESSAGE_ID,
        now=NOW,
        identity=identity(signer) if signer else None,
    )


class TestReceipts:
    def test_receipt_repeats_the_references_of_the_message(self):
        body = receipt().body
        root = parse(body)
        copied = [canonical(r) for r in root.iterfind(".//{*}MessagePartNRInformation/{*}Reference")]
        assert copied == [canonical(r.element) for r in verified().references]
        assert root.findtext(".//{*}RefToMessageId") == MESSAGE_ID

    def test_receipt_for_other_digests_proves_nothing(self):
        other = pack(user_message(), [form_d(content=b"<other/>")], pmode(), identity("vn"))
        assert refused(receipt(other).body) == "different_receipt"

    def test_receipt_for_another_message_proves_nothing(self):
        other = pack(user_message(message_id="other@vn"), [form_d()], pmode(), identity("vn"))
        assert refused(receipt(other).body) == "different_receipt"

    def test_receipt_with_fewer_or_more_digests_proves_nothing(self):
        one_less = evolve(SEALED, reference_digests=SEALED.reference_digests[1:])
        assert refused(receipt().body, sent=one_less) == "different_receipt"
        doubled = evolve(SEALED, reference_digests=SEALED.reference_digests * 2)
        assert refused(receipt().body, sent=doubled) == "different_receipt"

    def test_stored_digests_may_be_lists_as_json_gives_them(self):
        stored = evolve(SEALED, reference_digests=[list(pair) for pair in SEALED.reference_digests])
        assert read(receipt().body, sent=stored).ref_to_message_id == MESSAGE_ID

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda t: re.sub("<wsse:Security .*</wsse:Security>", "", t), "unsigned"),
            (lambda t: t.replace("<eb:MessageId>r@th", "<eb:MessageId>x@th"), "bad_digest"),
            (lambda t: t.replace("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"), "bad_signature"),
            (lambda t: t.replace("</S12:Envelope>", ""), "bad_xml"),
            (lambda t: t.replace("eb:Receipt>", "eb:PullRequest>"), "unknown_signal"),
            (lambda t: t.replace(ns.SHA256, ns.DS + "sha1", 1), "weak_algorithm"),
        ],
    )
    def test_altered_receipt_proves_nothing(self, change, reason):
        assert refused(change(receipt().body.decode()).encode()) == reason

    def test_receipt_signed_by_a_stranger_or_out_of_time_proves_nothing(self):
        assert refused(receipt(signer=identity("stranger")).body) == "unknown_certificate"
        assert refused(receipt().body, now=NOW + 400 * 86400) == "expired_certificate"

    def test_an_empty_answer_or_a_page_proves_nothing(self):
        assert refused(b"") == "bad_xml"
        assert refused(b"<html/>", content_type="text/html") == "bad_content_type"
        assert refused(SEALED.body, content_type=SEALED.content_type) == "extra_part"

    def test_a_message_of_a_foreign_serialiser_is_receipted_in_canonical_form(self):
        """Default namespaces and comments in a stranger's signature must not break our receipt."""
        body = SEALED.body.decode("latin-1")
        text = body[body.index("<S12:Envelope") : body.index("</S12:Envelope>") + 15]
        signature = re.search("<ds:Signature .*</ds:Signature>", text).group()
        foreign = (
            re.sub(r"(</?)ds:", r"\1", signature)
            .replace(f' xmlns:ds="{ns.DS}"', "")
            .replace("<Signature>", f'<Signature xmlns="{ns.DS}"><!-- signed -->', 1)
        )
        info = re.search("<SignedInfo>.*</SignedInfo>", foreign).group()
        signed_info = canonical(parse(f'<Signature xmlns="{ns.DS}">{info}</Signature>'.encode())[0])
        value = base64.b64encode(identity("vn").sign(signed_info)).decode()
        foreign = re.sub("<SignatureValue>[^<]*", f"<SignatureValue>{value}", foreign)
        sealed = evolve(SEALED, body=body.replace(signature, foreign).encode("latin-1"))
        assert verified(sealed).reference_digests == SEALED.reference_digests
        assert read(receipt(sealed).body).ref_to_message_id == MESSAGE_ID


class TestErrors:
    def test_signed_error_is_read_with_its_code(self):
        answer = error()
        assert answer.http_status == 200
        signal = read(answer.body)
        assert signal == ErrorSignal(
            errors=(
                ebms_error(
                    "EBMS:0010", detail="the agreement is not known", ref_to_message_in_error=MESSAGE_ID
                ),
            ),
            ref_to_message_id=MESSAGE_ID,
            signed=True,
        )
        assert not signal.retryable

    def test_unsigned_error_is_read_as_unsigned(self):
        assert read(error(signer=None).body).signed is False

    def test_error_with_a_broken_signature_is_refused(self):
        assert refused(error(signer="stranger").body) == "unknown_certificate"

    def test_error_for_another_message_is_refused(self):
        other = evolve(SEALED, message_id="other@vn")
        with pytest.raises(RemoteFault, match="different_receipt"):
            read(error().body, sent=other)

    def test_security_failure_carries_a_sender_fault_and_400(self):
        """eDelivery Common Profile TA35: signed, then compressed."""
        answer = error(RemoteFault("EBMS:0101", "bad_digest", "the digest of a part does not match"))
        root = parse(answer.body)
        assert answer.http_status == 400
        assert root.findtext("{*}Body/{*}Fault/{*}Code/{*}Value") == "S12:Sender"
        assert "EBMS:0101" in root.findtext("{*}Body/{*}Fault/{*}Reason/{*}Text")
        assert read(answer.body).errors[0].code == "EBMS:0101"

    def test_decompression_failure_has_the_values_of_the_profile(self):
        """eDelivery Common Profile TA30."""
        root = parse(error(RemoteFault("EBMS:0303", "bad_decompression", "damaged")).body)
        found = root.find(".//{*}Error").attrib
        assert (found["errorCode"], found["shortDescription"]) == ("EBMS:0303", "DecompressionFailure")
        assert (found["severity"], found["category"]) == ("failure", "Communication")

    def test_plain_soap_fault_is_an_error_of_no_code(self):
        body = writer.envelope("", "", writer.fault_body(ebms_error("EBMS:0004", detail="busy")))
        signal = read(body)
        assert signal.errors[0].code == "EBMS:0004"
        assert "busy" in signal.errors[0].detail
        assert not signal.signed

    def test_several_errors_at_once(self):
        errors = (ebms_error("EBMS:0202"), ebms_error("EBMS:0005", detail="later"))
        header = writer.messaging_header(
            writer.error_signal(errors, writer.message_info("e@th", NOW, MESSAGE_ID))
        )
        signal = read(writer.envelope(header, ""))
        assert signal.errors == errors
        assert signal.retryable

    def test_text_of_a_peer_is_bounded_and_printable(self):
        header = writer.messaging_header(
            writer.error_signal(
                (ebms_error("EBMS:0004", detail="x\ny" * 1000),), writer.message_info("e@th", NOW, MESSAGE_ID)
            )
        )
        detail = read(writer.envelope(header, "")).errors[0].detail
        assert len(detail) <= 300
        assert detail.isprintable()


#: ebMS 3.0 core 6.7 and AS4 profile 6.3, as printed there.
STANDARD_CODES = """
0001 ValueNotRecognized failure Content
0002 FeatureNotSupported warning Content
0003 ValueInconsistent failure Content
0004 Other failure Content
0005 ConnectionFailure failure Communication
0006 EmptyMessagePartitionChannel warning Communication
0007 MimeInconsistency failure Unpackaging
0008 FeatureNotSupported failure Unpackaging
0009 InvalidHeader failure Unpackaging
0010 ProcessingModeMismatch failure Processing
0011 ExternalPayloadError failure Content
0101 FailedAuthentication failure Processing
0102 FailedDecryption failure Processing
0103 PolicyNoncompliance failure Processing
0201 DysfunctionalReliability failure Processing
0202 DeliveryFailure failure Communication
0301 MissingReceipt failure Communication
0302 InvalidReceipt failure Communication
0303 DecompressionFailure failure Communication
"""


@pytest.mark.parametrize("row", STANDARD_CODES.split("\n")[1:-1])
def test_a_code_has_its_severity_and_category_in_the_table_and_on_the_wire(row):
    number, short, severity, category = row.split()
    code = f"EBMS:{number}"
    found = ERROR_CODES[code]
    assert (found.short_description, found.severity, found.category) == (short, severity, category)
    [error_element] = parse(error(RemoteFault(code, "unknown_agreement", "why")).body).iterfind(".//{*}Error")
    names = ("errorCode", "severity", "category", "shortDescription")
    assert tuple(map(error_element.get, names)) == (code, severity, category, short)


def test_table_of_codes_is_complete():
    assert set(ERROR_CODES) == {f"EBMS:{row.split()[0]}" for row in STANDARD_CODES.split("\n")[1:-1]}


@pytest.mark.parametrize(
    ("code", "detail", "expected"),
    [
        ("EBMS:0005", "", True),
        ("EBMS:0202", "store busy", True),
        ("EBMS:0004", "", True),
        ("EBMS:0004", "no such service", False),
        ("EBMS:0101", "", False),
        ("EBMS:0303", "", False),
        ("EBMS:4001", "", False),
    ],
)
def test_what_may_be_tried_again(code, detail, expected):
    assert (
        is_retryable(
            EbmsError(code=code, severity="failure", category="", short_description="", detail=detail)
        )
        is expected
    )
