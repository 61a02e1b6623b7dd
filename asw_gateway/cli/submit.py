"""`aswctl submit FILE…`: hand Envelopes to the gateway as the portal does, with its certificate."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.messaging.xml import XmlFault, parse

TIMEOUT_SECONDS = 60.0
MAX_ANSWER_BYTES = 8_000_000
_COLUMNS = {"file": "FILE", "answer": "ANSWER", "code": "CODE", "text": "WHAT IT SAYS"}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("submit")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option(
    "--url",
    default="https://127.0.0.1:8444",
    show_default=True,
    envvar="ASW_PORTAL_URL",
    help="The gateway's portal listener.",
)
@click.option(
    "--certificate",
    required=True,
    type=_FILE,
    envvar="ASW_PORTAL_CERTIFICATE",
    help="The portal client's certificate, PEM.",
)
@click.option("--key", required=True, type=_FILE, envvar="ASW_PORTAL_KEY", help="Its key, PEM.")
@click.option("--passphrase-file", type=_FILE, help="A file with the key's passphrase in its first line.")
@click.option(
    "--ca",
    required=True,
    type=_FILE,
    envvar="ASW_PORTAL_CA",
    help="The authority of the gateway's server certificate, PEM.",
)
@click.pass_obj
def command(
    output: Output,
    files: tuple[Path, ...],
    url: str,
    certificate: Path,
    key: Path,
    passphrase_file: Path | None,
    ca: Path,
) -> None:
    """Submit the Envelopes in FILES one by one; exit 1 if one is answered with 00."""
    place = urlsplit(url)
    if place.scheme != "https" or place.hostname is None:
        output.fail(f"{url}: expected https://host:port")
    try:
        context = ssl.create_default_context(cafile=str(ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key, _passphrase(passphrase_file))
    except (OSError, ValueError) as fault:
        output.fail(f"certificate, key or authority cannot be used: {fault}")
    answers = []
    for file in files:
        try:
            answers.append(_submit(file, place.hostname, place.port or 443, place.path.rstrip("/"), context))
        except (OSError, http.client.HTTPException, Unintelligible) as fault:
            output.fail(f"{file}: {url}: {fault}")
    _tell(output, answers)
    if any(answer["answer"] != "99" for answer in answers):
        raise SystemExit(FOUND_SOMETHING)


class Unintelligible(Exception):
    """The gateway's answer is no Envelope."""


def _submit(file: Path, host: str, port: int, base: str, context: ssl.SSLContext) -> dict[str, Any]:
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
    try:
        headers = {"Content-Type": "application/xml"}
        connection.request("POST", f"{base}/feed/v1/messages", file.read_bytes(), headers)
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER_BYTES)
    finally:
        connection.close()
    try:
        root = parse(body, max_bytes=MAX_ANSWER_BYTES)
    except XmlFault:
        raise Unintelligible(f"HTTP {answer.status} without an Envelope") from None
    return {
        "file": str(file),
        "http_status": answer.status,
        "answer": root.findtext("Header/Subject/function") or "",
        "message_id": root.findtext("Header/Reference/messageId") or "",
        "received": root.findtext("Body/Content/ReceiveDate") or "",
        "errors": [
            {"code": error.findtext("ErrorCode") or "", "text": error.findtext("ErrorName") or ""}
            for error in root.iter("Error")
        ],
    }


def _tell(output: Output, answers: list[dict[str, Any]]) -> None:
    if output.as_json:
        output.value(answers)
        return
    rows = []
    for answer in answers:
        if answer["errors"]:
            rows += [{**answer, **error} for error in answer["errors"]]
        else:
            rows.append({**answer, "text": f"received {answer['received']}"})
    output.rows(rows, _COLUMNS)


def _passphrase(file: Path | None) -> str | None:
    return None if file is None else file.read_text("utf-8").partition("\n")[0]
