"""The addresses of the portal's feed, all behind the client's certificate."""

from __future__ import annotations

from asw_gateway.portal.clients import PortalClients
from asw_gateway.portal.feed import MAX_ACKNOWLEDGEMENT_BYTES, Feed
from asw_gateway.portal.parts import Parts
from asw_gateway.portal.status import StatusQuery
from asw_gateway.portal.submit import Submissions
from asw_gateway.web import Route

MESSAGES = "/feed/v1/messages"


def portal_routes(
    *,
    submissions: Submissions,
    feed: Feed,
    status: StatusQuery,
    parts: Parts,
    clients: PortalClients,
    max_body_bytes: int,
) -> list[Route]:
    """For `web.Router`; a submission above `max_body_bytes` is dropped while it is read."""
    return [
        Route(
            "POST",
            MESSAGES,
            clients.only(submissions.submit),
            max_body_bytes=max_body_bytes,
            too_large=clients.only(submissions.too_large),
        ),
        Route("GET", MESSAGES, clients.only(feed.read)),
        Route(
            "POST",
            MESSAGES + "/{sequence}/acknowledgement",
            clients.only(feed.acknowledge),
            max_body_bytes=MAX_ACKNOWLEDGEMENT_BYTES,
        ),
        Route("GET", MESSAGES + "/{sequence}/parts", clients.only(parts.list)),
        Route("GET", MESSAGES + "/{sequence}/parts/{number}", clients.only(parts.read)),
        Route("GET", "/feed/v1/status", clients.only(status.ask)),
        Route("GET", "/feed/v1/validity", clients.only(status.validity)),
    ]
