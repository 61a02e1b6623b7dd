"""
Log events: a catalogue of names and fields, and an observer that writes them as JSON lines.

The stock JSON observer of Twisted loses an exception's message and keeps object reprs; this one writes
type, message and traceback, and of our own events only catalogued fields. Payloads, keys and pass
phrases are never fields.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from asw_gateway.events import EVENTS

MAX_TEXT_CHARS = 2000
MAX_TRACEBACK_CHARS = 8000
_LEVELS = {
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
    "critical": LogLevel.critical,
}


class _Fields(dict[str, Any]):
    """An event's fields; as text they read `partner=th message_id=…`, for twistd's plain log."""

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.items())


class Log:
    """One room's log. `Log("partner.receiver").event("message-received", partner="th", …)`."""

    def __init__(self, namespace: str, observer: ILogObserver | None = None) -> None:
        self._logger = Logger(namespace=f"asw_gateway.{namespace}", observer=observer)

    def event(self, name: str, **fields: object) -> None:
        """
        Write the catalogued event `name`.

        Fields outside the catalogue are dropped and an unknown name becomes `uncatalogued`: a log line
        must never stop a message. A test reads the source tree and finds both mistakes.
        """
        self._emit(name, fields, None)

    def failure(self, name: str, failure: Failure | None = None, **fields: object) -> None:
        """Write the event with the exception's type, message and traceback (default: the current one)."""
        self._emit(name, fields, failure if failure is not None else Failure())

    def _emit(self, name: str, fields: dict[str, object], failure: Failure | None) -> None:
        kind = EVENTS.get(name)
        if kind is None:
            fields, kind = {"name": name}, EVENTS["uncatalogued"]
        allowed = _Fields((field, fields[field]) for field in kind.fields if field in fields)
        extra = {} if failure is None else {"log_failure": failure}
        self._logger.emit(
            _LEVELS[kind.level], "{asw_event} {asw_fields}", asw_event=kind.name, asw_fields=allowed, **extra
        )


@implementer(ILogObserver)
class JsonLines:
    """Writes each event as one JSON object a line to `stream` and flushes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: dict[str, Any]) -> None:
        """Write one event; never raises for what an event contains."""
        self._stream.write(_JSON.encode(json_values(event)) + "\n")
        self._stream.flush()


def json_values(event: dict[str, Any]) -> dict[str, Any]:
    """The JSON object for a twisted.logger event."""
    at = datetime.fromtimestamp(event.get("log_time", 0.0), UTC)
    level = event.get("log_level")
    values: dict[str, Any] = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level.name if level is not None else "info",
        "namespace": event.get("log_namespace", ""),
    }
    if "asw_event" in event:
        values["event"] = event["asw_event"]
        values.update(event["asw_fields"])
    else:
        values["event"] = "twisted"
        values["text"] = _text(formatEvent(event))
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        values["exception"] = {
            "type": f"{failure.type.__module__}.{failure.type.__qualname__}" if failure.type else "",
            "message": _text(failure.value),
            "traceback": failure.getTraceback()[-MAX_TRACEBACK_CHARS:],
        }
    return values


def _text(value: object) -> str:
    """A bounded text of any value, even one whose `str` fails."""
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001  a broken __str__ must not cost the log line
        text = f"<{type(value).__name__} without text: {type(error).__name__}>"
    return text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS] + "…"


_JSON = json.JSONEncoder(ensure_ascii=False, default=_text)


def json_observer(stream: TextIO) -> JsonLines:
    """An observer that writes JSON lines to `stream`."""
    return JsonLines(stream)


def stdout() -> JsonLines:
    """For `twistd --logger asw_gateway.logs.stdout`: JSON lines on standard output."""
    return JsonLines(sys.stdout)
