"""What the gateway does with a business document; every function is pure and returns all problems at once."""

from __future__ import annotations

from attrs import frozen

from .problem import Problem


@frozen(kw_only=True)
class Translation:
    """A translated document.

    document: UTF-8 XML with declaration (ASEAN) or the content element's bytes (national); empty if an error
    stopped it.  losses: fields of the input that the other side cannot carry (severity "warning").
    """

    document: bytes
    problems: tuple[Problem, ...] = ()
    losses: tuple[Problem, ...] = ()
