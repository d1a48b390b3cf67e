"""Why a target is missed, by the key of its row: shown only where it is missed. Written by people, not measured.

A key that ends with ``*`` stands for all that begin so.
"""

from __future__ import annotations

_REASONS: dict[str, str] = {
    "latency.*": """What is left beside the calls is this process's own work between them: some forty commits that keep
        the promise of docs/reliability.md, and the SDK. On a machine that is busy with something else it grows.""",
    "latency.*.idle": """DBOS looks by the clock for what nobody tells of (delayed jobs, timeouts, schedules); on
        PostgreSQL a worker also beats its lease and looks for dead ones every second, and each question is a way to
        another process and back.""",
    "throughput.*": """A worker is one Python process, which computes on one core at a time, and here the simulator,
        PostgreSQL and this script share two cores with it: quotes per second times what one costs in CPU cannot
        exceed that. What DBOS alone reaches with as many steps that only wait stands beside it. By a profile (SQLite, 8
        in flight, 27 November 2026) a third of a quote's CPU is DBOS's, which records eleven steps and looks into its
        queue; a tenth each take the HTTP side and reading the quote (at the door and in the run), a sixteenth each the
        mail and the SDK; the rest is the record of the run. Fewer steps would save most, and lose what
        docs/reliability.md promises. More workers on more cores help, more threads do not.""",
    "intake.*": """The bare one does not look up the workspace's settings and the address's secret, checks no signature,
        writes no log line and refuses no duplicate. What these cost is CPU of Python; nothing of it can be left out,
        and a cache would let a workspace that was switched off be called. And eight threads share one interpreter: each
        question to the database hands it over and waits to get it back, so that by a profile (27 November 2026) a
        quarter of the time went into switching threads. Fewer threads were tried and took no more webhooks. On
        PostgreSQL several `serve --no-worker` can share them.""",
    "intake.*.working.share": """Workers and the HTTP side share one Python process, so quotes that are worked take
        their CPU from the webhooks. `serve --no-worker` beside `worker` processes on PostgreSQL keeps them apart.""",
    "startup.help": """Half of it is Python and Click; the rest are the modules of the commands. On a machine that is
        busy with something else it grows.""",
    "startup.ready.*": """Three quarters of it are imports (DBOS, SQLAlchemy, Flask). Each open run is looked at once,
        since its job may have ended in an outage of the database; on PostgreSQL DBOS takes half a second to name the
        ten thousand jobs.""",
    "growth.failed.*": """One run in a thousand failed here, so the fifty newest are found by walking back over fifty
        thousand. An index by state would have to be written at every change of state of every run; for a question that
        people ask now and then, this is the cheaper side.""",
    "growth.*": """What it costs is CPU for showing a page of runs, the same for few as for many; on a machine that is
        busy with something else it grows.""",
}


def of(key: str) -> str:
    """Give the words for a row; the longest key that fits wins."""
    fitting = [known for known in _REASONS if _fits(known, key)]
    return " ".join(_REASONS[max(fitting, key=len)].split()) if fitting else "Not explained yet."


def _fits(known: str, key: str) -> bool:
    begin, star, end = known.partition("*")
    return key == known or (bool(star) and key.startswith(begin) and key.endswith(end))
