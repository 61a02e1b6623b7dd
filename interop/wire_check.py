"""Every message and signal of ours that reached a peer, verified by the JDK's own XML signature engine.

What is verified are the bytes as phase4 read them from its socket. Encrypted parts are decrypted first,
since a signature covers the plain ones.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.encryption import decrypt_parts, is_encrypted
from asw_gateway.messaging.header_reader import ReceivedErrors
from asw_gateway.messaging.mime import split_body
from asw_gateway.messaging.pmode import Limits
from asw_gateway.messaging.unpacking import RawMessage, unpack
from interop.stage import Stage

PROGRAM = Path(__file__).resolve().parent / "jdk" / "VerifySignature.java"
VERIFY_SECONDS = 300.0
_WSSE = f"{{{ns.WSSE}}}"


@frozen(kw_only=True)
class Verdict:
    """How many of each kind the JDK found valid, and what it found wrong."""

    valid: Mapping[str, int]
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.valid.items()))


def verify_everything(stage: Stage) -> Verdict:
    """Verify all that every peer of `stage` was sent by us."""
    folder = stage.directory / "jdk"
    shutil.rmtree(folder, ignore_errors=True)
    kinds: dict[str, str] = {}
    faults: list[str] = []
    for name, peer in stage.peers.items():
        key: Any = stage.keys.private_key(name, "encryption")
        for path in [*peer.wire("request"), *peer.wire("answer")]:
            found = read_wire(path)
            if found is None:
                continue  # broken off by a kill
            place = f"{name}-{path.name}"
            raw = unpack(*found, Limits(max_header_bytes=2_000_000))
            kinds[place] = _kind(raw)
            signer = _token(raw)
            if signer not in stage.own_certificates():
                faults.append(f"{place}: a {kinds[place]} is not signed by a certificate of ours")
                continue
            parts = raw.parts
            if raw.envelope.security is not None and is_encrypted(raw.envelope.security):
                parts = decrypt_parts(raw.envelope.security, raw.parts, key)
            _lay_out(folder / place, _soap(*found), signer, parts)
    laid_out = sorted(folder.iterdir()) if folder.exists() else []
    valid: Counter[str] = Counter()
    for name, said in run_jdk(laid_out).items():
        if said.startswith("valid "):
            valid[kinds[name]] += 1
        else:
            faults.append(f"{name}: {said}")
    if sum(valid.values()) + len(faults) != len(kinds):
        faults.append(f"the JDK judged {sum(valid.values())} of {len(kinds)}")
    return Verdict(valid=valid, faults=tuple(faults))


def run_jdk(directories: Sequence[Path]) -> dict[str, str]:
    """Directory name → "valid URI,URI" or "invalid reason"."""
    if not directories:
        return {}
    run = subprocess.run(  # noqa: S603  our own command
        ["java", str(PROGRAM), *map(str, directories)],  # noqa: S607  java from the PATH, as for the peer
        capture_output=True,
        text=True,
        timeout=VERIFY_SECONDS,
        check=False,
    )
    verdicts = {}
    for line in run.stdout.splitlines():
        word, name, rest = line.split(" ", 2)
        verdicts[name] = f"{word} {rest}"
    return verdicts


def read_wire(path: Path) -> tuple[str, bytes] | None:
    """Content-Type and body of a wire file; None when it is not whole."""
    head, mark, body = path.read_bytes().partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length")
    if not mark or not body or (length is not None and int(length) > len(body)):
        return None
    return headers.get("content-type", ""), body


def _kind(raw: RawMessage) -> str:
    if raw.user_message is not None:
        return "user messages"
    return "errors" if isinstance(raw.signal, ReceivedErrors) else "receipts"


def _token(raw: RawMessage) -> x509.Certificate | None:
    """The certificate that the message brings along."""
    security = raw.envelope.security
    token = None if security is None else security.findtext(f"{_WSSE}BinarySecurityToken")
    return None if token is None else x509.load_der_x509_certificate(base64.b64decode(token))


def _soap(content_type: str, body: bytes) -> bytes:

    return split_body(content_type, body, Limits())[0]


def _lay_out(
    directory: Path, document: bytes, signer: x509.Certificate, parts: Mapping[str, tuple[str, bytes]]
) -> None:
    directory.mkdir(parents=True)
    (directory / "document.xml").write_bytes(document)
    (directory / "certificate.pem").write_bytes(signer.public_bytes(Encoding.PEM))
    lines = []
    for number, (content_id, (content_type, content)) in enumerate(parts.items()):
        (directory / f"part-{number}").write_bytes(content)
        lines.append(f"{content_id}\t{content_type}\tpart-{number}\n")
    (directory / "parts.tsv").write_text("".join(lines), encoding="utf-8")
