"""Profiles serve several threads at once: those that load, parse and compile do not disturb each other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event, Thread
from unittest import TestCase

from lxml import etree

from asw_gateway.config.profile_files import read_profiles
from asw_gateway.translation.profile_loading import load_profile

FILES = read_profiles(Path(__file__).parents[2] / "profiles")
NAME = "atiga-form-d-2022"


@contextmanager
def parsing_elsewhere() -> Iterator[None]:
    """Three threads that parse all the time, as workers do."""
    over = Event()

    def parse_on() -> None:
        while not over.is_set():
            etree.fromstring(b"<a><b/></a>", etree.XMLParser(no_network=True))

    threads = [Thread(target=parse_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


class ThreadTests(TestCase):
    def test_a_profile_is_loaded_while_others_parse(self) -> None:
        """As in a reload under traffic: libxml2's loader for included files is process-wide."""
        with parsing_elsewhere():
            for _ in range(5):
                self.assertEqual(load_profile(NAME, FILES.profiles[NAME], FILES.reference).name, NAME)

    def test_threads_that_compile_at_the_same_moment(self) -> None:
        """Each worker has stylesheets and rules of its own, made at its first document."""
        profile = load_profile(NAME, FILES.profiles[NAME], FILES.reference)
        barrier = Barrier(4)

        def compile_here() -> int:
            barrier.wait()
            return len(profile.compiled().stylesheets)

        with ThreadPoolExecutor(4) as threads:
            counts = [each.result() for each in [threads.submit(compile_here) for _ in range(4)]]
        self.assertEqual(counts, [2, 2, 2, 2])
