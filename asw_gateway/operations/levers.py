"""What the control socket reaches in other rooms, and how its refusals are put into words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import field, frozen

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.exchange.lifecycle import IllegalMove
from asw_gateway.exchange.outcome import Outcome
from asw_gateway.messaging.party import Partner
from asw_gateway.operations.acts import NotDead
from asw_gateway.operations.requests import BadRequest
from asw_gateway.store import deadlines
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.web import Handler, WebAnswer, WebRequest, problem


@frozen(kw_only=True)
class Levers:
    """What operators move in other rooms; `service` fills it in.

    ``ping`` sends one test message to a partner and tells what came of it.  ``wake`` makes a partner's
    channel look at the store now.  ``submitted``, ``received`` and ``news`` are the wake-ups after a commit
    (work for conversion, entries on the feed).  ``give_up`` (inbound number, operator, reason) answers a
    partner's message with a technical error and tells whether it did.  ``reload`` reads the configuration
    again and gives sentences on what is wrong with it, none when it is in force.  ``checks`` gives the
    readiness checks' answers, each with ``ok`` and ``reason``.
    """

    ping: Callable[[str], Awaitable[Outcome]]
    wake: Callable[[str], object]
    channel_states: Callable[[], Mapping[str, str]]
    submitted: Callable[[], object]
    received: Callable[[], object]
    news: Callable[[], object]
    give_up: Callable[[int, str, str], Awaitable[bool]]
    reload: Callable[[], Awaitable[list[str]]]
    checks: Callable[[], Awaitable[Mapping[str, Any]]]


@frozen(kw_only=True)
class Running:
    """What is running here."""

    version: str
    node: str
    started_at: float


@frozen(kw_only=True)
class Surroundings:
    """What the configuration says at this moment; partners by name."""

    own: OwnGateway
    partners: Mapping[str, Partner] = field(repr=False)
    waiting_times: tuple[deadlines.Period, ...] = ()


class Unknown(Exception):
    """What is meant does not exist."""


class TooLate(Exception):
    """Another hand was faster."""


def explained(handler: Handler) -> Handler:
    """`handler`, with every refusal turned into a problem report of one sentence."""

    async def answered(request: WebRequest) -> WebAnswer:
        try:
            return await handler(request)
        except BadRequest as fault:
            return problem(400, "Bad Request", str(fault))
        except Unknown as fault:
            return problem(404, "Not Found", str(fault))
        except IllegalMove as fault:
            return problem(409, "Conflict", f"The message is {fault.state}: this is not possible now.")
        except (NotDead, TooLate) as fault:
            return problem(409, "Conflict", str(fault))
        except StoreUnavailable:
            said = "This is not confirmed: the store cannot be reached at the moment. Ask again."
            return problem(503, "Service Unavailable", said)

    return answered
