"""Which database a command works on: the one of gateway.toml, or one named by its URL."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from asw_gateway.cli.config_option import config_option, loaded
from asw_gateway.cli.output import Output

P = ParamSpec("P")
T = TypeVar("T")


def with_database_url(function: Callable[Concatenate[Output, str, P], T]) -> Callable[..., T]:
    """A command on the store itself: it gets `--config` and `--database`, and the URL they lead to."""

    @click.option(
        "--database",
        envvar="ASW_DATABASE",
        help="sqlite:///… or postgresql+psycopg://…; else what gateway.toml says.",
    )
    @config_option("to find its database")
    @click.pass_obj
    @wraps(function)
    def command(output: Output, /, *, database: str | None, config: Path, **given: Any) -> T:
        url = database if database is not None else loaded(output, config).database_url
        return function(output, url, **given)  # type: ignore[call-arg]

    return command
