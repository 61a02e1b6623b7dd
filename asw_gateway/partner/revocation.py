"""Keeping an eye on partners' certificates: lists from files, answers from responders, kept while in force.

`refresh` asks after every certificate of every partner whose file wants it; `refused` then says which ones
are not to be accepted. What one refresh could not learn, an earlier answer still tells until it runs out: a
responder that is away for an hour stops nobody (soft), or those it cannot vouch for any more (hard).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from asw_gateway.logs import Log
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.revocation import (
    GOOD,
    REVOKED,
    RevocationFault,
    RevocationList,
    Status,
    ask,
    issuer_of,
    read_answer,
    read_revocation_list,
    responder_address,
    status_by_list,
)
from asw_gateway.metrics import Metrics
from asw_gateway.partner.body import AnswerTooLarge, ChunkProducer, collect_answer
from asw_gateway.tls import Certificate, fingerprint
from asw_gateway.workers import Runs

ASK_SECONDS = 10.0
#: A proof is kept this long before the last one kept runs out; longer than two refreshes are apart.
KEEP_AHEAD_SECONDS = 1800.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_LIST_BYTES = 50_000_000
_log = Log("revocation")


@frozen(kw_only=True)
class Learnt:
    """What is known of one certificate, to be kept: the status' `proof` is the list or answer itself."""

    partner: str
    use: str
    fingerprint: str
    status: Status


class RevocationWatch:
    """What is known of the certificates of all partners; used on the reactor thread.

    `on_learnt` hears of every certificate whose state changed, and of a newer proof when the last one it was
    given is about to run out: what it keeps covers all of the time with few proofs.
    """

    def __init__(
        self,
        *,
        workers: Runs,
        reactor: Any,
        now: Callable[[], float],
        metrics: Metrics,
        on_learnt: Callable[[Learnt], object],
        agent: Any = None,
    ) -> None:
        self._workers = workers
        self._reactor = reactor
        self._now = now
        self._metrics = metrics
        self._on_learnt = on_learnt
        self._agent = agent or Agent(
            reactor, connectTimeout=ASK_SECONDS, pool=HTTPConnectionPool(reactor, persistent=False)
        )
        self._known: dict[str, Status] = {}
        self._kept: dict[str, Status] = {}

    def remember(self, known: Mapping[str, Status]) -> None:
        """Take over what was learnt before this process began, by SHA-256 in hex."""
        self._known = {**known, **self._known}
        self._kept = {**known, **self._kept}

    async def refresh(self, partners: Iterable[Partner]) -> int:
        """Ask after every watched certificate, all at once; how many.

        A source that fails is logged and counted, and costs no more than ASK_SECONDS however many there are.
        """
        watched = [self._refresh(each) for each in partners if each.revocation.mode != "off"]
        asked = sum(await gatherResults([Deferred.fromCoroutine(each) for each in watched]))
        self._metrics.revocation_checked_at.only.set(self._now())
        return asked

    async def _refresh(self, partner: Partner) -> int:
        lists = await self._workers.run(_read_lists, partner)
        for path, trouble in lists.troubles:
            self._failed(partner, "crl", f"{path}: {trouble}")
        looks = [
            Deferred.fromCoroutine(self._look(partner, use, certificate, lists.found))
            for use, certificate in _watched(partner)
        ]
        await gatherResults(looks)
        return len(looks)

    def refused(self, partner: Partner) -> Mapping[str, str]:
        """The reason for each certificate, by SHA-256 in hex, that is not to be accepted now."""
        if partner.revocation.mode == "off":
            return {}
        found = {}
        for _, certificate in _watched(partner):
            status = self._known.get(fingerprint(certificate))
            if status is not None and status.state == REVOKED:
                found[fingerprint(certificate)] = "revoked_certificate"
            elif partner.revocation.mode == "hard" and not self._is_vouched_for(status):
                found[fingerprint(certificate)] = "revocation_unknown"
        return found

    def _is_vouched_for(self, status: Status | None) -> bool:
        return status is not None and status.state == GOOD and self._now() <= status.valid_until_at

    async def _look(
        self, partner: Partner, use: str, certificate: Certificate, lists: Mapping[bytes, RevocationList]
    ) -> None:
        key = fingerprint(certificate)
        if self._is_revoked(key):
            return
        status = status_by_list(certificate, lists, self._now())
        if (status is None or status.state == GOOD) and partner.revocation.ocsp:
            status = await self._ask(partner, certificate, listed=status is not None) or status
        if status is None or self._is_revoked(key):
            return  # nothing new, or another refresh has heard worse in the meantime
        known, kept = self._known.get(key), self._kept.get(key)
        self._known[key] = status
        if known is None or known.state != status.state:
            _log.event(
                "revocation-learnt",
                party=partner.name,
                use=use,
                fingerprint=key,
                state=status.state,
                source=status.source,
            )
        elif kept is not None and kept.valid_until_at > self._now() + KEEP_AHEAD_SECONDS:
            return
        self._kept[key] = status
        self._on_learnt(Learnt(partner=partner.name, use=use, fingerprint=key, status=status))

    def _is_revoked(self, key: str) -> bool:
        known = self._known.get(key)
        return known is not None and known.state == REVOKED

    async def _ask(self, partner: Partner, certificate: Certificate, *, listed: bool) -> Status | None:
        """What the responder says; a certificate without one is no failure when a list speaks of it."""
        issuer, address = issuer_of(certificate, partner.revocation.issuers), responder_address(certificate)
        if issuer is None or address is None:
            if not listed:
                detail = "the certificate names no responder, or its issuer is not listed"
                self._failed(partner, "ocsp", detail)
            return None
        asking = Deferred.fromCoroutine(self._post(address, ask(certificate, issuer)))
        asking.addTimeout(ASK_SECONDS, self._reactor, onTimeoutCancel=_too_late)
        try:
            answer = await asking
            status: Status = await self._workers.run(read_answer, answer, certificate, issuer, self._now())
        except RevocationFault as fault:
            self._failed(partner, "ocsp", str(fault))
            return None
        except Exception as trouble:  # noqa: BLE001  every way a responder can be away
            self._failed(partner, "ocsp", type(trouble).__name__)
            return None
        return status

    async def _post(self, address: str, question: bytes) -> bytes:
        body: Any = ChunkProducer.of(question)
        headers = Headers({b"Content-Type": [b"application/ocsp-request"]})
        response = await self._agent.request(b"POST", address.encode("ascii"), headers, body)
        if response.code != 200:
            raise RevocationFault(f"the responder answered HTTP {response.code}")
        try:
            return await collect_answer(response, MAX_ANSWER_BYTES)
        except AnswerTooLarge as fault:
            raise RevocationFault("the answer is too large") from fault

    def _failed(self, partner: Partner, source: str, detail: str) -> None:
        self._metrics.revocation_failures.labels(partner=partner.name, source=source).inc()
        _log.event("revocation-not-learnt", party=partner.name, source=source, detail=detail)


