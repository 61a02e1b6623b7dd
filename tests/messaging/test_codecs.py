"""XML, MIME and gzip: what is written is read back, in any chunks; what is malformed is refused."""

from __future__ import annotations

import gzip
import threading

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging.compression import compress, decompress
from asw_gateway.messaging.envelope_reader import read_envelope
from asw_gateway.messaging.error_codes import ERROR_CODES, EbmsError
from asw_gateway.messaging.faults import LocalFault, RemoteFault, printable
from asw_gateway.messaging.header_reader import read_time
from asw_gateway.messaging.message import MessageProperty, PartInfo
from asw_gateway.messaging.mime import build_multipart, parse_content_type, parse_multipart
from asw_gateway.messaging.multipart import MultipartEnded, MultipartReader, PartData, PartEnded, PartStarted
from asw_gateway.messaging.values import PartyId
from asw_gateway.messaging.xml import XmlFault, canonical, escape_attribute, escape_text, parse
from tests.messaging.material import user_message

contents = st.binary(max_size=300) | st.lists(
    st.sampled_from([b"\r\n", b"--", b"asw_", b"\r", b"\n", b"-", b"--asw", b"\0", b"x"]), max_size=20
).map(b"".join)
part_lists = st.lists(st.tuples(st.sampled_from(["image/png", "application/gzip"]), contents), max_size=4)
xml_text = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="￾￿") | st.sampled_from("<>&\"'")
).map(lambda text: text.strip())
value_text = xml_text.filter(lambda text: 0 < len(text) <= 200)


class TestMultipart:
    @given(soap=contents, parts=part_lists)
    def test_what_is_built_is_parsed(self, soap, parts):
        named = [(f"part-{n}@vn", kind, content) for n, (kind, content) in enumerate(parts)]
        content_type, body = build_multipart(soap, named, message_id="m@vn")
        _, parameters = parse_content_type(content_type)
        first, *rest = parse_multipart(parameters["boundary"], body)
        assert (first.content, first.content_id) == (soap, parameters["start"].strip("<>"))
        assert [(p.content_id, p.content_type, p.content) for p in rest] == named

    @given(parts=part_lists, cuts=st.lists(st.integers(0, 2000), max_size=12))
    def test_chunks_make_no_difference(self, parts, cuts):
        named = [(f"part-{n}@vn", kind, content) for n, (kind, content) in enumerate(parts)]
        content_type, body = build_multipart(b"<soap/>", named, message_id="m@vn")
        boundary = parse_content_type(content_type)[1]["boundary"]
        for points in (sorted(min(cut, len(body)) for cut in cuts), range(len(body))):
            assert self._merged(boundary, body, [0, *points, len(body)]) == self._merged(
                boundary, body, [0, len(body)]
            )

    def _merged(self, boundary, body, points):
        reader = MultipartReader(boundary, max_parts=64, max_part_bytes=10_000)
        merged: list[object] = []
        for start, end in zip(points, points[1:], strict=False):
            for event in reader.feed(body[start:end]):
                if isinstance(event, PartData) and merged and isinstance(merged[-1], PartData):
                    merged[-1] = PartData(merged[-1].data + event.data)
                else:
                    merged.append(event)
        reader.close()
        return merged

    def test_events_of_a_small_body(self):
        reader = MultipartReader("b", max_parts=2, max_part_bytes=100)
        events = reader.feed(b"--b\r\nA: 1\r\n\r\nhello\r\n--b\r\n\r\n\r\n--b-- \r\n")
        assert events == [
            PartStarted({"a": "1"}), PartData(b"hello"), PartEnded(), PartStarted({}), PartEnded(),
            MultipartEnded(), ]  # fmt: skip

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"--other\r\n\r\nx\r\n--other--",
            b"prose\r\n--b\r\n\r\nx\r\n--b--",
            b"--b\r\n\r\nx\r\n--b--trailing",
            b"--b\r\n\r\nx\r\n--bX\r\n",
            b"--b\r\nno colon\r\n\r\nx\r\n--b--",
            b"--b\r\nA: 1\r\nA: 2\r\n\r\nx\r\n--b--",
            b"--b\r\nA: 1\nB: 2\r\n\r\nx\r\n--b--",
            b"--b" + b" " * 200 + b"\r\n\r\nx\r\n--b--",
            b"--b\r\nA" * 3,
        ],
    )
    def test_malformed_bodies_are_refused(self, body):
        with pytest.raises(RemoteFault, match="EBMS:0007"):
            parse_multipart("b", body)

    @given(st.binary(max_size=400))
    @settings(max_examples=300)
    def test_noise_is_parsed_or_refused(self, noise):
        try:
            parse_multipart("b", b"--b\r\n" + noise)
        except RemoteFault as fault:
            codes = {fault.code}
            assert codes == {"EBMS:0007"}

    @pytest.mark.parametrize("boundary", ["", "a" * 71, "a\r\nb", "ends with space ", "é"])
    def test_bad_boundaries_are_refused(self, boundary):
        with pytest.raises(RemoteFault):
            parse_multipart(boundary, b"")

    def test_header_values_that_could_break_out_are_our_own_fault(self):
        with pytest.raises(LocalFault):
            build_multipart(b"", [("a\r\nX: 1", "text/plain", b"")], message_id="m@vn")

    def test_content_that_holds_the_boundary_gets_another_boundary(self):
        first = parse_content_type(build_multipart(b"", [], message_id="m@vn")[0])[1]["boundary"]
        content = b"\r\n--" + first.encode() + b"\r\n"
        content_type, body = build_multipart(b"", [("a@b", "image/png", content)], message_id="m@vn")
        assert parse_multipart(parse_content_type(content_type)[1]["boundary"], body)[1].content == content

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("Text/XML", ("text/xml", {})),
            (
                'multipart/related; Boundary="a b;c"; start=<x@y>',
                ("multipart/related", {"boundary": "a b;c", "start": "<x@y>"}),
            ),
            (r'a/b; x="q\"uo\\te" ;', ("a/b", {"x": r'q"uo\te'})),
        ],
    )
    def test_content_types(self, value, expected):
        assert parse_content_type(value) == expected

    @pytest.mark.parametrize(
        "value", ["", "text", "a/b; x", "a/b; x=1; X=2", 'a/b; x="open', "a/b" + " " * 5000]
    )
    def test_bad_content_types_are_refused(self, value):
        with pytest.raises(RemoteFault, match="bad_content_type"):
            parse_content_type(value)


