"""A profile put to the test: its examples, and generated documents sent there and back.

An example is a folder with `example.toml` (what is expected) and `national.xml`, `asean.xml` or both, and
where it shows a rule about other documents, `known.toml` with what the gateway's register says.  What
is not as expected comes back as sentences; no sentence means that the example holds in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from attrs import field, frozen

from asw_gateway.messaging.xml import XmlFault, canonical, parse

from .convert import apply_rules, check_asean, check_national, to_asean, to_national
from .document_difference import first_difference
from .generation import Chance, national_document, paths
from .kind import MessageKind
from .problem import Problem, blocking
from .profile import Profile

NEEDED = {
    "title": str,
    "kind": str,
    "on": date,
    "own_country": str,
    "sender_country": str,
    "functional_reference": str,
}
_BETWEEN_ELEMENTS = re.compile(rb">\s+<")


#: The rules that need the register: (profile, kind, ASEAN root, known, own_country=, on=) -> problems.
Register = Callable[..., tuple[Problem, ...]]


@frozen(kw_only=True)
class Example:
    """One example of a profile.  manifest: `example.toml` as read; a side that is not shown is None."""

    name: str
    manifest: Mapping[str, Any] = field(repr=False)
    national: bytes | None = field(default=None, repr=False)
    asean: bytes | None = field(default=None, repr=False)
    known: Mapping[str, Any] | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Seen:
    """What an example showed: problems and losses as `example.toml` writes them, and what went wrong."""

    problems: tuple[dict[str, str], ...]
    losses: tuple[dict[str, str], ...]
    faults: tuple[str, ...]


def trial(profile: Profile, example: Example, *, register: Register | None = None) -> tuple[str, ...]:
    """Everything in which an example differs from what its manifest expects; empty if it holds."""
    wrong = [
        f"{key} is missing or not a {type_.__name__}"
        for key, type_ in NEEDED.items()
        if not isinstance(example.manifest.get(key), type_)
    ]
    kind = profile.kind(str(example.manifest.get("kind")))
    if kind is None:
        wrong.append(f"the profile has no kind {example.manifest.get('kind')}")
    if example.national is None and example.asean is None:
        wrong.append("there is neither national.xml nor asean.xml")
    if wrong or kind is None:
        return tuple(wrong)
    seen = look(profile, kind, example, register=register)
    return (
        *seen.faults,
        *_differences("problem", example.manifest.get("problems", ()), seen.problems),
        *_differences("loss", example.manifest.get("losses", ()), seen.losses),
    )


def look(profile: Profile, kind: MessageKind, example: Example, *, register: Register | None = None) -> Seen:
    """Check and translate both sides of an example."""
    problems: list[dict[str, str]] = []
    losses: list[dict[str, str]] = []
    faults: list[str] = []
    try:
        national = None if example.national is None else flat(example.national)
        asean = None if example.asean is None else flat(example.asean)
    except XmlFault as fault:
        return Seen(problems=(), losses=(), faults=(f"not readable: {fault}",))
    if national is not None:
        faults += _from_national(profile, kind, example, national, asean, problems, losses)
    if asean is not None:
        faults += _from_asean(profile, kind, example, national, asean, register, problems, losses)
    return Seen(problems=tuple(problems), losses=tuple(losses), faults=tuple(faults))


def _from_national(
    profile: Profile,
    kind: MessageKind,
    example: Example,
    national: Any,
    asean: Any,
    problems: list[dict[str, str]],
    losses: list[dict[str, str]],
) -> list[str]:
    found = check_national(profile, kind, national)
    problems += told("national", found)
    if blocking(found) or example.manifest.get("losses"):
        return []
    there = to_asean(
        profile,
        kind,
        national,
        functional_reference=example.manifest["functional_reference"],
        now=0,
        sender_country=example.manifest["sender_country"],
    )
    losses += [{"side": "national", "path": loss.path} for loss in there.losses]
    if asean is None:
        return ["asean.xml is missing: the national document can be translated"]
    if canonical(parse(there.document)) != canonical(asean):
        where = first_difference(parse(there.document), asean)
        return [f"the national document translates into another ASEAN document than asean.xml: {where}"]
    return []


def _from_asean(
    profile: Profile,
    kind: MessageKind,
    example: Example,
    national: Any,
    asean: Any,
    register: Register | None,
    problems: list[dict[str, str]],
    losses: list[dict[str, str]],
) -> list[str]:
    found = check_asean(profile, kind, asean)
    if not blocking(found):
        found += apply_rules(
            profile,
            kind,
            asean,
            on=example.manifest["on"],
            own_country=example.manifest["own_country"],
        )
    problems += told("asean", found)
    if register is not None and example.known is not None:
        own, on = example.manifest["own_country"], example.manifest["on"]
        known = register(profile, kind, asean, example.known, own_country=own, on=on)
        problems += told("store", known)
    if blocking(found):
        return []
    back = to_national(profile, kind, asean, now=0)
    losses += [{"side": "asean", "path": loss.path} for loss in back.losses]
    if back.problems:
        return [f"back on the national side: {problem.sentence()}" for problem in back.problems]
    if national is None:
        return ["national.xml is missing: the ASEAN document can be translated"]
    if canonical(parse(back.document)) != canonical(national):
        where = first_difference(parse(back.document), national)
        return [f"the ASEAN document translates into another national document than national.xml: {where}"]
    return []


def told(side: str, problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems as `example.toml` writes them."""
    return [
        {
            "side": side,
            "rule": problem.rule,
            "severity": problem.severity,
            "box": problem.box,
            "path": problem.path,
            "pointer": " ".join(map(str, problem.pointer)),
        }
        for problem in problems
    ]


def flat(data: bytes) -> Any:
    """A document without the line breaks that make its file readable; raises XmlFault."""
    return parse(_BETWEEN_ELEMENTS.sub(b"><", data).strip())


def _differences(
    what: str, expected: Iterable[Mapping[str, str]], seen: Iterable[Mapping[str, str]]
) -> list[str]:
    wanted, there = [dict(each) for each in expected], [dict(each) for each in seen]
    lines = [f"expected {what} did not come: {_one_line(each)}" for each in wanted if each not in there]
    lines += [f"unexpected {what}: {_one_line(each)}" for each in there if each not in wanted]
    if not lines and wanted != there:
        lines.append(f"the {what}s come in another order or number than expected")
    return lines


def _one_line(told: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in told.items() if value)


def round_trip(
    profile: Profile,
    kind: MessageKind,
    chance: Chance,
    *,
    optional: float = 0.5,
    covered: set[str] | None = None,
) -> str:
    """Generate a national document, translate it there and back; the first difference, or "".

    The paths that the document has are added to `covered`.
    """
    content = national_document(profile, kind, chance, most=2, optional=optional)
    if covered is not None:
        covered |= paths(content)
    found = check_national(profile, kind, content)
    if blocking(found):
        return f"the generated document is not valid: {found[0].sentence()}"
    there = to_asean(profile, kind, content, functional_reference="REF-1", now=0, sender_country="VN")
    if there.problems or there.losses:
        return f"{(there.problems + there.losses)[0].path} is lost on the way to the ASEAN side"
    root = parse(there.document)
    if faults := blocking(check_asean(profile, kind, root)):
        return f"the ASEAN document is not valid: {faults[0].sentence()} ({faults[0].path})"
    back = to_national(profile, kind, root, now=0)
    if back.problems or back.losses:
        return f"{(back.problems + back.losses)[0].path} is lost on the way back"
    if canonical(parse(back.document)) != canonical(content):
        return "the document came back changed"
    return ""
