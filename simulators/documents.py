"""Envelopes with real-looking contents: certificates, declarations, cancellations, customs responses.

Pure and repeatable: the same arguments give the same bytes.  What they look like follows the national schemas
of profiles/atiga-form-d-2022 and profiles/acdd-1.08; a portal of another country writes the same structure.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree

from attrs import frozen

from simulators.national import gateway_of, portal_of

FORM_D, ACDD = "ASW-EFORMD", "ASW-ACDD"
VIET_NAM = timezone(timedelta(hours=7))
Content = str | Sequence[tuple[str, Any]]
"""What stands in an element: a text, or its children as (tag, content) in order."""


@frozen(kw_only=True)
class Goods:
    """Something that is traded; `criterion` is box 8 of a Form D."""

    description: str
    hs_code: str
    criterion: str
    package: str
    price: float


@frozen(kw_only=True)
class Trader:
    """A company, somewhere."""

    name: str
    identity: str
    street: str
    city: str


GOODS: dict[str, tuple[Goods, ...]] = {
    "VN": (
        Goods(
            description="Coffee beans, robusta, not roasted",
            hs_code="09011120",
            criterion="WO",
            package="BG",
            price=2.4,
        ),
        Goods(
            description="Frozen shrimp, peeled", hs_code="03061730", criterion="WO", package="CT", price=9.8
        ),
        Goods(
            description="Cotton T-shirts for men",
            hs_code="61091010",
            criterion="CTH",
            package="CT",
            price=4.1,
        ),
        Goods(
            description="Insulated copper wire",
            hs_code="85444922",
            criterion="RVC 45%",
            package="DR",
            price=7.9,
        ),
    ),
    "TH": (
        Goods(
            description="Natural rubber, technically specified",
            hs_code="40012220",
            criterion="WO",
            package="BE",
            price=1.7,
        ),
        Goods(
            description="Air conditioners, wall type",
            hs_code="84151010",
            criterion="RVC 52%",
            package="CT",
            price=210.0,
        ),
        Goods(
            description="Pneumatic tyres for motor cars",
            hs_code="40111000",
            criterion="CTH",
            package="PX",
            price=38.0,
        ),
    ),
    "ID": (
        Goods(description="Refined palm oil", hs_code="15119036", criterion="WO", package="DR", price=0.9),
        Goods(description="Instant noodles", hs_code="19023040", criterion="CTH", package="CT", price=1.2),
    ),
}
TRADERS: dict[str, tuple[Trader, ...]] = {
    "VN": (
        Trader(
            name="Cong ty TNHH Ca phe Tay Nguyen",
            identity="0100233488",
            street="12 Le Duan",
            city="Buon Ma Thuot",
        ),
        Trader(
            name="Saigon Textile Joint Stock Company",
            identity="0314409058",
            street="45 Nguyen Hue",
            city="Ho Chi Minh City",
        ),
    ),
    "TH": (
        Trader(
            name="Siam Trading Co., Ltd.", identity="0105536000315", street="88 Rama IV Road", city="Bangkok"
        ),
        Trader(
            name="Chonburi Appliance Works",
            identity="0205547021107",
            street="7 Sukhumvit Road",
            city="Laem Chabang",
        ),
    ),
    "ID": (
        Trader(
            name="PT Nusantara Pangan", identity="012345678091000", street="Jl. Sudirman 21", city="Jakarta"
        ),
        Trader(name="PT Surya Sawit", identity="021110002411000", street="Jl. Pemuda 5", city="Medan"),
    ),
}
PORTS = {"VN": ("VNCLI", "Cat Lai"), "TH": ("THLCH", "Laem Chabang"), "ID": ("IDTPP", "Tanjung Priok")}


def number_for(document_type: str, origin: str, destination: str, serial: int, *, now: float) -> str:
    """The number of a new document: VN-TH 26/02/00006, or 12 digits for a declaration."""
    if document_type == ACDD:
        return f"30{sorted(TRADERS).index(origin) + 1}{serial % 10**8:08d}0"
    return f"{origin}-{destination} {_day(now):%y}/02/{serial % 10**5:05d}"


def form_d(
    *, number: str, origin: str, destination: str, message_id: str, now: float, seed: float | int = 1
) -> bytes:
    """A certificate of origin Form D (10/01)."""
    content = _form_d(number, origin, destination, now, random.Random(seed))  # noqa: S311 - repeatable, not secret
    return envelope(FORM_D, "01", content, country=origin, message_id=message_id, reference=number, now=now)


def replacement(earlier: bytes, *, number: str, message_id: str, now: float) -> bytes:
    """The same certificate with a new number, in the place of the earlier one (10/02)."""
    content = _content(earlier)
    replaced = _text(content, "Number")
    _element(content, "Number").text = number
    replaces = _build("Replaces", [("Number", replaced), ("IssueDate", _text(content, "Certification/Date"))])
    content.insert(1, replaces)
    _element(content, "Certification/Date").text = f"{_day(now):%Y-%m-%d}"
    _element(content, "Declaration/Date").text = f"{_day(now):%Y-%m-%d}"
    return envelope(
        FORM_D,
        "02",
        content,
        country=_text(content, "ExportCountry"),
        message_id=message_id,
        reference=number,
        previous=replaced,
        now=now,
    )


def acdd(
    *, number: str, origin: str, destination: str, message_id: str, now: float, seed: float | int = 1
) -> bytes:
    """An export declaration for the customs of the destination (10/01)."""
    content = _acdd(number, origin, destination, now, random.Random(seed))  # noqa: S311 - repeatable, not secret
    return envelope(ACDD, "01", content, country=origin, message_id=message_id, reference=number, now=now)


def cancellation(earlier: bytes, *, message_id: str, now: float) -> bytes:
    """Take an earlier document of ours away (10/03)."""
    before = _content(earlier)
    number, origin = _text(before, "Number"), _text(before, "ExportCountry")
    issued = before.findtext("Certification/Date") or (before.findtext("IssuedAt") or "")[:10]
    content = _build(
        "Cancellation",
        [
            ("Number", number),
            ("IssueDate", issued),
            ("ExportCountry", origin),
            ("ImportCountry", _text(before, "ImportCountry")),
            ("Reason", "The shipment does not take place."),
        ],
    )
    procedure = _parse(earlier).findtext("Header/Subject/documentType") or FORM_D
    return envelope(
        procedure, "03", content, country=origin, message_id=message_id, reference=number, now=now
    )


def customs_response(received: bytes, *, status: str, message_id: str, now: float, own_country: str) -> bytes:
    """The answer of our customs to a document from abroad (10/05); status: UTL, UTP, REJ, SUS or VAL."""
    before = _content(received)
    number = _text(before, "Number")
    children: list[tuple[str, Content]] = [
        ("AnsweredNumber", number),
        ("ExportCountry", _text(before, "ExportCountry")),
        ("ImportCountry", _text(before, "ImportCountry")),
        ("IssuedAt", _moment(now)),
        ("Status", status),
        ("StatusAt", _moment(now)),
    ]
    if status == "REJ":
        reason = [("Code", "B06"), ("Text", "The goods found are not those of box 7.")]
        children += [("RejectedAt", _moment(now)), ("Reason", reason)]
    else:
        children.append(("AcceptedAt", _moment(now)))
    procedure = _parse(received).findtext("Header/Subject/documentType") or FORM_D
    return envelope(
        procedure,
        "05",
        _build("CustomsResponse", children),
        country=own_country,
        message_id=message_id,
        reference=number,
        now=now,
    )


def envelope(
    procedure: str,
    function: str,
    content: ElementTree.Element,
    *,
    country: str,
    message_id: str,
    reference: str,
    now: float,
    previous: str = "",
) -> bytes:
    """A submission (type 10) of a country's portal to its gateway."""
    year = f"{_day(now).year}"
    subject: Content = [
        ("documentType", procedure),
        ("type", "10"),
        ("function", function),
        ("reference", reference[:35]),
        ("documentYear", year),
        ("preReference", (previous or reference)[:35]),
        ("preDocumentYear", year),
        ("sendDate", f"{_day(now):%Y-%m-%d %H:%M:%S}"),
    ]
    header: Content = [
        ("Reference", [("version", "01"), ("messageId", message_id)]),
        ("From", list(portal_of(country).items())),
        ("To", list(gateway_of(country).items())),
        ("Subject", subject),
    ]
    root = _build("Envelope", [("Header", header), ("Body", [("Content", ())])])
    _element(root, "Body/Content").append(content)
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