class TestXml:
    @given(st.text(st.characters(blacklist_categories=("Cs",))))
    def test_escaping_is_canonical_or_refused(self, text):
        try:
            element = f'<a b="{escape_attribute(text)}">{escape_text(text)}</a>'.encode()
        except LocalFault:
            assert not all(self._legal(character) for character in text)
            return
        root = parse(element)
        assert ((root.text or ""), root.get("b")) == (text, text)
        assert canonical(root) == element

    def _legal(self, character):
        try:
            return parse(f"<a>&#{ord(character)};</a>".encode()).text == character
        except XmlFault:
            return False

    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            (b"", "not_well_formed"),
            (b"<a>", "not_well_formed"),
            (b"<a>\xff</a>", "not_well_formed"),
            (b"<!DOCTYPE a><a/>", "document_type"),
            (b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>', "document_type"),
            (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>', "document_type"),
            ("<!DOCTYPE a><a/>".encode("utf-16"), "document_type"),
            (b"<a>" * 129 + b"</a>" * 129, "too_deep"),
            (b"<a>" * 400 + b"</a>" * 400, "too_deep"),
            (b"<a>" + b"x" * 1000 + b"</a>", "too_large"),
        ],
    )
    def test_refused_documents(self, document, reason):
        with pytest.raises(XmlFault) as caught:
            parse(document, max_bytes=1000 if reason == "too_large" else 10_000)
        assert caught.value.reason == reason

    def test_entity_expansion_is_refused_at_once(self):
        levels = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 20))
        with pytest.raises(XmlFault):
            parse(b'<!DOCTYPE a [<!ENTITY e0 "x">' + levels + b']><a b="&e19;">&e19;</a>')

    def test_no_file_named_by_a_document_is_opened(self, tmp_path):
        """A document type that is never read cannot break the parse; lxml's collect_ids=False would read
        it."""
        trap = tmp_path / "trap.dtd"
        trap.write_text("this is no DTD <<<")
        for document in (
            f'<!DOCTYPE a SYSTEM "{trap}"><a/>',
            f'<!DOCTYPE a [<!ENTITY % p SYSTEM "{trap}"> %p;]><a/>',
            f'<!DOCTYPE a [<!ENTITY e SYSTEM "{trap}">]><a>&e;</a>',
        ):
            with pytest.raises(XmlFault) as caught:
                parse(document.encode())
            assert caught.value.reason == "document_type"

    def test_faults_say_where(self):
        with pytest.raises(XmlFault) as caught:
            parse(b"<a>\n  <b></c>\n</a>")
        assert caught.value.line == 2
        assert caught.value.column > 0

    def test_comments_cannot_split_text(self):
        assert parse(b"<a>can<!-- x -->cel</a>").text == "cancel"

    def test_relative_namespace_has_no_canonical_form(self):
        with pytest.raises(XmlFault, match="canonical"):
            canonical(parse(b'<a xmlns="relative"/>'))

    def test_each_thread_parses_for_itself(self):
        results: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: results.append(canonical(parse(b"<a/>")))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)
        assert results == [b"<a></a>"] * 4


