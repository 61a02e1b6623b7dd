"""Judge the signatures of captured AS4 messages and receipts that others have published.

    python -m interop.captures FILE...

Each file holds an HTTP message or body with a SOAP envelope; parts are not looked at. The signature is judged
with the certificate that the envelope itself brings, as of that certificate's first day: it says whether our
reading of the wire is theirs, and nothing about trust. Last line `captures: N verified, M refused`.
"""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

from cryptography import x509

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.envelope_reader import read_envelope
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.pmode import EDELIVERY_1_15
from asw_gateway.messaging.verification import verify_signature
from asw_gateway.messaging.xml import parse

_ENVELOPE = re.compile(rb"<(\w+):Envelope\b.*?</\1:Envelope\s*>", re.DOTALL)
_TOKEN = f"{{{ns.WSSE}}}BinarySecurityToken"


def main(files: list[str]) -> int:
    """Judge each file; 0 when there was any."""
    verified = [_judge(Path(name)) for name in files]
    print(f"captures: {sum(verified)} verified, {len(verified) - sum(verified)} refused")
    return 0 if files else 2


def _judge(file: Path) -> bool:
    found = _ENVELOPE.search(file.read_bytes())
    if found is None:
        print(f"refused   {file.name}  no SOAP envelope")
        return False
    try:
        envelope = read_envelope(found.group(), max_header_bytes=1_000_000)
        certificates = _certificates(found.group())
        signature = verify_signature(
            envelope,
            {},
            certificates=certificates,
            refused={},
            profile_name=EDELIVERY_1_15,
            now=max(one.not_valid_before_utc.timestamp() for one in certificates),
            clock_skew_seconds=300.0,
        )
    except (RemoteFault, ValueError) as fault:
        print(f"refused   {file.name}  {fault}")
        return False
    print(f"verified  {file.name}  {len(signature.references)} references")
    return True


def _certificates(soap: bytes) -> tuple[x509.Certificate, ...]:
    tokens = parse(soap).iter(_TOKEN)
    return tuple(x509.load_der_x509_certificate(base64.b64decode(token.text or "")) for token in tokens)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
