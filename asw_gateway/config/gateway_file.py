"""gateway.toml: who we are, where we listen, which keys we use."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from asw_gateway.config.keys import read_certificates, read_key_pair, read_secret_path
from asw_gateway.config.section import Section
from asw_gateway.config.values import ForTests, Listener, OperatorsListener, PortalClient, Retention
from asw_gateway.messaging.party import PartyId
from asw_gateway.tls.files import KeyFileFault, load_certificates

COUNTRY = r"[A-Z]{2}"
NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
ENVIRONMENTS = ("production", "test")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: Opens what partners encrypt; and the keys of agreements on the eDelivery AS4 2.0 suite.
_OPTIONAL_KEYS = ("decryption", "signing_2_0", "decryption_2_0")
_ORGANISATION = ("name", "identity", "country_code", "ministry_code", "organization_code")


def read_gateway(root: Section) -> dict[str, Any]:
    """The fields of GatewayConfig that this file holds; faulty ones are None and noted."""
    gateway = root.section("gateway")
    database = root.section("database")
    keys = root.section("keys")
    client = root.section("partner_client")
    parts = {name: keys.section(name) for name in ("signing", "seal")}
    parts |= {name: keys.section(name) for name in _OPTIONAL_KEYS if name in keys}
    environment = gateway.choice("environment", ENVIRONMENTS, "production")
    state_directory = gateway.path("state_directory", "var", expected="a directory the gateway may write to")
    values: dict[str, Any] = {
        "party_id": _party(gateway),
        "country": gateway.text("country", pattern=COUNTRY, expected="an ISO 3166-1 alpha-2 code such as VN"),
        "environment": environment,
        "node": gateway.text(
            "node",
            "node-1",
            pattern=r"[A-Za-z0-9._-]{1,64}",
            expected="a name for this process, unlike any other's",
        ),
        "worker_threads": gateway.number("worker_threads", 2, least=1, most=16, whole=True),
        "lease_seconds": gateway.number("lease_seconds", 60.0, least=1, most=3600, unit="seconds"),
        "state_directory": state_directory,
        "profiles_directory": gateway.path(
            "profiles_directory", "profiles", expected="a directory of profiles"
        ),
        "partners_directory": gateway.path(
            "partners_directory", "partners", expected="a directory of partner files"
        ),
        "database_url": _database_url(database, state_directory),
        "organisation": _organisation(root, "organisation"),
        "portal_organisation": _organisation(root, "portal_organisation"),
        "partner_listener": _listener(root, "partner_listener", 8443, 120_000_000),
        "portal_listener": _listener(root, "portal_listener", 8444, 20_000_000),
        "operators": _operators(root, state_directory),
        "partner_client": read_key_pair(client),
        "signing": read_key_pair(parts["signing"]),
        "seal": read_key_pair(parts["seal"]),
        **{name: read_key_pair(parts[name]) if name in parts else None for name in _OPTIONAL_KEYS},
        "portal_clients": _portal_clients(root),
        "retention": _retention(root),
        "test": _for_tests(root, environment),
    }
    root.done(gateway, database, keys, client, *parts.values())
    _check_directories(gateway, values)
    return values


def _party(gateway: Section) -> PartyId | None:
    value = gateway.text("party_id", expected="the party id that partners know us by")
    kind = gateway.text("party_id_type", expected="the party id's type, a URI")
    return None if value is None or kind is None else PartyId(value=value, type=kind)


def _organisation(root: Section, name: str) -> dict[str, str] | None:
    """The From or To of a national Envelope: all codes required but the unit's."""
    section = root.section(name)
    found = {key: section.text(key, pattern=r"[^\x00-\x1f\x7f]{1,255}") for key in _ORGANISATION}
    found["unit_code"] = section.text("unit_code", "")
    return found if section.done() else None


def _database_url(section: Section, state_directory: Path | None) -> str | None:
    """SQLite in the state directory, unless a URL says otherwise. A password only ever comes from a file."""
    expected = "sqlite:///… or postgresql+psycopg://…"
    url = section.text("url", None, pattern=r"(sqlite|postgresql\+psycopg)://\S+", expected=expected)
    password_file = read_secret_path(section, "password")
    if url is None:
        return (
            None if state_directory is None else f"sqlite:///{(state_directory / 'gateway.sqlite').resolve()}"
        )
    if url.startswith("sqlite:///"):
        return f"sqlite:///{(section.file.parent / url.removeprefix('sqlite:///')).resolve()}"
    if url.startswith("sqlite:"):
        section.fault("url", url, expected)
        return None
    parts = urlsplit(url)
    if parts.password is not None:
        section.fault("url", url.replace(parts.password, "***"), "no password here but a password_file")
        return None
    if password_file is None:
        return str(url)
    try:
        password = password_file.read_text("utf-8").splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        section.fault(
            "password_file", str(password_file), "a readable file with the password in its first line"
        )
        return None
    place = parts.netloc.rpartition("@")[2]
    login = f"{quote(parts.username or '')}:{quote(password, safe='')}"
    return str(urlunsplit(parts._replace(netloc=f"{login}@{place}")))


