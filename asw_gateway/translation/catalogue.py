"""All profiles that are in use: found by procedure and function, by AS4 service and action, or by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from .kind import MessageKind
from .problem import Problem
from .profile import Profile

#: Tells whether the one who is to get a document takes this version and kind of it.
Takes = Callable[[Profile, MessageKind], bool]


class UnknownKind(LookupError):
    """No profile in force has this document type and kind."""


class Catalogue:
    """Looks up profiles by day; where two versions are in force the one that came into force last wins."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self.profiles = tuple(
            sorted(profiles, key=lambda profile: profile.valid_from or date.min, reverse=True)
        )

    def in_force(self, on: date) -> tuple[Profile, ...]:
        return tuple(profile for profile in self.profiles if profile.is_valid(on))

    def for_submission(
        self, procedure: str, type: str, function: str, on: date, *, takes: Takes | None = None
    ) -> tuple[Profile, MessageKind] | Problem:
        """The profile and kind for a VNSW (documentType, type, function); a Problem if there is none.

        Of several versions in force it is the newest that the receiver `takes`, else the newest of all.
        """
        profiles = [profile for profile in self.in_force(on) if profile.procedure == procedure]
        if not profiles:
            return Problem(
                rule="ENVELOPE",
                message=f"the procedure {procedure} is not known or not in force",
                message_vi=f"thủ tục {procedure} không có hoặc chưa có hiệu lực",
                path="Envelope/Header/Subject/documentType",
                value=procedure,
                error_code="ERR01_CODE",
            )
        found = [
            (profile, kind)
            for profile in profiles
            for kind in profile.kinds
            if kind.submit == (type, function)
        ]
        if found:
            return _taken(found, takes)
        return Problem(
            rule="ENVELOPE",
            message=f"procedure {procedure} takes no message type {type} with function {function}",
            message_vi=f"thủ tục {procedure} không có loại thông điệp {type} chức năng {function}",
            path="Envelope/Header/Subject/function",
            value=f"{type}/{function}",
            error_code="ERR04_CODE",
        )

    def for_message(self, service: str, action: str, on: date) -> tuple[Profile, MessageKind] | None:
        """The profile and kind for an AS4 (service, action), or None."""
        for profile in self.in_force(on):
            if profile.service == service:
                for kind in profile.kinds:
                    if kind.action == action:
                        return profile, kind
        return None

    def kind(
        self, document_type: str, kind_name: str, on: date, *, takes: Takes | None = None
    ) -> tuple[Profile, MessageKind]:
        """The profile and kind of a document type, chosen as in for_submission; raises UnknownKind."""
        found: list[tuple[Profile, MessageKind]] = []
        for profile in self.in_force(on):
            kind = profile.kind(kind_name)
            if profile.document_type == document_type and kind is not None:
                found.append((profile, kind))
        if not found:
            raise UnknownKind(f"no profile in force on {on} has {document_type}/{kind_name}")
        return _taken(found, takes)


def _taken(found: list[tuple[Profile, MessageKind]], takes: Takes | None) -> tuple[Profile, MessageKind]:
    if takes is None or len(found) == 1:
        return found[0]
    return next((each for each in found if takes(*each)), found[0])
