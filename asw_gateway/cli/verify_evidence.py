"""Check an evidence bundle of an ASEAN gateway offline: python verify_evidence.py BUNDLE [--trust CERT.pem …]

BUNDLE is a zip file or a directory made by `aswctl evidence export`. Needs Python 3.11, lxml and
cryptography, and nothing of the gateway: this file shares no code with what it checks, and travels in every
bundle (take it from a place you trust). Exit status 0: everything holds. 1: something does not. 2: no bundle.

What is checked: every file's SHA-256; the WS-Security signature of the message over its header and every
part; the receipt's signature, and that it names exactly the digests the message signs; the message's journal
entries, their place in the hash chain, and the gateway's signature on the chain's head; that the journal
speaks of these very bytes. With --trust, that every signer is one of the certificates you name.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from lxml import etree

FORMAT = "asw-evidence/1"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
EB = "{http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/}"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
HEAD = "{urn:asw-gateway:evidence:1}"
XENC = "{http://www.w3.org/2001/04/xmlenc#}"
HASHES = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


class Broken(Exception):
    """A check that does not hold; the sentence says which."""


class Check:
    """Collects what was found; every line is a sentence."""

    def __init__(self, trusted: set[str]) -> None:
        self.trusted = trusted
        self.failures = 0
        self.signers: dict[str, str] = {}

    def run(self, what: str, work: Callable[[], str]) -> None:
        """Do one check and write its line."""
        try:
            line = f"ok      {what}: {work()}"
        except Broken as broken:
            line = f"FAILED  {what}: {broken}"
            self.failures += 1
        except Exception as error:  # noqa: BLE001  whatever a forger wrote, it is a failed check
            line = f"FAILED  {what}: cannot be read ({type(error).__name__}: {error})"
            self.failures += 1
        print(line)

    def signed_by(self, certificate: x509.Certificate) -> str:
        """Note a signer; Broken when it is none of the trusted ones."""
        print_ = certificate.fingerprint(hashes.SHA256()).hex()
        self.signers[print_] = certificate.subject.rfc4514_string()
        if self.trusted and print_ not in self.trusted:
            raise Broken(f"signed by {self.signers[print_]}, SHA-256 {print_}, which you do not trust")
        return self.signers[print_]


def need(condition: object, sentence: str) -> None:
    if not condition:
        raise Broken(sentence)


def parse(data: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, huge_tree=False
    )
    root = etree.fromstring(data, parser)
    need(root.getroottree().docinfo.internalDTD is None, "the XML has a document type")
    return root


def canonical(element: Any, method: Any = None) -> bytes:
    prefixes = None
    if method is not None and len(method):
        prefixes = (method[0].get("PrefixList") or "").split()
    data: bytes = etree.tostring(
        element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes
    )
    return data


def digest_method(algorithm: str) -> Callable[[bytes], bytes]:
    name = algorithm.rpartition("#")[2]
    need(name in HASHES, f"the digest algorithm {name} is not accepted")
    return lambda data: HASHES[name](data).digest()


def verifies(certificate: x509.Certificate, algorithm: str, value: bytes, data: bytes) -> bool:
    """Whether the certificate's key made this XML-DSig signature value."""
    key, name = certificate.public_key(), algorithm.rpartition("#")[2]
    sha = hashes.SHA384() if name.endswith("sha384") else hashes.SHA256()
    try:
        if isinstance(key, rsa.RSAPublicKey) and name == "rsa-sha256":
            key.verify(value, data, padding.PKCS1v15(), sha)
        elif isinstance(key, ec.EllipticCurvePublicKey) and name in ("ecdsa-sha256", "ecdsa-sha384"):
            half = len(value) // 2
            r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(sha))
        elif isinstance(key, ed25519.Ed25519PublicKey) and name == "eddsa-ed25519":
            key.verify(value, data)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def signer_of(signature: Any, certificates: list[x509.Certificate]) -> x509.Certificate:
    """The certificate whose key made the signature; Broken when it is none of the bundle's."""
    info = signature.find(DS + "SignedInfo")
    method = info.find(DS + "CanonicalizationMethod")
    data = canonical(info, method)
    value = base64.b64decode("".join(signature.findtext(DS + "SignatureValue").split()))
    algorithm = info.find(DS + "SignatureMethod").get("Algorithm")
    for certificate in certificates:
        if verifies(certificate, algorithm, value, data):
            return certificate
    raise Broken("no certificate of the bundle verifies the signature")


def multipart(content_type: str, body: bytes) -> tuple[bytes, dict[str, tuple[str, bytes]]]:
    """The SOAP envelope, and content id -> (content type, octets) of the parts."""
    if not content_type.lower().startswith("multipart/"):
        return body, {}
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    need(found, "the content type names no boundary")
    assert found is not None
    pieces = (b"\r\n" + body).split(b"\r\n--" + found[1].encode())
    parts = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        head, _, content = piece.partition(b"\r\n\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.decode("ascii").splitlines())
        }
        parts.append((headers, content))
    need(parts, "the message has no parts")
    others = {
        headers["content-id"].strip("<>"): (headers.get("content-type", ""), content)
        for headers, content in parts[1:]
    }
    return parts[0][1], others


