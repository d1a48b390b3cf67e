"""The exit codes for missing objects and for wrong usage."""

from __future__ import annotations

import pytest

from host.conftest import CommandLine, refused


@pytest.mark.parametrize(
    "words",
    [
        ("settings", "show", "unknown", "recorder"),
        ("settings", "show", "ws-1", "unknown"),
        ("settings", "show", "ws-1", "exits"),
        ("enable", "unknown", "recorder"),
        ("disable", "ws-1", "unknown"),
        ("apikey", "create", "unknown"),
        ("quote", "show", "ws-1", "unknown"),
        ("installment", "list", "ws-1", "unknown"),
        ("installment", "send", "ws-1", "unknown"),
        ("run", "show", "unknown"),
        ("run", "retry", "unknown"),
    ],
    ids=" ".join,
)
def test_a_missing_object_exits_5(cli: CommandLine, words: tuple[str, ...]) -> None:
    cli.ok("workspace", "add", "ws-1")

    refused(cli(*words), 5)


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("accept", "ws-1"), ("accept", "ws-1", "/no/such/file"), ("run", "list", "--limit", "0"),
     ("installment", "send", "ws-1", "q", "--number", "0"), ("settings", "set", "ws-1", "recorder")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_2(cli: CommandLine, words: tuple[str, ...]) -> None:
    refused(cli(*words), 2)
