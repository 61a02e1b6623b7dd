"""Two countries that exchange documents with each other only: keys, files, gateways, portals, links.

    <directory>/pki/                   certs/make_dev_pki.py, and certificates that were swapped in later
    <directory>/vn-1/  vn-2/  th-1/    gateway.toml, partners/, state/, gateway.log, clock-offset, crash
    <directory>/portals/vn/  th/       portal.toml's directory: outgoing/, ledger.jsonl, at last feed.jsonl

Partners and portals reach a gateway through a `Link`; a country may have several nodes on one database.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, evolve, field

from certs.make_dev_pki import Authority, make_pki
from simulators.chaos.link import Link
from simulators.chaos.node import Node, write_whole
from simulators.processes import Household, Process
from simulators.traffic import Traffic
from simulators.world_files import Agreement, PortalHabits, Site, write_site

REPOSITORY = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 5
CLOCK_SKEW_SECONDS = 3 * 3600
"""Clocks jump by up to an hour either way, on each side: nothing may look as if from the future."""
AGREEMENT = Agreement(
    initial_delay_seconds=0.3, maximum_delay_seconds=2.0, send_timeout_seconds=4.0, window=8
)
HABITS = PortalHabits(
    pace={
        "documents_per_second": 200.0,
        "in_flight": 12,
        "retry_seconds": 0.2,
        "scan_seconds": 0.05,
        "poll_seconds": 5.0,
        "reply_seconds": 0.5,
    },
    office={"refusals": 0.2},
)


@define(eq=False, kw_only=True)
class Party:
    """One country of a pair.  `signing` and `seals`: every certificate so far, the newest last."""

    country: str
    nodes: list[Node]
    portal: Process
    portal_directory: Path
    partner_link: Link
    portal_link: Link
    signing: list[Path]
    seals: list[Path]
    portal_back_at: float | None = None

    @property
    def name(self) -> str:
        return self.country.lower()

    @property
    def outgoing(self) -> Path:
        return self.portal_directory / "outgoing"

    def look(self, now: float) -> str:
        """Start the portal again in its time; a sentence when it ended although nobody killed it."""
        if self.portal.running:
            return ""
        trouble = ""
        if self.portal_back_at is None:
            trouble = f"the portal of {self.country} ended: {self.portal_directory}"
            self.portal_back_at = now
        if now >= self.portal_back_at:
            self.portal_back_at = None
            self.portal.start()
        return trouble


@define(eq=False)
class Pair:
    """Two parties, made by `make_pair`."""

    name: str
    directory: Path
    parties: Mapping[str, Party]
    sites: Mapping[str, Site]
    traffic: Traffic
    swaps: int = field(default=0)

    @property
    def portals_directory(self) -> Path:
        return self.directory / "portals"

    @property
    def nodes(self) -> list[Node]:
        return [node for party in self.parties.values() for node in party.nodes]

    @property
    def links(self) -> list[Link]:
        return [link for party in self.parties.values() for link in (party.partner_link, party.portal_link)]

    def across_from(self, party: Party) -> Party:
        return next(other for other in self.parties.values() if other is not party)

    # --- certificates

    def make_certificates(self, party: Party) -> tuple[Path, Path]:
        """New signing and seal keys of one party; nobody uses or trusts them yet."""
        self.swaps += 1
        pki = self.directory / "pki" / party.name
        authority = Authority.new(f"Throw-away root {self.swaps}")
        made = [
            authority.issue(f"{party.name} {use}", use, pki, file_name=f"{use}-{self.swaps}").certificate
            for use in ("signing", "seal")
        ]
        return made[0], made[1]

    def trust(self, party: Party, signing: Path, seal: Path) -> None:
        """Write the new certificates beside the old ones into what the partner knows of `party`."""
        party.signing.append(signing)
        party.seals.append(seal)
        for node in self.across_from(party).nodes:
            path = node.site.directory / "partners" / f"{party.name}.toml"
            lines = path.read_text(encoding="utf-8").splitlines()
            for key, known in (("signing", party.signing), ("seal", party.seals)):
                place = next(number for number, line in enumerate(lines) if line.startswith(f"{key} = ["))
                lines[place] = f"{key} = {json.dumps([str(each) for each in known])}"
            write_whole(path, "\n".join(lines) + "\n")

    def use(self, party: Party) -> None:
        """Write the newest keys into the gateway.toml of `party`'s nodes."""
        for node in party.nodes:
            text = node.site.gateway_file.read_text(encoding="utf-8")
            for old, new in zip(_pair_of(party, -2), _pair_of(party, -1), strict=True):
                for ending in (".pem", ".key"):
                    text = text.replace(
                        json.dumps(str(old.with_suffix(ending))), json.dumps(str(new.with_suffix(ending)))
                    )
            write_whole(node.site.gateway_file, text)


def reload_by_aswctl(node: Node) -> str:
    """`aswctl reload`, which waits until the new configuration is in force; what it complained of, or ""."""
    command = [sys.executable, "-m", "asw_gateway.cli", "reload", "--config", str(node.site.gateway_file)]
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, timeout=30, check=False, cwd=REPOSITORY, env=_environment()
    )
    return "" if done.returncode == 0 else (done.stderr or done.stdout).decode(errors="replace").strip()


