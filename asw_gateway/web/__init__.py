"""
From async functions to a twisted.web site: routes, body limits, time-outs, problem JSON.

    site = LimitedSite(Router([Route("POST", "/as4", receive, max_body_bytes=…)]), reactor=reactor)

A body that exceeds the limit is dropped while it is read, never collected, and its route's `too_large`
answers. A client that leaves cancels its handler.
"""

from asw_gateway.web.site import LimitedSite, Router
from asw_gateway.web.values import Handler, Route, WebAnswer, WebRequest, json_answer, problem

__all__ = ["Handler", "LimitedSite", "Route", "Router", "WebAnswer", "WebRequest", "json_answer", "problem"]
