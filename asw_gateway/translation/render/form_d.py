"""What stands in each box of a Form D (ATIGA Annex 7), ready for its template, split into pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import field, frozen

from .words import Words

#: Lines that the item table takes on the first page, with boxes 1–4 and 11–13 around it, and on later ones.
FIRST_PAGE_LINES, NEXT_PAGE_LINES = 26.0, 68.0
#: Characters that fit a line of boxes 6, 7, 9 and 10; and what a row takes beside its lines.
_WIDTHS = {"marks": 18, "goods": 42, "quantity": 19, "invoices": 18}
_ROW_LINES = 0.6
#: The tick boxes of box 13 in the order of the form.
MARKS = (
    ("TCI", "Third Country Invoicing"),
    ("ACU", "Accumulation"),
    ("B2B", "Back-to-Back CO"),
    ("PCU", "Partial Cumulation"),
    ("EXH", "Exhibition"),
    ("DMI", "De Minimis"),
    ("RTR", "Issued Retroactively"),
)


@frozen(kw_only=True)
class Line:
    """One item: boxes 5 to 10, each a list of lines.  refused: no preference was given to it."""

    number: str
    marks: tuple[str, ...]
    goods: tuple[str, ...]
    criterion: str
    quantity: tuple[str, ...]
    invoices: tuple[str, ...]
    refused: bool = False

    @property
    def height(self) -> float:
        """Lines of print that the item takes, about."""
        columns = (
            sum(1 + len(text) // width for text in getattr(self, name)) for name, width in _WIDTHS.items()
        )
        return max(*columns, 1) + _ROW_LINES


@frozen(kw_only=True)
class Official:
    """Box 4, from the customs response.  status: the national word (UTL, UTP, REJ, SUS, VAL), "" = none."""

    status: str = ""
    office: str = ""
    at: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        return self.status in ("UTL", "UTP")

    @property
    def not_given(self) -> bool:
        """Also ticked when some items are refused (overleaf note 9)."""
        return self.status in ("REJ", "UTP")


@frozen(kw_only=True)
class FormD:
    """A whole form.  pages: the items of each page."""

    number: str
    version: str
    replaces: str
    issued_in: str
    consigned_from: tuple[str, ...]
    consigned_to: tuple[str, ...]
    transport: tuple[tuple[str, str], ...]
    official: Official
    produced_in: str
    importing: str
    exporter_signature: tuple[str, ...]
    certification: tuple[str, ...]
    marks: tuple[tuple[str, bool], ...]
    remarks: tuple[str, ...]
    pages: tuple[tuple[Line, ...], ...] = field(repr=False)


def read_form(content: Any, answer: Any, words: Words) -> FormD:
    """The form of a national FormD element; `answer`: the CustomsResponse to it, or None."""

    def text(path: str) -> str:
        return (content.findtext(path) or "").strip()

    marked = {element.text for element in content.iterfind("Marks/Mark")}
    official, refused = _official(answer, words)
    country = words.name("countries", text("ExportCountry"))
    items = list(content.iterfind("Items/Item"))
    origins = dict.fromkeys(words.name("countries", _text(item, "OriginCountry")) for item in items)
    lines = [
        _line(item, words, _invoices(content, words) if index == 0 else (), refused)
        for index, item in enumerate(items)
    ]
    return FormD(
        number=text("Number"),
        version=text("Version"),
        replaces=_joined(text("Replaces/Number"), text("Replaces/IssueDate"), between=" of "),
        issued_in=country,
        consigned_from=_party(content.find("Exporter"), words),
        consigned_to=(*_party(content.find("Consignee"), words), *filter(None, [text("Exhibition")])),
        transport=_transport(content, words),
        official=official,
        produced_in=", ".join(origins) or country,
        importing=words.name("countries", text("ImportCountry")),
        exporter_signature=_filled(
            _joined(text("Declaration/Place"), text("Declaration/Date")), text("Declaration/Signatory")
        ),
        certification=_filled(
            text("Certification/Authority"),
            _joined(text("Certification/Place"), text("Certification/PlaceCode"), text("Certification/Date")),
            text("Certification/Officer"),
        ),
        marks=tuple((label, code in marked) for code, label in MARKS),
        remarks=tuple(_texts(content, "Remark")),
        pages=tuple(_pages(lines)),
    )


def _party(party: Any, words: Words) -> tuple[str, ...]:
    identity = _text(party, "Identity")
    return _filled(
        _text(party, "Name"),
        f"ID {identity}" if identity else "",
        _text(party, "Address/Line"),
        _joined(_text(party, "Address/City"), _text(party, "Address/Postcode")),
        words.name("countries", _text(party, "Address/Country")),
    )


def _transport(content: Any, words: Words) -> tuple[tuple[str, str], ...]:
    way = content.find("Transport")
    mode = _text(way, "Means/Mode")
    means = _joined(
        _text(way, "Means/Name"),
        _text(way, "Means/Identity"),
        words.name("transport-modes", mode) if mode else "",
    )
    pairs = (
        ("Departure date", _text(way, "DepartureDate")),
        ("Vessel's name/Aircraft etc.", means),
        ("Port of loading", _joined(_text(way, "PortOfLoading/Name"), _text(way, "PortOfLoading/Code"))),
        (
            "Port of Discharge",
            _joined(_text(way, "PortOfDischarge/Name"), _text(way, "PortOfDischarge/Code")),
        ),
        ("Route", _text(way, "Route")),
    )
    return tuple((label, value) for label, value in pairs if value)


def _line(item: Any, words: Words, invoices: tuple[str, ...], refused: set[str]) -> Line:
    packages = list(item.iterfind("Package"))
    counted = [f"{_text(p, 'Quantity')} {words.english('packages', _text(p, 'Kind'))}" for p in packages]
    third = item.find("ThirdCountryInvoice")
    hs_list = words.name("hs-lists", _text(item, "HsList"))
    goods = [
        ", ".join(counted),
        _text(item, "Description"),
        f"HS {_text(item, 'HsCode')} ({hs_list})",
        *(f"Manufacturer: {text}" for text in _texts(item, "Manufacturer")),
        *(f"Trade mark: {text}" for text in _texts(item, "TradeMark")),
    ]
    if third is not None:
        country = words.name("countries", _text(third, "Country"))
        goods.append(f"Third-country invoice by {_text(third, 'Company')}, {country}")
    for proof in item.iterfind("OriginalProof"):
        kind = words.name("proof-types", _text(proof, "Type"))
        goods.append(
            _joined(f"Original {kind} {_text(proof, 'Number')}", _text(proof, "IssueDate"), between=" of ")
        )
    goods += _texts(item, "Remark")
    number = _text(item, "Number")
    return Line(
        number=number,
        marks=tuple(filter(None, (_text(package, "Marks") for package in packages))),
        goods=_filled(*goods),
        criterion=_text(item, "OriginCriterion"),
        quantity=tuple(_quantities(item, words)),
        invoices=invoices,
        refused=number in refused,
    )


def _quantities(item: Any, words: Words) -> Iterator[str]:
    for path, label in (("GrossWeight", "gross"), ("NetWeight", "net"), ("Quantity", "")):
        element = item.find(path)
        if element is not None:
            unit = words.english("units", element.get("unit", ""))
            yield " ".join(filter(None, (label, (element.text or "").strip(), unit)))
    fob = item.find("FobValue")
    if fob is not None:
        yield f"FOB {(fob.text or '').strip()} {fob.get('currency', '')}"


def _invoices(content: Any, words: Words) -> tuple[str, ...]:
    found: list[str] = []
    for invoice in content.iterfind("Invoices/Invoice"):
        kind = words.name("invoice-types", _text(invoice, "Type"))
        found += [_text(invoice, "Number"), _text(invoice, "Date"), f"({kind})"]
    return tuple(found)


def _official(answer: Any, words: Words) -> tuple[Official, set[str]]:
    if answer is None:
        return Official(), set()
    reasons = []
    for reason in answer.iter("Reason"):
        said = words.english("response-reasons", _text(reason, "Code"))
        item = reason.getparent()
        place = f"item {_text(item, 'Number')}: " if item.tag == "Item" else ""
        reasons.append(place + _joined(said, _text(reason, "Text"), between=" – "))
    items = answer.iterfind("Items/Item")
    refused = {_text(item, "Number") for item in items if _text(item, "Status") == "REJ"}
    official = Official(
        status=_text(answer, "Status"),
        office=_text(answer, "Office"),
        at=_text(answer, "StatusAt") or _text(answer, "IssuedAt"),
        reasons=tuple(reasons),
    )
    return official, refused


def _pages(lines: Sequence[Line]) -> Iterator[tuple[Line, ...]]:
    page: list[Line] = []
    room = FIRST_PAGE_LINES
    for line in lines:
        if page and line.height > room:
            yield tuple(page)
            page, room = [], NEXT_PAGE_LINES
        page.append(line)
        room -= line.height
    yield tuple(page)


def _text(element: Any, path: str) -> str:
    return "" if element is None else (element.findtext(path) or "").strip()


def _texts(element: Any, path: str) -> list[str]:
    return [(found.text or "").strip() for found in element.iterfind(path)]


def _filled(*texts: str) -> tuple[str, ...]:
    return tuple(filter(None, texts))


def _joined(*texts: str, between: str = ", ") -> str:
    return between.join(filter(None, texts))
