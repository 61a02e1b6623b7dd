"""The configuration files of a world: one gateway per country, each a partner of all the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, frozen

from simulators.national import gateway_of, portal_of

PARTY_ID_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:asw"


@frozen(kw_only=True)
class Site:
    """Where one country's gateway and portal live, and on which ports of 127.0.0.1."""

    country: str
    directory: Path
    portal_directory: Path
    partner_port: int
    portal_port: int
    operators_port: int
    profiles_directory: Path

    @property
    def name(self) -> str:
        return self.country.lower()

    @property
    def gateway_file(self) -> Path:
        return self.directory / "gateway.toml"

    @property
    def portal_file(self) -> Path:
        return self.directory / "portal.toml"

    @property
    def party_id(self) -> str:
        return f"{self.name}-gateway"

    @property
    def portal_url(self) -> str:
        return f"https://127.0.0.1:{self.portal_port}"

    @property
    def operators_url(self) -> str:
        return f"http://127.0.0.1:{self.operators_port}"


@frozen(kw_only=True)
class Agreement:
    """What every pair of partners in the world has agreed; the times are short so that a demo is too."""

    initial_delay_seconds: float = 0.5
    maximum_delay_seconds: float = 2.0
    multiplier: float = 2.0
    time_to_live_seconds: float = 86400.0
    send_timeout_seconds: float = 10.0
    window: int = 8


@frozen(kw_only=True)
class PortalHabits:
    """How every portal simulator of the world behaves: `portal.PortalSimulator`, `office.CustomsOffice`."""

    seed: int = 1
    pace: Mapping[str, float] = Factory(dict)
    office: Mapping[str, float] = Factory(dict)


def write_site(
    site: Site, others: Iterable[Site], *, pki: Path, agreement: Agreement, habits: PortalHabits
) -> None:
    """Write gateway.toml, partners/*.toml and portal.toml of one country."""
    partners = site.directory / "partners"
    partners.mkdir(parents=True, exist_ok=True)
    (site.directory / "state").mkdir(exist_ok=True)
    site.gateway_file.write_text(_gateway(site, pki), encoding="utf-8")
    for other in others:
        text = _partner(site, other, pki, agreement)
        (partners / f"{other.name}.toml").write_text(text, encoding="utf-8")
    site.portal_file.write_text(_portal(site, pki, habits), encoding="utf-8")


def _gateway(site: Site, pki: Path) -> str:
    own = pki / site.name
    tables: list[tuple[str, Mapping[str, Any]]] = [
        (
            "[gateway]",
            {
                "party_id": site.party_id,
                "party_id_type": PARTY_ID_TYPE,
                "country": site.country,
                "environment": "test",
                "node": f"{site.name}-1",
                "state_directory": "state",
                "partners_directory": "partners",
                "profiles_directory": site.profiles_directory,
            },
        ),
        ("[organisation]", _organisation(gateway_of(site.country))),
        ("[portal_organisation]", _organisation(portal_of(site.country))),
        ("[partner_listener]", _listener(own, site.partner_port)),
        ("[portal_listener]", _listener(own, site.portal_port)),
        ("[operators]", {"port": site.operators_port}),
        ("[partner_client]", _pair(own, "tls-client")),
        ("[keys.signing]", _pair(own, "signing")),
        ("[keys.seal]", _pair(own, "seal")),
        ("[[portal_clients]]", {"name": "portal", "certificate_file": own / "portal.pem"}),
    ]
    return _toml(tables)


def _partner(site: Site, other: Site, pki: Path, agreement: Agreement) -> str:
    theirs = pki / other.name
    pair = "-".join(sorted((site.name, other.name)))
    tables: list[tuple[str, Mapping[str, Any]]] = [
        (
            "",
            {
                "name": other.name,
                "country": other.country,
                "environment": "test",
                "window": agreement.window,
            },
        ),
        ("[party]", {"id": other.party_id, "type": PARTY_ID_TYPE}),
        (
            "[endpoint]",
            {
                "address": f"https://127.0.0.1:{other.partner_port}/as4",
                "server_trust_files": [pki / "root.pem"],
            },
        ),
        (
            "[certificates]",
            {
                "tls": [theirs / "tls-client.pem"],
                "signing": [theirs / "signing.pem"],
                "seal": [theirs / "seal.pem"],
            },
        ),
        ("[agreement]", {"id": f"urn:asw:agreement:{pair}"}),
        (
            "[agreement.reception]",
            {
                "initial_delay_seconds": agreement.initial_delay_seconds,
                "multiplier": agreement.multiplier,
                "maximum_delay_seconds": agreement.maximum_delay_seconds,
                "time_to_live_seconds": agreement.time_to_live_seconds,
                "send_timeout_seconds": agreement.send_timeout_seconds,
            },
        ),
        ("[[capabilities]]", {"document_type": "atiga-form-d"}),
        ("[[capabilities]]", {"document_type": "acdd"}),
        ("[[contacts]]", {"name": f"{other.country} help desk", "email": f"desk@{other.name}.gateway.test"}),
    ]
    return _toml(tables)


def _portal(site: Site, pki: Path, habits: PortalHabits) -> str:
    own = pki / site.name
    tables: list[tuple[str, Mapping[str, Any]]] = [
        (
            "",
            {
                "party": site.country,
                "feed": site.portal_url,
                "ca": pki / "root.pem",
                "certificate": own / "portal.pem",
                "key": own / "portal.key",
                "directory": site.portal_directory,
                "seed": habits.seed,
            },
        ),
        ("[pace]", habits.pace),
        ("[office]", habits.office),
    ]
    return _toml(tables)


def _organisation(party: Mapping[str, str]) -> dict[str, str]:
    """The same six fields with the configuration's spelling of their names."""
    return {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name): text for name, text in party.items()
    }


def _listener(own: Path, port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, **_pair(own, "tls-server")}


def _pair(own: Path, name: str) -> dict[str, Path]:
    return {"key_file": own / f"{name}.key", "certificate_file": own / f"{name}.pem"}


def _toml(tables: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    lines: list[str] = []
    for heading, values in tables:
        if heading:
            lines += ["", heading]
        lines += [f"{key} = {_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """JSON writes numbers, texts and lists as TOML does."""
    return json.dumps(value, default=str, ensure_ascii=False)
