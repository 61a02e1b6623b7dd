"""What the control socket is asked: values of queries and bodies, read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from asw_gateway.operations.acts import Order
from asw_gateway.operations.control_socket import UNKNOWN_OPERATOR, Operator
from asw_gateway.translation.problem import bounded
from asw_gateway.web import WebRequest

MAX_BODY_BYTES = 16 * 1024
MAX_REASON_CHARS = 300
MAX_LIMIT = 1000


class BadRequest(Exception):
    """A question or order that cannot be understood; the text is one sentence for the operator."""


def order_of(request: WebRequest, now: Callable[[], float], *, needs_reason: bool = True) -> Order:
    """Who orders it and why; raises BadRequest without a reason where one is needed."""
    reason = bounded(str(body_of(request).get("reason") or ""), MAX_REASON_CHARS)
    if needs_reason and not reason:
        raise BadRequest("Give a reason: it is kept in the journal.")
    return Order(operator=operator_name(request), reason=reason, now=now())


def operator_name(request: WebRequest) -> str:
    """The operator as the journal and the log call him: name and user id, as the kernel says."""
    operator = request.peer_certificate
    if not isinstance(operator, Operator):
        operator = UNKNOWN_OPERATOR
    return operator.name if operator.user_id is None else f"{operator.name} (uid {operator.user_id})"


def body_of(request: WebRequest) -> Mapping[str, object]:
    """The JSON object sent; an empty one when nothing was."""
    if not request.body:
        return {}
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadRequest("The body must be a JSON object.") from None
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    return value


def number(request: WebRequest, name: str, *, default: int, least: int = 0, most: int = 2**63 - 1) -> int:
    """A whole number of the query."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most):
        raise BadRequest(f"{name} must be a whole number from {least} to {most}.")
    return int(text)
