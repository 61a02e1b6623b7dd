"""The templates of this package, compiled once; everything put into them is escaped."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from .paper_mark import moment


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("asw_gateway.translation.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["moment"] = moment
    return environment


def template(name: str) -> Template:
    """A template by its file name."""
    return _environment().get_template(name)
