"""How a conformance check fails (with three sentences), or is skipped (with a reason)."""

from __future__ import annotations

from typing import NoReturn

import pytest

#: The prefixes of skip reasons, by which the grader tells them apart.
NOT_CLAIMED, NOT_CHECKED = "not claimed: ", "not checked: "


class Nonconformity(pytest.fail.Exception):  # type: ignore[name-defined,misc] # pytest names it only so
    """A plugin violates the contract: what is wrong, why it matters, how to fix it. It is shown without traceback."""

    def __init__(self, what: str, *, why: str, mend: str) -> None:
        super().__init__(f"{what}\n\n  Why it matters: {why}\n  How to mend it: {mend}\n", pytrace=False)
        self.what, self.why, self.mend = what, why, mend


def require(condition: object, what: str, *, why: str, mend: str) -> None:
    """Check a condition. Raises: Nonconformity."""
    if not condition:
        raise Nonconformity(what, why=why, mend=mend)


def require_none(problems: list[str], *, why: str, mend: str) -> None:
    """Check that the list is empty. Raises: Nonconformity, which lists every problem."""
    require(not problems, "\n".join(problems), why=why, mend=mend)


def not_claimed(what: str) -> NoReturn:
    """Skip a check of a capability that the manifest does not claim, or of a hook that the plugin lacks."""
    pytest.skip(f"{NOT_CLAIMED}{what}")


def not_checked(reason: str) -> NoReturn:
    """Skip a check that lacks a fixture; the reason names what the author can add."""
    pytest.skip(NOT_CHECKED + reason)
