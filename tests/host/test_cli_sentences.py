"""Error messages of the command line: each says where the problem is, why, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builders import a_quote
from host.conftest import CommandLine, refused
from qwoty_integrations_host import ConnectionReport, NeedsAttention
from qwoty_integrations_host.cli import session
from qwoty_integrations_host.contract.exact_json import parse_json
from qwoty_integrations_host.errors import MalformedInput

BAD_JSON = [
    (b'{"a": NaN}', "JSON knows no NaN (line 1, column 7).", "Give a number, or null where there is none."),
    (b'{"a": "NaN",\n "b": -Infinity}', "JSON knows no -Infinity (line 2, column 7).", "Give a number"),
    (b'{"a":\n 1e9999999999999999999}', "The number at line 2, column 2 is too long or too large.", "sensible"),
    (b'{"a": ' + b"9" * 5000 + b"}", "The number at line 1, column 7 is too long or too large.", "sensible"),
    (b'{"a": "\xe9"}', "The document is not UTF-8 text (byte 8, line 1).", "Save it as UTF-8."),
    (b"", "The document is empty.", "It has to hold JSON"),
    (b" \n", "The document is empty.", "It has to hold JSON"),
    (b'{"a": ', "The document is not valid JSON (line 1, column 7).", "Is it truncated?"),
    (b"[" * 70 + b"]" * 70, "The document is nested more than 64 levels deep.", "Take out"),
]
NAMES = ["NaN", "infinity", "exponent", "digits", "Latin-1", "nothing", "blanks", "truncated", "nested"]
EACH = pytest.mark.parametrize(("raw", "title", "hint"), BAD_JSON, ids=NAMES)


@EACH
def test_invalid_json_is_reported_with_its_place_and_a_remedy(raw: bytes, title: str, hint: str) -> None:
    with pytest.raises(MalformedInput) as refusal:
        parse_json(raw)

    assert refusal.value.title == title
    assert hint in refusal.value.hint


def test_an_error_names_the_file_that_holds_invalid_json(cli: CommandLine) -> None:
    cli.ready()
    path = Path(cli.file(""))
    for raw, title, hint in BAD_JSON:
        path.write_bytes(raw)

        said = refused(cli("accept", "ws-1", str(path)), 2)

        assert f"{path}: {title}" in said and hint in said


def test_an_error_shows_the_command_for_its_advice(cli: CommandLine) -> None:
    cli.ready()

    assert "→ The list of runs shows those that are kept.\n    qwoty-host run list" in refused(
        cli("run", "show", "no-such-run"), 5
    )
    assert "qwoty-host alerts set ws-1 --mail ADDRESS" in refused(cli("alerts", "test", "ws-1"), 2)


def test_a_runs_advice_shows_commands_with_its_id(cli: CommandLine) -> None:
    def hook(ctx: Any, quote: Any) -> Any:
        raise NeedsAttention("The totals differ.", hint="Compare them, then retry the run.")

    cli.ready()
    cli.recorder.answers["on_quote_accepted"] = hook

    found = cli("accept", "ws-1", cli.file(a_quote()), "--wait")

    (run,) = cli.ok("run", "list")["data"]
    assert f"    qwoty-host run retry {run['id']}" in found.output
    assert "qwoty-host" not in json.dumps(run), "the API shows it, too"


def test_interrupting_the_wait_says_that_the_run_goes_on(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from qwoty_integrations_host.host import Host

    def interrupted(*_: Any, **__: Any) -> bool:
        if interrupted.armed:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        interrupted.armed = True  # type: ignore[attr-defined]
        return False

    interrupted.armed = False  # type: ignore[attr-defined]
    cli.ready()
    monkeypatch.setattr(Host, "wait_for", interrupted)
    monkeypatch.setattr(Host, "start_worker", lambda _: True)

    found = cli("accept", "ws-1", cli.file(a_quote()), "--wait")

    (run,) = cli.ok("run", "list")["data"]
    assert found.exit_code == session.NOT_DONE
    assert "Aborted" not in found.output
    assert "The run goes on while a worker is there" in found.stderr
    assert f"qwoty-host run show {run['id']}" in found.stderr


def test_output_that_a_plugin_prints_stays_out_of_the_json(cli: CommandLine) -> None:
    def hook(*_: Any) -> Any:
        print("I am a plugin that prints")
        return ConnectionReport(())

    cli.ready()
    cli.recorder.answers["check_connection"] = hook

    found = cli("test-connection", "ws-1", "recorder", "--json")

    assert json.loads(found.stdout)["plugin"] == "recorder"
    assert "I am a plugin that prints" in found.stderr


def test_output_that_a_plugin_prints_at_import_stays_out_of_the_json(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chatty = tmp_path / "chatty-1.0.dist-info"
    chatty.mkdir()
    (tmp_path / "fake_chatty.py").write_text('print("I am imported")\nHOOK_API = 0\n')
    (chatty / "METADATA").write_text("Metadata-Version: 2.1\nName: chatty\nVersion: 1.0\n")
    (chatty / "entry_points.txt").write_text("[qwoty_integrations]\nchatty = fake_chatty\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    found = cli("plugin", "list", "--json")

    assert "chatty" in {plugin["id"] for plugin in json.loads(found.stdout)["data"]}
    assert "I am imported" in found.stderr
