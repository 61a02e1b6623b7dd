"""`aswctl pki`: what certificate files hold, and how long they last."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.tls.files import KeyFileFault, fingerprint, load_certificates, suitable_algorithm

_COLUMNS = {
    "file": "FILE",
    "subject": "SUBJECT",
    "issuer": "ISSUER",
    "not_after": "NOT AFTER",
    "days": "DAYS",
    "key": "SIGNS WITH",
    "fingerprint": "SHA-256",
}


@click.group("pki")
def command() -> None:
    """Look at certificates."""


@command.command("show")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--days", default=30, show_default=True, help="Exit 1 if one ends within this many days.")
@click.pass_obj
def show(output: Output, files: tuple[Path, ...], days: int) -> None:
    """List every certificate in FILES: names, end of validity, fingerprint."""
    rows = []
    for file in files:
        try:
            rows += [_row(file, certificate) for certificate in load_certificates(file)]
        except KeyFileFault as fault:
            output.fail(f"{fault.path}: expected {fault.expected}")
    output.rows(rows, _COLUMNS)
    if any(row["days"] < days for row in rows):
        raise SystemExit(FOUND_SOMETHING)


def _row(file: Path, certificate: x509.Certificate) -> dict[str, Any]:
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    return {
        "file": str(file),
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        "days": left.days,
        "key": suitable_algorithm(certificate),
        "fingerprint": fingerprint(certificate),
    }
