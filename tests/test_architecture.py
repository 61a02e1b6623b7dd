"""
Which room may import which, and who may use which library (docs: the map in `asw_gateway/__init__.py`).

Read from the syntax tree, function-level imports included, and for the pure rooms also by importing them
in a fresh process and looking at what came along.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "asw_gateway"

BASICS = {"config", "events", "health", "logs", "metrics", "spool", "tls", "web", "workers"}
PURE = {"messaging", "translation", "exchange"}
ROOMS = (
    PURE
    | BASICS
    | {"store", "partner", "portal", "operations", "conversion", "schedule", "cli", "tap", "service"}
)

# The rooms each room may import. Its own modules are always allowed.
MAY_IMPORT: dict[str, set[str]] = {
    "messaging": set(),
    "translation": {"messaging"},
    "exchange": {"messaging", "translation"},
    "store": {"messaging", "metrics", "logs"},
    "events": set(),
    "logs": {"events", "messaging"},
    "metrics": {"messaging"},
    "workers": set(),
    "spool": set(),
    "tls": {"messaging"},
    "web": {"messaging", "logs"},
    "config": {"messaging", "tls"},
    "health": {"store", "messaging", "metrics", "logs", "web"},
    "partner": PURE | BASICS | {"store"},
    "portal": PURE | BASICS | {"store"},
    "operations": PURE | BASICS | {"store"},
    "conversion": PURE | {"store", "metrics", "logs", "spool", "workers"},
    "schedule": PURE | {"store", "metrics", "logs"},
    "cli": ROOMS - {"partner", "portal"},
    "tap": {"config", "service"},
    "service": ROOMS,
}

SHELL = {"partner", "portal", "operations", "conversion", "schedule", "service", "tap", "tls", "web", "logs",
         "health", "cli", "workers"}  # fmt: skip
# Who may import a library: rooms, or single modules.
MAY_USE: dict[str, set[str]] = {
    "twisted": SHELL | {"store.database"},
    "zope": SHELL | {"store.database"},
    "sqlalchemy": {"store"},
    "alembic": {"store", "cli"},
    "psycopg": {"store"},
    "OpenSSL": {"tls"},
    "service_identity": {"tls"},
    "cryptography": {"messaging", "translation", "tls", "cli.pki", "cli.verify_evidence"},
    # verify_evidence stands alone: what checks our evidence must share no code with what wrote it.
    "lxml": {"messaging", "translation", "cli.verify_evidence"},
    "signxml": {"messaging", "translation"},
    "prometheus_client": {"metrics"},
    "jinja2": {"operations", "translation.render"},
    "automat": {"partner"},
    "click": {"cli"},
}
NEVER_IN_PURE = {"os", "time", "random", "secrets", "socket", "subprocess", "asyncio", "logging",
                 "urllib.request", "http.client", "tempfile", "shutil"}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """`asw_gateway/store/outbox.py` -> `store.outbox`; a package is its own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every imported module with its line, relative ones made absolute, `from a import b` as `a.b`."""
    package = ("asw_gateway", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def ids(path: Path) -> str:
    return name_of(path) or "asw_gateway"


@pytest.mark.parametrize("path", modules(), ids=ids)
def test_rooms(path: Path) -> None:
    """A module imports only the rooms that its own room may know."""
    name = name_of(path)
    room = name.split(".")[0]
    if not room:
        assert not list(imports(path)), "the package itself is a map and imports nothing"
        return
    assert room in MAY_IMPORT, f"{room} is not a room of the house"
    wrong = []
    for line, imported in imports(path):
        if not imported.startswith("asw_gateway.") or imported == "asw_gateway.__version__":
            continue
        other = imported.split(".")[1]
        if other != room and other not in MAY_IMPORT[room]:
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {room} may not import {imported}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", modules(), ids=ids)
def test_libraries(path: Path) -> None:
    """A library is used only where its job is done."""
    name = name_of(path)
    room = name.split(".")[0]
    wrong = []
    for line, imported in imports(path):
        allowed = MAY_USE.get(imported.split(".")[0])
        if allowed is None or room in allowed or any((name + ".").startswith(f"{one}.") for one in allowed):
            continue
        wrong.append(f"{path.relative_to(ROOT)}:{line}: {name} may not use {imported}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", [path for path in modules() if name_of(path).split(".")[0] in PURE], ids=ids)
def test_pure_rooms_touch_nothing(path: Path) -> None:
    """No clock, randomness, files, sockets, threads or logs in the pure rooms."""
    name = name_of(path)
    wrong = []
    for line, imported in imports(path):
        hit = next((one for one in NEVER_IN_PURE if imported == one or imported.startswith(f"{one}.")), None)
        if hit is None:
            continue
        wrong.append(f"{path.relative_to(ROOT)}:{line}: {name} may not import {imported}")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"open", "print", "input"}
        ):
            wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name} may not call {node.func.id}()")
    assert not wrong, "\n".join(wrong)


def test_nobody_installs_a_reactor_on_import() -> None:
    """`twisted.internet.reactor` is imported inside functions only: it is passed in."""
    wrong = []
    for path in modules():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and any(alias.name == "reactor" for alias in node.names):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)


def test_pure_rooms_load_nothing_of_the_shell() -> None:
    """Importing all of the pure rooms in a fresh process brings in neither Twisted nor SQL nor TLS."""
    names = [f"asw_gateway.{name_of(path)}" for path in modules() if name_of(path).split(".")[0] in PURE]
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "bad = {'twisted', 'sqlalchemy', 'OpenSSL', 'prometheus_client', 'zope'} & set(sys.modules)\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('asw_gateway.')}\n"
        f"print(sorted(bad), sorted(rooms - {PURE!r}))"
    )
    # -W ignore: libraries' deprecations are none of this test's business.
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[] []"


def test_the_dropin_imports_nothing_of_ours() -> None:
    """Every start of any twistd reads the dropin."""
    tree = ast.parse((ROOT / "twisted" / "plugins" / "asw_gateway_dropin.py").read_text("utf-8"))
    modules_used = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert modules_used == ["twisted.application.service"]
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))


def test_no_packages_under_twisted() -> None:
    """An `__init__.py` there would hide Twisted itself."""
    assert not list((ROOT / "twisted").rglob("__init__.py"))
