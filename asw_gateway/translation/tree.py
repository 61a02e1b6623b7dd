"""The tree of one side's paths for one message kind: what the stylesheets write and the walks look up."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from .mapping import Path, Row, Step
from .schema import Element


@define(kw_only=True)
class Node:
    """One element of a side, with the rows that fill it.

    each: the row by which it repeats; text: the row of its own text; attributes: rows by attribute name;
    children by step; constants: children that tell it from its namesakes (name -> value).
    """

    step: Step
    path: Path
    declaration: Element
    parent: Node | None = field(default=None, repr=False)
    each: Row | None = None
    text: Row | None = None
    attributes: dict[str, Row] = field(factory=dict)
    children: dict[Step, Node] = field(factory=dict, repr=False)
    by_name: dict[str, list[Node]] = field(factory=dict, repr=False)

    @property
    def constants(self) -> dict[str, str]:
        return dict([self.step.condition]) if self.step.condition else {}

    def child(self, step: Step, declaration: Element) -> Node:
        """The child at a step, made if it is not there."""
        node = self.children.get(step)
        if node is None:
            node = Node(step=step, path=(*self.path, step), declaration=declaration, parent=self)
            self.children[step] = node
            self.by_name.setdefault(step.name, []).append(node)
        return node

    def rows(self) -> Iterator[Row]:
        """Every row in this element and below, `each` rows apart."""
        if self.text is not None:
            yield self.text
        yield from self.attributes.values()
        for node in self.children.values():
            yield from node.rows()


def build_tree(rows: tuple[Row, ...], side: str, root: Element) -> tuple[Node, list[tuple[str, int, str]]]:
    """The tree of `side` for these rows, and every mistake found against the side's schema."""
    faults: list[tuple[str, int, str]] = []
    top = Node(step=Step(root.name), path=(Step(root.name),), declaration=root)
    for row in rows:
        path = row.side(side)
        if not path:
            continue
        mistake = _place(top, row, path, side)
        if mistake:
            faults.append((row.file, row.line, f"{side}: {mistake}"))
    if not faults:
        faults.extend(_unrepeated(top, side))
    return top, faults


def _place(top: Node, row: Row, path: Path, side: str) -> str | None:
    if path[0].name != top.step.name:
        return f"the path must begin with {top.step.name}"
    node = top
    for step in path[1:]:
        if step.is_attribute:
            if step is not path[-1]:
                return "an attribute can only be the last step"
            name = step.name[1:]
            if name not in {attribute.name for attribute in node.declaration.attributes}:
                return f"the schema knows no attribute {name} of {node.step.name}"
            if name in node.attributes:
                return f"already mapped by field {node.attributes[name].field}"
            node.attributes[name] = row
            return None
        declaration = node.declaration.by_name.get(step.name)
        if declaration is None:
            return f"the schema knows no {step.name} in {node.step.name}"
        if step.condition and step.condition[0] not in declaration.by_name:
            return f"the schema knows no {step.condition[0]} in {step.name}"
        node = node.child(step, declaration)
    if row.convert == "each":
        if not node.declaration.repeats:
            return f"{node.step.name} does not repeat in the schema"
        if node.each is not None:
            return f"already repeated by field {node.each.field}"
        node.each = row
        return None
    if node.declaration.text is None:
        return f"{node.step.name} holds no value in the schema"
    if node.text is not None:
        return f"already mapped by field {node.text.field}"
    node.text = row
    return None


def _unrepeated(node: Node, side: str) -> Iterator[tuple[str, int, str]]:
    """Repeating elements that no `each` row repeats: their second occurrence would be lost."""
    for child in node.children.values():
        if child.declaration.repeats and child.each is None and child.step.condition is None:
            row = next(child.rows())
            yield (
                row.file,
                row.line,
                f"{side}: {child.step.name} repeats in the schema but no each row says how",
            )
        else:
            yield from _unrepeated(child, side)
