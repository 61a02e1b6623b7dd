"""Many partners' gateways in one process: signs honest receipts for whatever party a message is meant for.

    python -m benchmarks.growth.crowd --config var/world/th/gateway.toml

It takes the place of the gateway whose gateway.toml it is given.  Nothing is kept.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from asw_gateway.config import load
from asw_gateway.messaging.signal import build_receipt
from asw_gateway.messaging.unpacking import unpack, verify
from asw_gateway.web import WebAnswer, WebRequest
from simulators.ledger import Ledger
from simulators.partner import FaultyPartner, Scenario


class Crowd(FaultyPartner):
    """Every party behind one address."""

    async def receive(self, request: WebRequest) -> WebAnswer:
        (partner,) = self._config.partners
        raw = unpack(request.content_type, request.body, partner.inbound.limits)
        message = raw.user_message
        assert message is not None
        mode = evolve(partner.inbound, id=message.pmode_id or "")  # each party has one of its own
        verified = verify(raw, partner, mode, message.to_party, self._now())
        signal_id = f"{uuid4()}@{self._config.party_id.value}"
        receipt = build_receipt(verified, message_id=signal_id, now=self._now(), identity=self._identity)
        return WebAnswer(status=receipt.http_status, content_type=receipt.content_type, body=receipt.body)


async def _run(reactor: Any, path: Path) -> None:
    config = load(path)
    ledger = Ledger(config.state_directory / "crowd-ledger.jsonl", party=config.country, now=time.time)
    crowd = Crowd(config, Scenario(), ledger, reactor=reactor, now=time.time)
    port = await crowd.listen()
    print(f"listening on 127.0.0.1:{port.getHost().port}", flush=True)
    await Deferred()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--config", type=Path, required=True)
    given = asked.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(_run(reactor, given.config)))
