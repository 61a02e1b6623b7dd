"""Operators: what they see and do through the control socket.

    control_socket   a Unix socket, mode 0600, and who is at its other end
    control          the addresses, questions and answers
    partner_orders   suspend, resume, wake, ping
    message_orders   replay, discard, cancel
    acts             the database units of those orders
    finding          from what an operator types to the message that is meant
    views            rows as JSON, never with payload
    levers           what is reached in other rooms
    requests         what is asked, read strictly

`aswctl` is the client. The read-only port (`/live`, `/ready`, `/metrics`) is in `asw_gateway.health`.
"""
