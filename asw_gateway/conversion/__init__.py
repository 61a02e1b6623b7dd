"""Conversion: picks up stored rows, runs the pure rooms in worker threads, commits, wakes the next room.

setup             the values and doors it works with
lane              bounded work with order per key; no spinning, graceful stop
outbound          submitted → queued, rejected, failed        outbound_commit   its units of the store
inbound           received → available, parked, answered …    inbound_commit    its units of the store
writing           registry rows and notices, shared by both
conversion        the Twisted service over both lanes
"""

from asw_gateway.conversion.conversion import Conversion
from asw_gateway.conversion.setup import Doors, Setup

__all__ = ["Conversion", "Doors", "Setup"]
