"""Every certificate that a configuration uses, for expiry metrics, warnings and reports."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen

from asw_gateway.config.values import GatewayConfig
from asw_gateway.tls.files import Certificate, der_of, fingerprint


@frozen(kw_only=True)
class CertificateInUse:
    """`party` is `own`, a partner's name or `portal:NAME`; `use` is a value of the metrics' `use` label."""

    party: str
    use: str
    fingerprint: str
    not_after_at: float
    der: bytes = field(repr=False)


def certificates_in_use(config: GatewayConfig) -> Iterator[CertificateInUse]:
    """Ours, the partners' and the portal clients'; several of one party and use are possible."""
    own = [
        ("tls-server", config.partner_listener.pair.certificate),
        ("tls-server", config.portal_listener.pair.certificate),
        ("tls-client", config.partner_client.certificate),
        ("signing", config.signing.certificate),
        ("seal", config.seal.certificate),
    ]
    more = (
        ("encryption", config.decryption),
        ("signing", config.signing_2_0),
        ("encryption", config.decryption_2_0),
    )
    own += [(use, pair.certificate) for use, pair in more if pair is not None]
    yield from (_in_use("own", use, certificate) for use, certificate in own)
    for client in config.portal_clients:
        yield _in_use(f"portal:{client.name}", "tls-client", client.certificate)
    for partner in config.partners:
        theirs = {
            "tls-client": partner.tls_certificates,
            "signing": partner.signing_certificates,
            "seal": partner.seal_certificates,
            "tls-server": partner.server_trust,
            "encryption": (partner.encryption_certificate,) if partner.encryption_certificate else (),
        }
        for use, certificates in theirs.items():
            yield from (_in_use(partner.name, use, certificate) for certificate in certificates)


def _in_use(party: str, use: str, certificate: Certificate) -> CertificateInUse:
    return CertificateInUse(
        party=party,
        use=use,
        fingerprint=fingerprint(certificate),
        not_after_at=certificate.not_valid_after_utc.timestamp(),
        der=der_of(certificate),
    )
