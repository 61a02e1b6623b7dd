"""A document type's profile as a value: what its files say, checked as a whole, compiled once a thread.

A Profile is frozen; `compiled()` gives the stylesheets and rules of the calling thread, because lxml
recompiles a stylesheet that is used in another thread than its own.  `profile_loading` makes one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from attrs import define, field, frozen
from lxml import etree

from .codelist import CodeList
from .goods import GoodsFields, GoodsPaths, compile_goods
from .inspection import Inspection, compile_inspection
from .kind import MessageKind
from .mapping import Row
from .rule_table import RuleTable
from .rules import RuleSet, compile_rules
from .schema import Element
from .schema_files import parse_file
from .timers import Timer
from .tree import Node

MANIFEST = "profile.toml"
RULE_TABLE = "rules.csv"
SIDES = ("national", "asean")


@frozen
class FileProblem:
    """A mistake in one of the profile's files; line 0 = the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class ProfileFault(Exception):
    """A profile that cannot be used; carries every mistake found."""

    def __init__(self, name: str, problems: Iterable[FileProblem]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__(f"profile {name}: " + "; ".join(map(str, self.problems)))


@define
class Compiled:
    """The compiled objects of one thread: libxml2 lets no two threads use the same one at once.

    inspections: by side and kind; accepted: the values found good before, by kind, side and day.
    """

    stylesheets: dict[str, etree.XSLT]
    inspections: dict[tuple[str, str], Inspection]
    rules: RuleSet
    goods: GoodsPaths | None
    accepted: dict[tuple[str, str, date], dict[int, set[str]]] = field(factory=dict)


@frozen(kw_only=True, eq=False)
class Profile:
    """One version of one document type.

    procedure: the VNSW documentType; service: the AS4 service; valid_from / valid_until: first and last day
    of use (None = open).  trees: side -> kind name -> the tree of paths; codes: the code lists by name.
    """

    name: str
    document_type: str
    version: str
    procedure: str
    service: str
    title: str
    title_vi: str
    customization_version: str
    valid_from: date | None
    valid_until: date | None
    kinds: tuple[MessageKind, ...]
    rows: tuple[Row, ...] = field(repr=False)
    goods: GoodsFields | None = field(repr=False)
    timers: tuple[Timer, ...] = field(repr=False)
    rule_table: RuleTable = field(repr=False)
    codes: Mapping[str, CodeList] = field(repr=False)
    classes: Mapping[str, str] = field(repr=False)
    national_schema: str = field(repr=False)
    rules_file: str = field(repr=False)
    schemas: Mapping[str, etree.XMLSchema] = field(repr=False)
    trees: Mapping[str, Mapping[str, Node]] = field(repr=False)
    declarations: Mapping[str, Mapping[str, Element]] = field(repr=False)
    stylesheet_sources: Mapping[str, bytes] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    _threads: threading.local = field(factory=threading.local, repr=False, init=False)

    def kind(self, name: str) -> MessageKind | None:
        return next((kind for kind in self.kinds if kind.name == name), None)

    def timer(self, id: str) -> Timer | None:
        return next((timer for timer in self.timers if timer.id == id), None)

    def is_valid(self, on: date) -> bool:
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_until is None or on <= self.valid_until
        )

    def compiled(self) -> Compiled:
        """The compiled objects of the calling thread, made at its first call."""
        compiled: Compiled | None = getattr(self._threads, "compiled", None)
        if compiled is None:
            compiled = self._threads.compiled = self.compile()
        return compiled

    def compile(self) -> Compiled:
        """Compiled objects for the calling thread alone; some 9 MB for a certificate's profile."""
        return Compiled(
            stylesheets={
                side: etree.XSLT(etree.fromstring(source)) for side, source in self.stylesheet_sources.items()
            },
            inspections={
                (side, kind.name): compile_inspection(
                    kind, self.trees[side][kind.name], self.customization_version
                )
                for side in SIDES
                for kind in self.kinds
            },
            rules=compile_rules(parse_file(self.files, self.rules_file)),
            goods=self._compile_goods(),
        )

    def _compile_goods(self) -> GoodsPaths | None:
        goods = self.goods
        having = [kind for kind in self.kinds if goods is not None and goods.apply_to(kind)]
        if goods is None or not having:
            return None
        return compile_goods(goods, self.declarations["asean"][having[0].name])

    def __reduce__(self) -> Any:
        raise TypeError("a profile holds compiled objects of a thread; load it anew from its files")
