"""Files of the system under test: the gateway of VN with three partners that our simulator plays.

th    signs; the plain eDelivery AS4 1.15 agreement
sg    signs and encrypts
my    signs; gives up after two seconds
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen
from cryptography.hazmat.primitives.serialization import Encoding

from certs.make_dev_pki import USES, Authority
from simulators.world import REPOSITORY, free_ports
from simulators.world_files import Agreement, PortalHabits, Site, write_site

OWN = "vn"
PARTNERS = ("th", "sg", "my")
RSA_USES = ("signing", "encryption")
IMPATIENT_SECONDS = 2.0


@frozen(kw_only=True)
class Files:
    """Where everything is."""

    directory: Path
    site: Site

    @property
    def root(self) -> Path:
        return self.directory / "pki" / "root.pem"

    def certificate(self, party: str, use: str) -> Path:
        return self.directory / "pki" / party / f"{use}.pem"

    def key(self, party: str, use: str) -> Path:
        return self.directory / "pki" / party / f"{use}.key"


def write_files(directory: Path, listener_port: int) -> Files:
    """Keys and configuration; ``listener_port`` is where the simulator answers for every partner."""
    _write_pki(directory / "pki")
    partner_port, portal_port, operators_port = free_ports(3)
    own = _site(directory, OWN, partner_port, portal_port, operators_port)
    others = [_site(directory, name, listener_port, 1, 1) for name in PARTNERS]
    write_site(
        own,
        others,
        pki=directory / "pki",
        agreement=Agreement(initial_delay_seconds=0.3, maximum_delay_seconds=0.6, multiplier=1.2),
        habits=PortalHabits(),
    )
    files = Files(directory=directory, site=own)
    _amend(own.gateway_file, f"\n[keys.decryption]\n{_pair(files, OWN, 'encryption')}")
    for name in PARTNERS:
        partner = own.directory / "partners" / f"{name}.toml"
        _replace(partner, f":{listener_port}/as4", f":{listener_port}/{name}/as4")
        _replace(
            partner, 'document_type = "atiga-form-d"', 'document_type = "atiga-form-d"\nmax_attachments = 4'
        )
    partner = own.directory / "partners" / "sg.toml"
    certificate = files.certificate("sg", "encryption")
    _replace(partner, "[certificates]", f'[certificates]\nencryption = "{certificate}"')
    _amend(partner, "\n[agreement.security]\nencrypt = true\n")
    impatient = own.directory / "partners" / "my.toml"
    _replace(impatient, "time_to_live_seconds = 86400.0", f"time_to_live_seconds = {IMPATIENT_SECONDS}")
    return files


def _write_pki(directory: Path) -> None:
    """Like make_pki, with the RSA keys that the profile's algorithms want for signing and encryption."""
    authority = Authority.new("Conformance root")
    with_rsa = evolve(authority, use_rsa=True)
    directory.mkdir(parents=True)
    (directory / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    for name in (OWN, *PARTNERS):
        for use in (*USES, "encryption"):
            hosts = ("localhost", "127.0.0.1") if use == "tls-server" else ()
            issuer = with_rsa if use in RSA_USES else authority
            issuer.issue(f"{name} {use}", use, directory / name, hosts=hosts)


def _site(directory: Path, name: str, partner_port: int, portal_port: int, operators_port: int) -> Site:
    return Site(
        country=name.upper(),
        directory=directory / name,
        portal_directory=directory / "portals" / name,
        partner_port=partner_port,
        portal_port=portal_port,
        operators_port=operators_port,
        profiles_directory=REPOSITORY / "profiles",
    )


def _pair(files: Files, party: str, use: str) -> str:
    return f'key_file = "{files.key(party, use)}"\ncertificate_file = "{files.certificate(party, use)}"\n'


def _amend(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{path} has {text.count(old)} times {old!r}")
    path.write_text(text.replace(old, new), encoding="utf-8")