class TestCompression:
    @given(st.binary(max_size=2000))
    def test_round_trip_is_deterministic_gzip(self, content):
        packed = compress(content)
        assert packed == compress(content)
        assert gzip.decompress(packed) == content
        assert decompress(packed, max_bytes=10_000, max_ratio=100) == content

    @given(st.binary(min_size=1, max_size=200), st.data())
    def test_any_changed_byte_is_refused_or_harmless(self, content, data):
        packed = bytearray(compress(content))
        position = data.draw(st.integers(0, len(packed) - 1))
        packed[position] ^= data.draw(st.integers(1, 255))
        try:
            assert decompress(bytes(packed), max_bytes=10_000, max_ratio=100) == content
        except RemoteFault as fault:
            codes = {fault.code}
            assert codes == {"EBMS:0303"}

    def test_absolute_limit(self):
        packed = compress(bytes(range(256)) * 100)
        with pytest.raises(RemoteFault, match="expansion_limit"):
            decompress(packed, max_bytes=25_599, max_ratio=10_000)
        assert len(decompress(packed, max_bytes=25_600, max_ratio=10_000)) == 25_600

    def test_ratio_counts_above_a_floor_only(self):
        assert len(decompress(compress(bytes(900_000)), max_bytes=10**8, max_ratio=10)) == 900_000
        with pytest.raises(RemoteFault, match="expansion_limit"):
            decompress(compress(bytes(2_000_000)), max_bytes=10**8, max_ratio=10)


messages = st.builds(
    lambda texts, names, parts: user_message(
        conversation_id=texts[0],
        action=texts[1],
        service=texts[2],
        service_type=texts[3],
        agreement=texts[4],
        agreement_type=texts[5],
        pmode_id=texts[6],
        ref_to_message_id="earlier@vn" if len(names) % 2 else None,
        from_party=PartyId(value=texts[7], type=texts[8]),
        properties=tuple(MessageProperty(name=name, value=texts[0], type=texts[1]) for name in names),
        parts=tuple(
            PartInfo(
                content_id=f"part-{n}@vn",
                mime_type=texts[2],
                character_set="UTF-16" if n else None,
                compression_type="application/gzip" if gzipped else None,
                properties=(MessageProperty(name="extra", value=texts[3]),),
            )
            for n, gzipped in enumerate(parts)
        ),
    ),
    st.lists(value_text, min_size=9, max_size=9),
    st.lists(value_text, max_size=3, unique=True),
    st.lists(st.booleans(), max_size=3),
)


class TestEnvelope:
    @given(messages)
    def test_user_messages_are_read_as_written(self, message):
        header = writer.messaging_header(writer.user_message(message))
        data = writer.envelope(header, "")
        received = read_envelope(data, max_header_bytes=1_000_000)
        assert received.user_message == message
        assert canonical(received.messaging) == header.encode()
        assert canonical(received.body) == writer.EMPTY_BODY.encode()

    @given(detail=xml_text.filter(lambda text: len(text) < 300 and text == printable(text)))
    def test_errors_are_read_as_written(self, detail):
        errors = tuple(
            EbmsError(
                code=row.code,
                severity=row.severity,
                category=row.category,
                short_description=row.short_description,
                detail="" if detail == row.short_description else detail,
                ref_to_message_in_error="m@vn",
            )
            for row in ERROR_CODES.values()
        )
        header = writer.messaging_header(writer.error_signal(errors, writer.message_info("e@th", 1.5, None)))
        received = read_envelope(writer.envelope(header, ""), max_header_bytes=1_000_000)
        assert received.signal.errors == errors
        assert (received.signal.message_id, received.signal.timestamp_at) == ("e@th", 1.5)
        assert received.signal.ref_to_message_id == "m@vn"

    @given(st.floats(0, 4e9))
    def test_times_keep_their_milliseconds(self, at):
        assert abs(read_time(writer.wire_time(at)) - at) < 0.001

    def test_times_with_and_without_zone(self):
        assert read_time("2026-11-22T10:00:00+07:00") == read_time("2026-11-22T03:00:00")
        for bad in ("2026-11-22", "10:00", "", "2026-13-01T00:00:00Z", "2026-11-22Tnoon"):
            with pytest.raises(RemoteFault, match="bad_timestamp"):
                assert read_time(bad) is None

    @given(st.binary(max_size=200))
    def test_noise_is_refused(self, noise):
        with pytest.raises(RemoteFault):
            read_envelope(noise, max_header_bytes=1000)

    def test_cid_references_may_be_escaped(self):
        message = user_message(parts=(PartInfo(content_id="a+b@vn", mime_type="a/b"),))
        text = writer.messaging_header(writer.user_message(message)).replace("cid:a+b@vn", "cid:a%2Bb%40vn")
        received = read_envelope(writer.envelope(text, ""), max_header_bytes=100_000)
        assert received.user_message == evolve(message)
