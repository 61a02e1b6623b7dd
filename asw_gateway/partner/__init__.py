"""Their side: the partners' gateways, over AS4 on HTTPS with mutual TLS.

Out: `channel` (one service a partner) claims due messages from the store and hands each to `sender`, which
makes one request over pooled connections (`connections`, `body`) and answers with an Outcome; `failures` puts
every failure into words. `turn` is the one database unit of a channel: what came back is committed and the
next messages are claimed together. `breaker` decides when a partner is worth another try and how fast a
backlog may leave; `life_cycle` is the channel's in-memory life; `ping` the test message.

In: `receiver` is behind POST /as4: who speaks (`identification`), may it speak now (`admission`), pure code
in a worker thread, one commit (`intake`), and only then the signed answer (`reception`).
"""