def part_octets(content_type: str, content: bytes) -> bytes:
    media = content_type.partition(";")[0].strip().lower()
    if media in ("text/xml", "application/xml") or media.endswith("+xml"):
        return canonical(parse(content).getroottree())
    if media.startswith("text/"):
        return re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    return content


def check_envelope(
    content_type: str, body: bytes, certificates: list[x509.Certificate], check: Check
) -> tuple[Any, list[tuple[str, str]], str]:
    """Verify the signature of a SOAP message with parts: eb:Messaging, references, sentence."""
    soap, parts = multipart(content_type, body)
    root = parse(soap)
    security = root.find(f"{SOAP}Header/{WSSE}Security")
    messaging, soap_body = root.find(f"{SOAP}Header/{EB}Messaging"), root.find(f"{SOAP}Body")
    need(security is not None and messaging is not None, "it is not a signed ebMS message")
    [signature] = security.findall(DS + "Signature")
    by_id: dict[str, Any] = {}
    for element in root.iter(etree.Element):
        for name in (WSU + "Id", "Id", "id"):
            if element.get(name) is not None:
                need(element.get(name) not in by_id, "an identifier is used twice")
                by_id[element.get(name)] = element
    encrypted = security.find(XENC + "EncryptedKey") is not None
    covered, references = [], []
    for reference in signature.findall(f"{DS}SignedInfo/{DS}Reference"):
        uri = reference.get("URI") or ""
        [transform] = reference.findall(f"{DS}Transforms/{DS}Transform")
        stated = "".join(reference.findtext(DS + "DigestValue").split())
        references.append((uri, stated))
        if uri.startswith("cid:"):
            covered.append(uri[4:])
            need(uri[4:] in parts, f"the signed part {uri} is missing")
            if encrypted:  # the digest is over the clear text, which only the receiver has
                continue
            octets = part_octets(*parts[uri[4:]])
        else:
            covered.append(by_id[uri[1:]])
            octets = canonical(by_id[uri[1:]], transform)
        method = digest_method(reference.find(DS + "DigestMethod").get("Algorithm"))
        need(base64.b64encode(method(octets)).decode() == stated, f"the digest of {uri} does not match")
    need(messaging in covered and soap_body in covered, "header and body are not both signed")
    need(set(parts) <= set(map(str, covered)), "a part is not signed")
    signer = check.signed_by(signer_of(signature, certificates))
    count = f"{len(parts)} parts" + (" (encrypted: only their place is proved)" if encrypted else "")
    return messaging, references, f"signed by {signer}; header, body and {count} are whole"


def check_head(data: bytes, proof: dict[str, Any], last: str, certificates: Any, check: Check) -> str:
    """The signed statement of a chain's head, against the hash that the links lead to."""
    root = parse(data)
    [signature] = root.findall(DS + "Signature")
    need(root[-1] is signature, "the signature is not the last child of the statement")
    [reference] = signature.findall(f"{DS}SignedInfo/{DS}Reference")
    need(reference.get("URI") == "", "the signature is not over the whole statement")
    signer = check.signed_by(signer_of(signature, certificates))
    method = digest_method(reference.find(DS + "DigestMethod").get("Algorithm"))
    root.remove(signature)
    stated = base64.b64decode(reference.findtext(DS + "DigestValue"))
    need(method(canonical(root)) == stated, "the statement was changed after it was signed")
    said = {name: root.findtext(HEAD + name) for name in ("Chain", "Sequence", "Hash", "At")}
    end = proof["first_sequence"] + len(proof["links"]) - 1
    need(said["Chain"] == proof["chain"], "the statement is about another chain")
    need(said["Sequence"] == str(end), "the entries do not end at the head")
    need(said["Hash"] == last, "the entries do not lead to the signed head")
    return f"head {end} of chain {said['Chain']} at {said['At']}, signed by {signer}"


def walk(proof: dict[str, Any], subject: str) -> tuple[str, list[dict[str, Any]]]:
    """Recompute a stretch of a chain: the last hash, and the message's own entries."""
    previous, own = proof["previous_hash"], []
    for place, link in enumerate(proof["links"]):
        content = link
        if isinstance(link, dict):
            need(link["chain"] == proof["chain"], "an entry is of another chain")
            need(link["sequence"] == proof["first_sequence"] + place, "an entry is out of place")
            need(link["subject"] == subject, "an entry is about something else")
            fields = ("chain", "sequence", "at", "event", "subject", "actor", "digest", "detail")
            text = json.dumps([link[name] for name in fields], ensure_ascii=False, separators=(",", ":"))
            content = hashlib.sha256(text.encode()).hexdigest()
            own.append(link)
        previous = hashlib.sha256((previous + content).encode()).hexdigest()
        if isinstance(link, dict):
            need(previous == link["hash"], f"entry {link['sequence']} was changed, or one before it")
    return previous, own


