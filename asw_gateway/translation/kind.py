"""The message kinds of a profile: how each is named on both sides and what it does to a document's story."""

from __future__ import annotations

from attrs import frozen

EFFECTS = ("opens", "replaces", "cancels", "answers", "asks", "repeats", "refuses")


@frozen(kw_only=True)
class MessageKind:
    """One kind of message of a document type.

    action: the AS4 action.  submit / deliver: VNSW (type, function) in which the portal sends it to us and
    gets it from us; None where that direction does not exist.  priority: 0 goes first.
    effect: one of EFFECTS.  national_root / asean_root: the document's element on each side; asean_schema:
    the schema file (of the profile or of the reference data) that the ASEAN form must meet.  type_name,
    type_code and function_code: WCO's TypeName, D013 and 017.  phase: the Schematron phase of its rules.
    """

    name: str
    action: str
    submit: tuple[str, str] | None
    deliver: tuple[str, str] | None
    priority: int
    effect: str
    max_bytes: int
    national_root: str
    asean_root: str
    asean_schema: str
    type_name: str
    type_code: str
    function_code: str
    phase: str = ""
