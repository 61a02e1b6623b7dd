"""What lives as long as the configuration is left out of the garbage collector's rounds."""

from __future__ import annotations

import gc


def leave_out() -> None:
    """Free what is garbage now, and let no later round of the collector walk through the rest.

    A full round over code, schemas and profiles holds every thread for some 60 ms, which a partner would see
    as the slowest of its receipts. What was left out before and has been let go is freed here: call it after
    each start and reload.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
