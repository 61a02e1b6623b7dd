"""Whatever a partner posts, the receiver answers: never a 5xx, never a silence, never more than it took.

The bytes are messages that were good until something was cut out, turned, doubled or put in, and messages
that never were. One receiver lives through all of them, as a daemon does.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asw_gateway.store import inbox, refusals
from tests.messaging.forgery import forged
from tests.partner.test_refusals import Door

GOOD_TYPE, GOOD_BODY = forged()
_BITS = (
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"\x00",
    b"<",
    b">",
    b"&#0;",
    b"<!DOCTYPE a>",
    b"cid:",
    b"Content-ID: <x>\r\n",
)

places = st.integers(min_value=0, max_value=len(GOOD_BODY))
pieces = st.one_of(st.sampled_from(_BITS), st.binary(min_size=1, max_size=40))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The good body after one to four accidents."""
    body = GOOD_BODY
    for _ in range(draw(st.integers(min_value=1, max_value=4))):
        start, end = sorted((draw(places), draw(places)))
        accident = draw(st.sampled_from(("cut out", "cut off", "put in", "turn", "double", "over")))
        piece = draw(pieces)
        if accident == "cut out":
            body = body[:start] + body[end:]
        elif accident == "cut off":
            body = body[:start]
        elif accident == "put in":
            body = body[:start] + piece + body[start:]
        elif accident == "turn":
            body = body[:start] + body[start:end][::-1] + body[end:]
        elif accident == "double":
            body = body[:end] + body[start:end] + body[end:]
        else:
            body = body[:start] + piece + body[start + len(piece) :]
    return body


types = st.one_of(
    st.just(GOOD_TYPE),
    st.sampled_from(
        (
            "application/soap+xml",
            "multipart/related",
            'multipart/related; boundary="; type=x',
            GOOD_TYPE.replace("start=", "stop="),
            GOOD_TYPE + "; boundary=other",
        )
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80).map(
        "multipart/related; ".__add__
    ),
)


DOOR = Door()


@settings(max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(content_type=types, body=st.one_of(damaged(), damaged(), st.binary(max_size=3000)))
def test_every_post_is_answered_and_kept(content_type: str, body: bytes) -> None:
    """A refusal with its evidence, or a receipt where the accident hit nothing that is signed."""
    answer = DOOR.post(content_type, body)
    assert answer.status < 500, (answer.status, answer.body[:300])
    assert len(answer.body) < 20_000
    assert b"asw_internal_errors_total{" not in DOOR.metrics.render()
    kept = DOOR.database.now(refusals.latest, 1)
    if answer.status == 200 and b"NonRepudiationInformation" in answer.body:
        assert DOOR.database.now(inbox.get, 2) is None
    else:
        assert kept
        assert kept[0].size_bytes == len(body)
