"""Ways to break documents and mapping rows, for tests that compare two judges or look for the place named."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from lxml import etree


def path_of(element: Any, *, missing: str = "", attribute: str = "") -> str:
    """The readable path of an element, counted by hand: `FormD/Items/Item[2]/HsCode`."""
    steps: list[str] = []
    for node in [element, *element.iterancestors()]:
        namesakes = [] if node.getparent() is None else node.getparent().findall(node.tag)
        name = etree.QName(node).localname
        steps.insert(0, f"{name}[{namesakes.index(node) + 1}]" if len(namesakes) > 1 else name)
    if steps[0] == "MetaData" and len(steps) > 1:
        steps = steps[1:]
    return "/".join([*steps, *([missing] if missing else []), *([f"@{attribute}"] if attribute else [])])


def elements(root: Any) -> list[Any]:
    return [element for element in root.iter() if isinstance(element.tag, str)]


def _remove(root: Any, chance: random.Random) -> None:
    inner = elements(root)[1:]
    if inner:
        victim = chance.choice(inner)
        victim.getparent().remove(victim)


def _repeat(root: Any, chance: random.Random) -> None:
    inner = elements(root)[1:]
    if inner:
        victim = chance.choice(inner)
        victim.addnext(etree.fromstring(etree.tostring(victim, with_tail=False)))


def _swap(root: Any, chance: random.Random) -> None:
    parents = [element for element in elements(root) if len(element) > 1]
    if parents:
        parent = chance.choice(parents)
        first = parent[0]
        parent.remove(first)
        parent.append(first)


def _rename(root: Any, chance: random.Random) -> None:
    inner = elements(root)[1:]
    if inner:
        victim = chance.choice(inner)
        name = etree.QName(victim)
        other = f"{{{name.namespace or 'urn:x'}}}Other"
        victim.tag = chance.choice([other, f"{{urn:other}}{name.localname}"])


def _text(root: Any, chance: random.Random) -> None:
    numbers = ["-1", "1e5", " 7 ", "0", "1.0000000", "+5"]
    texts = ["", " ", "x", "2026-02-30", "20260230", "x" * 600, "a\tb"]
    chance.choice(elements(root)).text = chance.choice(numbers + texts)


def _attribute(root: Any, chance: random.Random) -> None:
    victim = chance.choice(elements(root))
    if victim.attrib and chance.random() < 0.5:
        del victim.attrib[chance.choice(list(victim.attrib))]
    else:
        name = chance.choice(["unit", "unitCode", "formatCode", "other", "currencyID"])
        victim.set(name, chance.choice(["KGM", "", "102", "304", "USD", "x"]))


def _tail(root: Any, chance: random.Random) -> None:
    inner = elements(root)[1:]
    if inner:
        chance.choice(inner).tail = chance.choice(["stray", " ", "\n"])


WAYS: tuple[Callable[[Any, random.Random], None], ...] = (
    _remove,
    _repeat,
    _swap,
    _rename,
    _text,
    _attribute,
    _tail,
)


def mutate(root: Any, chance: random.Random, most: int = 3) -> Any:
    """The document with up to `most` things broken, or none; a new tree."""
    copy = etree.fromstring(etree.tostring(root))
    for _ in range(chance.randint(0, most)):
        chance.choice(WAYS)(copy, chance)
    return copy
