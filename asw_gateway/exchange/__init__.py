"""The rules of sending and receiving, without I/O, clock, reactor or randomness.

Read ``lifecycle`` first (every state and move), then ``submission`` (the portal's envelope at the
door), ``outbound`` (to a partner), ``inbound`` (from a partner), ``retry`` and ``priority``.
"""
