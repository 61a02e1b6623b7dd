"""Where a stage spends its time: the functions that it calls, wrapped and timed by name."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

#: (module that calls, name it calls by, part of the work).
PARTS: tuple[tuple[str, str, str], ...] = (
    ("exchange.submission", "read_envelope", "read envelope"),
    ("exchange.submission", "check_national", "check national"),
    ("exchange.submission", "read_facts_national", "facts"),
    ("exchange.outbound", "read_facts_national", "facts"),
    ("exchange.outbound", "to_asean", "to_asean"),
    ("exchange.outbound", "check_national", "check national"),
    ("exchange.outbound", "check_translation", "check asean"),
    ("exchange.outbound", "read_content", "read envelope"),
    ("exchange.outbound", "canonical", "canonical"),
    ("exchange.outbound", "user_message", "user message"),
    ("exchange.outbound", "apply_rules", "rules"),
    ("exchange.outbound", "business_digest", "business digest"),
    ("exchange.outbound", "seal_canonical", "seal"),
    ("exchange.outbound", "pack", "AS4 pack"),
    ("exchange.inbound", "unpack", "AS4 unpack"),
    ("exchange.inbound", "verify", "AS4 verify"),
    ("exchange.inbound", "build_receipt", "receipt"),
    ("exchange.processing", "check_seal", "check seal"),
    ("exchange.processing", "check_asean", "check asean"),
    ("exchange.processing", "read_facts_asean", "facts"),
    ("exchange.processing", "apply_rules", "rules"),
    ("exchange.processing", "to_national", "to_national"),
    ("exchange.processing", "read_goods", "goods"),
    ("exchange.processing", "business_digest", "business digest"),
    ("exchange.processing", "delivery_envelope", "delivery envelope"),
    ("messaging.signal", "verify_signature", "signature"),
    ("messaging.signal", "read_envelope", "read SOAP"),
    ("messaging.signal", "security_header", "sign"),
    ("messaging.packing", "security_header", "sign"),
    ("messaging.unpacking", "verify_signature", "signature"),
    ("messaging.unpacking", "read_envelope", "read SOAP"),
    ("translation.convert", "schema_problems", "schema"),
    ("translation.convert", "value_problems", "values"),
    ("translation.convert", "survey", "survey"),
    ("translation.convert", "canonical", "canonical"),
    ("translation.envelope_reading", "parse", "parse"),
    ("messaging.envelope_reader", "parse", "parse"),
    ("messaging.verification", "canonical", "canonical"),
    ("messaging.seal", "parse", "parse"),
    ("messaging.seal", "canonical", "canonical"),
)


@define
class Meter:
    """Time of each part with what is nested in it, in seconds, by its path of names."""

    seconds: dict[str, float] = field(factory=dict)
    calls: dict[str, int] = field(factory=dict)
    _stack: list[str] = field(factory=list)

    def wrap(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            path = f"{self._stack[-1]} / {part}" if self._stack else part
            self._stack.append(path)
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.thread_time() - began
                self._stack.pop()
                self.seconds[path] = self.seconds.get(path, 0.0) + took
                self.calls[path] = self.calls.get(path, 0) + 1

        return timed


@contextmanager
def metered() -> Iterator[Meter]:
    """Wrap the parts while the block runs."""
    meter = Meter()
    before: list[tuple[Any, str, Any]] = []
    try:
        for module_name, name, part in PARTS:
            module = importlib.import_module(f"asw_gateway.{module_name}")
            function = getattr(module, name)  # whoever renames it renames it here
            before.append((module, name, function))
            setattr(module, name, meter.wrap(function, part))
        yield meter
    finally:
        for module, name, function in before:
            setattr(module, name, function)
