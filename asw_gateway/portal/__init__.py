"""Our side: the feed between this gateway and the national portal it serves.

    routes    the addresses
    clients   who may use them
    submit    the portal hands in a document (99 or 00)
    answers   the Envelopes that answer a submission
    feed      the portal reads what came for it, and confirms it
    parts     the payloads of what came, as the partner sent them
    waiters   readers that wait for news
    status    the portal asks what became of a document

Nothing here knows a partner: what is accepted lies in the store before it is answered, and what comes for
the portal is read from the store.  The contract for the portal's team is docs/portal-feed.md.
"""
