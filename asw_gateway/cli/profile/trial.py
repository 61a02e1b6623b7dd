"""`aswctl profile test [DIR]`: every example and generated round trips, on all cores, with live progress."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import click
from attrs import asdict, frozen

from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.cli.profile.folders import FOLDER, Folder, folders, placed
from asw_gateway.cli.profile.tally import Tally, rule_counts
from asw_gateway.exchange.known_facts import store_problems
from asw_gateway.translation.generation import declared_paths
from asw_gateway.translation.profile import Profile, ProfileFault
from asw_gateway.translation.trial import Example, round_trip, trial

FULL, QUICK = 10_000, 400
_CHUNK = 40
#: Loaded before the worker processes are forked, so that they have them without loading.
_loaded: dict[str, tuple[Profile, dict[str, Example]]] = {}


@frozen(kw_only=True)
class Task:
    """A piece of work for one process: examples by name, or round trips of a kind by their numbers."""

    profile: str
    examples: tuple[str, ...] = ()
    kind: str = ""
    numbers: tuple[int, int] = (0, 0)


@frozen(kw_only=True)
class Result:
    """What a task found: sentences about what differs, and the paths that its documents had."""

    task: Task
    faults: tuple[str, ...]
    covered: frozenset[str] = frozenset()


@click.command("test")
@click.argument("directory", type=FOLDER, default="profiles")
@click.option("--quick", is_flag=True, help=f"At least {QUICK} round trips instead of {FULL}.")
@click.option("--seed", default="asw", show_default=True, help="Another seed gives other documents.")
@click.option("--processes", type=click.IntRange(1, 64), help="Worker processes; all cores if not given.")
@click.pass_obj
def test(output: Output, directory: Path, quick: bool, seed: str, processes: int | None) -> None:
    """Try the profile in DIRECTORY, or all profiles below it; exit 1 if anything is not as expected.

    Every example must give exactly the problems, losses and documents that it says, in both directions;
    generated national documents must come back unchanged and use every element of their schema; every rule
    must be shown.
    """
    started = time.monotonic()
    _loaded.clear()
    found = folders(directory, with_examples=True)
    for folder in found:
        try:
            profile = folder.load()
        except ProfileFault as fault:
            output.fail("\n".join(placed(folder, problem) for problem in fault.problems))
        _loaded[folder.name] = profile, {example.name: example for example in folder.read_examples()}
    tasks = list(_tasks(found, QUICK if quick else FULL))
    tally = Tally(output=output, tasks=tasks)
    for result in _work(tasks, seed, processes or os.cpu_count() or 1):
        tally.add(result.faults, result.task.profile, result.task.kind, result.covered, _size(result.task))
    tally.close()
    for name, (profile, _) in _loaded.items():
        for kind in profile.kinds:
            tally.expect(name, kind.name, declared_paths(profile.declarations["national"][kind.name]))
    counts = rule_counts(found, {name: examples for name, (_, examples) in _loaded.items()})
    seconds = time.monotonic() - started
    examples = sum(len(examples) for _, examples in _loaded.values())
    good = not tally.faults and not counts.uncovered and examples > 0
    for line in (*tally.faults, *counts.uncovered):
        output.line(line)
    if output.as_json:
        output.value(
            {
                "profiles": len(found),
                "examples": examples,
                "rules": asdict(counts),
                "round_trips": tally.round_trips,
                "elements": {"declared": tally.declared, "covered": tally.covered},
                "differences": list(tally.faults),
                "seconds": round(seconds, 1),
                "good": good,
            }
        )
    output.line(f"elements of the national forms used: {tally.covered} of {tally.declared}, {seconds:.1f} s")
    output.line(
        f"profiles: {len(found)}, examples: {examples}, rules covered: {counts.sentence()}, "
        f"round trips: {tally.round_trips} generated, {len(tally.faults)} differences"
    )
    if not good:
        raise SystemExit(FOUND_SOMETHING)


def _tasks(found: list[Folder], least: int) -> Iterator[Task]:
    """Examples first; round trips in equal numbers for every kind, the slow main documents first."""
    for folder in found:
        names = tuple(_loaded[folder.name][1])
        for start in range(0, len(names), _CHUNK // 4):
            yield Task(profile=folder.name, examples=names[start : start + _CHUNK // 4])
    kinds = [(folder.name, kind.name) for folder in found for kind in _loaded[folder.name][0].kinds]
    each = -(-least // len(kinds))
    for start in range(0, each, _CHUNK):
        for profile, kind in kinds:
            yield Task(profile=profile, kind=kind, numbers=(start, min(start + _CHUNK, each)))


def _work(tasks: list[Task], seed: str, processes: int) -> Iterator[Result]:
    jobs = [(task, seed) for task in tasks]
    if processes == 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(_do, jobs)
        return
    with multiprocessing.get_context("fork").Pool(processes, initializer=_may_be_ended) as pool:
        yield from pool.imap_unordered(_do, jobs)
        pool.close()
        pool.join()


def _may_be_ended() -> None:
    """A child inherits its parent's handlers; one that ignores SIGTERM would be waited for without end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _do(job: tuple[Task, str]) -> Result:
    task, seed = job
    profile, examples = _loaded[task.profile]
    faults: list[str] = []
    covered: set[str] = set()
    for name in task.examples:
        faults += [
            f"{task.profile}/examples/{name}: {each}"
            for each in trial(profile, examples[name], register=store_problems)
        ]
    kind = profile.kind(task.kind)
    if kind is not None:
        for number in range(*task.numbers):
            name = f"{seed}/{task.profile}/{task.kind}/{number}"
            # the first one takes everything that may be left out, so that nothing is left to chance
            optional, chance = (1.0 if number == 0 else 0.5), random.Random(name)  # noqa: S311  no secret
            difference = round_trip(profile, kind, chance, optional=optional, covered=covered)
            if difference:
                faults.append(f"round trip {name}: {difference}")
    return Result(task=task, faults=tuple(faults), covered=frozenset(covered))


def _size(task: Task) -> tuple[int, int]:
    return len(task.examples), task.numbers[1] - task.numbers[0]
