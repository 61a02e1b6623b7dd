"""What changed between two versions of a profile: kinds, fields, codes, rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import asdict, frozen

from .profile import Profile
from .schema import Element

_SKIPPED = {"file", "line"}


@frozen(kw_only=True)
class Change:
    """One difference.  what: kind, field, element, code list, code, rule; change: added, removed, changed."""

    what: str
    name: str
    change: str
    before: str = ""
    after: str = ""


def compare(old: Profile, new: Profile) -> tuple[Change, ...]:
    """Every difference that a partner or a portal may notice, in the order of the files."""
    return (
        *_changes("profile", {"": _head(old)}, {"": _head(new)}),
        *_changes("kind", _kinds(old), _kinds(new)),
        *_changes("field", _fields(old), _fields(new)),
        *_changes("element", _elements(old), _elements(new)),
        *_code_lists(old, new),
        *_changes("rule", _rules(old), _rules(new)),
    )


def _changes(
    what: str, old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]
) -> Iterator[Change]:
    for name in (*old, *(name for name in new if name not in old)):
        if name not in new:
            yield Change(what=what, name=name, change="removed")
        elif name not in old:
            yield Change(what=what, name=name, change="added")
        else:
            for key in dict.fromkeys((*old[name], *new[name])):
                before, after = old[name].get(key, ""), new[name].get(key, "")
                if before != after:
                    place = f"{name} {key}".strip()
                    yield Change(what=what, name=place, change="changed", before=before, after=after)


def _head(profile: Profile) -> dict[str, str]:
    names = ("document_type", "procedure", "service", "version", "customization_version", "title")
    days = {"valid_from": profile.valid_from, "valid_until": profile.valid_until}
    return {name: getattr(profile, name) for name in names} | {
        name: "" if day is None else day.isoformat() for name, day in days.items()
    }


def _kinds(profile: Profile) -> dict[str, dict[str, str]]:
    return {kind.name: _texts(asdict(kind)) for kind in profile.kinds}


def _fields(profile: Profile) -> dict[str, dict[str, str]]:
    found = {}
    for row in profile.rows:
        values = {key: value for key, value in asdict(row, recurse=False).items() if key not in _SKIPPED}
        values["national"] = "/".join(map(str, row.national))
        values["asean"] = "/".join(map(str, row.asean))
        found[row.field] = _texts(values)
    return found


def _elements(profile: Profile) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for side in ("national", "asean"):
        for kind in profile.kinds:
            _walk(profile.declarations[side][kind.name], f"{side} ", found)
    return found


def _walk(element: Element, prefix: str, found: dict[str, dict[str, str]]) -> None:
    path = prefix + element.name
    most = "unbounded" if element.maximum is None else str(element.maximum)
    found.setdefault(path, {"occurs": f"{element.minimum}..{most}"} | _type(element.text))
    for attribute in element.attributes:
        occurs = {"occurs": "1..1" if attribute.required else "0..1"}
        found.setdefault(f"{path}/@{attribute.name}", occurs | _type(attribute.type))
    for child in element.children:
        _walk(child, f"{path}/", found)


def _type(type_: Any) -> dict[str, str]:
    if type_ is None:
        return {}
    return {key: _text(value) for key, value in asdict(type_).items() if value not in (None, ())}


def _code_lists(old: Profile, new: Profile) -> Iterator[Change]:
    for name in (*old.codes, *(name for name in new.codes if name not in old.codes)):
        if name not in new.codes or name not in old.codes:
            yield Change(what="code list", name=name, change="added" if name in new.codes else "removed")
            continue
        yield from _changes("code", _codes(old, name), _codes(new, name))


def _codes(profile: Profile, name: str) -> dict[str, dict[str, str]]:
    return {
        f"{name} {code}": {"entries": " | ".join(_entry(asdict(entry)) for entry in entries)}
        for code, entries in profile.codes[name].entries.items()
    }


def _entry(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value and key != "code")


def _rules(profile: Profile) -> dict[str, dict[str, str]]:
    rules: dict[str, dict[str, str]] = {}
    for row in profile.rule_table.rows:
        since = f" from {row.valid_from}" if row.id in rules else ""
        said = {key: value for key, value in asdict(row).items() if key not in ("line", "id")}
        rules[row.id + since] = _texts(said)
    for phase, assertions in profile.compiled().rules.phases.items():
        for each in assertions:
            rules.setdefault(f"{each.id} ({phase})", {}).update(
                severity=each.severity,
                message=each.message,
                message_vi=each.message_vi,
                test=each.failing.path,
            )
    return rules


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in values.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return " ".join(_text(each) for each in value)
    return str(value)
