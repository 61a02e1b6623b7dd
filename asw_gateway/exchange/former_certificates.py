"""A partner as it was when a stored message was receipted: with certificates that are withdrawn since.

What we receipted we verified then, as of then; a certificate that left the configuration afterwards must not
make the message unreadable. New messages are judged by the configuration alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from attrs import evolve

from asw_gateway.messaging.keys import certificate_of, pinned
from asw_gateway.messaging.party import Partner


def configured(partner: Partner, fingerprint: str) -> bool:
    """Whether the signing certificate with this SHA-256 (lower-case hex) is in force for the partner."""
    return any(
        hashlib.sha256(pinned(one).der).hexdigest() == fingerprint for one in partner.signing_certificates
    )


def with_certificates(partner: Partner, former: Iterable[tuple[str, bytes]]) -> Partner:
    """The partner with more certificates: (use, DER bytes); uses other than signing and seal are left out."""
    signing, seal = list(partner.signing_certificates), list(partner.seal_certificates)
    for use, der in former:
        known = {"signing": signing, "seal": seal}.get(use)
        if known is not None and der not in {pinned(one).der for one in known}:
            known.append(certificate_of(der))
    return evolve(partner, signing_certificates=tuple(signing), seal_certificates=tuple(seal))