def reference_digest(references: list[tuple[str, str]]) -> str:
    text = json.dumps(sorted(references), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_bundle(read: Callable[[str], bytes], check: Check) -> None:
    manifest = json.loads(read("manifest.json"))
    need(manifest.get("format") == FORMAT, f"this is not a bundle of format {FORMAT}")
    message, files, subject = manifest["message"], manifest["files"], manifest["subject"]
    print(f"message {message['message_id']} ({subject}), document {message['document_number']}, "
          f"partner {message['partner']}, state {message['state']}")  # fmt: skip
    for one in files:
        check.run(one["path"], lambda one=one: _digest(read(one["path"]), one["sha256"]))  # type: ignore[misc]
    certificates = [
        x509.load_pem_x509_certificate(read(one["path"])) for one in files if one["role"] == "certificate"
    ]
    journal: list[dict[str, Any]] = []
    for proof in json.loads(read("journal.json")):
        check.run(
            f"journal, chain {proof['chain']}",
            lambda proof=proof: _chain(proof, subject, read, certificates, check, journal),  # type: ignore[misc]
        )
    signed: dict[str, list[tuple[str, str]]] = {}
    for one in files:
        if one["role"] in ("sent", "sent-before", "received", "receipt", "error"):
            check.run(
                f"{one['role']} {one['path']}",
                lambda one=one: _message(one, read, certificates, check, message, signed),  # type: ignore[misc]
            )
    check.run("the journal speaks of these bytes", lambda: _bound(files, signed, journal))
    for print_, name in check.signers.items():
        known = "trusted" if print_ in check.trusted else "compare it with what you know of that party"
        print(f"signer  {name}, SHA-256 {print_}: {known}")


def _digest(data: bytes, stated: str) -> str:
    need(hashlib.sha256(data).hexdigest() == stated, "the file was changed")
    return f"SHA-256 {stated}"


def _chain(
    proof: dict[str, Any], subject: str, read: Callable[[str], bytes], certificates: Any, check: Check,
    journal: list[dict[str, Any]],
) -> str:  # fmt: skip
    last, own = walk(proof, subject)
    need(own, "it holds no entry of the message")
    need(proof["head"], "no signed head covers these entries yet: export the bundle again later")
    said = check_head(read(proof["head"]), proof, last, certificates, check)
    journal.extend(own)
    return f"{len(own)} entries lead to {said}"


def _message(
    one: dict[str, Any], read: Callable[[str], bytes], certificates: Any, check: Check,
    message: dict[str, Any], signed: dict[str, list[tuple[str, str]]],
) -> str:  # fmt: skip
    data = read(one["path"])
    if one["role"] == "error" and b"Security" not in data:
        return "an unsigned error signal, kept for information"
    messaging, references, said = check_envelope(one["content_type"], data, certificates, check)
    if one["role"] in ("sent", "sent-before", "received"):
        need(messaging.findtext(f".//{EB}MessageId") == message["message_id"], "it is another message")
        signed[one["path"]] = references
    elif one["role"] == "receipt":
        need(messaging.findtext(f".//{EB}RefToMessageId") == message["message_id"],
             "it is the receipt of another message")  # fmt: skip
        proved = [
            (each.get("URI") or "", "".join(each.findtext(DS + "DigestValue").split()))
            for each in messaging.iterfind(f".//{EB}Receipt//{DS}Reference")
        ]
        for path, expected in signed.items():
            need(sorted(proved) == sorted(expected), f"it does not prove what {path} signs")
        said += f"; it proves the {len(proved)} digests that the message signs"
    return said


def _bound(
    files: list[dict[str, Any]],
    signed: dict[str, list[tuple[str, str]]],
    journal: list[dict[str, Any]],
) -> str:
    told = {entry["digest"] for entry in journal}
    for one in files:
        if one["role"] in ("submitted", "receipt"):
            need(one["sha256"] in told, f"no entry names the SHA-256 of {one['path']}")
    for path, references in signed.items():
        need(reference_digest(references) in told, f"no entry names the digests that {path} signs")
    return f"{len(journal)} entries name the SHA-256 of every piece"


def main(arguments: list[str] | None = None) -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("bundle", type=Path)
    asked.add_argument("--trust", type=Path, action="append", default=[], help="PEM file of certificates")
    given = asked.parse_args(arguments)
    try:
        trusted = {
            one.fingerprint(hashes.SHA256()).hex()
            for path in given.trust
            for one in x509.load_pem_x509_certificates(path.read_bytes())
        }
        check = Check(trusted)
        if given.bundle.is_dir():
            folder = given.bundle.resolve()

            def read(name: str) -> bytes:
                path = (folder / name).resolve()
                need(path.is_relative_to(folder), "a file lies outside the bundle")
                return bytes(path.read_bytes())

            check_bundle(read, check)
        else:
            with zipfile.ZipFile(given.bundle) as archive:
                check_bundle(archive.read, check)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, Broken) as fault:
        print(f"verify_evidence: {given.bundle}: {fault}", file=sys.stderr)
        return 2
    print("evidence: BROKEN" if check.failures else "evidence: whole")
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(main())
