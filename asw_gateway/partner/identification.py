"""Who speaks: the client certificate of a connection names exactly one partner."""

from __future__ import annotations

from collections.abc import Iterable

from asw_gateway.messaging.party import Partner
from asw_gateway.tls import Certificate, fingerprint


class PartnerDirectory:
    """Partners by name, and by the fingerprints of the client certificates pinned for them.

    `replace` changes the whole content at once, for a reload; requests under way keep the partner they have.
    """

    def __init__(self, partners: Iterable[Partner] = ()) -> None:
        self.replace(partners)

    def replace(self, partners: Iterable[Partner]) -> None:
        """Take these partners. ValueError when two of them pin the same certificate."""
        by_name: dict[str, Partner] = {}
        by_fingerprint: dict[str, Partner] = {}
        for partner in partners:
            by_name[partner.name] = partner
            for certificate in partner.accepted(partner.tls_certificates):
                other = by_fingerprint.setdefault(fingerprint(certificate), partner)
                if other.name != partner.name:
                    raise ValueError(f"{other.name} and {partner.name} pin the same TLS certificate")
        self._by_name, self._by_fingerprint = by_name, by_fingerprint

    def named(self, name: str) -> Partner | None:
        return self._by_name.get(name)

    def of_certificate(self, certificate: Certificate | None) -> Partner | None:
        """The partner that pinned this client certificate; None for nobody's."""
        if certificate is None:
            return None
        return self._by_fingerprint.get(fingerprint(certificate))
