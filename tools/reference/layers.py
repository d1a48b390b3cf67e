"""The picture of who may import whom, from the contract in pyproject.toml that import-linter keeps."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from html import escape

from .source import ROOT

WIDTH, TALL, GAP, LEFT = 760, 34, 10, 24
WORDS = "Each layer may import those below it; neighbors in a layer do not import each other."
STYLE = """
  .ground { fill: #f7f8fb } .layer { fill: #fff; stroke: #3f51b5; stroke-width: 1.2 }
  .down { stroke: #7a869a; stroke-width: 1.5 } .tip { fill: #7a869a }
  text { font: 14px monospace; fill: #1c2733 } .words { font-family: system-ui, sans-serif; fill: #4b5868 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #1a212b } .layer { fill: #232d3a; stroke: #8c9eff } text { fill: #e8edf4 } .words { fill: #aab6c5 }
  }"""


def picture() -> str:
    """The host's layers, the highest first: each may import what stands below it, never what stands above."""
    found = host_layers()
    height = 64 + len(found) * (TALL + GAP)
    boxes = [box for place, names in enumerate(found) for box in _box(58 + place * (TALL + GAP), names)]
    arrow = [
        f'<line class="down" x1="{WIDTH - 40}" y1="62" x2="{WIDTH - 40}" y2="{height - 28}"/>',
        f'<path class="tip" d="M{WIDTH - 46} {height - 30}h12l-6 12z"/>',
    ]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t">',
        '<title id="t">The layers of the host: each may import those below it</title>',
        f"<style>{STYLE}\n</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="12"/>',
        f'<text class="words" x="{LEFT}" y="36">{WORDS}</text>',
        *boxes,
        *arrow,
    ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def host_layers() -> Sequence[Sequence[str]]:
    """The modules of each layer, the highest layer first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (host,) = (c for c in contracts if c.get("containers") == ["qwoty_integrations_host"])
    return [[name.strip() for name in layer.split("|")] for layer in host["layers"]]


def _box(top: int, names: Sequence[str]) -> list[str]:
    return [
        f'<rect class="layer" x="{LEFT}" y="{top}" width="{WIDTH - 100}" height="{TALL}" rx="6"/>',
        f'<text x="{LEFT + 14}" y="{top + 22}">{escape(" · ".join(names))}</text>',
    ]