# --- contents


def _form_d(
    number: str, origin: str, destination: str, now: float, chance: random.Random
) -> ElementTree.Element:
    today = f"{_day(now):%Y-%m-%d}"
    departure = f"{_day(now + 86400 * chance.randint(1, 5)):%Y-%m-%d}"
    exporter, consignee = chance.choice(_traders(origin)), chance.choice(_traders(destination))
    port_from, port_to = _port(origin), _port(destination)
    items = [
        ("Item", _form_d_item(sequence, goods, origin, chance))
        for sequence, goods in enumerate(chance.sample(_goods(origin), k=chance.randint(1, 2)), start=1)
    ]
    return _build(
        "FormD",
        [
            ("Number", number),
            ("ExportCountry", origin),
            ("ImportCountry", destination),
            ("Exporter", _party(exporter, origin)),
            ("Consignee", _party(consignee, destination)),
            (
                "Transport",
                [
                    ("DepartureDate", departure),
                    (
                        "Means",
                        [
                            ("Mode", "1"),
                            ("Name", "MV Mekong Star"),
                            ("Identity", f"V{chance.randint(100, 999)}"),
                        ],
                    ),
                    ("PortOfLoading", [("Code", port_from[0]), ("Name", port_from[1])]),
                    ("PortOfDischarge", [("Code", port_to[0]), ("Name", port_to[1])]),
                ],
            ),
            ("Items", items),
            (
                "Invoices",
                [
                    (
                        "Invoice",
                        [("Number", f"INV-{chance.randint(10000, 99999)}"), ("Date", today), ("Type", "380")],
                    )
                ],
            ),
            ("Declaration", [("Signatory", "Export manager"), ("Place", exporter.city), ("Date", today)]),
            (
                "Certification",
                [
                    ("Authority", f"Issuing authority of {origin}"),
                    ("Officer", "Officer in charge"),
                    ("Place", exporter.city),
                    ("Date", today),
                ],
            ),
        ],
    )


