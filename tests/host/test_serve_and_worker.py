"""The long-running commands: `serve` and `worker`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import requests

from builders import a_quote
from host.conftest import CommandLine
from host_server import FAKES


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


def _serve(cli: CommandLine, *words: str, command: str = "serve") -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from qwoty_integrations_host.cli import main; main()"]
    env = {**os.environ, "PYTHONPATH": str(FAKES)}
    words = (*program, "--data-dir", str(cli.folder / "data"), command, *words)
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def _until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stderr is not None
    for text in process.stderr:
        if word in text:
            return text
    raise AssertionError(f"it ended without saying {word!r}")
