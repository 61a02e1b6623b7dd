"""Gateway processes on loopback, VN and TH, and what the kernel and the stores say of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import evolve, frozen

from benchmarks.database import Server, Store, fresh_database, name_database
from benchmarks.proc import cpu, family_cpu, resident_megabytes
from certs.make_dev_pki import make_pki
from simulators.processes import Process
from simulators.world import World, free_ports
from simulators.world_files import Agreement, Site, write_site

COUNTRIES = ("VN", "TH")
MAIN_WINDOW = 32


@frozen(kw_only=True)
class Setting:
    """One row of the table: what runs, with which keys, how many messages in flight."""

    engine: str = "sqlite"
    algorithm: str = "ecdsa"
    window: int = 32

    @property
    def name(self) -> str:
        return f"{self.engine} {self.algorithm} window {self.window}"


class BenchWorld(World):
    """A world whose daemons name their threads."""

    def add_node(self, country: str, number: int) -> str:
        """One more process of a country, on its partners' and its portal's side like the first; its name."""
        first = self.sites[country]
        partner, portal, operators = free_ports(3)
        site = evolve(
            first,
            directory=self.directory / f"{first.name}-{number}",
            partner_port=partner,
            portal_port=portal,
            operators_port=operators,
        )
        others = [other for name, other in self.sites.items() if other.country != country]
        write_site(site, others, pki=self.directory / "pki", agreement=self._agreement, habits=self._habits)
        text = site.gateway_file.read_text(encoding="utf-8")
        text = text.replace(f'node = "{site.name}-1"', f'node = "{site.name}-{number}"')
        site.gateway_file.write_text(text, encoding="utf-8")
        name = f"{country}-{number}"
        self.sites[name], self.gateways[name] = site, self._gateway(site)
        return name

    def run_module(self, module: str, *words: str) -> Process:
        """A process of one of our modules, not started; it ends with the world."""
        command = [sys.executable, "-m", module, *words]
        return self._process(module, command, self.directory / f"{module}.log")

    def _gateway(self, site: Site) -> Process:
        command = [
            *(sys.executable, "-m", "benchmarks.daemon", "--nodaemon", "--pidfile="),
            *("--logger", "asw_gateway.logs.stdout", "asw-gateway", "--config", str(site.gateway_file)),
        ]
        return self._process(f"gateway {site.directory.name}", command, site.directory / "gateway.log")


@frozen(kw_only=True)
class Snapshot:
    """CPU seconds of each process by thread, counters of its metrics, and CPU of the database server."""

    cpu: dict[str, dict[str, float]]
    metrics: dict[str, dict[str, float]]
    server_cpu: float


class Pair:
    """The gateways of a running pair; made again after one of them was started again."""

    def __init__(self, world: BenchWorld, stores: dict[str, Store], server_pid: int = 0) -> None:
        self.world = world
        self.stores = stores
        self.server_pid = server_pid
        self.pids = {country: int(gateway.pid or 0) for country, gateway in world.gateways.items()}

    def again(self) -> Pair:
        return Pair(self.world, self.stores, self.server_pid)

    def of_country(self, country: str) -> Pair:
        """The same without the other country's processes, for when they have ended."""
        alone = self.again()
        alone.pids = {name: alone.pids[name] for name in self.members(country)}
        return alone

    def members(self, country: str) -> list[str]:
        """The names of a country's processes."""
        return [name for name in self.pids if name.partition("-")[0] == country]

    def sites(self, country: str) -> list[Site]:
        return [self.world.sites[name] for name in self.members(country)]

    def pin(self) -> None:
        """All threads of a process on one core, the countries by turns, if there are two cores."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return
        countries = list(dict.fromkeys(name.partition("-")[0] for name in self.pids))
        for name, pid in self.pids.items():
            core = cores[countries.index(name.partition("-")[0]) % len(cores)]
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), {core})

    def snapshot(self) -> Snapshot:
        return Snapshot(
            cpu={country: cpu(pid) for country, pid in self.pids.items()},
            metrics={country: self.world.gateway_metrics(country) for country in self.pids},
            server_cpu=family_cpu(self.server_pid) if self.server_pid else 0.0,
        )

    def resident_megabytes(self) -> dict[str, float]:
        return {country: resident_megabytes(pid) for country, pid in self.pids.items()}


@contextmanager
def running(
    directory: Path,
    setting: Setting,
    *,
    server: Server | None = None,
    countries: Sequence[str] = COUNTRIES,
    nodes: Mapping[str, int] | None = None,
    prepare: Callable[[BenchWorld], None] = lambda world: None,
) -> Iterator[Pair]:
    """Fresh gateways, ready; everything is gone afterwards but the files in `directory`.

    `nodes`: how many processes a country has, if not one; more than one needs a `server`. `prepare` may
    change the files before anything starts.
    """
    agreement = Agreement(
        window=setting.window, initial_delay_seconds=1, maximum_delay_seconds=5, send_timeout_seconds=30
    )
    world = BenchWorld(directory, countries=countries, agreement=agreement)
    with world:
        world.write()
        make_pki(
            world.directory / "pki",
            [site.name for site in world.sites.values()],
            use_rsa=setting.algorithm == "rsa",
        )
        for country, count in (nodes or {}).items():
            for number in range(2, count + 1):
                world.add_node(country, number)
        urls = {
            country: fresh_database(world.sites[country], setting.engine, server) for country in countries
        }
        if server is not None and setting.engine == "postgresql":
            for site in world.sites.values():
                name_database(site, urls[site.country])
        prepare(world)
        try:
            for name in world.gateways:
                world.gateways[name].start()
                if nodes:  # the first of several makes the tables
                    world.wait_ready(name)
            for name in world.gateways:
                world.wait_ready(name)
            stores = {country: Store(url) for country, url in urls.items()}
            try:
                yield Pair(world, stores, server.pid if server is not None else 0)
            finally:
                for store in stores.values():
                    store.close()
        finally:
            world.close()


def difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie; nan when there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
