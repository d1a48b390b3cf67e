"""A pytest plugin that reports each conformance check to the grader, as one JSON document per line."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .nonconformity import NOT_CHECKED, NOT_CLAIMED, Nonconformity

OPTION = "--conformance-report"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, metavar="FILE", help="write how each conformance check ended")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    file, suite = item.config.getoption(OPTION), getattr(item, "cls", None)
    plugin = getattr(suite, "plugin_id", None)
    if file and plugin and (report.failed or report.skipped or report.when == "call"):
        name = item.name.removeprefix("test_").replace("_", " ")
        check = {"plugin": plugin, "check": name, **_result(report, call)}
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(check) + "\n")
    return report


def _result(report: pytest.TestReport, call: pytest.CallInfo[Any]) -> dict[str, str]:
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Nonconformity):
        return {"result": "failed", "what": error.what, "why": error.why, "mend": error.mend}
    if report.skipped:
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if reason.startswith(NOT_CLAIMED):
            return {"result": "not_claimed", "what": reason.removeprefix(NOT_CLAIMED), "why": "", "mend": ""}
        return {"result": "not_checked", "what": reason.removeprefix(NOT_CHECKED), "why": "", "mend": ""}
    if report.failed:
        # The check itself crashed. Only the error's first line is reported; pytest shows the traceback.
        last = [line for line in str(error).splitlines() if line.strip()] or ["no message"]
        what = f"The check ended with {type(error).__name__}: {last[0][:300]}"
        why = "Something happened that the suite does not foresee."
        return {"result": "failed", "what": what, "why": why, "mend": "Run the test with pytest to see the traceback."}
    return {"result": "passed", "what": "", "why": "", "mend": ""}
