"""A whole region on loopback: throw-away keys, one gateway and one portal simulator per country.

    with World(Path("var/world")) as world:
        world.start()         # gateways first, then portals; returns when all are ready
        world.gateways["TH"].stop()
        print(world.gateway_metrics("VN"))
        world.dump_feeds()        # then simulators.checker can judge world.portals_directory

Everything lies under one directory:

    pki/                    certs/make_dev_pki.py
    vn/                     gateway.toml, partners/*.toml, portal.toml, state/, gateway.log, portal.log
    portals/vn/             what the portal simulator knows, ledger.jsonl; feed.jsonl after dump_feeds()
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from certs.make_dev_pki import make_pki
from simulators.processes import Household, Process, ProcessTrouble
from simulators.world_files import Agreement, PortalHabits, Site, write_site

REPOSITORY = Path(__file__).resolve().parent.parent
READY_SECONDS = 40.0


class World:
    """Not started until `start()`; every process is gone when the `with` block ends, however it ends."""

    def __init__(
        self,
        directory: Path,
        *,
        countries: Sequence[str] = ("VN", "TH", "ID"),
        agreement: Agreement | None = None,
        habits: PortalHabits | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.portals_directory = self.directory / "portals"
        self._household = Household()
        self.sites = self._make_sites(countries)
        self._agreement = agreement if agreement is not None else Agreement()
        self._habits = habits if habits is not None else PortalHabits()
        self.gateways = {country: self._gateway(site) for country, site in self.sites.items()}
        self.portals = {country: self._portal(site) for country, site in self.sites.items()}

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._household.close()

    # --- files

    def write(self) -> None:
        """Make keys and configuration; a world that was there before is replaced."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True)
        pki = self.directory / "pki"
        make_pki(pki, [site.name for site in self.sites.values()], bad=True)
        for country, site in self.sites.items():
            others = [other for name, other in self.sites.items() if name != country]
            write_site(site, others, pki=pki, agreement=self._agreement, habits=self._habits)
            (site.portal_directory / "outgoing").mkdir(parents=True)

    def forget_code(self, country: str, file: str, code: str) -> None:
        """Give one country profiles of its own, without one code of a code list (`file` under profiles/).

        Its gateway then refuses what its partners' gateways let through.  Call it after `write`.
        """
        site = self.sites[country]
        own = site.directory / "profiles"
        shutil.copytree(REPOSITORY / "profiles", own)
        path = own / file
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.split(",")[0].strip().strip('"') != code]
        if len(kept) != len(lines) - 1:
            raise ValueError(f"{file} has {len(lines) - len(kept)} lines for code {code}, not one")
        path.write_text("".join(kept), encoding="utf-8")
        text = site.gateway_file.read_text(encoding="utf-8")
        old, new = json.dumps(str(site.profiles_directory)), json.dumps(str(own))
        site.gateway_file.write_text(text.replace(old, new), encoding="utf-8")

    def ledgers(self) -> dict[str, Path]:
        return {country: site.portal_directory / "ledger.jsonl" for country, site in self.sites.items()}

    # --- processes

    def start(self) -> None:
        """Start every gateway, then every portal; raises ProcessTrouble when one does not become ready."""
        for gateway in self.gateways.values():
            gateway.start()
        for country in self.gateways:
            self.wait_ready(country)
        for portal in self.portals.values():
            portal.start()

    def start_gateway(self, country: str) -> None:
        self.gateways[country].start()
        self.wait_ready(country)

    def wait_ready(self, country: str) -> None:
        """Wait until the gateway's own /ready says so."""
        site = self.sites[country]
        self.gateways[country].wait_until(
            lambda: _answers(f"{site.operators_url}/ready"), timeout_seconds=READY_SECONDS
        )

    def gateway_metrics(self, country: str) -> dict[str, float]:
        """Every sample of /metrics, by name with labels; empty while the gateway does not answer."""
        try:
            url = f"{self.sites[country].operators_url}/metrics"
            with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own loopback address
                text = answer.read().decode()
        except OSError:
            return {}
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    # --- feeds

    def dump_feeds(self) -> None:
        """Write every entry that each gateway offers to portals/<country>/feed.jsonl, for the checker."""
        for country, site in self.sites.items():
            lines = [json.dumps(entry, ensure_ascii=False) + "\n" for entry in self.read_feed(country)]
            (site.portal_directory / "feed.jsonl").write_text("".join(lines), encoding="utf-8")

    def read_feed(self, country: str) -> list[dict[str, object]]:
        """All entries of one gateway's feed, read from the beginning with the portal's certificate."""
        site = self.sites[country]
        return read_feed(site.portal_port, self.directory / "pki", site.name)

    # --- making

    def _make_sites(self, countries: Sequence[str]) -> dict[str, Site]:
        ports = iter(free_ports(3 * len(countries)))
        return {
            country: Site(
                country=country,
                directory=self.directory / country.lower(),
                portal_directory=self.portals_directory / country.lower(),
                partner_port=next(ports),
                portal_port=next(ports),
                operators_port=next(ports),
                profiles_directory=REPOSITORY / "profiles",
            )
            for country in countries
        }

    def _gateway(self, site: Site) -> Process:
        twistd = [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile="]
        command = [
            *twistd,
            "--logger",
            "asw_gateway.logs.stdout",
            "asw-gateway",
            "--config",
            str(site.gateway_file),
        ]
        return self._process(f"gateway {site.country}", command, site.directory / "gateway.log")

    def _portal(self, site: Site) -> Process:
        command = [sys.executable, "-m", "simulators.portal", "--config", str(site.portal_file)]
        return self._process(f"portal {site.country}", command, site.directory / "portal.log")

    def _process(self, name: str, command: list[str], log: Path) -> Process:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        return self._household.add(Process(name, command, log=log, environment=environment))


def read_feed(port: int, pki: Path, name: str) -> list[dict[str, object]]:
    """All entries of the feed on a port of this machine, read from the beginning as the portal of `name`."""
    context = ssl.create_default_context(cafile=str(pki / "root.pem"))
    context.load_cert_chain(pki / name / "portal.pem", pki / name / "portal.key")
    entries: list[dict[str, object]] = []
    after = 0
    with ExitStack() as stack:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=15)
        stack.callback(connection.close)
        while True:
            connection.request("GET", f"/feed/v1/messages?after={after}&wait=0")
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise ProcessTrouble(f"the feed of {name} answered HTTP {response.status}")
            page = json.loads(body)["entries"]
            if not page:
                return entries
            entries += page
            after = int(page[-1]["sequence"])


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now; held until all are known so that none is given twice."""
    with ExitStack() as stack:
        ports = []
        for _ in range(number):
            holder = stack.enter_context(socket.socket())
            holder.bind(("127.0.0.1", 0))
            ports.append(int(holder.getsockname()[1]))
        return ports


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return int(answer.status) == 200
    except OSError:
        return False
