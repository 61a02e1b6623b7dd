"""One real gateway of ours (VN) with phase4 peers as its partners, over mutual TLS on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import urllib.request
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x25519

from asw_gateway.cli.control_client import ControlClient
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.pmode import EDELIVERY_1_15, EDELIVERY_2_0
from certs.make_dev_pki import Pair
from interop.keys import ALIAS, ECDSA, MODERN, PASSWORD, RSA, Keys
from interop.phase4_peer import Phase4Peer
from interop.portal import Portal
from simulators.processes import Household, Process
from simulators.world_files import PARTY_ID_TYPE, Agreement, PortalHabits, Site, write_site

REPOSITORY = Path(__file__).resolve().parents[1]
INITIATOR = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/initiator"
RESPONDER = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/responder"
TEST_SERVICE = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/service"
TEST_ACTION = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/test"
OWN = "vn"
SEND_TIMEOUT_SECONDS = 12.0


@frozen(kw_only=True)
class Role:
    """A partner country that phase4 plays, and what was agreed with it."""

    country: str
    encrypt: bool = False
    kind: str = RSA
    key_reference: str = ""

    @property
    def name(self) -> str:
        return self.country.lower()


SIGNED = Role(country="TH")
ENCRYPTED = Role(country="ID", encrypt=True)
ELLIPTIC = Role(country="MY", kind=ECDSA)
MODERN_SUITE = Role(country="LA", encrypt=True, kind=MODERN)
_SIGNATURES = {RSA: "rsa-sha-256", ECDSA: "ecdsa-sha-256", MODERN: "eddsa-ed25519"}


class Stage:
    """Everything lies under `directory`; every process is gone when the `with` block ends."""

    def __init__(self, directory: Path, classpath: str, roles: tuple[Role, ...]) -> None:
        self.directory = directory.resolve()
        shutil.rmtree(self.directory, ignore_errors=True)
        peers = {role.name: role.kind for role in roles}
        self.keys = Keys.make(self.directory / "pki", OWN, peers)
        self._household = Household()
        self._serials = count(1)
        ports = iter(_free_ports(3 + len(roles)))
        self.site = self._site("VN", next(ports), next(ports), next(ports))
        self.partners = {role.name: self._site(role.country, next(ports), 1, 1) for role in roles}
        self._write(roles)
        self.gateway = self._gateway()
        portal = self.keys.pair(OWN, "portal")
        self.portal = Portal(
            self.site.portal_port,
            root=self.keys.directory / "root.pem",
            certificate=portal.certificate,
            key=portal.key,
        )
        self.peers = {role.name: self._peer(role, classpath) for role in roles}
        self.roles = {role.name: role for role in roles}

    def __enter__(self) -> Stage:
        try:
            self.start_gateway()
            for peer in self.peers.values():
                peer.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for peer in self.peers.values():
            peer.stop()
        self._household.close()

    # --- our gateway

    def start_gateway(self) -> None:
        """Start it and wait until its /ready says so."""
        self.gateway.start()
        url = f"{self.site.operators_url}/ready"
        self.gateway.wait_until(lambda: _answers(url), timeout_seconds=40)

    def crash_gateway(self) -> None:
        """kill -9."""
        self.gateway.kill()

    def sign_with(self, use: str) -> None:
        """Restart our gateway with another signing pair (`signing` or `signing-ecdsa`)."""
        self.gateway.stop()
        text = self.site.gateway_file.read_text(encoding="utf-8")
        begin = text.index("[keys.signing]")
        end = text.index("[", begin + 1)
        pair = self.keys.pair(OWN, use)
        table = _key_table("signing", pair)
        self.site.gateway_file.write_text(f"{text[:begin]}{table}\n{text[end:]}", encoding="utf-8")
        self.start_gateway()

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.site.directory / 'state' / 'gateway.sqlite'}"

    def control(self) -> ControlClient:
        """The operators' socket of our gateway."""
        return ControlClient(self.site.directory / "state" / "control.sock", timeout_seconds=60)

    def metric(self, name: str) -> float:
        """The sum of every sample of one metric family."""
        with urllib.request.urlopen(f"{self.site.operators_url}/metrics", timeout=5) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))
        )

    # --- what cases need

    def serial(self) -> int:
        """A document number nobody has used."""
        return next(self._serials)

    def seal_identity(self, peer: str) -> SigningIdentity:
        """The business seal of a partner country."""
        return self.keys.identity(peer, "seal")

    def own_certificates(self) -> list[x509.Certificate]:
        """Every certificate our gateway may have signed with."""
        return [self.keys.certificate(OWN, use) for use in ("signing", "signing-ecdsa", "signing-2.0")]

    def order(self, peer: str, message_id: str, files: list[Path], **more: str) -> dict[str, str]:
        """An order for a peer to send a certificate; keyword names have `_` for `.`."""
        values = {
            "message.id": message_id,
            "service": "urn:asw:e-form-d:2022",
            "action": "certificate",
            "conversation.id": message_id.partition("@")[0],
            "files": ",".join(map(str, files)),
            "encrypt": str(self.roles[peer].encrypt).lower(),
        }
        return values | {name.replace("_", "."): value for name, value in more.items()}

    # --- making

    def _site(self, country: str, partner_port: int, portal_port: int, operators_port: int) -> Site:
        return Site(
            country=country,
            directory=self.directory / country.lower(),
            portal_directory=self.directory / "portals" / country.lower(),
            partner_port=partner_port,
            portal_port=portal_port,
            operators_port=operators_port,
            profiles_directory=REPOSITORY / "profiles",
        )

    def _write(self, roles: tuple[Role, ...]) -> None:
        agreement = Agreement(send_timeout_seconds=SEND_TIMEOUT_SECONDS)
        others = list(self.partners.values())
        write_site(self.site, others, pki=self.keys.directory, agreement=agreement, habits=PortalHabits())
        tables = {
            "decryption": "encryption",
            "signing_2_0": "signing-2.0",
            "decryption_2_0": "encryption-2.0",
        }
        with self.site.gateway_file.open("a", encoding="utf-8") as file:
            for table, use in tables.items():
                file.write(f"\n{_key_table(table, self.keys.pair(OWN, use))}")
        for role in roles:
            path = self.site.directory / "partners" / f"{role.name}.toml"
            text = path.read_text(encoding="utf-8")
            text = text.replace(
                'document_type = "atiga-form-d"', 'document_type = "atiga-form-d"\nmax_bytes = 20000000'
            )
            if role.encrypt:
                theirs = self.keys.pair(role.name, "encryption").certificate
                text = text.replace("[certificates]\n", f'[certificates]\nencryption = "{theirs}"\n')
                suite = EDELIVERY_2_0 if role.kind == MODERN else EDELIVERY_1_15
                text += f'\n[agreement.security]\nname = "{suite}"\nencrypt = true\n'
            path.write_text(text, encoding="utf-8")

    def _gateway(self) -> Process:
        command = [
            str(Path(sys.executable).with_name("twistd")),
            *("--nodaemon", "--pidfile=", "--logger", "asw_gateway.logs.stdout"),
            *("asw-gateway", "--config", str(self.site.gateway_file)),
        ]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        log = self.site.directory / "gateway.log"
        return self._household.add(Process("gateway VN", command, log=log, environment=environment))

    def _peer(self, role: Role, classpath: str) -> Phase4Peer:
        site = self.partners[role.name]
        folder = self.directory / "phase4" / role.name
        modern = role.kind == MODERN
        ours = self.keys.certificate(OWN, "encryption-2.0" if modern else "encryption")
        write_key_stores(self.keys, role.name, folder, encrypt_to=ours)
        settings = peer_settings(
            own=(PARTY_ID_TYPE, site.party_id),
            partner=(PARTY_ID_TYPE, self.site.party_id),
            port=site.partner_port,
            partner_port=self.site.partner_port,
            agreement=f"urn:asw:agreement:{'-'.join(sorted((OWN, role.name)))}",
        )
        more = {
            "signature": _SIGNATURES[role.kind],
            "encrypt": str(role.encrypt).lower(),
            "key.reference": role.key_reference,
        }
        if modern:
            pair = self.keys.pair(role.name, "encryption")
            more |= {
                "suite": EDELIVERY_2_0,
                "decryption.keystore": str(pair.key),
                "decryption.certificate": str(pair.certificate),
            }
        return Phase4Peer(role.name, folder, classpath, {**settings, **more})


