"""The file with hashes for deployments: it names the current requirements in the tested versions."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from write_requirements import TARGET, needed  # noqa: E402


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """The pinned versions by name."""
    return {plain(name): version for name, version in re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^\s;]+)", text)}


def closure() -> set[str]:
    """The requirements of the distributions at runtime, and the requirements of those."""
    left, found = [Requirement(line) for line in needed()], set()
    while left:
        wanted = left.pop()
        for extra in {"", *wanted.extras}:
            if (plain(wanted.name), extra) in found:
                continue
            found.add((plain(wanted.name), extra))
            inner = map(Requirement, distribution(wanted.name).requires or ())
            left += [one for one in inner if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def test_the_file_holds_exactly_the_needed_distributions() -> None:
    """If this fails, call tools/write_requirements.py on a machine with access to a package index."""
    there = pinned(TARGET.read_text("utf-8"))

    assert closure() - there.keys() == set()
    assert {
        name for name in there.keys() - closure() if name in pinned((ROOT / "constraints.txt").read_text("utf-8"))
    } == set()


def test_the_pinned_versions_are_the_tested_ones() -> None:
    tested = pinned((ROOT / "constraints.txt").read_text("utf-8"))

    assert {
        name: version
        for name, version in pinned(TARGET.read_text("utf-8")).items()
        if tested.get(name, version) != version
    } == {}
    assert closure() <= tested.keys()


def test_each_requirement_has_its_hashes_and_no_address() -> None:
    text = TARGET.read_text("utf-8")
    entries = re.split(r"(?m)^(?=[A-Za-z])", text)[1:]

    assert len(entries) == len(pinned(text)) > 40
    assert [entry.splitlines()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []
    assert not re.search(r"://|@|--index|--find-links|-e ", text)
    assert all(
        re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?|[A-Za-z0-9._-]+==\S+( ;.*)? \\|#.*|", line)
        for line in text.splitlines()
    )
