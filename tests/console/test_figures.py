"""Net, tax and total on a run's page: a figure is marked if it differs from the signed one."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_quote, loaded
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.console.runs import _figures


@pytest.mark.parametrize(
    ("signed", "invoiced", "marked"),
    [
        pytest.param("100.00 20.00 120.00", "100.00 20.00 120.00", [], id="equal"),
        pytest.param("100.00 20.00 120.00", "100.01 20.00 120.01", ["net", "total"], id="a cent more"),
        pytest.param("99.99 8.10 108.10", "100.00 8.10 108.10", [], id="a line for a total in coins"),
        pytest.param("33.335 6.667 40.00", "33.33 6.67 40.00", [], id="signed figures finer than the currency"),
        pytest.param("100.00 20.00 121.00", "100.00 20.00 120.00", ["total"], id="a quote that contradicts itself"),
    ],
)
def test_a_figure_that_differs_from_the_signed_one_is_marked(
    bench: Any, signed: str, invoiced: str, marked: list[str]
) -> None:
    net, tax, total = signed.split()
    quote = loaded({**a_quote(), "summary": {"one_off": {"net_amount": net, "tax_amount": tax, "total_amount": total}}})
    outcome = dict(zip(("net", "tax", "total"), invoiced.split(), strict=True), currency="EUR")

    with create_app(bench.host).test_request_context("/console/"):
        rows = _figures(quote, None, outcome)

    assert [row["name"] for row in rows if any(cell["differs"] for cell in row["cells"])] == marked
