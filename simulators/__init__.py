"""Everything that stands around a gateway when no real portal or partner is at hand.

    world.py          a whole region on loopback: keys, configuration, gateway and portal processes
    portal.py         a national portal: submits documents, reads the feed, answers like a customs office
    portal_client.py  the portal's half of the feed contract over mutual TLS, as a library
    documents.py      real-looking Form D, ACDD and customs-response envelopes
    partner.py        a partner gateway that can misbehave on purpose (scenarios/*.toml)
    ledger.py         what a simulator did, one fsynced JSON line each
    checker.py        counts lost, doubled and reordered documents from ledgers and feed dumps only
    demo.py, run.py   `make demo` and `make run`

Nothing under `asw_gateway` imports this package.
"""
