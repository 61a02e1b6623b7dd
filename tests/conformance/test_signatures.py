"""Every signature of ours in the evidence, verified by the JDK's own engine; this file comes last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from tests.conformance import evidence, wire
from tests.conformance.bench import Bench
from tests.messaging.jdk import needs_java, verdicts


def laid_out() -> list[Path]:
    return sorted(evidence.DIRECTORY.glob("TA*/jdk/*"))


@needs_java
def test_the_jdk_verifies_every_signature_of_ours(bench: Bench) -> None:
    """Header, Body and every part are covered, and every signature holds."""
    folders = laid_out()
    if not folders:
        pytest.skip("no assertion ran before: run the whole directory")
    found = verdicts(*folders)
    (evidence.DIRECTORY / "jdk.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    assert sorted(found) == sorted(folder.name for folder in folders)
    wrong = {name: verdict for name, verdict in found.items() if not verdict.startswith("valid ")}
    assert not wrong, wrong
    for folder in folders:
        assert covered(folder) == set(found[folder.name].removeprefix("valid ").split(",")), folder.name


def covered(folder: Path) -> set[str]:
    """What the signature of a laid-out message must cover."""
    root = etree.parse(str(folder / "document.xml")).getroot()
    parts = (folder / "parts.tsv").read_text().splitlines()
    return {
        "#" + wire.first(root, "//eb:Messaging/@wsu:Id"),
        "#" + wire.first(root, "/S12:Envelope/S12:Body/@wsu:Id"),
        *(f"cid:{line.split(chr(9))[0]}" for line in parts),
    }
