"""Links from the ids on a run to the Stripe Dashboard."""

from __future__ import annotations

from typing import Any

import pytest

from builders import KEY, LIVE
from qwoty_integrations_host.reports.dashboard_links import dashboard_links

UNITS = {"token_scope": "business_unit", "business_unit_api_tokens": {"bu_1": KEY, "bu_2": f"sk_{LIVE}_Unit0002"}}


def links(bench: Any, *ids: str) -> dict[str, str]:
    host = bench.host
    return dashboard_links(host.integrations.of("ws-1", "stripe_invoice"), ids)


@pytest.mark.parametrize(
    ("key", "base"),
    [(KEY, "https://dashboard.stripe.com/test"), (f"sk_{LIVE}_Key000001", "https://dashboard.stripe.com")],
)
def test_ids_link_to_the_dashboard_of_the_keys_mode(bench: Any, key: str, base: str) -> None:
    bench.enable(workspace_api_token=key)

    assert links(bench, "in_1", "cus_1", "pi_1", "req_1", "acct_1", "nonsense") == {
        "in_1": f"{base}/invoices/in_1",
        "cus_1": f"{base}/customers/cus_1",
        "pi_1": f"{base}/payments/pi_1",
        "req_1": f"{base}/logs/req_1",
    }


def test_keys_of_both_modes_give_no_link(bench: Any) -> None:
    bench.enable(**UNITS)

    assert links(bench, "in_1") == {}
