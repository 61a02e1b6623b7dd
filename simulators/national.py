"""Who writes and who reads national Envelopes in a simulated world: the six fields of From and To."""

from __future__ import annotations

AGENCIES = {"VN": ("BTC", "TCHQ"), "TH": ("MOF", "TCD"), "ID": ("KEMENKEU", "DJBC")}
"""Ministry and organisation codes; another country gets its own code twice."""


def portal_of(country: str) -> dict[str, str]:
    """The national single window."""
    return _party(country, "NSW")


def gateway_of(country: str) -> dict[str, str]:
    """The gateway itself."""
    return _party(country, "ASW")


def _party(country: str, name: str) -> dict[str, str]:
    ministry, organisation = AGENCIES.get(country, (country, country))
    return {
        "name": name,
        "identity": name,
        "countryCode": country,
        "ministryCode": ministry,
        "organizationCode": organisation,
        "unitCode": name,
    }
