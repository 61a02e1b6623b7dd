"""A numbered case of `make interop`, and the list of all."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from interop.stage import Stage


@frozen(kw_only=True)
class Case:
    """One line of the report; `peers` are the roles it needs."""

    name: str
    run: Callable[[Stage], str | None]
    peers: tuple[str, ...]


CASES: list[Case] = []


def case(name: str, *peers: str) -> Callable[[Callable[[Stage], str | None]], Callable[[Stage], str | None]]:
    """Register a case in the order of this file; what it returns is printed behind its name."""

    def register(run: Callable[[Stage], str | None]) -> Callable[[Stage], str | None]:
        CASES.append(Case(name=name, run=run, peers=peers))
        return run

    return register
