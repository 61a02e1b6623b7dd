"""`aswctl` against a gateway's real control socket: what a person reads, what a script reads, exit status."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from asw_gateway.cli.main import main
from asw_gateway.health import failed as bad
from asw_gateway.operations.control_socket import listen, operator_of
from asw_gateway.store import feed, outbox, partner_state
from asw_gateway.web import LimitedSite, Router
from tests.operations.world import World, failed, outcome, queued, received
from tests.portal.world import NOW


class OperatorCommandsTest(TestCase):
    timeout = 30

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "control.sock"
        self.world = World()
        self.addCleanup(self.world.database.close)
        router = Router(self.world.control.routes(), peer_certificate=operator_of)
        port = listen(reactor, str(self.path), LimitedSite(router, reactor=reactor))
        self.addCleanup(port.stopListening)

    def run_command(self, *arguments: str, socket: Path | None = None) -> Deferred[Result]:
        environment = {"ASW_CONTROL_SOCKET": str(socket or self.path)}
        return deferToThread(CliRunner().invoke, main, arguments, env=environment)

    async def good(self, *arguments: str) -> str:
        done = await self.run_command(*arguments)
        self.assertEqual(done.exit_code, 0, done.output)
        return done.output

    async def as_json(self, *arguments: str) -> Any:
        return json.loads(await self.good("--json", *arguments))

    def now(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return self.world.database.now(fn, *args, **kwargs)

    async def test_status(self) -> None:
        self.now(queued)
        told = await self.good("status")
        self.assertIn("asw-vn (production), node node-a, version 1.0, up 2h 0m", told)
        self.assertRegex(told, r"store +good")
        self.assertRegex(told, r"th +idle")
        self.assertRegex(told, r"outbound +th +queued +1 +0s")
        self.assertIn("feed: last entry 0, 0 not confirmed by the portal", told)
        self.assertEqual((await self.as_json("status"))["node"], "node-a")

    async def test_status_of_a_sick_gateway_exits_1(self) -> None:
        self.world.moved.check = bad("disk full")
        for arguments in (["status"], ["--json", "status"]):
            done = await self.run_command(*arguments)
            self.assertEqual(done.exit_code, 1)
            self.assertIn("disk full", done.output)

    async def test_partners(self) -> None:
        told = await self.good("partners", "list")
        self.assertRegex(told, r"PARTNER +COUNTRY +PARTY +CHANNEL +WAITING")
        self.assertRegex(told, r"th +TH +asw-th +idle +0")
        self.assertEqual([p["name"] for p in await self.as_json("partners", "list")], ["id", "th"])

    async def test_suspend_resume_wake(self) -> None:
        self.assertIn("is suspended", await self.good("partners", "suspend", "th", "--reason", "key lost"))
        self.assertEqual(self.now(partner_state.get, "th").suspended_at, NOW)
        self.assertIn("2026-11-18", await self.good("partners", "list"))
        self.assertIn("is resumed", await self.good("partners", "resume", "th", "--reason", "new key"))
        self.assertIsNone(self.now(partner_state.get, "th").suspended_at)
        self.assertEqual((await self.as_json("partners", "wake", "th"))["hastened"], 0)

    async def test_an_act_without_a_reason_or_on_nobody_exits_2(self) -> None:
        without = await self.run_command("partners", "suspend", "th")
        self.assertEqual(without.exit_code, 2)
        unknown = await self.run_command("partners", "suspend", "xx", "--reason", "r")
        self.assertEqual((unknown.exit_code, unknown.output), (2, "aswctl: There is no partner xx.\n"))

    async def test_ping(self) -> None:
        self.assertIn("th: receipt after 0.0 s", await self.good("partners", "ping", "th"))
        self.world.moved.outcome = outcome("tls_error", "their certificate has expired")
        done = await self.run_command("partners", "ping", "th")
        self.assertEqual(done.exit_code, 1)
        self.assertIn("th: tls_error after 0.0 s: their certificate has expired", done.output)

    async def test_messages(self) -> None:
        dead = self.now(failed)
        theirs = self.now(received)
        told = await self.good("messages", "list")
        self.assertRegex(
            told, rf"{dead.subject} +th +failed +atiga-form-d +certificate +VN-TH 26/02/00001 +1"
        )
        self.assertIn(theirs.subject, told)
        self.assertNotIn(theirs.subject, await self.good("messages", "list", "--direction", "outbound"))
        self.assertEqual(await self.good("messages", "list", "--state", "queued"), "no messages\n")
        found = await self.as_json("messages", "list", "--dead")
        self.assertEqual([m["id"] for m in found], [dead.subject, theirs.subject])

    async def test_show(self) -> None:
        dead = self.now(failed)
        told = await self.good("messages", "show", dead.subject)
        self.assertRegex(told, r"state +failed")
        self.assertRegex(told, r"created at +2026-11-18 \d\d:\d\d:\d\dZ")
        self.assertRegex(told, r"error_signal +EBMS:0004")
        self.assertIn("outbound.submitted", told)
        self.assertEqual((await self.as_json("messages", "show", dead.subject))["state"], "failed")
        missing = await self.run_command("messages", "show", "outbound:9")
        self.assertEqual((missing.exit_code, missing.output), (2, "aswctl: There is no such message.\n"))

    async def test_replay_discard_cancel(self) -> None:
        dead = self.now(failed)
        told = await self.good("messages", "replay", dead.subject, "--reason", "TH mended it")
        self.assertEqual(told, f"{dead.subject} is queued\n")
        told = await self.good("messages", "cancel", dead.subject, "--reason", "no more")
        self.assertEqual(told, f"{dead.subject} is cancelled\n")
        again = await self.run_command("messages", "discard", dead.subject, "--reason", "r")
        self.assertEqual(again.exit_code, 2)
        self.assertIn("only a failed or expired one can be discarded", again.output)
        self.assertEqual(self.now(outbox.get, dead.id).state, "cancelled")

    async def test_inbox(self) -> None:
        theirs = self.now(received)
        self.now(queued)
        self.assertEqual([m["id"] for m in await self.as_json("inbox")], [theirs.subject])
        self.assertIn("unconvertible", await self.good("inbox"))
        self.assertEqual(await self.good("inbox", "--unconfirmed"), "the portal has confirmed everything\n")
        self.now(feed.append, kind="status", subject="outbound:1", body=b"<A/>", now=NOW, entry_id="e1")
        self.assertRegex(await self.good("inbox", "--unconfirmed"), r"1 +status +outbound:1")

    async def test_reload(self) -> None:
        self.assertEqual(await self.good("reload"), "the new configuration is in force\n")
        self.world.moved.reload_errors = ["gateway.toml: gateway.country: expected two letters"]
        done = await self.run_command("reload")
        self.assertEqual(done.exit_code, 2)
        self.assertIn("expected two letters", done.output)

    async def test_without_a_gateway(self) -> None:
        for arguments in (["status"], ["--json", "partners", "list"]):
            done = await self.run_command(*arguments, socket=self.path.with_name("nothing.sock"))
            self.assertEqual(done.exit_code, 2)
            self.assertIn("no gateway is running here", done.output)
        self.assertIn("error", json.loads(done.stdout))


class FindTheSocketTest(TestCase):
    """Without --socket, gateway.toml says where the gateway listens."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.config = Path(folder.name) / "gateway.toml"

    def said(self, text: str | None) -> str:
        if text is not None:
            self.config.write_text(text)
        done = CliRunner().invoke(
            main, ["status", "--config", str(self.config)], env={"ASW_CONTROL_SOCKET": None}
        )
        self.assertEqual(done.exit_code, 2)
        return str(done.output)

    def test_where_it_is(self) -> None:
        here = self.config.parent
        self.assertIn(f"{here}/var/control.sock", self.said(""))
        self.assertIn(f"{here}/state/control.sock", self.said('[gateway]\nstate_directory = "state"'))
        self.assertIn(f"{here}/run/c.sock", self.said('[operators]\ncontrol_socket = "run/c.sock"'))
        self.assertIn("/run/c.sock", self.said('[operators]\ncontrol_socket = "/run/c.sock"'))

    def test_a_configuration_that_cannot_be_read(self) -> None:
        self.assertIn("there is no", self.said(None))
        for text in ("[gateway", "operators = 3", "[operators]\ncontrol_socket = 3"):
            self.assertIn("gateway.toml: ", self.said(text), text)
