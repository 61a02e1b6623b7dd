"""The floor: what lxml, cryptography, zlib, sqlite3 and ssl cost for one message when nothing else runs.

    python -m benchmarks.floor [--rounds 7] [--write]        --write puts the figures into floor.toml

Hot loops over library calls; our code only makes the documents, stylesheets and signatures they work on. The
parts and how often a message needs each stand in floor.toml.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import sqlite3
import ssl
import statistics
import tempfile
import time
import tomllib
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from lxml import etree

from asw_gateway.messaging.mime import split_body
from asw_gateway.messaging.pmode import Limits
from asw_gateway.translation.envelope import read_envelope
from benchmarks import material, stages
from certs.make_dev_pki import make_pki
from tests.exchange.world import catalogue

PARTS_FILE = Path(__file__).with_name("floor.toml")
GROUP = 32
CORES = 2
ROUND_SECONDS = 0.02
ANSWER_BYTES = 1_500


@frozen(kw_only=True)
class Floor:
    """Microseconds per message of each part (calls included), by (side, name)."""

    algorithm: str
    parts: dict[tuple[str, str], float]

    def side(self, side: str) -> float:
        return sum(spent for (at, _), spent in self.parts.items() if at == side)

    @property
    def both(self) -> float:
        return self.side("sender") + self.side("receiver")

    @property
    def per_second(self) -> float:
        """Messages a second if every core did nothing but this."""
        return CORES * 1e6 / self.both


def hot(call: Callable[[], object], rounds: int) -> float:
    """CPU microseconds of one call: the median of rounds of ROUND_SECONDS each."""
    call()
    began = time.perf_counter()
    call()
    number = max(1, int(ROUND_SECONDS / max(time.perf_counter() - began, 1e-7)))
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(number):
            call()
        found.append((time.thread_time() - began) / number * 1e6)
    return statistics.median(found)


def calls_of(algorithm: str, directory: Path) -> dict[tuple[str, str], Callable[[], object]]:
    """The library call of every part, ready to loop over."""
    way, _ = stages.walk(algorithm, 2)
    accepted, prepared, received = way.accepted[0], way.prepared[0], way.received[0]
    profile, kind = catalogue().kind(
        accepted.document_type, accepted.kind, datetime.fromtimestamp(material.NOW, UTC).date()
    )
    compiled = profile.compiled()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    content: Any = read_envelope(way.raw[0], 1_000_000).content
    document = received.verified.parts[0].content
    national_schema = profile.schemas[profile.national_schema]
    asean_schema = profile.schemas[kind.asean_schema]
    to_asean, to_national = (compiled.stylesheets[side] for side in ("asean", "national"))
    root: Any = etree.fromstring(document, parser)
    root.remove(root[-1])
    asserts = [assertion.failing for assertion in compiled.rules.phases.get(kind.phase, ())]
    parameters: dict[str, Any] = {
        "kind": etree.XSLT.strparam(kind.name), "functional_reference": etree.XSLT.strparam("R"),
        "sender_country": etree.XSLT.strparam("VN"), "sender_agency": etree.XSLT.strparam(""),
    }  # fmt: skip
    just_kind = etree.XSLT.strparam(kind.name)
    national: Any = to_national(root, kind=just_kind).getroot()
    soap, (part,) = split_body(prepared.sealed.content_type, prepared.sealed.body, Limits())
    receipt = received.receipt.body
    signer: Any
    key: Any
    signer, key = way.border.sender.identities.signing, way.border.sender.identities.signing.private_key
    public = signer.certificate.public_key()
    header_bytes = etree.tostring(_signed(soap)[1], method="c14n", exclusive=True)
    info_bytes = etree.tostring(_signed(soap)[0], method="c14n", exclusive=True)
    schemes: dict[str, Any] = {
        "ecdsa": (ec.ECDSA(hashes.SHA256()),),
        "rsa": (padding.PKCS1v15(), hashes.SHA256()),
    }
    scheme = schemes[algorithm]
    signature = key.sign(info_bytes, *scheme)
    packed = part.content

    def rules() -> None:
        for check in asserts:
            check(root, on=20261120.0, own="VN")

    def c14n(elements: list[Any]) -> Callable[[], object]:
        def write() -> None:
            for element in elements:
                etree.tostring(element, method="c14n", exclusive=True, with_comments=False)

        return write

    def digests() -> None:
        hashlib.sha256(header_bytes).digest()
        hashlib.sha256(packed).digest()

    def sign() -> object:
        return key.sign(info_bytes, *scheme)

    def verify() -> object:
        return public.verify(signature, info_bytes, *scheme)

    def validated(schema: Any, element: Any) -> Callable[[], object]:
        if not schema.validate(element):
            raise SystemExit(f"floor: {schema.error_log}")
        return lambda: schema.validate(element)

    deliverable = len(national) and etree.tostring(national)
    sizes = Sizes(
        national=way.raw[0], sealed=prepared.sealed.body, receipt=receipt, delivered=deliverable or b""
    )
    tls = Records(directory)
    shared: dict[str, Callable[[], object]] = {
        "canonical document": c14n([root]),
        "digest document": lambda: hashlib.sha256(document).digest(),
        "validate asean": validated(asean_schema, root),
        "rules": rules,
        "sign": sign,
        "verify": verify,
    }
    sender: dict[str, Callable[[], object]] = {
        **shared,
        "parse national": lambda: etree.fromstring(way.raw[0], parser),
        "validate national": validated(national_schema, content),
        "to asean": lambda: to_asean(content, **parameters),
        "gzip": lambda: zlib.compress(document, 6, wbits=-15),
        "digest message": digests,
        "parse receipt": lambda: etree.fromstring(receipt, parser),
        "canonical receipt": c14n(_signed(receipt)),
        "store outbound": outbound_store(directory / "out.db", sizes),
        "records sender": tls.exchange(sizes.national, bytes(ANSWER_BYTES), sizes.sealed, receipt),
    }
    receiver: dict[str, Callable[[], object]] = {
        **shared,
        "parse message": lambda: etree.fromstring(soap, parser),
        "canonical message": c14n(_signed(soap)),
        "digest received": digests,
        "gunzip": lambda: zlib.decompress(packed, wbits=31),
        "parse document": lambda: etree.fromstring(document, parser),
        "to national": lambda: to_national(root, kind=just_kind),
        "serialise national": lambda: etree.tostring(national, encoding="UTF-8"),
        "store inbound": inbound_store(directory / "in.db", sizes),
        "records receiver": tls.exchange(sizes.sealed, receipt),
    }
    found = {("sender", name): call for name, call in sender.items()}
    return found | {("receiver", name): call for name, call in receiver.items()}


def _signed(soap: bytes) -> list[Any]:
    """The elements of an envelope that verification canonicalises: SignedInfo, Messaging, Body."""
    root = etree.fromstring(soap)
    names = ("SignedInfo", "Messaging", "Body")
    return [next(root.iter(f"{{*}}{name}")) for name in names]


@frozen(kw_only=True)
class Sizes:
    """The bytes that are stored and sent."""

    national: bytes
    sealed: bytes
    receipt: bytes
    delivered: bytes


def _database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, cached_statements=64)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    db.execute("CREATE TABLE q (id INTEGER PRIMARY KEY, k TEXT UNIQUE, n TEXT, state TEXT, at REAL)")
    db.execute("CREATE INDEX due ON q (at, id) WHERE state = 'queued'")
    for table in ("first", "second", "third"):
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body BLOB)")
    return db


def _grouped(db: sqlite3.Connection, write: Callable[[int], None]) -> Callable[[], object]:
    number = [0]

    def one() -> None:
        if number[0] % GROUP == 0:
            db.execute("BEGIN IMMEDIATE")
        number[0] += 1
        write(number[0])
        if number[0] % GROUP == 0:
            db.execute("COMMIT")

    return one


def outbound_store(path: Path, sizes: Sizes) -> Callable[[], object]:
    """Submitted, queued, sending, delivered: one row, its updates, and the three bodies."""
    db = _database(path)

    def write(id: int) -> None:
        db.execute("INSERT INTO q VALUES (?, ?, ?, 'submitted', 0)", (id, f"N-{id}", f"D-{id}"))
        db.execute("INSERT INTO first VALUES (?, ?)", (id, sizes.national))
        db.execute("UPDATE q SET state = 'queued' WHERE id = ?", (id,))
        db.execute("INSERT INTO second VALUES (?, ?)", (id, sizes.sealed))
        db.execute("UPDATE q SET state = 'sending' WHERE id = ?", (id,))
        db.execute("UPDATE q SET state = 'delivered' WHERE id = ?", (id,))
        db.execute("INSERT INTO third VALUES (?, ?)", (id, sizes.receipt))

    return _grouped(db, write)


def inbound_store(path: Path, sizes: Sizes) -> Callable[[], object]:
    """Received and available: one row, its update, message, receipt and feed entry."""
    db = _database(path)

    def write(id: int) -> None:
        db.execute("INSERT INTO q VALUES (?, ?, ?, 'received', 0)", (id, f"M-{id}", ""))
        db.execute("INSERT INTO first VALUES (?, ?)", (id, sizes.sealed))
        db.execute("INSERT INTO second VALUES (?, ?)", (id, sizes.receipt))
        db.execute("UPDATE q SET state = 'available', n = ? WHERE id = ?", (f"D-{id}", id))
        db.execute("INSERT INTO third VALUES (?, ?)", (id, sizes.delivered))

    return _grouped(db, write)


class Records:
    """TLS 1.3 over memory: what one end pays to write and to read records."""

    def __init__(self, directory: Path) -> None:
        pki = directory / "pki"
        make_pki(pki, ["vn"])
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pki / "vn" / "tls-server.pem", pki / "vn" / "tls-server.key")
        client = ssl.create_default_context(cafile=str(pki / "root.pem"))
        self._here, self._there = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
        self.client = client.wrap_bio(*self._here, server_hostname="localhost")
        self.server = server.wrap_bio(*self._there, server_side=True)
        ready = {self.client: False, self.server: False}
        for _ in range(6):
            for end in ready:
                try:
                    end.do_handshake()
                    ready[end] = True
                except ssl.SSLWantReadError:
                    pass
                self._carry()
        if not all(ready.values()):
            raise SystemExit("floor: no TLS handshake over memory")

    def _carry(self) -> None:
        self._there[0].write(self._here[1].read())
        self._here[0].write(self._there[1].read())

    def exchange(self, *records: bytes) -> Callable[[], object]:
        """Write on one end and read on the other; one end's share of it is half."""

        def run() -> None:
            for data in records:
                self.client.write(data)
                self._there[0].write(self._here[1].read())
                left = len(data)
                while left:
                    left -= len(self.server.read(left))

        return run


