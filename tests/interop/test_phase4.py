"""The short form of `make interop`: our daemon and phase4, over mutual TLS. Nothing is downloaded here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from interop import cases_exchange, cases_kills, cases_refusals
from interop.build import Unavailable, classpath
from interop.stage import SIGNED, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    try:
        peers_classpath = classpath(online_seconds=0)
    except Unavailable as reason:
        pytest.skip(f"phase4 cannot be run here: {reason}; `make interop` says more")
    directory: Path = tmp_path_factory.mktemp("p4")
    with Stage(directory, peers_classpath, (SIGNED,)) as started:
        yield started


def test_our_certificate_reaches_phase4_and_its_receipt_is_verified(stage: Stage) -> None:
    cases_exchange.signed_to_phase4(stage)


def test_phase4s_certificate_reaches_the_portal_and_phase4_verifies_our_receipt(stage: Stage) -> None:
    cases_exchange.signed_from_phase4(stage)


def test_several_parts_and_a_technical_error(stage: Stage) -> None:
    cases_exchange.several_parts_from_phase4(stage)


def test_an_error_of_ours_is_understood(stage: Stage) -> None:
    cases_refusals.unknown_agreement(stage)


def test_pings(stage: Stage) -> None:
    cases_refusals.ping_from_phase4(stage)
    answer = stage.control().post("/v1/partners/th/ping")
    assert answer["outcome"] == "receipt"


def test_the_jdk_verifies_all_that_we_sent(stage: Stage) -> None:
    """Last: it judges what the tests above have put on the wire."""
    cases_kills.jdk_agrees(stage)