def _listener(root: Section, name: str, port: int, max_body_bytes: int) -> Listener | None:
    section = root.section(name)
    values = {
        "host": section.text("host", "0.0.0.0", expected="an address to listen on"),  # noqa: S104  meant so
        "port": section.number("port", port, least=0, most=65535, whole=True),
        "roots": read_certificates(section, "roots_files"),
        "max_body_bytes": section.number(
            "max_body_bytes", max_body_bytes, least=1000, most=2**31, whole=True
        ),
        "ticket_lifetime_seconds": section.number(
            "ticket_lifetime_seconds", 3600, least=60, most=86400, whole=True, unit="seconds"
        ),
        "max_connections_per_peer": section.number(
            "max_connections_per_peer", 256, least=1, most=100_000, whole=True, unit="connections"
        ),
        "max_handshakes_per_peer_per_second": section.number(
            "max_handshakes_per_peer_per_second", 100.0, least=0.1, most=100_000, unit="handshakes a second"
        ),
        "pair": read_key_pair(section),
    }
    return Listener(**values) if section.done() else None


def _operators(root: Section, state_directory: Path | None) -> OperatorsListener | None:
    section = root.section("operators")
    host = section.text("host", "127.0.0.1", expected="an address to listen on")
    port = section.number("port", 9464, least=0, most=65535, whole=True)
    socket = section.path("control_socket", None)
    if not section.boolean("allow_non_loopback", False) and host is not None and host not in _LOOPBACK:
        section.fault("host", host, "127.0.0.1, ::1 or localhost, or allow_non_loopback = true")
    if socket is None:
        socket = (state_directory or root.file.parent) / "control.sock"
    if len(str(socket.absolute()).encode()) > 100:
        section.fault(
            "control_socket", str(socket), "a path of at most 100 bytes, the system's limit for a socket"
        )
    if not section.done():
        return None
    return OperatorsListener(host=host, port=port, control_socket=socket)


def _retention(root: Section) -> Retention | None:
    """The law asks for at least three years (OCP Rule 31); rows and receipts stay as long as payloads."""
    section = root.section("retention")
    found = {
        name: section.number(name, default, least=least, most=36_525, unit="days")
        for name, default, least in (
            ("payload_days", 1826, 1096),
            ("evidence_days", 3653, 1096),
            ("logs_days", 366, 30),
        )
    }
    if section.sound and found["evidence_days"] < found["payload_days"]:
        section.fault("evidence_days", found["evidence_days"], "at least payload_days")
    return Retention(**found) if section.done() else None


def _portal_clients(root: Section) -> tuple[PortalClient, ...]:
    found: list[PortalClient] = []
    sections = root.sections("portal_clients")
    if not sections:
        root.fault("portal_clients", None, "at least one [[portal_clients]] with name and certificate_file")
    for section in sections:
        name = section.text("name", pattern=NAME, expected="a short name in lower case")
        path = section.path("certificate_file", expected="a PEM certificate")
        if section.done() and path is not None:
            try:
                certificates = load_certificates(path)
            except KeyFileFault as fault:
                section.fault("certificate_file", str(path), fault.expected)
                continue
            found.append(PortalClient(name=name, certificate=certificates[0]))
    return tuple(found)


def _for_tests(root: Section, environment: str | None) -> ForTests:
    """Faults on purpose. The table itself is a mistake in production, whatever it holds."""
    section = root.section("test")
    if environment != "test" and "test" in root:
        root.fault("test", "", "no such table unless environment is test")
    values = {key: section.path(key, None) for key in ("clock_offset_file", "crash_file")}
    return ForTests(**values) if section.done() else ForTests()


def _check_directories(gateway: Section, values: dict[str, Any]) -> None:
    for key in ("profiles_directory", "partners_directory"):
        directory = values[key]
        if directory is not None and not directory.is_dir():
            gateway.fault(key, str(directory), "an existing directory")
