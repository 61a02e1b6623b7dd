"""What the gateway makes of its partners' issuers: lists in files, a real responder, and both going wrong."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.revocation import RevocationPolicy
from asw_gateway.partner import revocation
from asw_gateway.partner.revocation import Learnt, RevocationWatch
from asw_gateway.tls import Certificate, fingerprint
from tests.doubles import InlineWorkers
from tests.partner import world
from tests.partner.issuing import GOOD, HOUR, REVOKED, UNKNOWN, Issuer, Responder

START = 1_795_000_000.0
NOT_SIGNED = "the answer is not signed by the issuer or a responder of its own"


class Timers:
    """The reactor for sockets; time-outs of questions are ended by hand."""

    def __init__(self) -> None:
        self.clock = Clock()

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def callLater(self, delay: float, call: Any, *args: Any, **kwargs: Any) -> Any:
        if delay == revocation.ASK_SECONDS:
            return self.clock.callLater(delay, call, *args, **kwargs)
        later: Any = reactor
        return later.callLater(delay, call, *args, **kwargs)


class WatchTest(TestCase):
    timeout = 20

    async def setUp(self) -> None:  # type: ignore[override]
        self.at = START
        self.issuer = Issuer(lambda: self.at)
        self.responder = Responder()
        await self.responder.open()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.responder.close()))
        self.folder = Path(tempfile.mkdtemp(prefix="asw-lists-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.list_file = self.folder / "issuer.crl"
        self.metrics = world.metrics()
        self.learnt: list[Learnt] = []
        self.events: list[dict[str, Any]] = []
        hear: Any = self.events.append
        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)
        self.timers = Timers()
        self.watch = self.new_watch()
        self.signing = self.issuer.issue("th signing", self.responder.address)

    def new_watch(self) -> RevocationWatch:
        return RevocationWatch(
            workers=InlineWorkers(),
            reactor=self.timers,
            now=lambda: self.at,
            metrics=self.metrics,
            on_learnt=self.learnt.append,
        )

    def partner(self, mode: str = "soft", *, lists: bool = False, ocsp: bool = True, **more: Any) -> Partner:
        policy = RevocationPolicy(
            mode=mode,
            issuers=(self.issuer.certificate,),
            list_files=(str(self.list_file),) if lists else (),
            ocsp=ocsp,
        )
        nothing: dict[str, Any] = {"tls_certificates": (), "seal_certificates": ()}
        given = {"signing_certificates": (self.signing,), **nothing, **more}
        return world.partner("th", seen_by="vn", revocation=policy, **given)

    def says(self, status: Any = GOOD, certificate: Certificate | None = None, **more: Any) -> None:
        about = certificate if certificate is not None else self.signing
        self.responder.says[about.serial_number] = self.issuer.answer(about, status, **more)

    async def refresh(self, partner: Partner) -> dict[str, str]:
        """Ask, and the reasons against this partner's certificates, without their fingerprints."""
        await self.watch.refresh([partner])
        return dict(self.watch.refused(partner))

    def failures(self, source: str) -> float:
        return world.value(self.metrics.revocation_failures, partner="th", source=source)

    def told(self, name: str) -> list[dict[str, Any]]:
        return [dict(each["asw_fields"]) for each in self.events if each.get("asw_event") == name]

    def states(self) -> list[tuple[str, str]]:
        return [(each.status.state, each.status.source) for each in self.learnt]

    # a responder

    async def test_good(self) -> None:
        self.says(GOOD)
        self.assertEqual(await self.refresh(self.partner("hard")), {})
        self.assertEqual(self.states(), [("good", "ocsp")])
        [learnt] = self.learnt
        self.assertEqual((learnt.partner, learnt.use), ("th", "signing"))
        self.assertEqual(learnt.fingerprint, fingerprint(self.signing))
        self.assertEqual(learnt.status.proof, self.responder.says[self.signing.serial_number])
        self.assertEqual(self.metrics.revocation_checked_at.only._value.get(), START)
        self.assertEqual((self.failures("ocsp"), self.failures("crl")), (0, 0))

    async def test_revoked_stays_revoked_and_nobody_is_asked_again(self) -> None:
        self.says(REVOKED)
        partner = self.partner()
        wanted = {fingerprint(self.signing): "revoked_certificate"}
        self.assertEqual(await self.refresh(partner), wanted)
        self.says(GOOD)
        self.at += 10 * 86400
        self.assertEqual(await self.refresh(partner), wanted)
        self.assertEqual(self.responder.asked, [self.signing.serial_number])
        self.assertEqual(self.states(), [("revoked", "ocsp")])
        refused = evolve(partner, refused=self.watch.refused(partner))
        self.assertEqual(refused.accepted(partner.signing_certificates), ())

    async def test_revoked_is_remembered_by_the_next_process(self) -> None:
        """Even if its responder is away when it starts."""
        self.says(REVOKED)
        await self.refresh(self.partner())
        await self.responder.close()
        self.watch = self.new_watch()
        self.watch.remember({each.fingerprint: each.status for each in self.learnt})
        self.assertEqual(
            await self.refresh(self.partner()), {fingerprint(self.signing): "revoked_certificate"}
        )
        await self.responder.open()

    async def test_unknown_to_its_issuer(self) -> None:
        """Taken softly, refused where the agreement is hard."""
        self.says(UNKNOWN)
        self.assertEqual(await self.refresh(self.partner("soft")), {})
        self.assertEqual(
            await self.refresh(self.partner("hard")), {fingerprint(self.signing): "revocation_unknown"}
        )

    async def test_good_and_later_revoked(self) -> None:
        self.says(GOOD)
        self.assertEqual(await self.refresh(self.partner()), {})
        self.says(REVOKED)
        self.assertEqual(len(await self.refresh(self.partner())), 1)
        self.assertEqual(self.states(), [("good", "ocsp"), ("revoked", "ocsp")])
        news = self.told("revocation-learnt")
        self.assertEqual(
            [(each["party"], each["state"]) for each in news], [("th", "good"), ("th", "revoked")]
        )

    async def test_a_responder_that_is_away(self) -> None:
        """The earlier answer counts until it runs out; then soft goes on, and hard refuses."""
        soft, hard = self.partner("soft"), self.partner("hard")
        self.says(GOOD, lifetime=HOUR)
        await self.refresh(soft)
        await self.responder.close()
        for after, refused in ((1800, []), (3600, []), (3601, ["revocation_unknown"])):
            self.at = START + after
            self.assertEqual(await self.refresh(soft), {})
            self.assertEqual(list(self.watch.refused(hard).values()), refused)
        self.assertEqual(self.failures("ocsp"), 3)
        self.assertEqual(
            {each["detail"] for each in self.told("revocation-not-learnt")}, {"ConnectionRefusedError"}
        )
        await self.responder.open()

    async def test_a_responder_that_never_answered(self) -> None:
        self.responder.says[self.signing.serial_number] = 503
        self.assertEqual(await self.refresh(self.partner("soft")), {})
        self.assertEqual(
            await self.refresh(self.partner("hard")), {fingerprint(self.signing): "revocation_unknown"}
        )
        self.assertEqual(self.learnt, [])
        [first, _] = self.told("revocation-not-learnt")
        self.assertEqual(first["detail"], "the responder answered HTTP 503")

    async def test_slow_responders_cost_one_time_out_together(self) -> None:
        """Three certificates whose questions hang: one wait for all, not one after the other."""
        hanging = tuple(self.issuer.issue(f"th {n}", self.responder.address) for n in range(3))
        partner = self.partner("hard", signing_certificates=hanging)
        refreshing = Deferred.fromCoroutine(self.watch.refresh([partner]))
        while len(self.responder.asked) < 3:
            pause: Deferred[None] = Deferred()
            self.timers.callLater(0.01, pause.callback, None)
            await pause
        self.timers.clock.advance(revocation.ASK_SECONDS - 0.1)
        self.assertFalse(refreshing.called)
        self.timers.clock.advance(0.2)
        self.assertEqual(await refreshing, 3)
        self.assertEqual(self.failures("ocsp"), 3)
        details = {each["detail"] for each in self.told("revocation-not-learnt")}
        self.assertEqual(details, {"the responder did not answer within 10 s"})
        self.assertEqual(set(self.watch.refused(partner).values()), {"revocation_unknown"})

    async def test_answers_that_prove_nothing(self) -> None:
        other = self.issuer.issue("id signing")
        impostor = Issuer(lambda: self.at)
        for said, detail in (
            (b"<html>", "this is not an OCSP answer"),
            (self.issuer.answer(other), "the answer is about another certificate"),
            (impostor.answer(self.signing), NOT_SIGNED),
            (b"x" * (revocation.MAX_ANSWER_BYTES + 1), "the answer is too large"),
        ):
            self.events.clear()
            self.responder.says[self.signing.serial_number] = said
            self.assertEqual(await self.refresh(self.partner("soft")), {})
            self.assertEqual([each["detail"] for each in self.told("revocation-not-learnt")], [detail])
        self.assertEqual((self.learnt, self.failures("ocsp")), ([], 4))

    async def test_two_refreshes_at_once_and_the_worse_news_stays(self) -> None:
        """A good answer that arrives after the revoked one does not make it good again."""
        serial = self.signing.serial_number
        first = Deferred.fromCoroutine(self.watch.refresh([self.partner()]))  # hangs
        while not self.responder.asked:
            pause: Deferred[None] = Deferred()
            self.timers.callLater(0.01, pause.callback, None)
            await pause
        self.says(REVOKED)
        await self.watch.refresh([self.partner()])
        [held] = self.responder._held
        self.responder._held.clear()
        held.write(self.issuer.answer(self.signing, GOOD))
        held.finish()
        await first
        self.assertEqual(self.responder.asked, [serial, serial])
        self.assertEqual(self.states(), [("revoked", "ocsp")])
        self.assertEqual(list(self.watch.refused(self.partner()).values()), ["revoked_certificate"])

    async def test_kept_proofs_cover_the_time_with_few_of_them(self) -> None:
        """One for each stretch that the last one does not cover, however often the responder is asked."""
        for _ in range(36):
            self.says(GOOD, lifetime=2 * HOUR)
            await self.refresh(self.partner("hard"))
            self.at += 600
        self.assertEqual(len(self.responder.asked), 36)
        kept = [(each.status.produced_at, each.status.valid_until_at) for each in self.learnt]
        self.assertLessEqual(len(kept), 5)
        gaps = [after for (_, until), (after, _) in zip(kept, kept[1:], strict=False) if after > until]
        self.assertEqual(gaps, [])
        self.assertEqual(len(self.told("revocation-learnt")), 1)

    # lists

    async def test_a_list_file_is_replaced(self) -> None:
        partner = self.partner("hard", lists=True, ocsp=False)
        self.list_file.write_bytes(self.issuer.crl())
        self.assertEqual(await self.refresh(partner), {})
        self.at += 60
        self.list_file.write_bytes(self.issuer.crl(self.signing))
        self.assertEqual(await self.refresh(partner), {fingerprint(self.signing): "revoked_certificate"})
        self.assertEqual(self.states(), [("good", "crl"), ("revoked", "crl")])
        self.assertEqual(self.responder.asked, [])

    async def test_a_list_file_breaks(self) -> None:
        """What it said counts until it runs out; the trouble names the file, not its place."""
        partner = self.partner("hard", lists=True, ocsp=False)
        self.list_file.write_bytes(self.issuer.crl())
        await self.refresh(partner)
        whole = self.list_file.read_bytes()
        stranger = Issuer(lambda: self.at).crl(self.signing)
        for content in (b"", whole[: len(whole) // 2], whole.replace(b"M", b"N", 3), stranger):
            self.list_file.write_bytes(content)
            self.assertEqual(await self.refresh(partner), {})
        self.list_file.unlink()
        self.assertEqual(await self.refresh(partner), {})
        self.assertEqual((self.failures("crl"), len(self.told("revocation-not-learnt"))), (5, 5))
        for each in self.told("revocation-not-learnt"):
            self.assertEqual((each["party"], each["source"]), ("th", "crl"))
            self.assertTrue(each["detail"].startswith("issuer.crl: "), each["detail"])
        self.at += 24 * 3600 + 1
        self.assertEqual(await self.refresh(partner), {fingerprint(self.signing): "revocation_unknown"})
        self.assertEqual(self.watch.refused(self.partner("soft", lists=True, ocsp=False)), {})

    # both

    async def test_revoked_by_either_source(self) -> None:
        self.list_file.write_bytes(self.issuer.crl())
        self.says(REVOKED)
        partner = self.partner(lists=True)
        self.assertEqual(list((await self.refresh(partner)).values()), ["revoked_certificate"])
        self.assertEqual(self.states(), [("revoked", "ocsp")])
        self.learnt.clear()
        self.watch = self.new_watch()
        self.list_file.write_bytes(self.issuer.crl(self.signing))
        self.says(GOOD)
        self.assertEqual(list((await self.refresh(partner)).values()), ["revoked_certificate"])
        self.assertEqual(self.states(), [("revoked", "crl")])

    async def test_the_list_stands_in_for_a_responder_that_is_away(self) -> None:
        self.list_file.write_bytes(self.issuer.crl())
        self.responder.says[self.signing.serial_number] = 503
        self.assertEqual(await self.refresh(self.partner("hard", lists=True)), {})
        self.assertEqual((self.states(), self.failures("ocsp")), ([("good", "crl")], 1))

    async def test_a_certificate_without_a_responder_is_no_trouble_when_a_list_speaks_of_it(self) -> None:
        self.signing = self.issuer.issue("th signing")
        self.assertEqual(await self.refresh(self.partner("soft")), {})
        self.assertEqual(self.failures("ocsp"), 1)
        self.list_file.write_bytes(self.issuer.crl())
        self.assertEqual(await self.refresh(self.partner("hard", lists=True)), {})
        self.assertEqual(self.failures("ocsp"), 1)

    async def test_who_is_asked_after(self) -> None:
        """TLS, signing and seal certificates; none that signed itself, and nobody whose file says off."""
        tls, seal = (self.issuer.issue(f"th {use}", self.responder.address) for use in ("tls", "seal"))
        for each in (tls, seal, self.signing):
            self.says(REVOKED, each)
        certificates: dict[str, Any] = {"tls_certificates": (tls,), "seal_certificates": (seal,)}
        own = (self.signing, self.issuer.certificate)
        partner = self.partner(signing_certificates=own, **certificates)
        self.assertEqual(await self.watch.refresh([partner]), 3)
        self.assertEqual({each.use for each in self.learnt}, {"tls-client", "signing", "seal"})
        self.assertEqual(
            set(self.watch.refused(partner)), {fingerprint(each) for each in (tls, seal, self.signing)}
        )
        off = evolve(partner, revocation=RevocationPolicy())
        self.assertEqual((await self.watch.refresh([off]), self.watch.refused(off)), (0, {}))
