"""`aswctl check-config gateway.toml`: the daemon's own loader, without the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.config import ConfigError, ConfigErrors, GatewayConfig, load

_COLUMNS = {"level": "", "file": "FILE", "key": "KEY", "value": "VALUE", "expected": "EXPECTED"}


@click.command("check-config")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def command(output: Output, file: Path) -> None:
    """Check FILE, its partner files, keys and certificates; exit 1 if the gateway would not start."""
    try:
        loaded = load(file)
    except ConfigErrors as errors:
        _report(output, file, False, [_row("error", error) for error in errors.errors])
        raise SystemExit(FOUND_SOMETHING) from None
    warnings = [_row("warning", warning) for warning in loaded.warnings]
    _report(output, file, True, warnings, **_summary(loaded))
    output.line(f"{file}: good; {loaded.party_id.value} ({loaded.country}), {len(loaded.partners)} partners")
    partners = _summary(loaded)["partners"]
    if not output.as_json:
        columns = {"name": "PARTNER", "country": "COUNTRY", "party_id": "PARTY", "status": "STATUS"}
        output.rows(partners, columns | {"address": "ADDRESS", "documents": "DOCUMENTS"})


def _report(output: Output, file: Path, good: bool, rows: list[dict[str, str]], **more: Any) -> None:
    if output.as_json:
        output.value({"file": str(file), "good": good, "findings": rows, **more})
    elif rows:
        output.rows(rows, _COLUMNS)
    if not good:
        count = f"{len(rows)} error{'s' if len(rows) > 1 else ''}"
        output.line(f"{file}: cannot be used, {count}")


def _row(level: str, found: ConfigError) -> dict[str, str]:
    place = {"level": level, "file": str(found.file), "key": found.key}
    return {**place, "value": found.value, "expected": found.expected}


def _summary(loaded: GatewayConfig) -> dict[str, Any]:
    return {
        "party_id": loaded.party_id.value,
        "digest": loaded.digest,
        "partners": [
            {
                "name": partner.name,
                "country": partner.country,
                "party_id": partner.party_id.value,
                "status": partner.status,
                "address": partner.outbound.address,
                "documents": ", ".join(one.document_type for one in partner.capabilities) or "all",
            }
            for partner in loaded.partners
        ],
    }
