"""Trees that are parsed in one thread and canonicalised in another, as large messages are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from asw_gateway.messaging.xml import canonical, parse


def test_inclusive_prefixes_hold_in_a_thread_whose_parser_never_met_them() -> None:
    """lxml leaves out a prefix that the thread's dictionary of names does not have; phase4 signs with one."""
    prefix = f"S{uuid4().hex}"
    document = f'<{prefix}:e xmlns:{prefix}="urn:e"><h xmlns="urn:h"><i/></h></{prefix}:e>'.encode()
    root = parse(document)
    here = canonical(root[0], [prefix])
    assert f'xmlns:{prefix}="urn:e"'.encode() in here
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(parse, b"<something-else/>").result()
        assert elsewhere.submit(canonical, root[0], [prefix]).result() == here
