"""Why a target is missed, by the key of its row: shown only where it is missed. Written by people, not measured.

A key that ends with ``*`` stands for all that begin so.
"""

from __future__ import annotations

_REASONS: dict[str, str] = {
    "latency.*": """Beside the calls there is this process's own work: some forty commits that keep the promise of
        docs/reliability.md, and the SDK. It grows on a machine that is busy with something else.""",
    "latency.*.idle": """DBOS polls for delayed jobs, timeouts and schedules. On PostgreSQL a worker also renews its
        lease and looks for dead workers every second, and each query is a round trip to another process.""",
    "throughput.*": """A worker is one Python process, which computes on one core at a time. Here the simulator,
        PostgreSQL and this script share two cores with it, so the CPU time per quote bounds the quotes per second.
        Beside it stands DBOS alone, with as many steps that only wait. In a profile (SQLite, 8 in flight, 27 November
        2026) DBOS takes a third of a quote's CPU, for eleven recorded steps and its queue; the HTTP side and parsing
        the quote (at intake and in the run) take a tenth each, the mail and the SDK a sixteenth each, and the record of
        the run the rest. Fewer steps would save most, and break the promise of docs/reliability.md. More workers on
        more cores help, more threads do not.""",
    "intake.*": """The bare one reads no settings and no secret, checks no signature, writes no log line and refuses no
        duplicate. These cost CPU time in Python. When this was measured, each webhook also had a commit of its own and
        read everything anew; since then those that arrive together share a commit, and what they read is kept and
        checked in it (ADR 0085). On PostgreSQL several `serve --no-worker` can share the load.""",
    "intake.*.working.share": """Workers and the HTTP side share one Python process, so running quotes take CPU time
        from the webhooks. On PostgreSQL, `serve --no-worker` beside `worker` processes separates them.""",
    "startup.help": """Half of it is Python and Click; the rest is the import of the commands. It grows on a machine
        that is busy with something else.""",
    "startup.ready.*": """Three quarters of it are imports (DBOS, SQLAlchemy, Flask). When this was measured, the start
        loaded each open run and DBOS listed the jobs; since then it asks for their ids alone (ADR 0084).""",
    "growth.failed.*": """One run in a thousand failed here. When this was measured, no index served the query, so the
        database scanned fifty thousand runs for the fifty newest; since then one does (ADR 0084).""",
    "growth.*": """This is the CPU time to show a page of runs, the same for few as for many. It grows on a machine that
        is busy with something else.""",
}


def of(key: str) -> str:
    """Return the reason for a row; the longest key that fits wins."""
    fitting = [known for known in _REASONS if _fits(known, key)]
    return " ".join(_REASONS[max(fitting, key=len)].split()) if fitting else "Not explained yet."


def _fits(known: str, key: str) -> bool:
    begin, star, end = known.partition("*")
    return key == known or (bool(star) and key.startswith(begin) and key.endswith(end))
