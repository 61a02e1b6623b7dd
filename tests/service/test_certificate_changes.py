"""Two real gateways whose certificates change, are revoked, and whose files break while they run."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from asw_gateway.cli.main import main
from asw_gateway.store import inbox, journal, outbox, refusals, sending
from asw_gateway.store.database import Database
from asw_gateway.tls import fingerprint, load_certificates
from certs.make_dev_pki import Authority, Pair
from simulators import documents
from simulators.world import World

T = TypeVar("T")
HANDSHAKES = 'asw_tls_handshake_failures_total{listener="partner",reason="revoked_certificate"}'
CROWDED = HANDSHAKES.replace("revoked_certificate", "too_many_connections")
REFUSALS = 'asw_message_refusals_total{partner="th",reason="revoked_certificate"}'
GOOD, LOADED_AT = "asw_config_last_load_successful", "asw_config_last_load_timestamp_seconds"


def wait_for(condition: Callable[[], T], what: str, seconds: float = 30) -> T:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} took too long"
        time.sleep(0.05)
    return found


class Border:
    """Viet Nam and Thailand; Thailand's certificates are from an authority that Viet Nam keeps a list of."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.write()
        self.folder = world.directory / "issuer"
        self.authority = Authority.new("Issuer of TH")
        self.old, self.new, self.tls = (
            self.authority.issue(name, use, self.folder, file_name=name)
            for name, use in (("old", "signing"), ("new", "signing"), ("client", "tls-client"))
        )
        root = self.authority.certificate.public_bytes(Encoding.PEM)
        (self.folder / "root.pem").write_bytes(root)
        self.revoke()
        self.partner_file = world.sites["VN"].directory / "partners" / "th.toml"
        pki = world.directory / "pki"
        policy = {"mode": "soft", "issuers": ["root.pem"], "list_files": ["list.crl"]}
        lines = [
            f"{key} = {json.dumps(value if key == 'mode' else [str(self.folder / name) for name in value])}"
            for key, value in policy.items()
        ]
        self.edit(
            self.partner_file,
            (str(pki / "th" / "tls-client.pem"), str(self.tls.certificate)),
            (str(pki / "th" / "signing.pem"), str(self.old.certificate)),
            ("[[capabilities]]", "\n".join(["[revocation]", *lines, "", "[[capabilities]]"])),
        )
        self.use(Pair(key=pki / "th" / "signing.key", certificate=pki / "th" / "signing.pem"), self.old)
        self.use(Pair(key=pki / "th" / "tls-client.key", certificate=pki / "th" / "tls-client.pem"), self.tls)
        for country in ("VN", "TH"):
            world.start_gateway(country)

    @staticmethod
    def edit(file: Path, *changes: tuple[str, str]) -> None:
        text = file.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        file.write_text(text)

    def use(self, before: Pair, after: Pair) -> None:
        """Thailand's configuration names another key."""
        changes = ((str(before.key), str(after.key)), (str(before.certificate), str(after.certificate)))
        self.edit(self.world.sites["TH"].gateway_file, *changes)

    def revoke(self, *pairs: Pair) -> None:
        """A new list in place of the old one."""
        now = datetime.now(UTC)
        issuer = self.authority.certificate.subject
        builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
        builder = builder.last_update(now).next_update(now + timedelta(days=1))
        for pair in pairs:
            [found] = load_certificates(pair.certificate)
            entry = x509.RevokedCertificateBuilder().serial_number(found.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        data = builder.sign(self.authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        (self.folder / "list.crl").write_bytes(data)

    def aswctl(self, country: str, *arguments: str) -> Result:
        file = str(self.world.sites[country].gateway_file)
        return CliRunner().invoke(main, [*arguments, "--config", file])

    def hang_up(self, country: str) -> None:
        """SIGHUP; returns when the gateway has said what it thinks of its files."""
        log = self.world.gateways[country].log
        seen = len(log.read_bytes())
        pid = self.world.gateways[country].pid
        assert pid is not None
        os.kill(pid, signal.SIGHUP)
        words = (b"config-loaded", b"config-refused")
        wait_for(lambda: any(word in log.read_bytes()[seen:] for word in words), "SIGHUP")

    def metric(self, country: str, name: str) -> float:
        return self.world.gateway_metrics(country).get(name, 0.0)

    def read(self, country: str, fn: Callable[..., T], *given: Any, **more: Any) -> T:
        url = f"sqlite:///{self.world.sites[country].directory}/state/gateway.sqlite"
        database = Database.open(url, node="reader", upgrade=False)
        try:
            found: T = database.read_now(fn, *given, **more)
            return found
        finally:
            database.close_now()

    def send(self, number: int, *states: str) -> Any:
        """Thailand's portal hands in a certificate; its row when it has come to one of these states."""
        envelope = documents.form_d(
            number=documents.number_for(documents.FORM_D, "TH", "VN", number, now=time.time()),
            origin="TH",
            destination="VN",
            message_id=f"{number:032x}",
            now=time.time(),
            seed=float(number),
        )
        file = self.folder / f"{number}.xml"
        file.write_bytes(envelope)
        pki = self.world.directory / "pki"
        site = self.world.sites["TH"]
        given = {
            "--url": site.portal_url,
            "--ca": pki / "root.pem",
            "--certificate": pki / "th" / "portal.pem",
            "--key": pki / "th" / "portal.key",
        }
        words = [str(word) for pair in given.items() for word in pair]
        done = CliRunner().invoke(main, ["submit", str(file), *words])
        assert done.exit_code == 0, done.output

        def settled() -> Any:
            row = self.read("TH", outbox.get, number)
            return row if row is not None and row.state in states else None

        return wait_for(settled, f"message {number}")


@pytest.fixture
def border(tmp_path: Path) -> Iterator[Border]:
    with World(tmp_path / "w", countries=("VN", "TH")) as world:
        yield Border(world)


@pytest.mark.slow
def test_a_new_signing_certificate_without_restart_and_old_evidence(border: Border, tmp_path: Path) -> None:
    """Both configured at Viet Nam, then Thailand changes over, then the old one is taken out."""
    border.send(1, "delivered")
    old, new = str(border.old.certificate), str(border.new.certificate)
    both = json.dumps([old, new])
    border.edit(border.partner_file, (json.dumps([old]), both))
    assert border.aswctl("VN", "reload").exit_code == 0
    border.use(border.old, border.new)
    border.hang_up("TH")
    border.send(2, "delivered")
    signers = [border.read("VN", inbox.get, number).signer for number in (1, 2)]
    wanted = [fingerprint(load_certificates(pair.certificate)[0]) for pair in (border.old, border.new)]
    assert signers == wanted

    border.edit(border.partner_file, (both, json.dumps([new])))
    border.hang_up("VN")
    assert border.aswctl("VN", "evidence", "publish").exit_code == 0
    bundle = tmp_path / "bundle"
    done = border.aswctl("VN", "evidence", "export", "inbound:1", str(bundle))
    assert done.exit_code == 0, done.output
    own = border.world.directory / "pki" / "vn"
    named = [old, str(own / "signing.pem"), str(own / "seal.pem")]
    words = [word for path in named for word in ("--trust", path)]
    checked = CliRunner().invoke(main, ["evidence", "check", str(bundle), *words])
    assert (checked.exit_code, "evidence: whole" in checked.output) == (0, True), checked.output
    told = json.loads((bundle / "manifest.json").read_text())["revocation"]
    assert (wanted[0], "good", "crl") in {(one["fingerprint"], one["state"], one["source"]) for one in told}


@pytest.mark.slow
def test_a_bad_partner_file_changes_nothing(border: Border) -> None:
    """It says why, sets the metric, and messages go on; the repaired file is taken."""
    good = border.partner_file.read_text()
    loaded_at = border.metric("VN", LOADED_AT)
    border.partner_file.write_text(good.replace('mode = "soft"', 'mode = "sometimes"'))
    done = border.aswctl("VN", "reload")
    assert done.exit_code == 2
    for word in ("th.toml", "revocation.mode", "sometimes", "off, soft, hard"):
        assert word in done.output, done.output
    assert (border.metric("VN", GOOD), border.metric("VN", LOADED_AT)) == (0, loaded_at)
    border.partner_file.write_text("name = ")
    border.hang_up("VN")
    last = [line for line in border.world.gateways["VN"].log.read_text().splitlines() if "config-" in line]
    assert "config-refused" in last[-1]
    assert "th.toml" in last[-1]
    assert border.metric("VN", GOOD) == 0
    border.send(1, "delivered")
    border.partner_file.write_text(good)
    border.hang_up("VN")
    assert border.metric("VN", GOOD) == 1
    assert border.metric("VN", LOADED_AT) > loaded_at


@pytest.mark.slow
def test_limits_of_one_address_change_without_restart(border: Border) -> None:
    """The second connection is closed before a byte of TLS."""
    site = border.world.sites["VN"]
    border.edit(site.gateway_file, ("[partner_listener]", "[partner_listener]\nmax_connections_per_peer = 1"))
    place = ("127.0.0.1", site.partner_port)
    with socket.create_connection(place, 10), socket.create_connection(place, 10):
        assert border.metric("VN", CROWDED) == 0
        assert border.aswctl("VN", "reload").exit_code == 0
        with socket.create_connection(place, 10) as third:
            assert _ended(third)
    assert border.metric("VN", CROWDED) == 1


def _ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.slow
def test_revoked_certificates(border: Border) -> None:
    """The signing certificate by `aswctl reload`, for good; the connection's by SIGHUP."""
    border.send(1, "delivered")
    border.revoke(border.old)
    assert border.aswctl("VN", "reload").exit_code == 0
    row = border.send(2, "failed")
    [answer] = [each.answer for each in border.read("TH", sending.attempts, 2)]
    assert answer is not None
    assert b'errorCode="EBMS:0101"' in answer
    [kept] = border.read("VN", refusals.latest)
    assert (kept.party, kept.code, kept.reason) == ("th", "EBMS:0101", "revoked_certificate")
    assert kept.message_id == row.message_id
    assert kept.head
    assert border.metric("VN", REFUSALS) == 1
    facts = border.read("VN", journal.about, "partner:th")
    [revoked] = [fact for fact in facts if fact.event == "certificate.revoked"]
    [own] = load_certificates(border.old.certificate)
    assert fingerprint(own) in revoked.detail

    # A list that has forgotten it, and a gateway that begins anew.
    border.revoke()
    border.world.gateways["VN"].stop()
    border.world.start_gateway("VN")
    assert border.aswctl("TH", "partners", "ping", "vn").exit_code == 1
    assert border.metric("VN", REFUSALS) == 1

    border.revoke(border.tls)
    border.hang_up("VN")
    border.world.gateways["TH"].stop()
    border.world.start_gateway("TH")
    done = border.aswctl("TH", "partners", "ping", "vn")
    assert (done.exit_code, "tls_error" in done.output) == (1, True), done.output
    assert border.metric("VN", HANDSHAKES) >= 1
    assert border.metric("VN", REFUSALS) == 1
