"""Comments in the code name sections of docs/notes. Each named section exists, and each section is named."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTES = ROOT / "docs" / "notes"


def headings(page: Path) -> set[str]:
    """The anchors of a page's sections, as the documentation site generates them."""
    return {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"(?m)^## (.+)$", page.read_text("utf-8"))
    }


def named() -> set[tuple[str, str]]:
    """The page and the anchor of every reference in the code. Further anchors of the page may follow the first."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = set()
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            text = (ROOT / name).read_text("utf-8")
            for page, anchors in re.findall(r"docs/notes/([a-z]+\.md)((?:,?\s?#[a-z0-9-]+)+)", text):
                found |= {(page, anchor) for anchor in re.findall(r"#([a-z0-9-]+)", anchors)}
    return found


def test_every_section_that_a_comment_names_exists() -> None:
    there = {(page.name, anchor) for page in NOTES.glob("*.md") for anchor in headings(page)}

    assert len(named()) > 10
    assert named() - there == set()


def test_every_section_of_the_notes_on_stripe_is_named_by_a_comment() -> None:
    assert headings(NOTES / "stripe.md") - {anchor for page, anchor in named() if page == "stripe.md"} == set()
