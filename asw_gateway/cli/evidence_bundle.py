"""Writing an evidence bundle: a zip file or a directory that `verify_evidence.py` checks offline."""

from __future__ import annotations

import base64
import json
import textwrap
import zipfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import asdict

from asw_gateway.cli.times import moment
from asw_gateway.store.evidence import Bytes, ChainProof, Evidence
from asw_gateway.store.revocation import KnownState

FORMAT = "asw-evidence/1"
VERIFIER = "verify_evidence.py"
_SUFFIXES = {"submitted": "xml", "feed": "xml", "receipt": "soap", "error": "soap"}


def pieces(evidence: Evidence, *, made_at: float, made_by: str) -> dict[str, bytes]:
    """Every file of a bundle by its path within it; the manifest names all but itself."""
    content: dict[str, bytes] = {}
    listed: list[dict[str, Any]] = []

    def add(path: str, data: bytes, **more: Any) -> str:
        content[path] = data
        listed.append({"path": path, "sha256": sha256(data).hexdigest(), "size_bytes": len(data), **more})
        return path

    for number, one in enumerate(evidence.bytes, 1):
        add(_path(number, one), one.data, role=one.role, content_type=one.content_type, at=one.at)
    for certificate in evidence.certificates:
        add(
            f"certificates/{certificate.party}-{certificate.use}-{certificate.fingerprint[:16]}.pem",
            pem(certificate.certificate),
            role="certificate",
            party=certificate.party,
            use=certificate.use,
            fingerprint=certificate.fingerprint,
            first_used_at=certificate.first_used_at,
            withdrawn_at=certificate.withdrawn_at,
        )
    stated = [_revocation(one, add, content) for one in evidence.revocation]
    proofs = [_proof(proof, add) for proof in evidence.proofs]
    add("journal.json", _json(proofs), role="journal")
    add("attempts.json", _json(list(evidence.attempts)), role="attempts")
    add(VERIFIER, files("asw_gateway.cli").joinpath(VERIFIER).read_bytes(), role="program")
    manifest = {
        "format": FORMAT,
        "made_at": made_at,
        "made_by": made_by,
        "how_to_check": f"python {VERIFIER} BUNDLE --trust CERTIFICATES.pem",
        "subject": evidence.subject,
        "message": evidence.row,
        "removed_by_retention": list(evidence.purged),
        "revocation": stated,
        "files": listed,
    }
    return {"manifest.json": _json(manifest), **content}


def write(target: Path, content: dict[str, bytes]) -> None:
    """Write the bundle to a new zip file (a name that ends in .zip) or into a new directory.

    Raises FileExistsError and other OSErrors; a bundle holds documents, so only the owner may read it.
    """
    if target.suffix != ".zip":
        target.mkdir(mode=0o700, parents=True)
        for path, data in content.items():
            file = target / path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        return
    target.touch(mode=0o600, exist_ok=False)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            archive.writestr(path, data)


def summary(evidence: Evidence) -> list[tuple[str, str]]:
    """What the bundle holds, for people."""
    told = [(f"{one.role}", f"{len(one.data)} bytes {moment(one.at)}".rstrip()) for one in evidence.bytes]
    for proof in evidence.proofs:
        end = f"head {proof.head.sequence} signed {moment(proof.head.published_at)}" if proof.head else ""
        told.append((f"chain {proof.chain}", end or "no signed head covers it yet"))
    told += [
        (f"revocation {n}", f"{one.state} by {one.source} of {one.fingerprint[:16]} {moment(one.learnt_at)}")
        for n, one in enumerate(evidence.revocation, 1)
    ]
    return told + [(f"removed {name}", "by retention") for name in evidence.purged]


def pem(der: bytes) -> bytes:
    """A certificate as text."""
    lines = textwrap.fill(base64.b64encode(der).decode("ascii"), 64)
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode()


def _path(number: int, one: Bytes) -> str:
    suffix = _SUFFIXES.get(one.role, "mime")
    return f"messages/{number:02d}-{one.role}.{suffix}"


def _proof(proof: ChainProof, add: Callable[..., str]) -> dict[str, Any]:
    head = None
    if proof.head is not None:
        place = f"{proof.head.sequence}-{sha256(proof.chain.encode()).hexdigest()[:8]}"
        head = add(f"heads/{place}.xml", proof.head.statement, role="head", chain=proof.chain)
    return {
        "chain": proof.chain,
        "first_sequence": proof.first_sequence,
        "previous_hash": proof.previous_hash,
        "links": [link if isinstance(link, str) else asdict(link) for link in proof.links],
        "head": head,
    }


def _revocation(one: KnownState, add: Callable[..., str], content: Mapping[str, bytes]) -> dict[str, Any]:
    """What was known of one certificate; the list or answer is a file of its own, once."""
    path = f"revocation/{one.digest[:16]}.{'crl' if one.source == 'crl' else 'ocsp'}"
    if one.proof is None:
        path = ""
    elif path not in content:
        add(path, one.proof, role="revocation")
    told = asdict(one)
    del told["proof"]
    return {**told, "path": path}


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
