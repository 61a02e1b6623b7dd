"""Mutual TLS over real sockets: who gets in, who is turned away, and what each side learns of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, wrapServerTLS
from twisted.internet.ssl import CertificateOptions
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool, ResponseNeverReceived, readBody
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from asw_gateway import tls
from asw_gateway.web import LimitedSite, Route, Router, WebAnswer, WebRequest
from certs.make_dev_pki import Authority, Pair, make_pki


def pair(files: Pair) -> tls.KeyPair:
    return tls.load_key_pair(files.key, files.certificate)


async def name_of_caller(request: WebRequest) -> WebAnswer:
    return WebAnswer(body=tls.fingerprint(request.peer_certificate).encode(), content_type="text/plain")


@implementer(IPolicyForHTTPS)
class Anonymous:
    """A client that trusts everybody and shows nothing."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> CertificateOptions:
        return CertificateOptions()


class MutualTls(TestCase):
    """A listener of VN that pins TH, called by TH and others."""

    timeout = 20

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.pki = make_pki(cls.folder.name, ["vn", "th"], bad=True)
        cls.root = tls.load_certificates(cls.pki.root)
        cls.th = pair(cls.pki.gateways["th"]["tls-client"])

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def setUp(self) -> Any:
        self.refusals: list[tls.Refusal] = []
        self.turned_away: Deferred[tls.Refusal] = Deferred()
        self.pool = HTTPConnectionPool(reactor, persistent=False)
        self.server = tls.ServerTls(pair(self.pki.gateways["vn"]["tls-server"]), pins=[self.th.certificate])
        return Deferred.fromCoroutine(self.listen())

    async def listen(self) -> None:
        site = LimitedSite(
            Router([Route("GET", "/", name_of_caller)], peer_certificate=tls.peer_certificate),
            reactor=reactor,
        )
        endpoint = wrapServerTLS(self.server, TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        self.port = await endpoint.listen(tls.watched(site, "partner", self.on_refusal))
        self.addCleanup(self.port.stopListening)

    def on_refusal(self, refusal: tls.Refusal) -> None:
        self.refusals.append(refusal)
        self.turned_away.callback(refusal)

    async def call(self, client: tls.KeyPair, trusted: Any = None, host: str = "127.0.0.1") -> str:
        policy = tls.ClientTls(client, trusted=self.root if trusted is None else trusted)
        agent = Agent(reactor, policy, pool=self.pool, connectTimeout=5)
        url = f"https://{host}:{self.port.getHost().port}/".encode()
        response = await agent.request(b"GET", url).addTimeout(10, reactor)
        body: bytes = await readBody(response)
        return body.decode()

    async def call_in_vain(self, client: tls.KeyPair, trusted: Any = None, host: str = "127.0.0.1") -> Any:
        try:
            await self.call(client, trusted, host)
        except ResponseNeverReceived as error:
            return error.reasons[0].value
        return self.fail("the call was answered")

    async def test_pinned_certificate_gets_in(self) -> None:
        """The handler sees the certificate that the client proved."""
        self.assertEqual(await self.call(self.th), tls.fingerprint(self.th.certificate))
        self.assertEqual(self.refusals, [])

    async def test_certificate_of_the_same_root_is_not_enough(self) -> None:
        """Another certificate of the pinned one's issuer is refused, counted, and named."""
        other = pair(self.pki.gateways["vn"]["tls-client"])
        error = await self.call_in_vain(other)
        self.assertIsInstance(error, SSL.Error)
        refusal = await self.turned_away
        self.assertEqual(refusal.reason, "unknown_certificate")
        self.assertEqual(refusal.fingerprint, tls.fingerprint(other.certificate))
        self.assertEqual(refusal.listener, "partner")

    async def test_unknown_authority(self) -> None:
        await self.call_in_vain(pair(self.pki.bad["unknown"]))
        self.assertEqual((await self.turned_away).reason, "unknown_certificate")

    async def test_expired_certificate_even_if_pinned(self) -> None:
        expired = pair(self.pki.bad["expired"])
        self.server.replace(
            pair(self.pki.gateways["vn"]["tls-server"]), pins=[expired.certificate, self.th.certificate]
        )
        await self.call_in_vain(expired)
        self.assertEqual((await self.turned_away).reason, "expired_certificate")

    async def test_no_certificate(self) -> None:
        """A client without a certificate learns nothing but an alert."""
        error = await self.fail_handshake()
        self.assertIn("certificate required", str(error))
        self.assertEqual((await self.turned_away).reason, "no_certificate")

    async def fail_handshake(self) -> Any:
        agent = Agent(reactor, Anonymous(), pool=self.pool)
        try:
            await agent.request(b"GET", f"https://127.0.0.1:{self.port.getHost().port}/".encode())
        except ResponseNeverReceived as error:
            return error.reasons[0].value
        return self.fail("the call was answered")

    async def test_replaced_pins_hold_for_the_next_connection(self) -> None:
        await self.call(self.th)
        other = pair(self.pki.gateways["vn"]["tls-client"])
        self.server.replace(pair(self.pki.gateways["vn"]["tls-server"]), pins=[other.certificate])
        await self.call_in_vain(self.th)
        self.assertEqual(await self.call(other), tls.fingerprint(other.certificate))

    async def test_we_refuse_a_server_of_another_root(self) -> None:
        stranger = Authority.new("another root").certificate
        error = await self.call_in_vain(self.th, [stranger])
        self.assertEqual(tls.failure_reason(error), "server_certificate_untrusted")
        self.assertEqual((await self.turned_away).reason, "refused_by_peer")

    async def test_a_pinned_server_may_carry_any_name(self) -> None:
        """An agreement may name the server's certificate itself; its host name then does not matter."""
        authority = Authority.new("unknown to us")
        other = authority.issue(
            "other", "tls-server", Path(self.folder.name, "pinned"), hosts=["other.gateway.test"]
        )
        self.server.replace(pair(other), pins=[self.th.certificate])
        self.assertTrue(await self.call(self.th, [pair(other).certificate]))

    async def test_name_is_checked_below_a_root(self) -> None:
        authority = Authority.new("their root")
        other = authority.issue(
            "other", "tls-server", Path(self.folder.name, "other"), hosts=["other.gateway.test"]
        )
        self.server.replace(pair(other), pins=[self.th.certificate])
        error = await self.call_in_vain(self.th, [authority.certificate])
        self.assertEqual(tls.failure_reason(error), "server_name_mismatch")

    async def test_plain_http_is_a_protocol_refusal(self) -> None:
        agent = Agent(reactor, pool=self.pool)
        url = f"http://127.0.0.1:{self.port.getHost().port}/".encode()
        with self.assertRaises(ResponseNeverReceived):
            await agent.request(b"GET", url)
        self.assertEqual((await self.turned_away).reason, "protocol")

    async def test_below_tls_1_2_is_refused(self) -> None:
        policy = tls.ClientTls(self.th, trusted=self.root)
        policy._context.set_cipher_list(b"ALL:@SECLEVEL=0")
        policy._context.set_min_proto_version(SSL.TLS1_VERSION)
        policy._context.set_max_proto_version(SSL.TLS1_1_VERSION)
        agent = Agent(reactor, policy, pool=self.pool)
        with self.assertRaises(ResponseNeverReceived):
            await agent.request(b"GET", f"https://127.0.0.1:{self.port.getHost().port}/".encode())
        self.assertEqual((await self.turned_away).reason, "protocol")
