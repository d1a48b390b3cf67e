"""Faults around the host: of its database, the platform, the clock, or another host on the same data directory."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.event import listen

from database_trouble import Lock
from faults.story import Story, Strike
from faults.webhook_strikes import assert_refused
from qwoty_integrations_host.errors import RetryableError
from qwoty_integrations_host.host import Host
from qwoty_integrations_host.platform.standalone import StandalonePlatform

TWO_HOURS = 2 * 3600.0


def database(trouble: Callable[[Host], Any], path: str) -> Strike:
    """The database fails right after Stripe has performed a request, and recovers after a while."""

    def strike(story: Story) -> None:
        host, api, clock = story.bench.host, story.bench.stripe.api, story.bench.clock
        if host.config.is_shared:
            pytest.skip("these are SQLite's; PostgreSQL's are in tests/host/test_database_trouble.py")
        listen(host.store.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA busy_timeout=50"))
        befallen, answer, sleep, pass_time, struck = trouble(host), api.answer, clock.sleep, story.time_passes, []

        def answering(given: Any) -> Any:
            found = answer(given)
            if not struck and re.search(path, given.path):
                struck.append(befallen.take())
            return found

        def sleeping(seconds: float) -> None:
            befallen.let_go()
            sleep(seconds)

        def passing(seconds: float) -> None:
            # The write may fit into the pages that the database already has; then no run has waited so far.
            befallen.let_go()
            pass_time(seconds)

        story.patch.setattr(api, "answer", answering)
        story.patch.setattr(clock, "sleep", sleeping)
        story.patch.setattr(story, "time_passes", passing)
        story.at_the_end += [befallen.close, lambda: _assert_struck(struck)]

    return strike


def _assert_struck(struck: list[Any]) -> None:
    assert struck


def locked(host: Host) -> Lock:
    return Lock(host.config.data_dir / "host.sqlite3")


def told_after_a_while(story: Story) -> None:
    story.accept()
    story.time_passes(120)
    story.bench.work()
    story.pay()
    story.send_next()


def platform_fails(*, after: bool) -> Strike:
    """The platform's answer to each first save is lost, before or after the platform saved."""

    def strike(story: Story) -> None:
        save, failed = StandalonePlatform.save_external_id, set()

        def failing(platform: StandalonePlatform, kind: str, *given: Any, **named: Any) -> None:
            first = kind not in failed
            failed.add(kind)
            if after or not first:
                save(platform, kind, *given, **named)
            if first:
                raise RetryableError("The platform cannot be reached.")

        story.patch.setattr(StandalonePlatform, "save_external_id", failing)
        story.at_the_end.append(lambda: _assert_failed(failed))

    return strike


def _assert_failed(failed: set[str]) -> None:
    assert failed == {"contact", "tax"}


def our_clock(seconds: float) -> Strike:
    """The host's clock is off by so many seconds, until ``told_while_the_clock_is_off`` corrects it."""

    def strike(story: Story) -> None:
        story.bench.clock.advance(seconds)

    return strike


def told_while_the_clock_is_off(story: Story) -> None:
    """Quotes are invoiced nevertheless. Webhooks are refused until the clock is right, and then sent again."""
    assert story.accept()["status"] == "succeeded"
    link = story.bench.quote("q-1")["installments"][0]
    assert link["status"] == "sent"
    story.bench.stripe.pay(story.open_link())
    assert_refused(story)
    off = story.bench.clock.now().timestamp() - story.bench.stripe.clock.now()
    story.bench.clock.advance(-off)
    story.bench.webhooks()
    story.send_next()


def a_second_host(story: Story) -> None:
    """Other hosts are started on the data directory. Each waits a while, says why, and exits with 1."""
    if story.bench.host.config.is_shared:
        pytest.skip("any number of hosts share a PostgreSQL")
    data_dir, host = story.bench.host.config.data_dir, Path(sys.executable).parent / "qwoty-host"
    for command in (["serve", "--port", "0"], ["worker"]):
        process = subprocess.Popen([host, "--data-dir", data_dir, *command], stderr=subprocess.PIPE, text=True)
        story.at_the_end.append(partial(_assert_refused_to_start, process, data_dir))


def _assert_refused_to_start(process: subprocess.Popen[str], data_dir: Path) -> None:
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert f"another process works the runs of {data_dir}" in said
    assert "Stop it first" in said
    assert "Traceback" not in said
