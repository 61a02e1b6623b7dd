"""What a handler gets and gives, and where it hangs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from asw_gateway.web.streaming import OpenStream


@frozen(kw_only=True)
class WebRequest:
    """
    One complete request.

    `path` holds the values of the route's `{names}`; `peer_certificate` is whatever the listener's
    reader gave (an x509 certificate under mutual TLS, else None); `peer` is "address:port" for logs.
    """

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case, the first value of each
    body: bytes = field(repr=False)
    peer: str
    peer_certificate: Any = None

    @property
    def content_type(self) -> str:
        """The Content-Type header as sent, parameters included, or an empty text."""
        return self.headers.get("content-type", "")


@frozen(kw_only=True)
class WebAnswer:
    """A complete answer."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(factory=dict)


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> WebAnswer:
    """`value` as JSON."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return WebAnswer(status=status, body=body, headers=headers or {})


def problem(status: int, title: str, detail: str = "", **more: object) -> WebAnswer:
    """A problem report (RFC 9457, `application/problem+json`)."""
    value = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    body = json.dumps(value, ensure_ascii=False).encode()
    return WebAnswer(status=status, body=body, content_type="application/problem+json")


Handler = Callable[[WebRequest], Awaitable[WebAnswer]]


async def too_large(request: WebRequest) -> WebAnswer:
    """The answer of a route that says nothing of its own."""
    return problem(413, "Content Too Large", "The body is larger than this address accepts.")


@frozen
class Route:
    """`method` and `path` ("/feed/v1/messages/{sequence}/acknowledgement") lead to `handler`."""

    method: str
    path: str
    handler: Handler
    max_body_bytes: int = field(default=0, kw_only=True)  # 0: no body is expected, anything sent is too large
    too_large: Handler = field(default=too_large, kw_only=True)  # sees an empty body
    stream: OpenStream | None = field(default=None, kw_only=True)  # takes large bodies while they come

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the path's `{names}`, or None."""
        wanted = self.path.strip("/").split("/")
        if len(wanted) != len(segments):
            return None
        found = {}
        for name, segment in zip(wanted, segments, strict=True):
            if name.startswith("{"):
                found[name[1:-1]] = segment
            elif name != segment:
                return None
        return found
