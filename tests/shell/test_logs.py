"""The log catalogue and the JSON lines."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger

from asw_gateway.events import EVENTS
from asw_gateway.logs import Log, json_observer

PACKAGE = Path(__file__).parents[2] / "asw_gateway"


def written(act: Any) -> dict[str, Any]:
    stream = io.StringIO()
    act(json_observer(stream))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    value: dict[str, Any] = json.loads(lines[0])
    return value


def test_event_has_catalogued_fields_only() -> None:
    def act(observer: Any) -> None:
        Log("partner.receiver", observer).event(
            "ping-received", partner="th", message_id="m@x", payload="<xml/>"
        )

    line = written(act)
    assert line["event"] == "ping-received"
    assert line["level"] == "info"
    assert line["namespace"] == "asw_gateway.partner.receiver"
    assert line["partner"] == "th"
    assert "payload" not in line
    assert line["time"].endswith("Z")


def test_failure_keeps_type_message_and_traceback() -> None:
    """The stock observer of Twisted writes "unpersistable" where the message was."""

    def act(observer: Any) -> None:
        try:
            raise ValueError("the disk is full")
        except ValueError:
            Log("store", observer).failure("internal-error", where="store")

    line = written(act)
    assert line["exception"]["type"] == "builtins.ValueError"
    assert line["exception"]["message"] == "the disk is full"
    assert "test_logs.py" in line["exception"]["traceback"]


def test_unknown_name_is_written_and_does_not_raise() -> None:
    line = written(lambda observer: Log("x", observer).event("no-such-event", a=1))
    assert (line["event"], line["name"], line["level"]) == ("uncatalogued", "no-such-event", "error")


def test_events_of_twisted_are_bounded_text() -> None:
    line = written(lambda observer: Logger("twisted.web", observer=observer).info("{a}", a="x" * 5000))
    assert line["event"] == "twisted"
    assert len(line["text"]) == 2001


def test_a_value_without_text_does_not_cost_the_line() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    line = written(lambda observer: Log("x", observer).event("ping-received", partner=Broken()))
    assert "Broken without text" in line["partner"]


def emitted() -> list[tuple[str, str, set[str] | None]]:
    """(place, event name, fields or None if **fields) of every `.event("…")` and `.failure("…")` of ours."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            owner_name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.func.attr not in ("event", "failure") or not owner_name.lower().endswith("log"):
                continue
            place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
            keywords = [keyword.arg for keyword in node.keywords]
            fields = None if None in keywords else {keyword for keyword in keywords if keyword is not None}
            found.append((place, str(name), fields))
    return found


def test_every_emitted_event_is_in_the_catalogue() -> None:
    wrong = [
        f"{place}: {name or 'a name that is not literal'}"
        for place, name, _ in emitted()
        if name not in EVENTS
    ]
    assert not wrong, wrong


def test_every_emitted_field_is_in_the_catalogue() -> None:
    wrong = [
        f"{place}: {name} has no field {', '.join(sorted(fields - set(EVENTS[name].fields)))}"
        for place, name, fields in emitted()
        if name in EVENTS and fields is not None and fields - set(EVENTS[name].fields)
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_catalogue_is_well_formed(event: Any) -> None:
    assert EVENTS[event.name] is event
    assert event.level in ("debug", "info", "warn", "error", "critical")
    assert event.description
    assert not {"level", "time", "namespace", "event", "exception"} & set(event.fields)
