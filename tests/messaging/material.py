"""Throw-away keys, certificates, partners and messages for the tests of the message layer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import NameOID

from asw_gateway.messaging.message import MessageProperty, Part, UserMessage
from asw_gateway.messaging.party import Partner, PartyId
from asw_gateway.messaging.pmode import INITIATOR_ROLE, RESPONDER_ROLE, PMode, SecurityProfile
from asw_gateway.messaging.signature import SigningIdentity

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC).timestamp()
SCHEME = "urn:oasis:names:tc:ebcore:partyid-type:iso3166-1"
VIET_NAM = PartyId(value="vn-gateway", type=SCHEME)
THAILAND = PartyId(value="th-gateway", type=SCHEME)
FORM_D = (
    b"<?xml version='1.0' encoding='UTF-8'?><MetaData><Declaration>"
    + b"<Item>rice</Item>" * 300
    + (b"</Declaration></MetaData>")
)
MESSAGE_ID = "0001.form-d@vn-gateway.example"


@cache
def private_key(algorithm: str, name: str) -> object:
    if algorithm == "rsa-sha256":
        return rsa.generate_private_key(65537, 2048)
    if algorithm == "rsa-1024":
        return rsa.generate_private_key(65537, 1024)
    if algorithm == "ecdsa-sha256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "ecdsa-sha384":
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm == "x25519":
        return x25519.X25519PrivateKey.generate()
    return ed25519.Ed25519PrivateKey.generate()


@cache
def certificate(
    name: str,
    algorithm: str = "ecdsa-sha256",
    *,
    issuer: str = "Test CA",
    start_days: int = -30,
    days: int = 365,
) -> x509.Certificate:
    issuer_key = private_key("ecdsa-sha256", issuer)
    key = issuer_key if name == issuer else private_key(algorithm, name)
    begin = datetime.fromtimestamp(NOW, UTC) + timedelta(days=start_days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Customs, Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


@cache
def identity(name: str, algorithm: str = "ecdsa-sha256", **validity: int) -> SigningIdentity:
    return SigningIdentity(
        private_key=private_key(algorithm, name),
        certificate=certificate(name, algorithm, **validity),
        chain=(certificate("Test CA", issuer="Test CA"),),
    )


def pmode(sender: PartyId = VIET_NAM, receiver: PartyId = THAILAND, **security: object) -> PMode:
    security.setdefault("signature_algorithm", "ecdsa-sha256")
    return PMode(
        id=f"{sender.value}-{receiver.value}",
        agreement="urn:asw:agreement:test",
        initiator=sender,
        responder=receiver,
        address="https://partner.example/as4",
        security=SecurityProfile(**security),
    )


def partner(
    signer: SigningIdentity | None = None,
    *,
    party: PartyId = VIET_NAM,
    own: PartyId = THAILAND,
    **security: object,
) -> Partner:
    signer = signer or identity("vn")
    return Partner(
        name="vn",
        party_id=party,
        country="VN",
        outbound=pmode(own, party, **security),
        inbound=pmode(party, own, **security),
        signing_certificates=(signer.certificate,),
    )


def user_message(**changes: object) -> UserMessage:
    message = UserMessage(
        message_id=MESSAGE_ID,
        timestamp_at=NOW - 5,
        from_party=VIET_NAM,
        from_role=INITIATOR_ROLE,
        to_party=THAILAND,
        to_role=RESPONDER_ROLE,
        agreement="urn:asw:agreement:test",
        service="urn:asw:form-d",
        service_type="urn:asw:service",
        action="certificate",
        conversation_id="VN-2026-0001 & <co>",
        properties=(
            MessageProperty(name="originalSender", value="urn:vn:moit"),
            MessageProperty(name="finalRecipient", value='urn:th:"customs"'),
        ),
    )
    return evolve(message, **changes)


def form_d(**changes: object) -> Part:
    part = Part(
        content_id="document@vn-gateway", content=FORM_D, mime_type="application/xml", character_set="UTF-8"
    )
    return evolve(part, **changes)
