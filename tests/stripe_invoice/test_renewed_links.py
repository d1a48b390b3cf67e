"""A link that has expired is renewed on request, and only one link can be paid at a time."""

from __future__ import annotations

from typing import Any

import pytest

from qwoty_integrations_host.errors import ActionRefused
from stripe_invoice.conftest import first_link, open_links, parts


def _by_time(bench: Any) -> None:
    bench.clock.advance(25 * 3600)
    bench.stripe.clock.advance(25 * 3600)


def _in_the_dashboard(bench: Any) -> None:
    bench.stripe.expire(first_link(bench))


@pytest.mark.parametrize("end", [_by_time, _in_the_dashboard], ids=["by time", "in the Dashboard"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_an_expired_link_is_renewed_on_request(linked: Any, end: Any, told: bool) -> None:
    linked.stripe.config.update(webhooks_held=not told)
    end(linked)
    if told:
        linked.webhooks()
        assert parts(linked, "status")[0] == "expired"

    run = linked.send_installment("q-7", look_first=True)

    assert run["status"] == "succeeded", run
    assert [s["status"] for s in linked.stripe.objects("sessions")] == ["expired", "open"]
    assert (parts(linked, "status")[0], len(linked.mails())) == ("sent", 2)


def test_only_one_link_of_an_invoice_can_be_paid(linked: Any) -> None:
    for number in (1, 1, None):
        assert linked.send_installment("q-7", number)["status"] == "succeeded"
        assert open_links(linked) == 1
    with pytest.raises(ActionRefused, match="installment 1 can still be paid"):
        linked.send_installment("q-7", 2)

    assert open_links(linked) == 1