@frozen(kw_only=True)
class _Lists:
    found: Mapping[bytes, RevocationList]
    troubles: tuple[tuple[str, str], ...]


def _too_late(result: object, timeout_seconds: float) -> bytes:
    raise RevocationFault(f"the responder did not answer within {timeout_seconds:g} s")


def _read_lists(partner: Partner) -> _Lists:
    """Read a partner's list files; runs in a worker thread."""
    found: dict[bytes, RevocationList] = {}
    troubles = []
    for name in partner.revocation.list_files:
        path = Path(name)
        try:
            if path.stat().st_size > MAX_LIST_BYTES:
                raise RevocationFault(f"it has more than {MAX_LIST_BYTES} bytes")
            each = read_revocation_list(path.read_bytes(), partner.revocation.issuers)
        except (OSError, RevocationFault) as fault:
            troubles.append((path.name, str(fault)))
            continue
        known = found.get(each.issuer)
        if known is None or known.produced_at < each.produced_at:
            found[each.issuer] = each
    return _Lists(found=found, troubles=tuple(troubles))


def _watched(partner: Partner) -> list[tuple[str, Certificate]]:
    """Every certificate of a partner that somebody else issued, with its use."""
    uses = {
        "tls-client": partner.tls_certificates,
        "signing": partner.signing_certificates,
        "seal": partner.seal_certificates,
    }
    return [
        (use, each)
        for use, certificates in uses.items()
        for each in certificates
        if each.issuer != each.subject
    ]
