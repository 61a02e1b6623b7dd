"""One message's evidence, exported and checked by a program that knows nothing of us; and every tampering."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asw_gateway.cli import verify_evidence
from asw_gateway.cli.evidence_bundle import pem
from asw_gateway.cli.main import main
from asw_gateway.messaging.keys import pinned
from asw_gateway.messaging.packing import reseal
from asw_gateway.schedule.journal_heads import signed_head
from asw_gateway.store import certificates, heads, inbox, outbox, revocation, sending
from asw_gateway.store.certificates import KnownCertificate
from asw_gateway.store.database import Database
from asw_gateway.store.inbox_rows import NewInbound
from asw_gateway.store.outbox_rows import NewOutbound, Submitted
from tests.exchange.builders import own_gateway
from tests.partner import world
from tests.partner.test_receiver import readers
from tests.store.databases import database_url

NOW = 1_795_000_000.0
SUBMITTED = b"<Envelope>as the portal sent it</Envelope>"


def known(party: str, country: str, use: str) -> KnownCertificate:
    der = pinned(world.identity(country, use).certificate).der
    return KnownCertificate(
        fingerprint=sha256(der).hexdigest(), party=party, use=use, certificate=der, first_used_at=0.0
    )


def receipt_for(sealed: Any, now: float) -> Any:
    """th's receipt of a message of vn's."""
    from asw_gateway.exchange.inbound import ReceivedMessage, receive

    there = readers()
    found = receive(
        sealed.content_type,
        sealed.body,
        partner=world.partner("vn", seen_by="th"),
        own=there.own,
        identities=there.identities,
        catalogue=there.catalogue,
        now=now,
        signal_id="receipt@asw-th.example",
    )
    assert isinstance(found, ReceivedMessage), found
    return found


def publish(database: Database, now: float) -> None:
    for chain, head in database.read_now(heads.unpublished):
        signed = signed_head(own_gateway(), world.identity("vn", "seal"), chain, head, now)
        assert database.run_now(heads.publish, signed)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A store in which vn delivered one message (signed again on the way) and received another."""
    import time

    now = time.time()
    with database_url(request.param) as url:
        database = Database.open(url, node="vn-1")
        in_use = [known("own", "vn", "signing"), known("own", "vn", "seal"), known("th", "th", "signing")]
        # The message received is th's own view of it: sent by vn, receipted by th.
        in_use += [known("vn", "vn", "signing"), known("vn", "th", "signing")]
        database.run_now(certificates.note_in_use, in_use, now)
        first = world.sealed_message(number=1, now=now)
        done = database.run_now(
            outbox.submit,
            NewOutbound(
                origin="portal", partner="th", document_type="atiga-form-d", profile="p", kind="certificate",
                document_number="D-1", order_key="k", priority=2, expires_at=now + 1000,
                digest=sha256(SUBMITTED).hexdigest(), body=SUBMITTED, sender_identity="NSW",
                national_message_id="N-1",
            ),
            now,
        )  # fmt: skip
        assert isinstance(done, Submitted)
        database.run_now(
            outbox.mark_queued, 1, message_id=first.message_id, content_type=first.content_type,
            body=first.body, reference_digests=first.reference_digests, signed_with="0" * 64,
            document_digest="d", now=now,
        )  # fmt: skip
        database.run_now(sending.claim_due, "th", "vn-1", 1, now, 60.0)
        again = reseal(first.content_type, first.body, world.identity("vn"))
        database.run_now(
            outbox.reseal, 1, content_type=again.content_type, body=again.body, signed_with="1" * 64, now=now
        )
        receipt = receipt_for(again, now).receipt
        database.run_now(
            sending.record_attempt, 1, 1, outcome="receipt", retryable=False, reason="receipt", detail="",
            new_state="delivered", now=now, receipt=receipt.body, receipt_content_type=receipt.content_type,
        )  # fmt: skip
        other = world.sealed_message(number=2, now=now)
        judged = receipt_for(other, now)
        database.run_now(
            inbox.register,
            NewInbound(
                partner="vn", message_id=judged.message_id, reference_digests=judged.reference_digests,
                content_type=other.content_type, body=other.body, service="s", action="a", signer="f",
                receipt_content_type=judged.receipt.content_type, receipt=judged.receipt.body,
            ),
            now,
        )  # fmt: skip
        publish(database, now)
        database.close_now()
        yield url


