"""Which database a command works on: the one of gateway.toml, or one named by its URL."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from asw_gateway.cli.output import Output
from asw_gateway.config import ConfigErrors, load

P = ParamSpec("P")
T = TypeVar("T")


def with_database_url(function: Callable[Concatenate[Output, str, P], T]) -> Callable[..., T]:
    """A command on the store itself: it gets `--config` and `--database`, and the URL they lead to."""

    @click.option(
        "--database",
        envvar="ASW_DATABASE",
        help="sqlite:///… or postgresql+psycopg://…; else what gateway.toml says.",
    )
    @click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        default="gateway.toml",
        show_default=True,
        envvar="ASW_CONFIG",
        help="The gateway's configuration, to find its database.",
    )
    @click.pass_obj
    @wraps(function)
    def command(output: Output, /, *, database: str | None, config: Path, **given: Any) -> T:
        if database is not None:
            return function(output, database, **given)  # type: ignore[call-arg]
        try:
            url = load(config).database_url
        except ConfigErrors as errors:
            first = errors.errors[0]
            place = f"{first.file}: {first.key}" if first.key else str(first.file)
            output.fail(f"{place}: expected {first.expected} (see aswctl check-config)")
        return function(output, url, **given)  # type: ignore[call-arg]

    return command