def _form_d_item(sequence: int, goods: Goods, origin: str, chance: random.Random) -> Content:
    packages = chance.randint(10, 900)
    weight = packages * 25
    return [
        ("Number", str(sequence)),
        (
            "Package",
            [("Number", "1"), ("Marks", "N/M"), ("Quantity", str(packages)), ("Kind", goods.package)],
        ),
        ("Description", goods.description),
        ("HsCode", goods.hs_code),
        ("HsList", "A22"),
        ("OriginCriterion", goods.criterion),
        ("OriginCountry", origin),
        ("GrossWeight@unit=KGM", str(weight)),
        ("FobValue@currency=USD", f"{weight * goods.price:.2f}"),
    ]


def _acdd(
    number: str, origin: str, destination: str, now: float, chance: random.Random
) -> ElementTree.Element:
    exporter, consignee = chance.choice(_traders(origin)), chance.choice(_traders(destination))
    port_from, port_to = _port(origin), _port(destination)
    goods = chance.choice(_goods(origin))
    weight = chance.randint(500, 20000)
    return _build(
        "ExportDeclaration",
        [
            ("Number", number),
            ("IssuedAt", _moment(now)),
            ("AcceptedAt", _moment(now)),
            ("ExportCountry", origin),
            ("ImportCountry", destination),
            ("Exporter", [("Name", exporter.name), ("Identity", exporter.identity)]),
            ("Consignee", _party(consignee, destination, identity=False)),
            ("Agent", [("Name", "Mekong Customs Brokers"), ("Identity", "0300588569")]),
            (
                "Transport",
                [
                    ("DepartureDate", f"{_day(now + 86400):%Y-%m-%d}"),
                    ("Mode", "1"),
                    ("Name", "MV Mekong Star"),
                    ("PortOfLoading", [("Code", port_from[0]), ("Name", port_from[1])]),
                    ("PortOfDischarge", [("Code", port_to[0]), ("Name", port_to[1])]),
                ],
            ),
            ("TotalItems", "1"),
            (
                "Items",
                [
                    (
                        "Item",
                        [
                            ("Number", "1"),
                            ("HsCode", goods.hs_code),
                            ("Description", goods.description),
                            ("Quantity@unit=KGM", str(weight)),
                            ("OriginCountry", origin),
                        ],
                    )
                ],
            ),
        ],
    )


def _party(trader: Trader, country: str, *, identity: bool = True) -> Content:
    address: Content = [("Line", trader.street), ("City", trader.city), ("Country", country)]
    who: list[tuple[str, Content]] = [("Name", trader.name)]
    if identity:
        who.append(("Identity", trader.identity))
    return [*who, ("Address", address)]


def _goods(country: str) -> tuple[Goods, ...]:
    return GOODS.get(country, GOODS["VN"])


def _traders(country: str) -> tuple[Trader, ...]:
    return TRADERS.get(country, TRADERS["VN"])


def _port(country: str) -> tuple[str, str]:
    return PORTS.get(country, PORTS["VN"])


# --- XML


def _build(tag: str, content: Content) -> ElementTree.Element:
    """`tag` may end in "@attribute=value"."""
    name, _, attribute = tag.partition("@")
    element = ElementTree.Element(name)
    if attribute:
        key, _, value = attribute.partition("=")
        element.set(key, value)
    if isinstance(content, str):
        element.text = content
    else:
        element.extend(_build(child, inside) for child, inside in content)
    return element


def _parse(envelope: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(envelope)  # noqa: S314 - our own documents, or from our own gateway


def _content(envelope: bytes) -> ElementTree.Element:
    return _element(_parse(envelope), "Body/Content")[0]


def _element(element: ElementTree.Element, path: str) -> ElementTree.Element:
    found = element.find(path)
    if found is None:
        raise ValueError(f"{element.tag} has no {path}")
    return found


def _text(element: ElementTree.Element, path: str) -> str:
    return _element(element, path).text or ""


def _day(at: float) -> datetime:
    return datetime.fromtimestamp(at, VIET_NAM)


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
