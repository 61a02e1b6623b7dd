"""Partners' certificates that were taken back: the watch, what was learnt before, and what is refused now."""

from __future__ import annotations

from collections.abc import Mapping

from asw_gateway.config import GatewayConfig, certificates_in_use
from asw_gateway.logs import Log
from asw_gateway.messaging.revocation import Status
from asw_gateway.partner.revocation import Learnt, RevocationWatch
from asw_gateway.service.links import Tools
from asw_gateway.store import revocation

_log = Log("service")


class Revocations:
    """The watch over partners' certificates, with its memory in the store."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._watch = RevocationWatch(
            workers=tools.workers,
            reactor=tools.reactor,
            now=tools.now,
            metrics=tools.metrics,
            on_learnt=self._learnt,
        )

    async def ask(self, conf: GatewayConfig) -> int:
        """Ask issuers after every watched certificate; how many were asked after."""
        return await self._watch.refresh(conf.partners)

    async def remember(self, conf: GatewayConfig) -> None:
        """What was learnt before: revoked stays revoked, also while its issuer is away."""
        partners = {partner.name for partner in conf.partners}
        prints = {one.fingerprint for one in certificates_in_use(conf) if one.party in partners}
        known = await self._tools.database.run(revocation.latest, prints)
        self._watch.remember(
            {
                name: Status(
                    state=one.state,
                    source=one.source,
                    produced_at=one.produced_at,
                    valid_until_at=one.valid_until_at,
                )
                for name, one in known.items()
            }
        )

    def refused(self, conf: GatewayConfig) -> Mapping[str, Mapping[str, str]]:
        """By partner and fingerprint, the reason for each certificate that is not accepted now."""
        found = {partner.name: self._watch.refused(partner) for partner in conf.partners}
        return {name: refused for name, refused in found.items() if refused}

    def _learnt(self, learnt: Learnt) -> None:
        """Kept with its proof, and noted in the journal."""
        status = learnt.status
        writing = self._tools.database.run(
            revocation.note,
            partner=learnt.partner,
            use=learnt.use,
            fingerprint=learnt.fingerprint,
            state=status.state,
            source=status.source,
            produced_at=status.produced_at,
            valid_until_at=status.valid_until_at,
            proof=status.proof,
            now=self._tools.now(),
        )
        writing.addErrback(lambda failure: _log.failure("internal-error", failure, where="revocation"))
