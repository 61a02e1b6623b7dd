"""
From async functions to a twisted.web site: routes, body limits, time-outs, problem JSON.

    site = LimitedSite(Router([Route("POST", "/as4", receive, max_body_bytes=…)]), reactor=reactor)

A body that exceeds the limit is dropped while it is read, never collected, and its route's `too_large`
answers, at once if the body is large. A large body goes to its route's `stream` while it comes. A client
that leaves cancels its handler.
"""

from asw_gateway.web.site import LimitedSite, Router
from asw_gateway.web.streaming import STREAM_ABOVE_BYTES, BodyStream, Flow
from asw_gateway.web.values import Handler, Route, WebAnswer, WebRequest, json_answer, problem

__all__ = [
    "STREAM_ABOVE_BYTES",
    "BodyStream",
    "Flow",
    "Handler",
    "LimitedSite",
    "Route",
    "Router",
    "WebAnswer",
    "WebRequest",
    "json_answer",
    "problem",
]