def aswctl(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def exported(url: str, target: Path, message: str = "outbound:1") -> Path:
    done = aswctl("evidence", "export", message, str(target), "--database", url)
    assert done.exit_code == 0, done.output
    return target


def trust(folder: Path) -> list[str]:
    file = folder / "known.pem"
    parties = [("vn", "signing"), ("vn", "seal"), ("th", "signing")]
    file.write_bytes(b"".join(pem(pinned(world.identity(*one).certificate).der) for one in parties))
    return ["--trust", str(file)]


def test_a_stranger_checks_a_bundle_with_the_program_inside_it(url: str, tmp_path: Path) -> None:
    bundle = exported(url, tmp_path / "bundle")
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    shutil.copy(bundle / "verify_evidence.py", alone)
    run = subprocess.run(
        [sys.executable, "-I", "verify_evidence.py", str(bundle), *trust(tmp_path)],
        cwd=alone, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "evidence: whole"), run.stdout + run.stderr
    assert "it proves the 3 digests" in run.stdout
    assert run.stdout.count(": trusted") == 3
    sent = sorted(path.name for path in (bundle / "messages").iterdir())
    assert sent == ["01-submitted.xml", "02-sent-before.mime", "03-sent.mime", "04-receipt.soap"]
    assert (bundle / "messages" / "01-submitted.xml").read_bytes() == SUBMITTED


def test_a_zip_of_a_received_message_by_its_network_id(url: str, tmp_path: Path) -> None:
    bundle = exported(url, tmp_path / "bundle.zip", "inbound:1")
    assert aswctl("evidence", "check", str(bundle), *trust(tmp_path)).exit_code == 0
    with zipfile.ZipFile(bundle) as archive:
        links = json.loads(archive.read("journal.json"))[0]["links"]
    assert all(isinstance(link, str) or link["subject"] == "inbound:1" for link in links)


def test_what_issuers_said_is_in_the_bundle(url: str, tmp_path: Path) -> None:
    """What was in force at some time of the message, and nothing of anybody else."""
    signing = known("th", "th", "signing").fingerprint
    database = Database.open(url, node="vn-1")
    row = database.read_now(outbox.get, 1)
    assert row is not None
    start = row.created_at
    for name, state, until, learnt in (
        (signing, "good", start + 3600, start - 60),
        (signing, "good", start - 7200, start - 9000),
        ("of somebody else", "good", start + 3600, start - 60),
    ):
        noted = database.run_now(
            revocation.note, partner="th", use="signing", fingerprint=name, state=state, source="crl",
            produced_at=learnt, valid_until_at=until, proof=f"list until {until}".encode(), now=learnt,
        )  # fmt: skip
        assert noted
    database.run_now(
        revocation.note, partner="th", use="signing", fingerprint=signing, state="revoked", source="ocsp",
        produced_at=start, valid_until_at=start, proof=b"x" * (revocation.MAX_PROOF_BYTES + 1), now=start,
    )  # fmt: skip
    publish(database, start + 1)
    database.close_now()
    bundle = exported(url, tmp_path / "bundle")
    told = json.loads((bundle / "manifest.json").read_text())["revocation"]
    assert [(one["state"], one["source"]) for one in told] == [("good", "crl"), ("revoked", "ocsp")]
    proof = (bundle / told[0]["path"]).read_bytes()
    assert (proof, told[0]["digest"]) == (f"list until {start + 3600}".encode(), sha256(proof).hexdigest())
    assert {one["fingerprint"] for one in told} == {signing}
    assert told[1]["path"] == ""
    assert len(list((bundle / "revocation").iterdir())) == 1
    assert aswctl("evidence", "check", str(bundle), *trust(tmp_path)).exit_code == 0


def test_nobody_else_is_disclosed(url: str, tmp_path: Path) -> None:
    bundle = exported(url, tmp_path / "bundle")
    assert "inbound:1" not in (bundle / "journal.json").read_text()


def test_what_cannot_be_exported(url: str, tmp_path: Path) -> None:
    assert aswctl("evidence", "export", "outbound:9", str(tmp_path / "x"), "--database", url).exit_code == 2
    assert aswctl("evidence", "export", "nobody@x", str(tmp_path / "x"), "--database", url).exit_code == 2
    (tmp_path / "there").mkdir()
    there = str(tmp_path / "there")
    assert aswctl("evidence", "export", "outbound:1", there, "--database", url).exit_code == 2


def test_entries_without_a_signed_head_are_told(url: str, tmp_path: Path) -> None:
    database = Database.open(url, node="vn-1")
    database.run_now(outbox.reseal, 1, content_type="x", body=b"", signed_with="2" * 64, now=NOW)
    database.close_now()
    target = tmp_path / "bundle"
    done = aswctl("evidence", "export", "outbound:1", str(target), "--database", url)
    assert (done.exit_code, "no signed head covers" in done.output) == (1, True)
    assert verify_evidence.main([str(target)]) == 1


def rewritten(path: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    """Change a file and let the manifest agree, as a forger would."""

    def change(bundle: Path) -> None:
        data = (bundle / path).read_bytes()
        assert old in data
        (bundle / path).write_bytes(data.replace(old, new, 1))
        manifest = json.loads((bundle / "manifest.json").read_text())
        for one in manifest["files"]:
            if one["path"] == path:
                one["sha256"] = sha256((bundle / path).read_bytes()).hexdigest()
        (bundle / "manifest.json").write_text(json.dumps(manifest))

    return change


def removed(path: str) -> Callable[[Path], None]:
    return lambda bundle: (bundle / path).unlink()


def swap_heads(bundle: Path) -> None:
    [head] = (bundle / "heads").iterdir()
    rewritten(f"heads/{head.name}", b"<Sequence>", b"<Sequence>1")(bundle)


TAMPERINGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "submitted": (rewritten("messages/01-submitted.xml", b"portal", b"porter"), "no entry names the SHA-256"),
    "sent": (rewritten("messages/03-sent.mime", b"certificate", b"cancelation"), "does not match"),
    "receipt": (rewritten("messages/04-receipt.soap", b"1.test@", b"7.test@"), "does not match"),
    "entry": (rewritten("journal.json", b"outbound.delivered", b"outbound.lost"), "was changed"),
    "manifest": (removed("attempts.json"), "FAILED  attempts.json"),
    "head": (swap_heads, "changed after it was signed"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TAMPERINGS))
def test_every_tampering_is_found(
    url: str, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if url.startswith("postgresql"):
        pytest.skip("a bundle is the same whatever store it came from")
    bundle = exported(url, tmp_path / "bundle")
    change, said = TAMPERINGS[name]
    change(bundle)
    assert verify_evidence.main([str(bundle)]) == 1
    assert said in capsys.readouterr().out


def test_a_signer_whom_the_checker_does_not_trust(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = exported(url, tmp_path / "bundle")
    file = tmp_path / "only-id.pem"
    file.write_bytes(pem(pinned(world.identity("id").certificate).der))
    assert verify_evidence.main([str(bundle), "--trust", str(file)]) == 1
    assert "which you do not trust" in capsys.readouterr().out


def test_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    assert verify_evidence.main([str(tmp_path / "x.zip")]) == 2
    assert verify_evidence.main([str(tmp_path / "missing")]) == 2
