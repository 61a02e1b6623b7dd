"""Profiles serve several threads at once: each compiles its own schemas and stylesheets, never in each other's way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from unittest import TestCase

from asw_gateway.config.profile_files import read_profiles
from asw_gateway.translation.profile import Profile, load_profile

PROFILES = Path(__file__).parents[2] / "profiles"


class CompilingTests(TestCase):
    def test_threads_that_compile_at_the_same_moment(self) -> None:
        """libxml2 finds included schemas through one process-wide loader: compiling must not interleave."""
        files = read_profiles(PROFILES)
        profile = load_profile("atiga-form-d-2022", files.profiles["atiga-form-d-2022"], files.reference)
        for _ in range(12):
            barrier = Barrier(4)

            def compile_here(waiting: Barrier = barrier, shared: Profile = profile) -> int:
                waiting.wait()
                return len(shared.compiled().schemas)

            with ThreadPoolExecutor(4) as threads:  # fresh threads: each has to compile
                counts = [each.result() for each in [threads.submit(compile_here) for _ in range(4)]]
            self.assertEqual(len(set(counts)), 1)
