"""A message's cost at the sender when the same traffic goes to one partner or is spread over many.

Only the AS4 layer: messages are packed before and wait in the store; claiming, sending, checking receipts and
committing are what knows partners, each a channel of its own. As many messages are in flight whatever the
number of partners.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from asw_gateway import config
from benchmarks import peer
from benchmarks.growth.point import Point
from benchmarks.load import wait_at_rest
from benchmarks.pair import BenchWorld, Setting, difference, running
from certs.make_dev_pki import Authority
from simulators.world_files import Site

IN_FLIGHT = 50


def measure(directory: Path, count: int, messages: int, content: bytes) -> Point:
    """`count` partners, the messages by turns to each."""
    setting = Setting(window=max(1, IN_FLIGHT // count))
    with running(directory, setting, prepare=_with_partners(count)) as pair:
        world, store = pair.world, pair.stores["VN"]
        site = world.sites["VN"]
        for gateway in world.gateways.values():
            gateway.stop()
        crowd = world.run_module("benchmarks.growth.crowd", "--config", str(world.sites["TH"].gateway_file))
        crowd.start()
        crowd.wait_until(lambda: _listens(world.sites["TH"]), timeout_seconds=20)
        partners = config.load(site.gateway_file).partners
        peer.queue(store.url, partners, peer.signing_identity(directory / "pki" / "vn"), content, messages)
        world.start_gateway("VN")
        sending = pair.of_country("VN")
        sending.pin()
        peer.still_waiting(store)
        before, began = sending.snapshot(), time.monotonic()
        wait_at_rest(store, pair.stores["TH"], seconds=240)
        after, took = sending.snapshot(), time.monotonic() - began
        resident = round(sending.resident_megabytes()["VN"])
        delivered = store.number("SELECT count(*) FROM outbox WHERE state = 'delivered'")
    if delivered != messages:
        raise SystemExit(f"growth: {delivered} of {messages} delivered")
    spent = difference(after.cpu["VN"], before.cpu["VN"])["all"]
    return Point(
        what="partners",
        size=count,
        messages=messages,
        cpu_ms={"VN": round(spent / messages * 1e3, 3)},
        more={"resident MB": resident, "seconds": round(took, 1), "window of each": setting.window},
    )


def _with_partners(count: int) -> Callable[[BenchWorld], None]:
    """Replaces VN's partner TH by `count` that differ in name, country, party and TLS certificate."""

    def prepare(world: BenchWorld) -> None:
        folder = world.sites["VN"].directory / "partners"
        text = (folder / "th.toml").read_text(encoding="utf-8")
        (folder / "th.toml").unlink()
        authority = Authority.new("Throw-away root of the crowd")
        for number in range(count):
            name, country = f"p{number:02d}", f"{chr(65 + number // 26)}{chr(65 + number % 26)}"
            issued = authority.issue(name, "tls-client", world.directory / "pki" / "crowd", file_name=name)
            changed = text.replace('name = "th"', f'name = "{name}"').replace(
                'country = "TH"', f'country = "{country}"'
            )
            changed = changed.replace('id = "th-gateway"', f'id = "{name}-gateway"')
            changed = re.sub(
                r"^tls = .*$", f"tls = {json.dumps([str(issued.certificate)])}", changed, flags=re.MULTILINE
            )
            (folder / f"{name}.toml").write_text(changed, encoding="utf-8")

    return prepare


def _listens(site: Site) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", site.partner_port)) == 0
