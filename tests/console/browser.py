"""A real browser on the console: Debian's Chromium, driven by Playwright. axe checks accessibility."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).with_name("axe.min.js")
SCREENSHOTS = Path(__file__).parents[2] / "docs" / "console"
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@contextmanager
def chromium() -> Iterator[Any]:
    """Headless Chromium. The test is skipped where it is not installed."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        # Containers have little shared memory, and run as root, where Chromium has no sandbox.
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            browser.close()


def violations(page: Any) -> list[str]:
    """The violations of WCAG 2.2 A and AA that axe finds on the present page."""
    # Load axe through the debugger, because the page's content security policy forbids it.
    page.evaluate(AXE.read_text("utf-8") + "; 0")
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", _WCAG)
    return [
        f"{page.url}: {each['id']}: {node['html'][:160]} – {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
