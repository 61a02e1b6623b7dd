"""The register of an example: `known.toml` beside a document, so that store rules are shown like any other.

[[documents]]
direction = "out"              # out = our side issued it, in = the partner
number = "VN-TH 25/02/00001"
state = "VAL"
content = "other"              # or "same": the very content of the example
issued_on = 2025-08-01
received_on = 2025-08-02       # when it became known here
marks = ["PCU"]
  [[documents.goods]]          # what an original proof certifies
  commodity = "100630"
  quantity = "25000"
  unit = "KGM"
[[draws]]                      # what earlier back-to-back certificates took from an original
original = "MY26VN00001234"
commodity = "100630"
quantity = "20000"
unit = "KGM"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from asw_gateway.exchange import clocks
from asw_gateway.exchange.balance import Original
from asw_gateway.exchange.register_rules import follow_register
from asw_gateway.exchange.settlement import KnownDocument, lookups, settle
from asw_gateway.messaging.xml import canonical
from asw_gateway.translation.convert import business_digest, read_facts_asean
from asw_gateway.translation.goods import Sort, read_goods
from asw_gateway.translation.problem import Problem

if TYPE_CHECKING:
    from asw_gateway.translation.kind import MessageKind
    from asw_gateway.translation.profile import Profile


def store_problems(
    profile: Profile,
    kind: MessageKind,
    root: Any,
    known: Mapping[str, Any],
    *,
    own_country: str,
    on: date,
) -> tuple[Problem, ...]:
    """Give what the register of `known.toml` speaks against or warns of in an ASEAN document."""
    facts = read_facts_asean(profile, kind, root)
    inbound = facts.destination_country == own_country
    digest = business_digest(profile, kind, root, canonical(root))
    documents = {(one["direction"], one["number"]): one for one in known.get("documents", ())}
    found = [
        _known(documents.get(lookup), profile, digest)
        for lookup in lookups(facts, kind.effect, inbound=inbound)
    ]
    previous = found[1] if len(found) > 1 else None
    settlement = settle(facts, kind.effect, digest, found[0], previous, inbound=inbound)
    fields = profile.goods
    tree = profile.trees["asean"][kind.name]
    back_to_back = fields is not None and fields.mark in facts.marks
    return follow_register(
        settlement,
        facts,
        kind.effect,
        found[0],
        previous,
        inbound=inbound,
        timers=profile.timers,
        rules=profile.rule_table,
        goods=read_goods(profile.compiled().goods, kind, root, tree=tree, classes=profile.classes)
        if fields is not None and back_to_back
        else (),
        originals=_originals(known),
        now=_at(on),
    ).problems


def _known(entry: Mapping[str, Any] | None, profile: Profile, digest: str) -> KnownDocument | None:
    if entry is None:
        return None
    issued_at = _at(entry["issued_on"]) if "issued_on" in entry else None
    return KnownDocument(
        state=entry["state"],
        digest=digest if entry.get("content") == "same" else "",
        issued_at=issued_at,
        valid_until_at=clocks.valid_until_at(profile.timers, issued_at),
        received_at=_at(entry["received_on"]) if "received_on" in entry else None,
        marks=tuple(entry.get("marks", ())),
    )


def _originals(known: Mapping[str, Any]) -> dict[str, Original]:
    drawn = known.get("draws", ())
    return {
        one["number"]: Original(
            state=one["state"],
            certified=_sums(one["goods"]),
            drawn=_sums(each for each in drawn if each["original"] == one["number"]),
        )
        for one in known.get("documents", ())
        if "goods" in one
    }


def _sums(entries: Iterable[Mapping[str, Any]]) -> dict[Sort, Decimal]:
    sums: dict[Sort, Decimal] = {}
    for entry in entries:
        sort = (entry["commodity"], entry["unit"])
        sums[sort] = sums.get(sort, Decimal(0)) + Decimal(entry["quantity"])
    return sums


def _at(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
