"""Runs the commands of a page in a real shell, one after the other, and returns the output of each."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: A mark between the output of a command and its exit code.
_END = "\x1e"
#: The timeout in seconds for all commands together.
_PATIENCE = 160
#: Patterns of values that differ between runs, and their replacements.
_OWN = (
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\b[0-9a-f]{20}\.eml", "MAIL"),
    (r"\b[0-9a-f]{16}\b", "ACCOUNT"),
    (r"\b(in|pi|we|cs_test)_\w+", r"\1_ID"),
    (r"\b[A-Z0-9]{8}-\d{4}\b", "NUMBER"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b", "TIME"),
    (r"\b\d+ ms\b", "MS"),
    (r"http://127\.0\.0\.1:\d+", "HOST"),
    (r"─+", "─"),
    (r" +$", ""),
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and its output on the page (empty if the page shows none)."""

    typed: str
    printed: str


def commands(block: str) -> list[Command]:
    """The commands of a ``console`` block: lines after ``$ `` (and ``> ``), and the output below them."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            found[-1][1].append(line)
    return [Command("\n".join(typed), "\n".join(printed)) for typed, printed in found]


def typed(wanted: Sequence[Command], place: Path, *, cwd: Path, env: Mapping[str, str]) -> list[tuple[int, str]]:
    """Run the commands in one bash, and return the exit code and the output of each. Background processes are ended.

    The script and its output are files in ``place``, so that background processes cannot block the reading.
    """
    script, told = place / "typed.sh", place / "printed.txt"
    script.write_text("".join(f"{command.typed}\nprintf '{_END}%s{_END}' $?\n" for command in wanted), "utf-8")
    own = {**os.environ, **env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with told.open("wb") as file:
        shell = subprocess.Popen(
            ["bash", script],
            cwd=cwd,
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        # The output so far shows where it hung.
        with suppress(subprocess.TimeoutExpired):
            shell.wait(timeout=_PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    parts = told.read_text("utf-8").split(_END)
    return [(int(code), text.strip("\n")) for text, code in zip(parts[::2], parts[1::2], strict=False)]


def masked(text: str) -> str:
    """The text with ids, times and ports replaced."""
    for pattern, put in _OWN:
        text = re.sub(pattern, put, text, flags=re.MULTILINE)
    return text
