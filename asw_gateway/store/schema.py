"""The tables of an open database are the ones this program knows: made, upgraded, or refused."""

from __future__ import annotations

from sqlalchemy import Engine, select

from asw_gateway.store import engine as engines
from asw_gateway.store import tables


def prepare(engine: Engine, *, upgrade: bool) -> None:
    with engines.connect(engine) as connection, connection.begin():
        tables.metadata.create_all(connection)
        if connection.execute(select(tables.feed_counter)).first() is None:
            connection.execute(tables.feed_counter.insert().values(id=1, last=0))
