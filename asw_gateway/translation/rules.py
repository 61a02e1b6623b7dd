"""ISO Schematron rules of a profile, compiled to one XPath an assert.

Each assert becomes `context[not(test)]`, so a document that passes costs one evaluation an assert, and a
document that fails gives the very elements that fail.  Understood are schema, ns, let, phase,
active, pattern, rule, assert, report, diagnostics: enough that any Schematron tool reads the file the same
way, as long as contexts are absolute and no two rules of a pattern match one element.  Two variables come
from outside and are declared by `let`: $on (day of the check as a YYYYMMDD number) and $own (our country).
"""

from __future__ import annotations

from datetime import date
from typing import Any

from attrs import field, frozen
from lxml import etree

SCH = "{http://purl.oclc.org/dsdl/schematron}"
REGEXP = "http://exslt.org/regular-expressions"
VARIABLES = ("on", "own")


class RulesFault(Exception):
    """Mistakes in a rules file: (line, message) of each."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"line {line}: {message}" for line, message in faults))


@frozen(kw_only=True)
class Assertion:
    """One assert.  rule: the id up to its dot (R-02.1 → R-02); subject: the path to blame, no prefixes."""

    id: str
    rule: str
    severity: str
    message: str
    message_vi: str
    subject: str
    line: int
    context: str = field(repr=False)
    condition: str = field(repr=False)
    failing: etree.XPath = field(repr=False, eq=False)
    blamed: etree.XPath | None = field(repr=False, eq=False)


@frozen(kw_only=True)
class Failure:
    """An assert that failed: the element it is about, and the path below it if nothing is there."""

    assertion: Assertion
    element: Any
    missing: str


@frozen(kw_only=True)
class RuleSet:
    """All rules of a file, by phase; `suspicions` asks in one expression whether any assert fails."""

    phases: dict[str, tuple[Assertion, ...]] = field(repr=False)
    suspicions: dict[str, etree.XPath] = field(repr=False)

    def failures(self, phase: str, root: Any, *, on: date, own: str) -> list[Failure]:
        """Every failed assert of a phase on the document whose root element this is."""
        day = float(on.year * 10_000 + on.month * 100 + on.day)
        suspicion: Any = self.suspicions.get(phase)
        if suspicion is None or not suspicion(root, on=day, own=own):
            return []
        found: list[Failure] = []
        for assertion in self.phases.get(phase, ()):
            for element in _nodes(assertion.failing, root, on=day, own=own):
                blamed = _nodes(assertion.blamed, element, on=day, own=own) if assertion.blamed else []
                if blamed:
                    found.extend(Failure(assertion=assertion, element=node, missing="") for node in blamed)
                else:
                    found.append(Failure(assertion=assertion, element=element, missing=assertion.subject))
        return found


def _nodes(expression: Any, element: Any, **variables: Any) -> list[Any]:
    return list(expression(element, **variables))


def compile_rules(root: Any) -> RuleSet:
    """The rules in a parsed Schematron file; raises RulesFault with every mistake."""
    faults: list[tuple[int, str]] = []
    namespaces = {"re": REGEXP}
    for node in root.iter(SCH + "ns"):
        namespaces[node.get("prefix")] = node.get("uri")
    for node in root.findall(SCH + "let"):
        if node.get("name") not in VARIABLES:
            faults.append((node.sourceline, f"let {node.get('name')}: only {', '.join(VARIABLES)} are given"))
    vietnamese = {node.get("id"): _text(node) for node in root.iter(SCH + "diagnostic")}
    patterns: dict[str, list[Assertion]] = {}
    seen: set[str] = set()
    for pattern in root.findall(SCH + "pattern"):
        contexts: set[str] = set()
        asserts = patterns.setdefault(pattern.get("id", ""), [])
        for rule in pattern.findall(SCH + "rule"):
            context = rule.get("context", "")
            if context in contexts or not context.startswith("/"):
                faults.append((rule.sourceline, "a context must be absolute and stand once in a pattern"))
                continue
            contexts.add(context)
            for node in rule:
                if node.tag not in (SCH + "assert", SCH + "report"):
                    faults.append(
                        (node.sourceline, f"{etree.QName(node).localname} is not understood in a rule")
                    )
                    continue
                if node.get("id") in seen:
                    faults.append((node.sourceline, f"id {node.get('id')} stands twice"))
                seen.add(node.get("id"))
                try:
                    asserts.append(_assertion(node, context, namespaces, vietnamese))
                except (etree.XPathSyntaxError, ValueError) as error:
                    faults.append((node.sourceline, f"{node.get('id')}: {error}"))
    phases: dict[str, tuple[Assertion, ...]] = {}
    for phase in root.findall(SCH + "phase"):
        if phase.get("id") in seen or phase.get("id") in patterns:
            faults.append((phase.sourceline, f"id {phase.get('id')} stands twice"))
        chosen: list[Assertion] = []
        for active in phase.findall(SCH + "active"):
            if active.get("pattern") not in patterns:
                faults.append((active.sourceline, f"pattern {active.get('pattern')} does not exist"))
            chosen.extend(patterns.get(active.get("pattern"), ()))
        phases[phase.get("id")] = tuple(chosen)
    if faults:
        raise RulesFault(faults)
    suspicions = {
        phase: etree.XPath(_any_fails(asserts), namespaces=namespaces)
        for phase, asserts in phases.items()
        if asserts
    }
    return RuleSet(phases=phases, suspicions=suspicions)


def _any_fails(asserts: tuple[Assertion, ...]) -> str:
    """One expression that is true if any assert fails; each context is walked once for all its asserts."""
    conditions: dict[str, list[str]] = {}
    for each in asserts:
        conditions.setdefault(each.context, []).append(each.condition)
    return " or ".join(f"{context}[{' or '.join(tests)}]" for context, tests in conditions.items())


def _assertion(node: Any, context: str, namespaces: dict[str, str], vietnamese: dict[str, str]) -> Assertion:
    identifier, test = node.get("id"), node.get("test")
    if not identifier or not test:
        raise ValueError("an assert needs an id and a test")
    severity = {"error": "error", "warning": "warning"}.get(node.get("role", "error"))
    if severity is None:
        raise ValueError("role must be error or warning")
    diagnostic = (node.get("diagnostics") or "").strip()
    if diagnostic not in vietnamese:
        raise ValueError("the Vietnamese sentence is missing (diagnostics)")
    condition = f"not({test})" if node.tag == SCH + "assert" else test
    subject = node.get("subject") or ""
    return Assertion(
        id=identifier,
        rule=identifier.partition(".")[0],
        severity=severity,
        message=_text(node),
        message_vi=vietnamese[diagnostic],
        subject="/".join(step.rpartition(":")[2] for step in _without_conditions(subject).split("/") if step),
        line=node.sourceline,
        context=context,
        condition=condition,
        failing=etree.XPath(f"{context}[{condition}]", namespaces=namespaces),
        blamed=etree.XPath(subject, namespaces=namespaces) if subject else None,
    )


def _without_conditions(path: str) -> str:
    """A path as the mapping table writes it: `a[d:TypeCode='ORC']` → `a[TypeCode=ORC]`."""
    out = []
    for part in path.split("["):
        inside, bracket, after = part.partition("]")
        if bracket:
            child, _, constant = inside.partition("=")
            out.append(f"[{child.strip().rpartition(':')[2]}={constant.strip().strip(chr(39))}]{after}")
        else:
            out.append(part)
    return "".join(out)


def _text(node: Any) -> str:
    return " ".join("".join(node.itertext()).split())
