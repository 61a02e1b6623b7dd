"""`make chaos`: real gateways on loopback, killed, cut off, starved and misled, and counted afterwards.

    python -m simulators.chaos [--engine sqlite|postgresql|both] [--minutes 10] [--quick] [--seed N]

    __main__.py   the engines one after another, one line for each, and the verdict
    run.py        one engine: pairs side by side, traffic, faults, the drain, the count
    agenda.py     what is to be done later
    pair.py       two countries that talk to each other only: files, processes, links
    node.py       one gateway process: where it listens, how it is killed and comes back
    link.py       a TCP relay that knows nothing of TLS; link_faults.py: what it does to a connection
    deck.py       the deck of faults; processes.py, way.py, means.py say what each does and how it is mended
    supply.py     documents for the portals
    postgres.py   a PostgreSQL server of our own, killed like everything else
    tally.py      follows the portals' ledgers while the run goes on
    verdict.py    counts when all is over: simulators.checker, and every journal's chain

Nothing here looks into a gateway: what is counted comes from the portals' fsynced ledgers and from the feeds.
"""
