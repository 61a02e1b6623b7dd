"""
A gateway between one country's National Single Window and its partners' gateways.

The map of the package. A document meets the rooms in this order on its way out, and in the opposite
order on its way in:

    portal        our side: the national portal submits, reads its feed, acknowledges
    store         what must survive; the only place where the two sides meet
    conversion    picks up stored rows, runs the pure rooms in worker threads, commits the result
    translation   (pure) national document <-> ASEAN document: profiles, mappings, rules, problems
    exchange      (pure) the rules of sending and receiving: life cycles, retry, routing, order
    messaging     (pure) what a message is: parties, agreements, AS4 packing, signatures, receipts
    partner       their side: AS4 over mutual TLS, one receiver, one channel a partner

    schedule      owns time: deadlines, purges, lease rescue      operations   the operators' socket
    config        gateway.toml + partners/*.toml -> values        cli          aswctl
    service       wires everything; nothing else does             tap          the twistd/twist plugin
    tls  web  workers  metrics  logs  health                      shell basics used by the rooms above

Whatever is committed is resumed; whatever is not committed was never acknowledged.
"""

__version__ = "0.1.0"
