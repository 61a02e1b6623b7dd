"""`aswctl profile render FILE`: a document as people read it, for the screen and for paper."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from asw_gateway.cli.output import Output
from asw_gateway.cli.profile.convert import FILE, day_option, kind_option, read_document
from asw_gateway.cli.profile.folders import profiles_option
from asw_gateway.messaging.xml import parse
from asw_gateway.tls.files import KeyFileFault, load_certificates
from asw_gateway.translation.convert import to_national
from asw_gateway.translation.recognition import Recognised
from asw_gateway.translation.render import paper_mark, render


@click.command("render")
@click.argument("file", type=FILE)
@profiles_option
@kind_option
@day_option
@click.option("-o", "--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@click.option("--language", type=click.Choice(["en", "vi"]), default="en", show_default=True)
@click.option("--response", type=FILE, help="The customs response to it: fills box 4 of a Form D.")
@click.option("--paper", is_flag=True, help="Add the mark of a paper copy (circular 89/2016, Art. 7(2)b).")
@click.option("--certificate", type=FILE, help="The signer's certificate, PEM: verify FILE against it.")
@click.option("--agency", default="", help="The signing agency; else from the certificate.")
@click.option("--email", default="", help="The signing agency's e-mail; else from the certificate.")
@click.option("--phone", default="", help="The signing agency's telephone.")
@click.option("--signed-at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="When it was signed.")
@click.option("--message-id", default="", help="The message that brought it.")
@click.pass_obj
def render_document(
    output: Output,
    file: Path,
    directory: Path,
    kind_name: str,
    day: datetime | None,
    output_file: Path | None,
    language: str,
    response: Path | None,
    paper: bool,
    certificate: Path | None,
    agency: str,
    email: str,
    phone: str,
    signed_at: datetime | None,
    message_id: str,
) -> None:
    """Write FILE (a national document, its Envelope or an ASEAN document) as an HTML page.

    A Form D comes in its own layout, other documents by the labels of their mapping table.
    """
    on = day.date() if day else datetime.now(UTC).date()
    found = read_document(output, directory, file, on=on, kind_name=kind_name)
    answer = None if response is None else _content(read_document(output, directory, response, on=on))
    mark = None
    if paper or certificate is not None:
        try:
            certificates = load_certificates(certificate) if certificate is not None else ()
            mark = paper_mark(
                file.read_bytes(),
                certificates=certificates,
                now=time.time(),
                agency=agency,
                email=email,
                phone=phone,
                signed_at=signed_at.timestamp() if signed_at else None,
                message_id=message_id,
            )
        except (OSError, KeyFileFault) as fault:
            output.fail(f"{certificate or file}: {fault}")
    page = render(found.profile, found.kind, _content(found), mark=mark, answer=answer, language=language)
    if output_file is None:
        click.echo(page)
        return
    try:
        output_file.write_text(page, "utf-8")
    except OSError as fault:
        output.fail(str(fault))
    output.line(f"{output_file}: {found.profile.title}, {found.kind.name}")


def _content(found: Recognised) -> Any:
    """The national content, translated back where it came as an ASEAN document."""
    if found.side == "national":
        return found.document
    back = to_national(found.profile, found.kind, found.document, now=time.time())
    if not back.document:
        raise click.ClickException("; ".join(problem.sentence() for problem in back.problems))
    return parse(back.document)
