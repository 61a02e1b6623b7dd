"""A stored message that is too large for memory, opened again from its chunks."""

from __future__ import annotations

from asw_gateway.conversion.setup import Doors, Setup
from asw_gateway.exchange.inbound import reopen_large
from asw_gateway.messaging.large_reading import LargeMessage, MessageReader
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.unpacking import VerifiedMessage
from asw_gateway.spool import Folder
from asw_gateway.store.bodies import Stored
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.large_bodies import stored_chunks
from asw_gateway.workers import stepwise


async def open_stored(
    doors: Doors, setup: Setup, partner: Partner, row: InboundRow, stored: Stored
) -> VerifiedMessage:
    """Read and verify a long stored message as of the time it was receipted, never holding all of it.

    Raises RemoteFault when it no longer verifies.
    """
    with Folder(doors.spool) as folder:
        reader = MessageReader(stored.content_type, partner.inbound.limits, folder.open)
        async for chunk in stored_chunks(doors.database.run, stored):
            await doors.workers.run(reader.feed, chunk)
        message: LargeMessage = await doors.workers.run(reader.close)
        steps = reopen_large(
            message,
            partner=partner,
            own=setup.own,
            identities=setup.identities,
            received_at=row.received_at,
        )
        return await stepwise(doors.workers, steps)
