"""The option `--config`, and the configuration it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from asw_gateway.cli.output import Output
from asw_gateway.config import ConfigErrors, GatewayConfig, load


def config_option(purpose: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--config FILE` as the parameter `config`; `purpose` says what the command needs it for."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        default="gateway.toml",
        show_default=True,
        envvar="ASW_CONFIG",
        help=f"The gateway's configuration, {purpose}.",
    )


def loaded(output: Output, config: Path) -> GatewayConfig:
    """Load `config`, or end the command with its first mistake and exit status 2."""
    try:
        return load(config)
    except ConfigErrors as errors:
        first = errors.errors[0]
        place = f"{first.file}: {first.key}" if first.key else str(first.file)
        output.fail(f"{place}: expected {first.expected} (see aswctl check-config)")
