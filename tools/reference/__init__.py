"""The generated pages of the documentation: each module here makes one, from the code, as Markdown.

What the code says in a form that a machine can read is generated; what only words can say stays in the pages beside
them (docs/adr/0049-generated-reference.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import commands, environment, errors, events, hooks, http_api, layers, metrics, public_types, settings, states

#: What writes each generated file, by its path below ``docs/``.
PAGES: Mapping[str, Callable[[], str]] = {
    "reference/hooks.md": hooks.page,
    "reference/types.md": public_types.page,
    "reference/settings.md": settings.page,
    "reference/cli.md": commands.page,
    "reference/http-api.md": http_api.page,
    "reference/errors.md": errors.page,
    "reference/events.md": events.page,
    "reference/states.md": states.page,
    "reference/metrics.md": metrics.page,
    "reference/environment.md": environment.page,
    "pictures/layers.svg": layers.picture,
}
