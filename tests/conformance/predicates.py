"""The 36 assertions of the Common Profile as functions over what was observed.

Each takes a Story and answers with what speaks against the assertion, in sentences: an empty list means that
it holds. The wording of the source is in the comment of each where it is not plain from the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.conformance import wire
from tests.conformance.story import Story
from tests.conformance.wire import Exchange, Http

EB = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
PING_SERVICE, PING_ACTION = EB + "service", EB + "test"
DECOMPRESSION_FAILURE = {
    "errorCode": "EBMS:0303",
    "shortDescription": "DecompressionFailure",
    "severity": "failure",
    "category": "Communication",
}
Complaints = list[str]


def ta01(story: Story) -> Complaints:
    return list(_receipted(story.exchanges[0]))


def ta02(story: Story) -> Complaints:
    request, response = (exchange.request for exchange in story.exchanges[:2])
    asked, named = (
        wire.message_id(request),
        wire.texts(wire.soap(response), "//eb:UserMessage//eb:RefToMessageId"),
    )
    return [] if named == [asked] else [f"the response refers to {named}, the request is {asked}"]


def ta03(story: Story) -> Complaints:
    found = []
    for exchange in story.exchanges:
        for side in ("From", "To"):
            parties = wire.find(wire.soap(exchange.request), f"//eb:UserMessage/eb:PartyInfo/eb:{side}")
            ids = [party for side_ in parties for party in wire.find(side_, "eb:PartyId")]
            if (len(parties), len(ids)) != (1, 1):
                found.append(f"{len(parties)} eb:{side} with {len(ids)} eb:PartyId")
    return found


def ta04(story: Story) -> Complaints:
    found = [
        f"{content_id} is compressed: the case is another"
        for content_id, properties in wire.part_infos(story.request)
        if "CompressionType" in properties
    ]
    return [*found, *_receipted(story.exchanges[0]), *_delivered(story)]


def ta05(story: Story) -> Complaints:
    return [*_one_compressed_part_each(story.request), *_empty_body(story.request)]


def ta06(story: Story) -> Complaints:
    return [
        *_leading_document_first(story),
        *_one_compressed_part_each(story.request),
        *_empty_body(story.request),
    ]


def ta07(story: Story) -> Complaints:
    several = [] if len(wire.part_infos(story.request)) > 1 else ["the message has one payload only"]
    return [*several, *_leading_document_first(story), *_receipted(story.exchanges[0])]


def ta08(story: Story) -> Complaints:
    hrefs = wire.texts(wire.soap(story.request), "//eb:PartInfo/@href")
    linked = [] if any(not href.startswith("cid:") for href in hrefs) else ["no payload is a hyperlink"]
    return [*linked, *_refused(story.exchanges[0])]


def ta09(story: Story) -> Complaints:
    unanswered = [exchange for exchange in story.exchanges if not _has_receipt(exchange.answer)]
    ids = set(wire.sequence_of(story.exchanges))
    found = []
    if len(unanswered) < 1 or len(story.exchanges) < 2:
        found.append(f"{len(story.exchanges)} attempts, {len(unanswered)} without a receipt: no retry")
    if len(ids) != 1:
        found.append(f"the attempts have {len(ids)} message ids")
    if len({tuple(sorted(wire.signature_references(e.request).items())) for e in story.exchanges}) != 1:
        found.append("the attempts do not sign the same content")
    return found


def ta10(story: Story) -> Complaints:
    found = []
    *before, last = story.exchanges
    if not before or any(exchange.answer is not None for exchange in before):
        found.append("the connection was never interrupted")
    found += _receipted(last)
    if len(set(wire.sequence_of(story.exchanges))) != 1:
        found.append("the attempts have different message ids")
    if len(story.deliveries) != 1:
        found.append(f"the consumer got {len(story.deliveries)} messages")
    if story.quiet_seconds <= 0:
        found.append("the message was sent again after its receipt")
    return found


def ta12(story: Story) -> Complaints:
    root = wire.soap(story.request)
    signed_info = "//wsse:Security/ds:Signature/ds:SignedInfo/"
    hashes = set(wire.texts(root, signed_info + "ds:Reference/ds:DigestMethod/@Algorithm"))
    method = wire.texts(root, signed_info + "ds:SignatureMethod/@Algorithm")
    covered = set(wire.signature_references(story.request))
    header = "#" + wire.first(root, "//eb:Messaging/@wsu:Id")
    body = "#" + wire.first(root, "/S12:Envelope/S12:Body/@wsu:Id")
    wanted = {header, body, *(f"cid:{part.content_id}" for part in wire.payloads(story.request))}
    found = []
    if hashes != {wire.SHA256}:
        found.append(f"the hash functions are {sorted(hashes)}")
    if method != [wire.RSA_SHA256]:
        found.append(f"the signature algorithm is {method}")
    if covered != wanted or "#" in wanted:
        found.append(f"signed is {sorted(covered)}, in the message is {sorted(wanted)}")
    if not wire.body_is_empty(story.request):
        found.append("the Body is not empty")
    if wire.signing_token(story.request) != _der(story.sender_certificate):
        found.append("the signing certificate is not the sender's")
    return found


def ta13(story: Story) -> Complaints:
    root = wire.soap(story.request)
    methods = set(wire.texts(root, "//xenc:EncryptedData/xenc:EncryptionMethod/@Algorithm"))
    serials = wire.texts(root, "//xenc:EncryptedKey//ds:X509SerialNumber")
    assert story.recipient_certificate is not None
    found = []
    if methods != {wire.AES128_GCM}:
        found.append(f"the encryption algorithms are {sorted(methods)}")
    if serials != [str(story.recipient_certificate.serial_number)]:
        found.append(f"encrypted for the certificate with serial number {serials}")
    try:
        if not any(story.about in content for content in wire.contents(story.request, story.recipient_key)):
            found.append("the recipient reads something else than was submitted")
    except Exception as fault:  # noqa: BLE001  whatever it is, the recipient cannot read it
        found.append(f"the recipient cannot read it: {type(fault).__name__}")
    return found


def ta14(story: Story) -> Complaints:
    return [sentence for exchange in story.exchanges[:2] for sentence in _receipted(exchange)]


def ta15(story: Story) -> Complaints:
    found = ["there was a receipt" for exchange in story.exchanges if _has_receipt(exchange.answer)]
    if len(story.exchanges) < 2:
        found.append("the message was not sent again")
    if [notice.reason for notice in story.notices] != ["EBMS:0301"]:
        found.append(f"the producer was told {[notice.reason for notice in story.notices]}")
    return found


def ta16(story: Story) -> Complaints:
    root = wire.soap(story.request)
    said = (
        wire.texts(root, "//eb:UserMessage/eb:CollaborationInfo/eb:Service"),
        wire.texts(root, "//eb:UserMessage/eb:CollaborationInfo/eb:Action"),
    )
    return [] if said == ([PING_SERVICE], [PING_ACTION]) else [f"service and action are {said}"]


def ta17(story: Story) -> Complaints:
    delivered = [f"the consumer got {delivery.about}" for delivery in story.deliveries]
    return [*ta16(story), *_receipted(story.exchanges[0]), *delivered]


def ta19(story: Story) -> Complaints:
    said = [
        wire.first(wire.soap(each.request), "//eb:UserMessage//eb:ConversationId")
        for each in story.exchanges[:2]
    ]
    wanted = [story.conversation_id] * 2
    return [] if said == wanted else [f"the ConversationIds are {said}, the producer's is {wanted[0]!r}"]


def ta21(story: Story) -> Complaints:
    packaged = [] if wire.payloads(story.request) else ["the message has no attachment"]
    return [*packaged, *_receipted(story.exchanges[0])]


def ta22(story: Story) -> Complaints:
    found = [] if wire.payloads(story.request) else ["the message has no attachment"]
    answer = story.answer
    if answer is None or answer.media_type != wire.SOAP_TYPE:
        found.append("the answer is not simple SOAP")
    if [notice.status for notice in story.notices] != ["receipted"]:
        found.append(f"the sender took it for {[notice.status for notice in story.notices]}")
    return found


def ta23(story: Story) -> Complaints:
    parts = wire.payloads(story.request)
    found = [] if parts else ["there is no payload part"]
    found += [f"{part.content_id} is not gzip" for part in parts if part.content[:3] != b"\x1f\x8b\x08"]
    if not found and wire.contents(story.request) != _submitted(story):
        found.append("decompressed it is not what the producer submitted")
    return found


def ta24(story: Story) -> Complaints:
    return [
        f"the CompressionType of {content_id} is {properties.get('CompressionType')}"
        for content_id, properties in wire.part_infos(story.request) or [("no part", {})]
        if properties.get("CompressionType") != wire.GZIP
    ] + [
        f"{part.content_id} travels as {part.content_type}"
        for part in wire.payloads(story.request)
        if part.content_type != wire.GZIP
    ]


def ta25(story: Story) -> Complaints:
    said = [properties.get("MimeType") for _, properties in wire.part_infos(story.request)]
    wanted = [payload.mime_type for payload in story.submitted]
    return [] if said == wanted and said else [f"the MimeTypes are {said}, the producer's are {wanted}"]


def ta26(story: Story) -> Complaints:
    infos = wire.part_infos(story.request)
    lacking = [] if any("MimeType" not in said for _, said in infos) else ["every part has its MimeType"]
    return [*lacking, *_refused(story.exchanges[0])]


def ta27(story: Story) -> Complaints:
    return _character_set(story, "UTF-16")


def ta28(story: Story) -> Complaints:
    return _character_set(story, "UTF-8")


def ta29(story: Story) -> Complaints:
    said = [properties.get("CharacterSet", "") for _, properties in wire.part_infos(story.request)]
    proper = [text for text in said if text.replace("-", "").replace("_", "").replace(".", "").isalnum()]
    return [*(f"{text} is an encoding name" for text in proper), *_refused(story.exchanges[0])]


def ta30(story: Story) -> Complaints:
    found = [*_refused(story.exchanges[0])]
    for name, wanted in DECOMPRESSION_FAILURE.items():
        said = _error_attributes(story.answer, name)
        if said != [wanted]:
            found.append(f"{name} is {said}, not {wanted}")
    return found


def ta31(story: Story) -> Complaints:
    told = [notice.reason for notice in story.notices]
    return [*ta30(story), *([] if told == ["EBMS:0303"] else [f"the consumer was told {told}"])]


def ta32(story: Story) -> Complaints:
    return [*_compressed(story.request), *_delivered(story)]


def ta33(story: Story) -> Complaints:
    several = [] if len(wire.part_infos(story.request)) > 1 else ["the message has one payload only"]
    return [*several, *_compressed(story.request), *_delivered(story)]


def ta34(story: Story) -> Complaints:
    return [*_compressed(story.request), *_receipted(story.exchanges[0])]


def ta35(story: Story) -> Complaints:
    return _soap_fault(story.answer)


def ta36(story: Story) -> Complaints:
    return [*_compressed(story.request), *_encrypted(story.request), *_receipted(story.exchanges[0])]


def ta37(story: Story) -> Complaints:
    return [*_encrypted(story.request), *_soap_fault(story.answer)]


def ta38(story: Story) -> Complaints:
    signed = [] if wire.signature_references(story.request) else ["the message is not signed"]
    return [*signed, *ta36(story)]


def ta45(story: Story) -> Complaints:
    said = [content_id for content_id, _ in wire.part_infos(story.request)]
    wanted = [payload.content_id for payload in story.submitted]
    found = [] if said == wanted and len(said) > 2 else [f"the order is {said}, the producer's is {wanted}"]
    return [*found, *_leading_document_first(story)]


def _receipted(exchange: Exchange) -> Iterator[str]:
    """A non-repudiation receipt for exactly this message, in a response with status 2XX."""
    answer = exchange.answer
    if answer is None:
        yield "there was no answer"
        return
    if not 200 <= answer.status <= 299:
        yield f"the HTTP status is {answer.status}"
    if not _has_receipt(answer):
        yield "the answer is no receipt"
        return
    root = wire.soap(answer)
    if wire.first(root, "//eb:SignalMessage//eb:RefToMessageId") != wire.message_id(exchange.request):
        yield "the receipt is for another message"
    proven = {
        reference.get("URI", ""): wire.first(reference, "ds:DigestValue")
        for reference in wire.find(
            root, "//eb:Receipt/ebbp:NonRepudiationInformation/ebbp:MessagePartNRInformation/ds:Reference"
        )
    }
    if not proven or proven != wire.signature_references(exchange.request):
        yield "the receipt does not repeat the digests of the message"
    if not wire.signature_references(answer):
        yield "the receipt is not signed"


def _has_receipt(answer: Http | None) -> bool:
    if answer is None or wire.SOAP_TYPE not in (answer.media_type, "") or not answer.body:
        return False
    return bool(wire.find(wire.soap(answer), "//eb:SignalMessage/eb:Receipt"))


def _refused(exchange: Exchange) -> Iterator[str]:
    """A synchronous ebMS error that names the message."""
    codes = _error_attributes(exchange.answer, "errorCode")
    if not codes or not all(code.startswith("EBMS:") for code in codes):
        yield f"the answer is no ebMS error ({codes})"
        return
    assert exchange.answer is not None
    if wire.first(wire.soap(exchange.answer), "//eb:SignalMessage//eb:RefToMessageId") != wire.message_id(
        exchange.request
    ):
        yield "the error does not name the message"


def _error_attributes(answer: Http | None, name: str) -> list[str]:
    if answer is None or not answer.body or answer.media_type != wire.SOAP_TYPE:
        return []
    return wire.texts(wire.soap(answer), f"//eb:SignalMessage/eb:Error/@{name}")


def _soap_fault(answer: Http | None) -> Complaints:
    """A SOAP 1.2 Sender fault of message layer security, with its ebMS error, HTTP 400."""
    if answer is None or not answer.body:
        return ["there was no answer"]
    codes = _error_attributes(answer, "errorCode")
    found = []
    if answer.status != 400:
        found.append(f"the HTTP status is {answer.status}")
    if wire.texts(wire.soap(answer), "/S12:Envelope/S12:Body/S12:Fault/S12:Code/S12:Value") != ["S12:Sender"]:
        found.append("there is no SOAP 1.2 Sender fault")
    if len(codes) != 1 or codes[0] not in ("EBMS:0101", "EBMS:0102", "EBMS:0103"):
        found.append(f"the ebMS errors are {codes}, none of message security")
    return found


def _one_compressed_part_each(message: Http) -> Iterator[str]:
    infos = wire.part_infos(message)
    if not infos:
        yield "no payload is listed"
    carried = [part.content_id for part in wire.payloads(message)]
    if sorted(carried) != sorted(content_id for content_id, _ in infos):
        yield f"listed are {[content_id for content_id, _ in infos]}, carried are {carried}"
    yield from _compressed(message)


def _compressed(message: Http) -> Iterator[str]:
    infos = wire.part_infos(message)
    if not infos:
        yield "no payload is listed"
    for content_id, properties in infos:
        if properties.get("CompressionType") != wire.GZIP:
            yield f"{content_id} is not compressed"


def _encrypted(message: Http) -> Iterator[str]:
    root = wire.soap(message)
    if not wire.find(root, "//wsse:Security/xenc:EncryptedKey"):
        yield "there is no encrypted key"
    covered = {
        uri.removeprefix("cid:")
        for uri in wire.texts(root, "//xenc:EncryptedData/xenc:CipherData/xenc:CipherReference/@URI")
    }
    if covered != {part.content_id for part in wire.payloads(message)}:
        yield f"encrypted are {sorted(covered)}"


def _empty_body(message: Http) -> Iterator[str]:
    if not wire.body_is_empty(message):
        yield "the SOAP Body is not empty"


def _leading_document_first(story: Story) -> Iterator[str]:
    infos = wire.part_infos(story.request)
    if not infos or not infos[0][1].get("MimeType", "").endswith("xml"):
        yield "the first PartInfo is no structured document"
    elif story.submitted and infos[0][0] != story.submitted[0].content_id:
        yield f"the first PartInfo is {infos[0][0]}, not the leading document"


def _delivered(story: Story) -> Iterator[str]:
    """The consumer got exactly one message, with the payloads as submitted."""
    if len(story.deliveries) != 1:
        yield f"the consumer got {len(story.deliveries)} messages"
        return
    got = tuple(payload.content for payload in story.deliveries[0].payloads)
    if got != _submitted(story):
        yield "the consumer's payloads are not what was submitted"


def _character_set(story: Story, wanted: str) -> Complaints:
    said = [properties.get("CharacterSet") for _, properties in wire.part_infos(story.request)]
    return [] if said == [wanted] else [f"the CharacterSets are {said}, not {wanted}"]


def _submitted(story: Story) -> tuple[bytes, ...]:
    return tuple(payload.content for payload in story.submitted)


def _der(certificate: x509.Certificate | None) -> bytes:
    return b"" if certificate is None else certificate.public_bytes(Encoding.DER)


PREDICATES: dict[str, Callable[[Story], Complaints]] = {
    name.upper(): predicate
    for name, predicate in sorted(globals().items())
    if name[:2] == "ta" and name[2:].isdigit()
}
