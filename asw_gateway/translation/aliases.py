"""Codes that a partner writes otherwise than the lists say, by agreement with that partner.

`aliases` are read (their code → ours) before a document is checked, `spellings` are written (our code →
theirs) into a document that was checked.  Both are named by code list; a table `units` also serves the lists
whose name ends in `-units`.  Nothing is changed silently: each place comes back as a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from .inspection import text_of
from .kind import MessageKind
from .mapping import Row
from .places import place_of
from .problem import Problem
from .profile import Profile
from .survey import survey

#: List of codes → code → code.
Table = Mapping[str, Mapping[str, str]]
_READ = ("the code {} is read as {}, as agreed with the partner", "mã {} được hiểu là {} theo thỏa thuận")
_WRITTEN = ("the code {} is written as {} for this partner", "mã {} được ghi là {} cho đối tác này")


def read_aliases(
    profile: Profile, kind: MessageKind, root: Any, aliases: Table
) -> tuple[Any, tuple[Problem, ...]]:
    """The ASEAN document with our codes instead of the partner's, and every place where one was read.

    The very root that was given comes back when there is nothing to change, else a changed copy.
    """
    return _replace(profile, kind, root, aliases, _READ)


def write_spellings(
    profile: Profile, kind: MessageKind, root: Any, spellings: Table
) -> tuple[Any, tuple[Problem, ...]]:
    """The ASEAN document with the partner's codes, and every place where one was written.

    The very root that was given comes back when there is nothing to change, else a changed copy.
    """
    return _replace(profile, kind, root, spellings, _WRITTEN)


def _replace(
    profile: Profile, kind: MessageKind, root: Any, table: Table, sentences: tuple[str, str]
) -> tuple[Any, tuple[Problem, ...]]:
    if not table or root.tag != profile.declarations["asean"][kind.name].tag:
        return root, ()
    values = profile.compiled().inspections["asean", kind.name].values
    texts = ((row, text_of(found)) for row, path in values for found in _nodes(path, root))
    if all(_code(table, row, text) is None for row, text in texts):
        return root, ()
    changed = deepcopy(root)
    tree = profile.trees["asean"][kind.name]
    problems = []
    for found in survey(changed, tree).values:
        code = _code(table, found.row, found.text)
        if code is None:
            continue
        last = found.row.asean[-1]
        name = last.name[1:] if last.is_attribute else ""
        place = place_of(found.element, tree, profile.classes, attribute=name)
        if name:
            found.element.set(name, code)
        else:
            found.element.text = code
        english, vietnamese = (sentence.format(found.text, code) for sentence in sentences)
        problems.append(
            Problem(
                rule="ALIAS",
                severity="warning",
                message=f"{found.row.label_en}: {english}",
                message_vi=f"{found.row.label_vi}: {vietnamese}",
                box=place.box,
                pointer=place.pointer,
                path=place.path,
                value=found.text,
            )
        )
    return changed, tuple(problems)


def _nodes(path: Any, root: Any) -> list[Any]:
    return list(path(root))


def _code(table: Table, row: Row, text: str) -> str | None:
    """What stands for a code of the row's list, the list's own table before that of its family."""
    if not row.codes or row.is_constant:
        return None
    own = table.get(row.codes, {}).get(text)
    return own if own is not None else table.get(row.codes.rpartition("-")[2], {}).get(text)
