"""The customs office behind a simulated portal: its answers depend on the seed and the document only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from attrs import frozen

from simulators.facts import Facts

CERTIFICATE_FUNCTIONS = frozenset({"01", "02"})


@frozen(kw_only=True)
class CustomsOffice:
    """answers: share of certificates and declarations that get an answer; refusals: share of the answers that
    deny preference (REJ).  What one document gets depends on seed, country and number only.
    write: makes the response Envelope, as `documents.customs_response` does.
    """

    country: str
    write: Callable[..., bytes]
    seed: int = 1
    answers: float = 1.0
    refusals: float = 0.2

    def reply(self, envelope: str, facts: Facts, message_id: str, now: float) -> bytes | None:
        """The response Envelope (10/05) to a delivered document; None when this one gets no answer."""
        if facts.type != "20" or facts.function not in CERTIFICATE_FUNCTIONS:
            return None
        if self._share(facts.number, "answers") >= self.answers:
            return None
        status = "REJ" if self._share(facts.number, "refusals") < self.refusals else "UTL"
        return self.write(
            envelope.encode(), status=status, message_id=message_id, now=now, own_country=self.country
        )

    def _share(self, number: str, question: str) -> float:
        seed = f"{self.seed}/{self.country}/{number}/{question}".encode()
        return int.from_bytes(hashlib.sha256(seed).digest()[:4]) / 2**32
