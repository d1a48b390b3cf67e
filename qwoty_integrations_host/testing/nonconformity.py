"""How a check of the conformance suite ends when it does not pass: three sentences, or a reason said aloud."""

from __future__ import annotations

from typing import NoReturn

import pytest

#: How the reasons of skipped checks begin; the grader tells them apart by it.
NOT_CLAIMED, NOT_CHECKED = "not claimed: ", "not checked: "


class Nonconformity(pytest.fail.Exception):  # type: ignore[name-defined,misc] # pytest names it only so
    """A plugin departs from the contract: what is wrong, why it matters, and how to mend it. No traceback helps."""

    def __init__(self, what: str, *, why: str, mend: str) -> None:
        super().__init__(f"{what}\n\n  Why it matters: {why}\n  How to mend it: {mend}\n", pytrace=False)
        self.what, self.why, self.mend = what, why, mend


def require(condition: object, what: str, *, why: str, mend: str) -> None:
    """Go on when the condition holds. Raises: Nonconformity."""
    if not condition:
        raise Nonconformity(what, why=why, mend=mend)


def require_none(problems: list[str], *, why: str, mend: str) -> None:
    """Go on when the list is empty. Raises: Nonconformity, which names every problem."""
    require(not problems, "\n".join(problems), why=why, mend=mend)


def not_claimed(what: str) -> NoReturn:
    """Skip a check of a capability that the manifest does not name, or of a hook that the plugin does not have."""
    pytest.skip(f"{NOT_CLAIMED}{what}")


def not_checked(reason: str) -> NoReturn:
    """Skip a check that cannot be made; the reason says what the author can give so that it can be."""
    pytest.skip(NOT_CHECKED + reason)
