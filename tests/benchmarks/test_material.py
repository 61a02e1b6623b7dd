"""Documents of the benchmarks, and the floor's list of parts."""

from __future__ import annotations

import itertools
import re
from contextlib import ExitStack
from pathlib import Path

from benchmarks import floor, floor_calls, material


def test_forms_without_end_have_numbers_and_ids_of_their_own() -> None:
    around = itertools.islice(material.many_forms(now=material.NOW, first=material.SERIES), 2)
    before, after = around
    assert (b"VN-TH 26/02/99999" in before, b"VN-TH 26/03/00001" in after) == (True, True)
    ids = [re.findall(rb"a\d{31}", form)[0] for form in (before, after)]
    assert len(set(ids)) == 2


def test_every_part_of_the_floor_has_a_call_that_works(tmp_path: Path) -> None:
    named = [(part["side"], part["name"]) for part in floor.parts()]
    assert len(set(named)) == len(named)
    with ExitStack() as closing:
        calls = floor_calls.calls_of("ecdsa", tmp_path, closing)
        assert set(named) <= set(calls)
        for key in named:
            calls[key]()
