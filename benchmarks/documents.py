"""CPU of one certificate through the documents' stages, beside lxml's bare parse and XSD validation.

    python -m benchmarks.documents [--items 1,10,100,999] [--rounds 7] [--json]

One thread, process CPU time, the best of some rounds.  The file measured is the ASEAN document: parse, schema
and values, rules, translation to the national form, canonical form.  `floor` is etree.fromstring and
XMLSchema.validate of the same bytes in the same run.  `growth` is the cost of an item beside its cost at the
size before: 1.0 is linear, and much above it means that something grows with the square of the items.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from typing import Any

from lxml import etree

from asw_gateway.messaging.xml import canonical, parse
from asw_gateway.translation.convert import apply_rules, check_asean, check_national, to_asean, to_national
from asw_gateway.translation.kind import MessageKind
from asw_gateway.translation.profile import Profile
from tests.profiles import shelf
from tests.profiles.test_examples import flat

EXAMPLE = shelf.PROFILES / "atiga-form-d-2022" / "examples" / "good-every-field" / "national.xml"
DAY = date(2026, 11, 22)


def certificate(items: int) -> Any:
    """The national form with every field in use and this many items."""
    content = flat(EXAMPLE)
    holder = content.find("Items")
    patterns = list(holder)
    holder.clear()
    for number in range(items):
        item = deepcopy(patterns[number % len(patterns)])
        item.find("Number").text = str(number + 1)
        holder.append(item)
    return content


def asean(profile: Profile, kind: MessageKind, items: int) -> bytes:
    """The same certificate as it crosses the border; it must be without fault."""
    content = certificate(items)
    problems = check_national(profile, kind, content)
    there = to_asean(profile, kind, content, functional_reference="R", now=0, sender_country="VN")
    if problems or there.problems or there.losses:
        raise SystemExit(f"the material is not sound: {[*problems, *there.problems, *there.losses][:3]}")
    return there.document


def best(work: Callable[[], Any], rounds: int) -> float:
    """The least CPU seconds of some rounds, without the garbage collector's own hour."""
    gc.collect()
    gc.disable()
    try:
        times = []
        for _ in range(rounds):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return min(times)
    finally:
        gc.enable()


def measure(profile: Profile, kind: MessageKind, items: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of every stage of one size."""
    document = asean(profile, kind, items)
    schema = profile.schemas[kind.asean_schema]

    def floor() -> None:
        if not schema.validate(etree.fromstring(document)):
            raise SystemExit("the material does not fit the schema")

    # A fresh tree each time: what was found of a tree is kept for the next question about it.
    stages: dict[str, Callable[[Any], Any]] = {
        "schema and values": lambda root: check_asean(profile, kind, root),
        "rules": lambda root: apply_rules(profile, kind, root, on=DAY, own_country="VN"),
        "translate": lambda root: to_national(profile, kind, root, now=0),
        "canonicalise": canonical,
    }

    def everything() -> None:
        root = parse(document)
        for stage in stages.values():
            stage(root)

    found: dict[str, Any] = {"items": items, "bytes": len(document), "floor": best(floor, rounds) * 1e3}
    parsing = best(lambda: parse(document), rounds) * 1e3
    found["parse"] = parsing
    for name, stage in stages.items():
        alone = best(lambda stage=stage: stage(parse(document)), rounds) * 1e3  # type: ignore[misc]
        found[name] = max(alone - parsing, 0.0)
    found["all"] = best(everything, rounds) * 1e3
    found["ratio"] = found["all"] / found["floor"]
    return found


def main() -> None:
    """Measure, print a table, and end with one line for scripts."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--items", default="1,10,100,999")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    profile = shelf.profile("atiga-form-d-2022")
    kind = profile.kind("certificate")
    if kind is None:
        raise SystemExit("the profile has no certificate")
    rows = [measure(profile, kind, int(items), chosen.rounds) for items in chosen.items.split(",")]
    for before, row in zip([None, *rows], rows, strict=False):
        row["growth"] = (
            None if before is None else (row["all"] / row["items"]) / (before["all"] / before["items"])
        )
    if chosen.json:
        print(json.dumps(rows))
        return
    names = [name for name in rows[0] if name not in ("items", "bytes", "growth", "ratio")]
    print("items     bytes  " + "  ".join(f"{name:>18}" for name in names) + "   ratio  growth   (ms of CPU)")
    for row in rows:
        growth = "" if row["growth"] is None else f"{row['growth']:.2f}"
        cells = "  ".join(f"{row[name]:18.2f}" for name in names)
        print(f"{row['items']:5d}  {row['bytes']:8d}  {cells}  {row['ratio']:6.2f}  {growth:>6}")
    said = ", ".join(f"{row['items']} items {row['ratio']:.2f}" for row in rows)
    print(f"documents: all stages beside bare parse and validation: {said}")


if __name__ == "__main__":
    main()
