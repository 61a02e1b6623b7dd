"""The JDK's own XML signature engine as a second opinion."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

PROGRAM = Path(__file__).parents[2] / "interop" / "jdk" / "VerifySignature.java"

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="no java on this machine: signatures are not checked by the JDK"
)


def lay_out(
    directory: Path,
    document: bytes,
    certificate: x509.Certificate,
    parts: Mapping[str, tuple[str, bytes]] | None = None,
) -> Path:
    """Write one document, its signer and its parts (content id → type, octets) where the JDK program reads
    them."""
    directory.mkdir(parents=True)
    (directory / "document.xml").write_bytes(document)
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    lines = []
    for number, (content_id, (content_type, content)) in enumerate((parts or {}).items()):
        (directory / f"part-{number}").write_bytes(content)
        lines.append(f"{content_id}\t{content_type}\tpart-{number}\n")
    (directory / "parts.tsv").write_text("".join(lines))
    return directory


def verdicts(*directories: Path) -> dict[str, str]:
    """Directory name → "valid URI,URI" or "invalid reason", from one run of the JDK."""
    run = subprocess.run(
        ["java", str(PROGRAM), *map(str, directories)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.stdout, run.stderr
    found = {}
    for line in run.stdout.splitlines():
        verdict, name, rest = line.split(" ", 2)
        found[name] = f"{verdict} {rest}"
    return found
