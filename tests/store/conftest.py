"""Fixtures: `database` runs a test on each engine in turn; `nodes` gives two nodes on one PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asw_gateway.store.database import Database
from tests.store.databases import ENGINES, database_url, open_database


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with open_database(request.param) as database:
        yield database


@pytest.fixture
def nodes() -> Iterator[tuple[Database, Database]]:
    with database_url("postgresql") as url:
        first, second = Database.open(url, node="node-a"), Database.open(url, node="node-b")
        try:
            yield first, second
        finally:
            first.close_now()
            second.close_now()
