"""What must survive: the outbox, the inbox, the feed, the journal, the registry of documents.

Every function here is plain, synchronous, and takes a `Transaction` first; `Database.run` (database.py) is
the only thing that knows threads and commits. One call of `run` is one unit: all of it is durable when its
Deferred fires, or none of it is. Units that wait at the same time share a commit.

    database.py       the store's door: threads, queue, Deferreds
    group.py          group commit on the writing connection
    transaction.py    what a unit is given, and the work left to the end of the transaction
    tables.py         every table and index, one comment per column
    bodies.py         payload bytes: inline, or in chunks
    outbox.py         messages to partners: submit, convert, queue
    sending.py        messages to partners: claim, outcome, leases
    dead_letters.py   failed and expired messages, held successors, replay, discard
    inbox.py          messages from partners: register, convert, park
    refusals.py       what was refused at the door, and why
    feed.py           what the national portal reads
    registry.py       documents and their states
    partner_state.py  back-off, circuit breaker, last contact
    jobs.py           due work that fires once over all nodes
    journal.py        append-only, hash-chained evidence; chains.py walks it, heads.py keeps its signed heads
    search.py         lists for operators
    outlook.py        how much is waiting
    schema.py         making, upgrading and refusing schemas; migrations/ holds the alembic revisions
"""
