"""The control socket: private from its first moment, careful with what is in its place, knows its caller."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from asw_gateway.cli.control_client import ControlClient, ControlRefused
from asw_gateway.operations.control_socket import UNKNOWN_OPERATOR, SocketRefused, listen, operator_of
from asw_gateway.web import LimitedSite, Route, Router, WebAnswer, WebRequest, json_answer


class ControlSocketTest(TestCase):
    timeout = 20

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "control.sock"

    def listen(self, path: Path | None = None, factory: Any = None) -> Any:
        port = listen(reactor, str(path or self.path), factory or Factory.forProtocol(Protocol))
        self.addCleanup(port.stopListening)
        return port

    def stale(self) -> None:
        """A socket whose process is gone."""
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(self.path))

    def refused(self, path: Path | None = None) -> str:
        error = self.assertRaises(SocketRefused, listen, reactor, str(path or self.path), Factory())
        return str(error)

    def test_nobody_else_may_open_it(self) -> None:
        before = os.umask(0)
        try:
            self.listen()
            self.assertEqual(os.umask(0), 0)
        finally:
            os.umask(before)
        mode = self.path.lstat().st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_it_is_private_even_before_chmod(self) -> None:
        modes: list[int] = []
        real_bind = socket.socket.bind

        def bind(sock: socket.socket, address: Any) -> None:
            real_bind(sock, address)
            modes.append(stat.S_IMODE(self.path.lstat().st_mode))

        self.patch(socket.socket, "bind", bind)
        self.listen()
        self.assertEqual(modes, [0o600])

    async def test_it_is_gone_after_closing(self) -> None:
        await self.listen().stopListening()
        self.assertFalse(self.path.exists())

    def test_a_stale_socket_of_ours_is_replaced(self) -> None:
        self.stale()
        self.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))

    def test_a_living_gateway_is_left_alone(self) -> None:
        self.listen()
        self.assertIn("another gateway is listening", self.refused())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))

    def test_a_file_is_left_alone(self) -> None:
        self.path.write_text("precious")
        self.assertIn("not a socket", self.refused())
        self.assertEqual(self.path.read_text(), "precious")

    def test_a_link_is_left_alone(self) -> None:
        target = self.path.with_name("target.sock")
        self.path.symlink_to(target)
        self.assertIn("not a socket", self.refused())
        self.assertTrue(self.path.is_symlink())

    def test_somebody_elses_socket_is_left_alone(self) -> None:
        self.stale()
        self.patch(os, "geteuid", lambda: self.path.lstat().st_uid + 1)
        self.assertIn("belongs to user id", self.refused())
        self.assertTrue(self.path.exists())

    def test_a_missing_directory_and_a_long_path_are_said_in_a_sentence(self) -> None:
        self.assertIn("No such file or directory", self.refused(self.path / "deeper" / "control.sock"))
        self.assertIn("longer than 107 bytes", self.refused(self.path.with_name("c" * 100)))

    async def test_the_kernel_says_who_calls(self) -> None:
        async def who(request: WebRequest) -> WebAnswer:
            operator = request.peer_certificate
            return json_answer(
                {"name": operator.name, "user_id": operator.user_id, "pid": operator.process_id}
            )

        router = Router([Route("GET", "/who", who)], peer_certificate=operator_of)
        self.listen(factory=LimitedSite(router, reactor=reactor))
        found = await deferToThread(ControlClient(self.path).get, "/who")
        me = pwd.getpwuid(os.geteuid()).pw_name
        self.assertEqual(found, {"name": me, "user_id": os.geteuid(), "pid": os.getpid()})

    def test_a_transport_without_credentials_is_unknown(self) -> None:
        self.assertEqual(operator_of(object()), UNKNOWN_OPERATOR)
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport = type("Transport", (), {"getHandle": lambda self: server})()
            self.assertEqual(operator_of(transport), UNKNOWN_OPERATOR)

    async def test_the_client_says_in_a_sentence_that_nobody_is_there(self) -> None:
        for prepare in (lambda: None, self.stale):
            prepare()
            with self.assertRaises(ControlRefused) as refused:
                await deferToThread(ControlClient(self.path).get, "/v1/status")
            self.assertIn("no gateway is running here", str(refused.exception))

    async def test_an_answer_that_is_no_json(self) -> None:
        async def text(request: WebRequest) -> WebAnswer:
            return WebAnswer(body=b"hello", content_type="text/plain")

        self.listen(factory=LimitedSite(Router([Route("GET", "/x", text)]), reactor=reactor))
        with self.assertRaises(ControlRefused) as refused:
            await deferToThread(ControlClient(self.path).get, "/x")
        self.assertIn("not JSON", str(refused.exception))
