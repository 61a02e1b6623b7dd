"""`make run`: the demo's world, left running, with the commands to try next.  Ends on Ctrl-C.

python -m simulators.run [--directory var/run] [--seed 1]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from simulators.processes import Process, ProcessTrouble
from simulators.traffic import Traffic
from simulators.world import REPOSITORY, World
from simulators.world_files import PortalHabits

RESTART_SECONDS = 20


def main(arguments: Sequence[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m simulators.run", description="A world that stays up.")
    options.add_argument("--directory", type=Path, default=REPOSITORY / "var" / "run")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args(arguments)
    try:
        with World(
            chosen.directory, habits=PortalHabits(seed=chosen.seed, pace={"reply_seconds": 2.0})
        ) as world:
            world.write()
            print("starting three gateways and three portals …", flush=True)
            world.start()
            _send_some(world, chosen.seed)
            print(describe(world), flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                _look_after([*world.gateways.values(), *world.portals.values()])
            print("\nstopping …", flush=True)
    except KeyboardInterrupt:
        return 0
    except (ProcessTrouble, OSError) as trouble:
        print(f"run: {trouble}", file=sys.stderr)
        return 1
    return 0


def _look_after(processes: Sequence[Process]) -> None:
    """Start again, after a while, whatever ended, so that a kill by hand can be watched.  Never returns."""
    due: dict[str, float] = {}
    while True:
        for process in processes:
            if process.running:
                due.pop(process.name, None)
            elif process.name not in due:
                due[process.name] = time.monotonic() + RESTART_SECONDS
                print(f"{process.name} has ended; it comes back in {RESTART_SECONDS} s", flush=True)
            elif time.monotonic() >= due[process.name]:
                process.start()
                print(f"{process.name} is started again, pid {process.pid}", flush=True)
        time.sleep(0.2)


def _send_some(world: World, seed: int) -> None:
    outgoing = {country: site.portal_directory / "outgoing" for country, site in world.sites.items()}
    traffic = Traffic(outgoing, seed=seed)
    traffic.form_d("VN", "TH")
    traffic.acdd("VN", "ID")
    traffic.form_d("TH", "VN")


def describe(world: World) -> str:
    """Addresses, and commands that can be pasted into another terminal."""
    lines = ["", "running on 127.0.0.1:"]
    for country, site in world.sites.items():
        lines.append(
            f"  {country}  AS4 {site.partner_port}  feed {site.portal_port}  {site.operators_url}/metrics"
        )
    site = world.sites["VN"]
    pki = world.directory / "pki"
    own = pki / "vn" / "portal"
    aswctl = f"{Path(sys.executable).parent / 'aswctl'} --config {site.gateway_file}"
    lines += [
        "",
        "three documents are on their way.  In another terminal:",
        f"  {aswctl} status",
        f"  {aswctl} messages list",
        f"  tail -f {site.portal_directory / 'ledger.jsonl'}",
        f"  curl -s --cacert {pki / 'root.pem'} --cert {own}.pem --key {own}.key "
        f"'{site.portal_url}/feed/v1/messages?after=0'",
        f"  kill -9 {world.gateways['TH'].pid}    # its queue grows; it is back in {RESTART_SECONDS} s",
        "",
        f"an Envelope dropped into {site.portal_directory / 'outgoing'}/NAME.xml is submitted.",
        f"logs: {site.directory}/gateway.log     Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
