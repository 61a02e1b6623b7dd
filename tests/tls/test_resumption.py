"""Session tickets: resumption works, the certificate stays known, and a reload ends it. No sockets."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL

from asw_gateway import tls
from certs.make_dev_pki import Pki, make_pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    base: Path = tmp_path_factory.mktemp("pki")
    return make_pki(base, ["vn", "th"])


def pair(pki: Pki, name: str, use: str) -> tls.KeyPair:
    files = pki.gateways[name][use]
    return tls.load_key_pair(files.key, files.certificate)


def shake_hands(server: tls.ServerTls, client: tls.ClientTls, session: Any = None) -> tuple[Any, Any]:
    """The server's and the client's connection after a handshake in memory and one exchanged byte."""
    here, there = server.serverConnectionForTLS(None), client.connection("localhost", None)
    here.set_accept_state()
    there.set_connect_state()
    if session is not None:
        there.set_session(session)
    done: set[int] = set()
    for _ in range(10):
        for end, other in ((there, here), (here, there)):
            with suppress(SSL.WantReadError):
                if id(end) not in done:
                    end.do_handshake()
                    done.add(id(end))
            with suppress(SSL.WantReadError):
                other.bio_write(end.bio_read(65536))
    here.send(b"!")
    there.bio_write(here.bio_read(65536))
    assert there.recv(1) == b"!"
    return here, there


def seen(connection: Any) -> tls.Certificate | None:
    return tls.peer_certificate(SimpleNamespace(getHandle=lambda: connection))


def verifications(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often the server looks at a certificate: a resumed session does not."""
    calls: list[int] = []
    original = tls.ServerTls._verify

    def counting(self: Any, connection: Any, certificate: Any, error: int, depth: int, ok: int) -> bool:
        calls.append(depth)
        return original(self, connection, certificate, error, depth, ok)

    monkeypatch.setattr(tls.ServerTls, "_verify", counting)
    return calls


def test_a_resumed_session_still_knows_the_certificate(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    th = pair(pki, "th", "tls-client")
    calls = verifications(monkeypatch)
    server = tls.ServerTls(pair(pki, "vn", "tls-server"), pins=[th.certificate])
    client = tls.ClientTls(th, trusted=tls.load_certificates(pki.root))
    here, there = shake_hands(server, client)
    assert seen(here) == th.certificate
    looked = len(calls)
    assert looked > 0

    again, _ = shake_hands(server, client, there.get_session())
    assert len(calls) == looked, "the second handshake was not a resumption"
    assert seen(again) == th.certificate


def test_a_reload_makes_earlier_tickets_worthless(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    th = pair(pki, "th", "tls-client")
    own = pair(pki, "vn", "tls-server")
    calls = verifications(monkeypatch)
    server = tls.ServerTls(own, pins=[th.certificate])
    client = tls.ClientTls(th, trusted=tls.load_certificates(pki.root))
    _, there = shake_hands(server, client)
    looked = len(calls)
    server.replace(own, pins=[th.certificate])
    shake_hands(server, client, there.get_session())
    assert len(calls) > looked


def test_ticket_lifetime_is_bounded(pki: Pki) -> None:
    server = tls.ServerTls(pair(pki, "vn", "tls-server"), pins=[], ticket_lifetime_seconds=600)
    assert server._context.get_timeout() == 600
