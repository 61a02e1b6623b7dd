"""Two real gateways and portals in processes of their own: one certificate there, its answer back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.checker import check
from simulators.records import read_run
from simulators.traffic import Traffic
from simulators.watch import Watch
from simulators.world import World
from simulators.world_files import PortalHabits


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_certificate_crosses_the_border_and_its_answer_comes_back(tmp_path: Path) -> None:
    habits = PortalHabits(office={"refusals": 0.0})
    with World(tmp_path / "w", countries=("VN", "TH"), habits=habits) as world:
        world.write()
        world.start()
        watch = Watch(world.ledgers())
        outgoing = {country: site.portal_directory / "outgoing" for country, site in world.sites.items()}
        Traffic(outgoing).form_d("VN", "TH")

        def settled() -> bool:
            watch.refresh()
            open_documents = watch.open_documents()
            return bool(watch.documents) and not open_documents and watch.entries == watch.acknowledged

        wait_for(settled, 30)
        assert [portal.stop() for portal in world.portals.values()] == [0, 0]
        world.dump_feeds()
        report = check(read_run(world.portals_directory))
        assert report.findings == []
        assert (report.documents, report.responses, report.receipts) == (1, 1, 2)
        # twistd ends by the signal that stopped it; anything else was an error or took too long
        assert {gateway.stop() for gateway in world.gateways.values()} == {0}
