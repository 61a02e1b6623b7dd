"""Checks of one document against its profile: schema, constants of its kind, code lists, dates, rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from .dates import day_exists
from .inspection import expected_constant, text_of
from .kind import MessageKind
from .mapping import Row
from .places import Numbers, place_of
from .problem import Problem
from .profile import Profile
from .schema_faults import Fault, schema_faults
from .survey import Survey
from .tree import Node

# Codes repeat: what was good for a kind, a side and a day is not looked up again. Bounded, for dates differ.
_KEPT_DAYS = 200
_KEPT_VALUES = 300


def schema_problems(profile: Profile, kind: MessageKind, side: str, root: Any) -> tuple[Problem, ...]:
    """Every fault against the schema of a side, with its place; empty if the document is valid."""
    declaration = profile.declarations[side][kind.name]
    tree = profile.trees[side][kind.name]
    if root.tag != declaration.tag:
        found = str(root.tag)
        return (
            Problem(
                rule="XSD",
                message=f"a {kind.name} must be a {declaration.name} document, this is {found}",
                message_vi=f"{kind.name} phải là tài liệu {declaration.name}, đây là {found}",
                path=found,
                value=found,
            ),
        )
    schema = profile.schemas[profile.national_schema if side == "national" else kind.asean_schema]
    if schema.validate(root):
        return ()
    numbers: Numbers = {}
    faults = [_schema_problem(profile, tree, fault, numbers) for fault in schema_faults(root, declaration)]
    if not faults:
        faults = [
            Problem(rule="XSD", message=entry.message, path=f"line {entry.line}")
            for entry in list(schema.error_log)  # type: ignore[call-overload]
        ]
    return tuple(faults)


def _schema_problem(profile: Profile, tree: Node, fault: Fault, numbers: Numbers) -> Problem:
    place = place_of(
        fault.element,
        tree,
        profile.classes,
        missing=fault.missing,
        attribute=fault.attribute,
        numbers=numbers,
    )
    label = f" ({place.label_en})" if place.label_en else ""
    label_vi = f" ({place.label_vi})" if place.label_vi else ""
    return Problem(
        rule="XSD",
        message=fault.message + label,
        message_vi=fault.message_vi + label_vi,
        box=place.box,
        pointer=place.pointer,
        path=place.path,
        value=fault.value,
    )


def value_problems(
    profile: Profile, kind: MessageKind, side: str, survey: Survey, on: date
) -> tuple[Problem, ...]:
    """Wrong constants, codes that are not in their list on a day, dates that do not exist."""
    tree = profile.trees[side][kind.name]
    problems: list[Problem] = []
    numbers: Numbers = {}
    for found in survey.values:
        problem = value_fault(profile, kind, side, found.row, found.text, on)
        if problem is not None:
            rule, severity, english, vietnamese = problem
            attribute = found.row.side(side)[-1]
            place = place_of(
                found.element,
                tree,
                profile.classes,
                attribute=attribute.name[1:] if attribute.is_attribute else "",
                numbers=numbers,
            )
            problems.append(
                Problem(
                    rule=rule,
                    severity=severity,
                    message=english,
                    message_vi=vietnamese,
                    box=place.box,
                    pointer=place.pointer,
                    path=place.path,
                    value=found.text,
                )
            )
    return tuple(problems)


def values_hold(profile: Profile, kind: MessageKind, side: str, root: Any, on: date) -> bool:
    """Whether `value_fault` has nothing to say of any value of a document; what is accepted is kept."""
    compiled = profile.compiled()
    inspection = compiled.inspections[side, kind.name]
    if inspection.constants is not None and inspection.constants(root):
        return False
    kept = compiled.accepted
    key = (kind.name, side, on)
    accepted = kept.get(key)
    if accepted is None:
        if len(kept) >= _KEPT_DAYS:
            kept.clear()
        accepted = kept[key] = {}
    for number, (row, path) in enumerate(inspection.values):
        found: Any = path(root)
        if not found:
            continue
        good = accepted.setdefault(number, set())
        for text in {text_of(each) for each in found} - good:
            if value_fault(profile, kind, side, row, text, on) is not None:
                return False
            if len(good) < _KEPT_VALUES:
                good.add(text)
    return True


def value_fault(
    profile: Profile, kind: MessageKind, side: str, row: Row, text: str, on: date
) -> tuple[str, str, str, str] | None:
    """What is wrong with one value: rule, severity, English and Vietnamese sentence; None if nothing is."""
    expected = expected_constant(row, kind, profile.customization_version)
    if expected is not None:
        if text != expected:
            return (
                "HEADER",
                "error",
                f"{row.label_en}: a {kind.name} says {expected} here, not {text}",
                f"{row.label_vi}: {kind.name} phải là {expected}, không phải {text}",
            )
        return None
    if row.convert == "date":
        if not day_exists(text):
            return (
                "DATE",
                "error",
                f"{row.label_en}: {text} is not a date that exists",
                f"{row.label_vi}: {text} không phải ngày có thật",
            )
        return None
    if not row.codes:
        return None
    codes = profile.codes[row.codes]
    if row.convert == "map" and side == "national":
        mapped = codes.to_asean.get(text)
        entry = codes.find(mapped, on) if mapped is not None else None
    else:
        entry = codes.find(text, on)
    if entry is None:
        ever = text in codes.entries
        when = f" on {on.isoformat()}" if ever else ""
        return (
            "CODE",
            row.unknown,
            f"{row.label_en}: the code {text} is not in the list {row.codes}{when}",
            f"{row.label_vi}: mã {text} không có trong danh mục {row.codes}",
        )
    if entry.same_as:
        return (
            "CODE",
            "warning",
            f"{row.label_en}: the code {text} is read as {entry.same_as}",
            f"{row.label_vi}: mã {text} được hiểu là {entry.same_as}",
        )
    return None


def rule_problems(
    profile: Profile, kind: MessageKind, root: Any, *, on: date, own: str, issued: Callable[[], date]
) -> tuple[Problem, ...]:
    """Every rule of the kind's phase that the ASEAN document breaks, as in force on its day of issue.

    issued: asked for that day only if a rule is broken.
    """
    tree = profile.trees["asean"][kind.name]
    problems: list[Problem] = []
    numbers: Numbers = {}
    for failure in profile.compiled().rules.failures(kind.phase, root, on=on, own=own):
        rule = failure.assertion.rule
        severity = profile.rule_table.severity(rule, issued(), failure.assertion.severity)
        if severity is None:
            continue
        place = place_of(failure.element, tree, profile.classes, missing=failure.missing, numbers=numbers)
        problems.append(
            Problem(
                rule=rule,
                severity=severity,
                message=failure.assertion.message,
                message_vi=failure.assertion.message_vi,
                box=place.box,
                pointer=place.pointer,
                path=place.path,
                value="" if failure.missing or len(failure.element) else failure.element.text or "",
            )
        )
    return tuple(problems)
