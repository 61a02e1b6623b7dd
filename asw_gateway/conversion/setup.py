"""What conversion works with: values that a reload replaces as a whole, and the doors to other rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen

from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.messaging.party import Partner
from asw_gateway.metrics import Metrics
from asw_gateway.spool import Spool
from asw_gateway.store.database import RunsUnits
from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.workers import Runs


@frozen(kw_only=True)
class Setup:
    """Profiles, partners by name, and who we are."""

    catalogue: Catalogue
    partners: Mapping[str, Partner]
    own: OwnGateway
    identities: Identities


@frozen(kw_only=True)
class Doors:
    """Everything conversion reaches outside itself.

    ``setup`` gives the values in force, ``now`` UTC epoch seconds, ``new_id`` 32 fresh hexadecimal
    characters, ``fresh_bytes`` key material, ``spool`` files for messages too large for memory.
    ``on_queued(partner)`` and ``on_feed()`` are called after a commit.
    """

    database: RunsUnits
    workers: Runs
    setup: Callable[[], Setup]
    metrics: Metrics
    now: Callable[[], float]
    new_id: Callable[[], str]
    fresh_bytes: Callable[[int], bytes] = field(repr=False)
    node: str
    on_queued: Callable[[str], object]
    on_feed: Callable[[], object]
    lease_seconds: float = 60.0
    spool: Spool = field(factory=Spool)
