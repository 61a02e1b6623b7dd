"""`aswctl evidence`: prove that the journal is whole, and what became of one message."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from asw_gateway import __version__
from asw_gateway.cli import evidence_bundle, verify_evidence
from asw_gateway.cli.config_option import config_option, loaded
from asw_gateway.cli.database import with_database_url
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.messaging.faults import LocalFault
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.schedule.journal_heads import signed_head
from asw_gateway.store import chains, evidence, heads, inbox, outbox, partner_state
from asw_gateway.store.database import Database
from asw_gateway.store.evidence import Evidence
from asw_gateway.store.transaction import Transaction
from asw_gateway.translation.envelope import Organisation

T = TypeVar("T")
_SUBJECT = re.compile(r"(outbound|inbound):([0-9]{1,18})\Z")


@click.group("evidence")
def command() -> None:
    """Check the evidence that the gateway keeps."""


@command.command("verify")
@with_database_url
def verify(output: Output, url: str) -> None:
    """Walk every hash chain of the journal; exit 1 at any entry that is missing, out of place or changed."""
    report = _opened(output, url, lambda database: database.read_now(chains.verify))
    if output.as_json:
        output.value({"whole": report.whole, "entries": report.entries, "breaks": list(report.breaks)})
    else:
        counted = [{"chain": chain, "entries": entries} for chain, entries in report.entries.items()]
        output.rows(counted, {"chain": "CHAIN", "entries": "ENTRIES"}, "the journal is empty")
        for broken in report.breaks:
            output.line(f"BROKEN {broken}")
        output.line("the journal is whole" if report.whole else f"{len(report.breaks)} breaks")
    if not report.whole:
        raise SystemExit(FOUND_SOMETHING)


@command.command("export")
@click.argument("message")
@click.argument("target", type=click.Path(path_type=Path))
@with_database_url
def export(output: Output, url: str, message: str, target: Path) -> None:
    """Write everything about MESSAGE to TARGET, a new directory or a new file whose name ends in .zip.

    MESSAGE is outbound:17, inbound:17, or an id on the network. Whoever is given the bundle checks it with
    the program inside it, without this gateway: python verify_evidence.py TARGET --trust CERTIFICATES.pem.
    Exit 1 when no signed head of the journal covers the message yet.
    """
    found = _opened(output, url, lambda database: database.read_now(_collect, message))
    if found is None:
        output.fail(f"there is no message {message}")
    content = evidence_bundle.pieces(found, made_at=time.time(), made_by=f"asw-gateway {__version__}")
    try:
        evidence_bundle.write(target, content)
    except FileExistsError:
        output.fail(f"{target} exists already")
    except OSError as fault:
        output.fail(f"{target} cannot be written: {fault.strerror}")
    covered = all(proof.head is not None for proof in found.proofs)
    told = evidence_bundle.summary(found)
    if output.as_json:
        output.value({"target": str(target), "covered": covered, "holds": dict(told)})
    output.line("\n".join(f"{name:16} {value}" for name, value in told))
    output.line(f"written to {target}")
    if not covered:
        output.line("no signed head covers the last entries yet: wait 5 minutes, or aswctl evidence publish")
        raise SystemExit(FOUND_SOMETHING)


@command.command("check")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--trust", multiple=True, type=click.Path(path_type=Path), help="PEM file of certificates.")
def check(bundle: Path, trust: tuple[Path, ...]) -> None:
    """Check an exported BUNDLE, as the program inside it does; needs no database."""
    named = [word for path in trust for word in ("--trust", str(path))]
    raise SystemExit(verify_evidence.main([str(bundle), *named]))


@command.command("publish")
@config_option("with its keys")
@click.pass_obj
def publish(output: Output, config: Path) -> None:
    """Sign the heads of the journal now; the gateway does it every five minutes by itself."""
    found = loaded(output, config)
    own = OwnGateway(
        party_id=found.party_id,
        country=found.country,
        organisation=Organisation(**found.organisation),
        portal_organisation=Organisation(**found.portal_organisation),
        environment=found.environment,
    )
    seal = found.seal
    identity = SigningIdentity(private_key=seal.private_key, certificate=seal.certificate, chain=seal.chain)

    def sign(database: Database) -> int:
        signed = [
            signed_head(own, identity, chain, head, time.time())
            for chain, head in database.read_now(heads.unpublished)
        ]
        return sum(database.run_now(heads.publish, one) for one in signed)

    count = _opened(output, found.database_url, sign)
    if output.as_json:
        output.value({"published": count})
    output.line(f"{count} heads signed")


def _opened(output: Output, url: str, work: Callable[[Database], T]) -> T:
    """Do something with the database; what goes wrong is a sentence and exit status 2."""
    try:
        database = Database.open(url, node="aswctl", upgrade=False)
    except LocalFault as fault:
        output.fail(str(fault))
    try:
        return work(database)
    except LocalFault as fault:
        output.fail(str(fault))
    finally:
        database.close_now()


def _collect(conn: Transaction, name: str) -> Evidence | None:
    subject = _SUBJECT.match(name)
    if subject is None or subject[1] == "outbound":
        sent = outbox.get(conn, int(subject[2])) if subject else outbox.by_message_id(conn, name)
        if sent is not None or subject is not None:
            return evidence.of_outbound(conn, sent) if sent is not None else None
    if subject is not None:
        received = inbox.get(conn, int(subject[2]))
        return evidence.of_inbound(conn, received) if received is not None else None
    for partner in partner_state.everyone(conn):
        received = inbox.by_message_id(conn, partner.partner, name)
        if received is not None:
            return evidence.of_inbound(conn, received)
    return None
