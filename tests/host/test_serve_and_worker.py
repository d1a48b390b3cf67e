"""The long-running commands: `serve` and `worker`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from builders import a_quote
from host.conftest import CommandLine
from host_server import FAKES
from qwoty_integrations_host.cli import worker_processes
from qwoty_integrations_host.cli.worker_processes import WorkerProcesses
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.errors import HostError


def test_serve_works_queued_runs_of_other_processes_and_ends_on_a_signal(cli: CommandLine) -> None:
    cli.ready()
    served = _serve(cli, "--port", "0")
    try:
        assert served.stderr is not None
        assert "Listening on http://127.0.0.1:" in _until(served, "Listening")
        found = cli("accept", "ws-1", cli.file(a_quote()), "--wait", "--timeout", "20", "--json")
        assert json.loads(found.stdout)["runs"][0]["status"] == "succeeded"
        assert ("on_quote_accepted", "ws-1") not in cli.recorder.calls, "the server worked it, not this process"
    finally:
        served.send_signal(signal.SIGTERM)
        out, err = served.communicate(timeout=15)
    assert served.returncode == 0, err
    assert "Traceback" not in out + err


def test_serve_reports_that_its_port_is_in_use(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = _serve(cli, "--port", str(taken.getsockname()[1]))
        _, err = served.communicate(timeout=20)

    assert served.returncode == 1
    assert "cannot listen" in err
    assert "Traceback" not in err


def test_a_worker_shows_its_metrics_when_asked_to(cli: CommandLine) -> None:
    with _serve(cli, "--metrics-port", "0", command="worker") as worker:
        address = _until(worker, "Metrics on").split()[-1]
        found = requests.get(address, timeout=10).text
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=20) == 0

    assert "qwoty_queue_depth 0.0" in found and "qwoty_http_request_seconds" in found


def test_serve_keeps_its_worker_processes_running_and_stops_with_all_of_them(
    cli: CommandLine, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWOTY_HOST_DATABASE_URL", postgresql)
    with _serve(cli, "--port", "0", "--workers", "2", "--jobs", "3") as served:
        lines = _lines(served)
        first, second = (_worker(lines, "worker.started") for _ in range(2))
        os.kill(first, signal.SIGKILL)
        assert _worker(lines, "worker.died") == first
        third = _worker(lines, "worker.started")
        for _ in (second, third):
            next(line for line in lines if line.startswith("Working"))
        served.send_signal(signal.SIGTERM)
        rest = list(lines)
        assert served.wait(timeout=90) == 0

    assert sum("Stopping" in line for line in rest) == 3, "serve and two workers stopped in good order"
    assert not any(_is_running(pid) for pid in (first, second, third))


def test_worker_processes_stop_when_serve_was_killed(
    cli: CommandLine, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWOTY_HOST_DATABASE_URL", postgresql)
    with _serve(cli, "--port", "0", "--workers", "1") as served:
        lines = _lines(served)
        worker = _worker(lines, "worker.started")
        next(line for line in lines if line.startswith("Working"))
        served.kill()
        rest = list(lines)  # until the worker, which has the same stderr, has ended

    assert any("Stopping" in line for line in rest)
    while _is_running(worker):
        time.sleep(0.05)


def test_worker_processes_need_postgresql(cli: CommandLine) -> None:
    found = cli("serve", "--workers", "2")

    assert found.exit_code == 1
    assert "--workers needs PostgreSQL" in found.stderr


#: A worker whose hook hangs, and which waits half a second for it when it stops.
_HANGING_WORKER = """
import sys, threading
import fake_recorder
from qwoty_integrations_host.cli import serve
def hang(ctx, quote):
    print("It hangs", file=sys.stderr, flush=True)
    threading.Event().wait(120)
serve._PATIENCE = 0.5
fake_recorder.answers["on_quote_accepted"] = hang
"""


def test_a_worker_process_ends_although_a_hook_hangs(cli: CommandLine) -> None:
    cli.ready()
    assert cli("accept", "ws-1", cli.file(a_quote())).exit_code == 0
    started_by_serve = WorkerProcesses(1, data_dir="", jobs=1)._command[2]
    with _serve(cli, command="worker", program=_HANGING_WORKER + started_by_serve) as worker:
        _until(worker, "It hangs")
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(timeout=30)
        finally:
            worker.kill()


def test_a_worker_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    started, has_started, real = [], threading.Event(), subprocess.Popen

    def start(_command: Any, **more: Any) -> Any:
        started.append(more)
        if len(started) == 1:
            raise BlockingIOError("Resource temporarily unavailable")
        has_started.set()
        return real(["cat"], **more)

    monkeypatch.setattr(worker_processes, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(subprocess, "Popen", start)
    processes = WorkerProcesses(1, data_dir="", jobs=1)
    processes.start()

    assert has_started.wait(10)
    processes.stop(patience=10)


def test_worker_processes_can_be_stopped_before_all_have_been_started() -> None:
    WorkerProcesses(2, data_dir="", jobs=1).stop(patience=1)


@pytest.mark.parametrize("given", ["0", "65", "many"])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(given: str) -> None:
    with pytest.raises(HostError, match="QWOTY_HOST_JOBS"):
        HostConfig.from_environment({"QWOTY_HOST_JOBS": given})


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stderr is not None
    return iter(process.stderr)


def _worker(lines: Iterator[str], event: str) -> int:
    return int(next(json.loads(line)["worker"] for line in lines if f'"{event}"' in line))


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _serve(
    cli: CommandLine,
    *words: str,
    command: str = "serve",
    program: str = "from qwoty_integrations_host.cli import main; main()",
) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(FAKES)}
    words = (sys.executable, "-c", program, "--data-dir", str(cli.folder / "data"), command, *words)
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def _until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stderr is not None
    for text in process.stderr:
        if word in text:
            return text
    raise AssertionError(f"it ended without saying {word!r}")
