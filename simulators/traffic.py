"""Writes documents for a world's portals: numbers and contents follow from the seed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from attrs import frozen

from simulators import documents
from simulators.ledger import write_file_durably

PARTNER_CODE = "BA"
"""A package kind that is in everybody's list until a world takes it from one country."""


@frozen(kw_only=True)
class Posted:
    """One Envelope in a portal's outgoing directory."""

    party: str
    destination: str
    message_id: str
    number: str
    envelope: bytes


class Traffic:
    """Drops Envelopes into outgoing directories; each portal submits its own in this order."""

    def __init__(
        self, outgoing: Mapping[str, Path], *, seed: int = 1, now: Callable[[], float] = time.time
    ) -> None:
        self._outgoing = outgoing
        self._random = random.Random(seed)  # noqa: S311 - documents must be repeatable, not secret
        self._now = now
        self.posted: list[Posted] = []

    def form_d(self, origin: str, destination: str, *, fault: str = "") -> Posted:
        """A certificate of origin; fault: "schema", "rule", "partner-code" or none."""
        number, message_id = self._number(documents.FORM_D, origin, destination), self._message_id()
        envelope = documents.form_d(
            number=number,
            origin=origin,
            destination=destination,
            message_id=message_id,
            now=self._now(),
            seed=self._random.random(),
        )
        return self._post(origin, destination, message_id, number, FAULTS[fault](envelope))

    def acdd(self, origin: str, destination: str) -> Posted:
        """An export declaration."""
        number, message_id = self._number(documents.ACDD, origin, destination), self._message_id()
        envelope = documents.acdd(
            number=number,
            origin=origin,
            destination=destination,
            message_id=message_id,
            now=self._now(),
            seed=self._random.random(),
        )
        return self._post(origin, destination, message_id, number, envelope)

    def replace(self, earlier: Posted) -> Posted:
        """A certificate in the place of an earlier one."""
        number = self._number(documents.FORM_D, earlier.party, earlier.destination)
        message_id = self._message_id()
        envelope = documents.replacement(
            earlier.envelope, number=number, message_id=message_id, now=self._now()
        )
        return self._post(earlier.party, earlier.destination, message_id, number, envelope)

    def cancel(self, earlier: Posted) -> Posted:
        """The cancellation of an earlier document."""
        message_id = self._message_id()
        envelope = documents.cancellation(earlier.envelope, message_id=message_id, now=self._now())
        return self._post(earlier.party, earlier.destination, message_id, earlier.number, envelope)

    def _post(self, party: str, destination: str, message_id: str, number: str, envelope: bytes) -> Posted:
        posted = Posted(
            party=party, destination=destination, message_id=message_id, number=number, envelope=envelope
        )
        self.posted.append(posted)
        write_file_durably(self._outgoing[party] / f"{len(self.posted):06d}.xml", envelope)
        return posted

    def _message_id(self) -> str:
        """32 hexadecimal characters."""
        return UUID(int=self._random.getrandbits(128), version=4).hex

    def _number(self, document_type: str, origin: str, destination: str) -> str:
        serial = len(self.posted) + 1
        return documents.number_for(document_type, origin, destination, serial, now=self._now())


def _break_schema(envelope: bytes) -> bytes:
    """Two faults at two places: a country that is none, and a package without a quantity."""
    envelope = re.sub(
        rb"<ImportCountry>[A-Z]{2}</ImportCountry>", b"<ImportCountry>Thailand</ImportCountry>", envelope
    )
    return re.sub(rb"<Quantity>\d+</Quantity>", b"<Quantity>many</Quantity>", envelope, count=1)


def _break_rule(envelope: bytes) -> bytes:
    """Wholly obtained goods with a percentage (R-06)."""
    return re.sub(rb"<OriginCriterion>[^<]*<", b"<OriginCriterion>WO + 40%<", envelope)


def _use_partner_code(envelope: bytes) -> bytes:
    return re.sub(rb"<Kind>[^<]*<", f"<Kind>{PARTNER_CODE}<".encode(), envelope)


FAULTS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda envelope: envelope,
    "schema": _break_schema,
    "rule": _break_rule,
    "partner-code": _use_partner_code,
}
