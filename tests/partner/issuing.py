"""An issuer of certificates for tests: leaves, lists, and a responder on a loopback port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from asw_gateway.tls import Certificate

GOOD, REVOKED, UNKNOWN = (
    ocsp.OCSPCertStatus.GOOD,
    ocsp.OCSPCertStatus.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN,
)
HOUR = timedelta(hours=1)


class Issuer:
    """One authority. `now` gives the moment (epoch seconds) at which it lists and answers."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Issuer")
        self._serial = 1
        self.certificate = self._sign(self._name, self._key.public_key(), None)

    def issue(self, common_name: str, responder: str | None = None) -> Certificate:
        """A certificate that names `responder`, an address, if given."""
        return self._sign(_name(common_name), ec.generate_private_key(ec.SECP256R1()).public_key(), responder)

    def crl(self, *revoked: Certificate, lifetime: timedelta = 24 * HOUR) -> bytes:
        """A list, PEM."""
        moment = self._moment()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(moment).next_update(moment + lifetime)
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(moment).build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def answer(
        self, certificate: Certificate, status: ocsp.OCSPCertStatus = GOOD, lifetime: timedelta = HOUR
    ) -> bytes:
        """An OCSP answer, DER."""
        moment, revoked = self._moment(), status is REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=certificate,
            issuer=self.certificate,
            algorithm=hashes.SHA256(),
            cert_status=status,
            this_update=moment,
            next_update=moment + lifetime,
            revocation_time=moment if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, self.certificate)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def _sign(self, subject: x509.Name, key: Any, responder: str | None) -> Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(self._serial)
        builder = builder.not_valid_before(self._moment() - HOUR)
        builder = builder.not_valid_after(self._moment() + 9000 * HOUR)
        self._serial += 1
        if responder is not None:
            place = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Responder(Resource):
    """Answers by serial number: bytes, an HTTP status, or None for no answer at all."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.says: dict[int, bytes | int | None] = {}
        self.asked: list[int] = []
        self._held: list[Any] = []

    async def open(self) -> Any:
        """Listen on a free port of this machine; the listening port."""
        endpoint: Any = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.port = await endpoint.listen(Site(self))
        return self.port

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port.getHost().port}/ocsp"

    async def close(self) -> None:
        """Go away, with every question that waits."""
        for request in self._held:
            if request.channel is not None:
                request.channel.transport.abortConnection()
        self._held.clear()
        await self.port.stopListening()

    def render_POST(self, request: Any) -> Any:
        question = ocsp.load_der_ocsp_request(request.content.read())
        self.asked.append(question.serial_number)
        said = self.says.get(question.serial_number)
        if said is None:
            self._held.append(request)
            return NOT_DONE_YET
        if isinstance(said, int):
            request.setResponseCode(said)
            return b""
        request.setHeader(b"content-type", b"application/ocsp-response")
        return said


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
