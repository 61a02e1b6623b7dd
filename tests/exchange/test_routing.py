"""Destination to partner, and every reason why a document cannot go there."""

from __future__ import annotations

from asw_gateway.exchange.routing import check_capability, check_partner, find_partner
from asw_gateway.messaging.party import Partner
from asw_gateway.translation.problem import Problem
from tests.exchange.builders import own_gateway, partner

TH = partner("TH")


def test_the_destination_country_names_the_partner() -> None:
    assert find_partner({"TH": TH}, "TH", own_gateway()) is TH


def test_unknown_own_and_missing_destinations_are_named() -> None:
    for country, words in (("JP", "JP"), ("VN", "own country"), ("", "no destination")):
        found = find_partner({"TH": TH}, country, own_gateway())
        assert isinstance(found, Problem)
        assert words in found.message


def test_a_live_partner_of_our_environment_is_fine() -> None:
    assert check_partner(TH, own_gateway()) == ()
    assert check_partner(partner(status="test", environment="test"), own_gateway(environment="test")) == ()


def test_suspended_test_and_foreign_environment_partners_are_refused() -> None:
    def words(one: Partner, environment: str = "production") -> str:
        return " ".join(p.message for p in check_partner(one, own_gateway(environment=environment)))

    assert "suspended" in words(partner(status="suspended"))
    assert "being tested" in words(partner(status="test"))
    assert "production environment" in words(partner(), "test")
    both = check_partner(partner(status="suspended", environment="test"), own_gateway())
    assert len(both) == 2


def check(**more: object) -> list[str]:
    values = {"document_type": "acdd", "version": "1.0", "kind": "declaration", "size_bytes": 1000} | more
    return [p.message for p in check_capability(TH, **values)]  # type: ignore[arg-type]


def test_a_document_within_the_capability_passes() -> None:
    assert check() == []
    assert check(document_type="atiga-form-d", kind="anything") == []


def test_every_lack_is_named_at_once() -> None:
    messages = check(version="2.0", kind="cancellation", size_bytes=1001)
    assert len(messages) == 3
    assert "1.0, not 2.0" in messages[0]
    assert "cancellation" in messages[1]
    assert "1000 bytes" in messages[2]
    assert "1001" in messages[2]


def test_an_unknown_type_is_one_fault() -> None:
    assert check(document_type="e-phyto") == ["partner th does not take documents of type e-phyto"]
