"""`aswctl validity` against a real control socket."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from click.testing import CliRunner, Result
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from asw_gateway.cli.main import main
from asw_gateway.operations.control_socket import listen, operator_of
from asw_gateway.store import registry
from asw_gateway.web import LimitedSite, Router
from tests.operations.world import World
from tests.portal.world import NOW

ISSUED_AT = 1_794_960_000.0  # 18 November 2026, 00:00 UTC


class ValidityCommandTest(TestCase):
    timeout = 30

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "control.sock"
        world = World()
        self.addCleanup(world.database.close)
        router = Router(world.control.routes(), peer_certificate=operator_of)
        port = listen(reactor, str(self.path), LimitedSite(router, reactor=reactor))
        self.addCleanup(port.stopListening)
        world.database.now(
            registry.put,
            direction="out",
            party="th",
            document_type="atiga-form-d",
            document_number="VN-TH 26/02/00001",
            state="VAL",
            digest="ab" * 32,
            kind="certificate",
            now=NOW,
            issued_at=ISSUED_AT,
            valid_until_at=ISSUED_AT + 365 * 86_400,
        )

    def run_command(self, *arguments: str) -> Deferred[Result]:
        environment = {"ASW_CONTROL_SOCKET": str(self.path)}
        return deferToThread(CliRunner().invoke, main, arguments, env=environment)

    async def test_validity(self) -> None:
        words = ("validity", "VN-TH 26/02/00001", "2026-11-18", "--at")
        done = await self.run_command(*words, "2026-11-20T10:00:00+0700")
        told = done.output
        self.assertEqual(done.exit_code, 0, told)
        self.assertIn("atiga-form-d VN-TH 26/02/00001 of 2026-11-18, sent to th", told)
        self.assertIn("at 2026-11-20 03:00:00Z: valid yes, usable yes", told)
        self.assertRegex(told, r"VAL +gateway +out th atiga-form-d VN-TH 26/02/00001 certificate +\S+ #\d+")
        late = await self.run_command(*words, "2027-12-01")
        self.assertEqual(late.exit_code, 1)
        self.assertIn("its validity ended on 2027-11-18", late.output)
        early = await self.run_command("--json", *words, "2026-11-17")
        self.assertIs(json.loads(early.output)["certificates"][0]["valid"], False)
        unknown = await self.run_command("validity", "VN-TH 26/02/00001", "2026-11-19")
        self.assertEqual(unknown.exit_code, 2)
        self.assertIn("No certificate of that number and date is known.", unknown.output)