def _key_table(name: str, pair: Pair) -> str:
    return f'[keys.{name}]\nkey_file = "{pair.key}"\ncertificate_file = "{pair.certificate}"\n'


def write_key_stores(keys: Keys, name: str, folder: Path, *, encrypt_to: x509.Certificate) -> None:
    """Write for Java what a peer has and trusts, under the names that `peer_settings` gives."""
    folder.mkdir(parents=True)
    for use in ("signing", "encryption", "tls-server", "tls-client"):
        if not isinstance(keys.private_key(name, use), x25519.X25519PrivateKey):  # given as PEM
            keys.key_store(name, use, folder / f"{use}.p12")
    keys.trust_store(encrypt_to, folder / "trust.p12")


def peer_settings(
    *, own: tuple[str, str], partner: tuple[str, str], port: int, partner_port: int, agreement: str
) -> dict[str, str]:
    """The properties of a peer that signs with RSA; `own` and `partner` are (party id type, party id)."""
    return {
        "port": str(port),
        "password": PASSWORD,
        "alias": ALIAS,
        "keystore": "signing.p12",
        "decryption.keystore": "encryption.p12",
        "tls.keystore": "tls-server.p12",
        "tls.client.keystore": "tls-client.p12",
        "truststore": "trust.p12",
        "party.type": own[0],
        "party.id": own[1],
        "partner.type": partner[0],
        "partner.id": partner[1],
        "role": INITIATOR,
        "partner.role": RESPONDER,
        "partner.address": f"https://127.0.0.1:{partner_port}/as4",
        "agreement": agreement,
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  our own loopback address
            return int(answer.status) == 200
    except OSError:
        return False


def _free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now; held until all are known so that none is given twice."""
    with ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in range(number)]
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [int(holder.getsockname()[1]) for holder in holders]