def _pair_of(party: Party, place: int) -> tuple[Path, Path]:
    return party.signing[place], party.seals[place]


def make_pair(
    name: str,
    directory: Path,
    countries: Sequence[str],
    *,
    nodes: Mapping[str, int],
    database_url: Callable[[str], str],
    ports: Callable[[int], Sequence[int]],
    reactor: Any,
    household: Household,
    clock: Callable[[], float],
    seed: int,
) -> Pair:
    """Write everything of a pair; nothing runs yet, and the links listen on nothing.

    `nodes`: how many processes a country has, 1 if it is not named.  `database_url(country)`: "" for SQLite
    in the state directory.
    """
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    pki = directory / "pki"
    make_pki(pki, [country.lower() for country in countries])
    seen = {country: _seen_site(country, directory, *ports(2)) for country in countries}
    parties = {}
    for country in countries:
        url = database_url(country)
        others = [seen[other] for other in countries if other != country]
        members = []
        for number in range(1, nodes.get(country, 1) + 1):
            site = _site(country, directory, number, ports(3))
            write_site(site, others, pki=pki, agreement=AGREEMENT, habits=evolve(HABITS, seed=seed))
            _adapt(site, number, url)
            members.append(_node(site, number, url, household, clock))
        first = members[0].site
        _lead_to(first.portal_file, first.portal_url, seen[country].portal_url)
        (first.portal_directory / "outgoing").mkdir(parents=True)
        random = Random(seed)  # noqa: S311 - must be repeatable, not secret
        parties[country] = Party(
            country=country,
            nodes=members,
            portal=_portal(first, household),
            portal_directory=first.portal_directory,
            partner_link=Link(
                reactor, f"to {country}", [each.site.partner_port for each in members], random=random
            ),
            portal_link=Link(
                reactor,
                f"portal of {country}",
                [each.site.portal_port for each in members],
                random=random,
            ),
            signing=[pki / country.lower() / "signing.pem"],
            seals=[pki / country.lower() / "seal.pem"],
        )
    traffic = Traffic({country: party.outgoing for country, party in parties.items()}, seed=seed)
    return Pair(name=name, directory=directory, parties=parties, sites=seen, traffic=traffic)


def _site(country: str, directory: Path, number: int, ports: Sequence[int]) -> Site:
    partner, portal, operators = ports
    return Site(
        country=country,
        directory=directory / f"{country.lower()}-{number}",
        portal_directory=directory / "portals" / country.lower(),
        partner_port=partner,
        portal_port=portal,
        operators_port=operators,
        profiles_directory=REPOSITORY / "profiles",
    )


def _seen_site(country: str, directory: Path, partner_port: int, portal_port: int) -> Site:
    """A country as its partner and its portal see it: the ports of its links."""
    return _site(country, directory, 0, (partner_port, portal_port, 0))


def _adapt(site: Site, number: int, url: str) -> None:
    """What a world's files do not say: which node, which database, leases, faults on purpose."""
    text = site.gateway_file.read_text(encoding="utf-8")
    text = text.replace(
        f'node = "{site.name}-1"', f'node = "{site.name}-{number}"\nlease_seconds = {LEASE_SECONDS}'
    )
    text += '\n[test]\nclock_offset_file = "clock-offset"\ncrash_file = "crash"\n'
    if url:
        text += f"\n[database]\nurl = {json.dumps(url)}\n"
    site.gateway_file.write_text(text, encoding="utf-8")
    for file in (site.directory / "partners").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        text = text.replace("[agreement]\n", f"[agreement]\nclock_skew_seconds = {CLOCK_SKEW_SECONDS}\n")
        file.write_text(text, encoding="utf-8")


def _lead_to(portal_file: Path, old: str, new: str) -> None:
    text = portal_file.read_text(encoding="utf-8")
    text = "timeout_seconds = 6\n" + text.replace(json.dumps(old), json.dumps(new))
    portal_file.write_text(text, encoding="utf-8")


def _node(site: Site, number: int, url: str, household: Household, clock: Callable[[], float]) -> Node:
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [twistd, "--nodaemon", "--pidfile=", "--logger", "asw_gateway.logs.stdout"]
    command += ["asw-gateway", "--config", str(site.gateway_file)]
    name = f"{site.name}-{number}"
    process = Process(
        f"gateway {name}", command, log=site.directory / "gateway.log", environment=_environment()
    )
    return Node(
        name=name,
        site=site,
        process=household.add(process),
        database_url=url or f"sqlite:///{site.directory / 'state' / 'gateway.sqlite'}",
        clock=clock,
    )


def _portal(site: Site, household: Household) -> Process:
    command = [sys.executable, "-m", "simulators.portal", "--config", str(site.portal_file)]
    log = site.directory / "portal.log"
    return household.add(Process(f"portal {site.country}", command, log=log, environment=_environment()))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