def parts() -> list[dict[str, Any]]:
    """The lines of floor.toml."""
    with PARTS_FILE.open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file)["parts"]
    return found


def measure(algorithm: str, *, rounds: int = 7) -> Floor:
    """Every part's microseconds per message on this machine, now."""
    with tempfile.TemporaryDirectory(prefix="asw-floor-") as directory:
        calls = calls_of(algorithm, Path(directory))
        spent: dict[tuple[str, str], float] = {}
        known: dict[str, float] = {}
        for part in parts():
            side, name = part["side"], part["name"]
            once = known.get(name)
            if once is None or name.startswith(("store", "records")):
                once = known[name] = hot(calls[side, name], rounds)
            spent[side, name] = once * part["calls"]
    return Floor(algorithm=algorithm, parts=spent)


def write(floors: dict[str, Floor]) -> None:
    """Put the microseconds of one call of each part into floor.toml."""
    text = PARTS_FILE.read_text(encoding="utf-8")
    for part in parts():
        for algorithm, floor in floors.items():
            spent = floor.parts[part["side"], part["name"]] / part["calls"]
            line = re.compile(
                rf'(\{{ name = "{part["name"]}", side = "{part["side"]}",.*?\b{algorithm} = )[0-9.]+'
            )
            text = line.sub(rf"\g<1>{spent:.1f}", text)
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    text = re.sub(r'^machine = ".*"$', f'machine = "{when}, {machine()}"', text, flags=re.MULTILINE)
    PARTS_FILE.write_text(text, encoding="utf-8")


def machine() -> str:
    """What the figures were measured on, in a few words."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, Linux {platform.release()}, Python {platform.python_version()}"


def table(floor: Floor) -> str:
    """For people."""
    lines = [f"{floor.algorithm}: us of CPU per message"]
    lines += [f"  {side:<9}{name:<22}{spent:8.1f}" for (side, name), spent in floor.parts.items()]
    sender, receiver = floor.side("sender"), floor.side("receiver")
    lines.append(
        f"floor {floor.algorithm}: sender us={sender:.0f} receiver us={receiver:.0f} both us={floor.both:.0f}"
        f" per_second={floor.per_second:.0f}"
    )
    return "\n".join(lines)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--write", action="store_true", help="keep the figures in floor.toml")
    given = asked.parse_args()
    floors = {algorithm: measure(algorithm, rounds=given.rounds) for algorithm in material.ALGORITHMS}
    for floor in floors.values():
        print(table(floor))
    if given.write:
        write(floors)


if __name__ == "__main__":
    main()
