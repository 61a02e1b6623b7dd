"""Certificates outlive the configuration that named them."""

from __future__ import annotations

from asw_gateway.store import certificates, journal
from asw_gateway.store.certificates import KnownCertificate
from asw_gateway.store.database import Database
from tests.store.messages import T0


def one(name: str, **given: str) -> KnownCertificate:
    return KnownCertificate(
        **{  # type: ignore[arg-type]
            "fingerprint": name, "party": "th", "use": "signing", "certificate": name.encode(),
            "first_used_at": 0.0, **given,
        }
    )  # fmt: skip


def test_what_a_configuration_leaves_out_is_withdrawn_and_kept(database: Database) -> None:
    assert database.run_now(certificates.note_in_use, [one("a"), one("b", use="seal")], T0) == 2
    assert database.run_now(certificates.note_in_use, [one("a"), one("b", use="seal")], T0 + 1) == 0
    assert database.run_now(certificates.note_in_use, [one("c"), one("b", use="seal")], T0 + 10) == 2
    at = [database.read_now(certificates.in_use_at, "th", T0 + when) for when in (5, 10, 11)]
    assert [[each.fingerprint for each in found] for found in at] == [["b", "a"], ["b", "a", "c"], ["b", "c"]]
    [known] = database.read_now(certificates.by_fingerprint, "a")
    assert (known.certificate, known.first_used_at, known.withdrawn_at) == (b"a", T0, T0 + 10)
    events = [fact.event for fact in database.read_now(journal.about, "certificate:th:signing")]
    assert events == ["certificate.in_use", "certificate.in_use", "certificate.withdrawn"]


def test_a_certificate_that_comes_back_is_in_use_again(database: Database) -> None:
    for found, when in (([one("a")], T0), ([], T0 + 1), ([one("a")], T0 + 2)):
        database.run_now(certificates.note_in_use, found, when)
    [known] = database.read_now(certificates.everything)
    assert (known.first_used_at, known.withdrawn_at) == (T0, None)
