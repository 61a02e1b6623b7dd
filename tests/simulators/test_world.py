"""A world's files are accepted by the gateway's own loader, and are what the portal simulator reads."""

from __future__ import annotations

import tomllib
from pathlib import Path

from twisted.internet.task import Clock

from asw_gateway.config import load
from simulators.portal import build
from simulators.world import World
from simulators.world_files import Agreement, PortalHabits


def test_every_gateway_of_a_world_has_a_sound_configuration(tmp_path: Path) -> None:
    with World(tmp_path / "w", agreement=Agreement(initial_delay_seconds=0.25, window=3)) as world:
        world.write()
        for country, site in world.sites.items():
            config = load(site.gateway_file)
            assert config.country == country
            assert config.warnings == ()
            assert {partner.country for partner in config.partners} == set(world.sites) - {country}
            for partner in config.partners:
                assert partner.window == 3
                assert partner.outbound.reception.initial_delay_seconds == 0.25
                theirs = load(world.sites[partner.country].gateway_file)
                (mirror,) = [one for one in theirs.partners if one.country == country]
                assert partner.outbound.agreement == mirror.inbound.agreement
                assert partner.outbound.id == mirror.inbound.id
                assert str(world.sites[partner.country].partner_port) in partner.outbound.address


def test_a_portal_finds_its_own_gateway(tmp_path: Path) -> None:
    habits = PortalHabits(seed=7, pace={"documents_per_second": 50.0}, office={"refusals": 0.5})
    with World(tmp_path / "w", countries=("VN", "TH"), habits=habits) as world:
        world.write()
        for country, site in world.sites.items():
            settings = tomllib.loads(site.portal_file.read_text())
            assert settings["feed"] == f"https://127.0.0.1:{site.portal_port}"
            assert settings["party"] == country
            assert settings["seed"] == 7
            assert settings["pace"] == {"documents_per_second": 50.0}
            portal = build(Clock(), settings, site.portal_file.parent)
            portal.start()
            assert (site.portal_directory / "ledger.jsonl").exists()
            assert all(Path(settings[name]).exists() for name in ("ca", "certificate", "key"))


def test_no_port_is_given_twice(tmp_path: Path) -> None:
    with World(tmp_path / "w", countries=("VN", "TH", "ID", "MY", "SG")) as world:
        ports = [
            port
            for site in world.sites.values()
            for port in (site.partner_port, site.portal_port, site.operators_port)
        ]
        assert len(set(ports)) == 15


def test_a_world_is_made_anew(tmp_path: Path) -> None:
    with World(tmp_path / "w") as world:
        world.write()
        (tmp_path / "w" / "old").touch()
        world.write()
        assert not (tmp_path / "w" / "old").exists()
