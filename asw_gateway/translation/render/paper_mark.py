"""The recognisable mark of an electronic document on paper (circular 89/2016/TTLT-BTC-BCT, Art. 7(2)b).

It names who signed, how to reach him, when he signed and whether the signature holds; beside that the serial
of the certificate, the id of the message that brought the document, and the digest of what was stored, so
that the paper can be traced to the one document it shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import frozen
from cryptography import x509
from cryptography.x509.oid import NameOID

from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.seal import check_seal

VALID, INVALID, UNCHECKED = "valid", "not valid", "not checked"


@frozen(kw_only=True)
class PaperMark:
    """What is printed.  signed_at and rendered_at: UTC epoch seconds, None where the source tells none."""

    agency: str
    email: str
    phone: str
    signed_at: float | None
    serial: str
    verification: str
    reason: str
    message_id: str
    digest: str
    rendered_at: float

    @property
    def holds(self) -> bool:
        """The signature was verified and holds."""
        return self.verification == VALID


def paper_mark(
    document: bytes,
    *,
    certificates: Sequence[x509.Certificate],
    now: float,
    agency: str = "",
    email: str = "",
    phone: str = "",
    signed_at: float | None = None,
    message_id: str = "",
) -> PaperMark:
    """The mark of a stored document; its signature is verified against pinned certificates, valid at `now`.

    Agency and e-mail come from the signer's certificate where they are not given.  Without a certificate the
    mark says that nothing was checked: it never claims more than was verified.
    """
    serial, verification, reason = "", UNCHECKED, ""
    if certificates:
        try:
            signer = check_seal(document, certificates, now).signer
        except RemoteFault as fault:
            verification, reason = INVALID, fault.detail
        else:
            verification, serial = VALID, f"{signer.serial_number:X}"
            agency = (
                agency or _first(signer, NameOID.ORGANIZATION_NAME) or _first(signer, NameOID.COMMON_NAME)
            )
            email = email or _first(signer, NameOID.EMAIL_ADDRESS)
    return PaperMark(
        agency=agency,
        email=email,
        phone=phone,
        signed_at=signed_at,
        serial=serial,
        verification=verification,
        reason=reason,
        message_id=message_id,
        digest=hashlib.sha256(document).hexdigest(),
        rendered_at=now,
    )


def _first(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(name)
    return str(found[0].value) if found else ""


def moment(at: float) -> str:
    """`2026-11-22 03:01:47 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
