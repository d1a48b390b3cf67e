"""What six calls to Stripe cost at the very least: those of a warm quote, by the plain SDK, one after another.

``python -m benchmarks.sdk_calls URL TIMES`` prints the CPU milliseconds of this process for six calls. One client keeps
its connection, and nothing is stored or checked.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from typing import Any

from .plain_script import a_client
from .quotes import KEY

_LINES = 20
_WARM_UP = 5


def main() -> None:
    url, times = sys.argv[1], int(sys.argv[2])
    v1 = a_client(KEY, url).v1
    customer = v1.customers.create({"email": "c-1@buyer.example", "name": "Diaz"}).id
    rate = v1.tax_rates.create({"display_name": "VAT", "inclusive": False, "percentage": 20.0}).id
    began = 0.0
    for number in count():
        if number == _WARM_UP:
            began = time.process_time()
        if number == _WARM_UP + times:
            break
        _six_calls(v1, customer, rate)
    print(1000 * (time.process_time() - began) / times)


def _six_calls(v1: Any, customer: str, rate: str) -> None:
    v1.customers.retrieve(customer)
    v1.tax_rates.list({"active": True, "limit": 100})
    terms = {"collection_method": "send_invoice", "days_until_due": 30, "auto_advance": False}
    invoice = v1.invoices.create({"customer": customer, "currency": "eur", **terms}).id
    lines = [
        {"amount": 100_00, "description": f"Consulting, part {number}", "tax_rates": [rate]} for number in range(_LINES)
    ]
    v1.invoices.add_lines(invoice, {"lines": lines})
    final = v1.invoices.finalize_invoice(invoice)
    price = {"currency": "eur", "unit_amount": final.total // 4, "product_data": {"name": f"{final.number} 1/4"}}
    v1.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": customer,
            "line_items": [{"quantity": 1, "price_data": price}],
            "success_url": "https://shop.example/paid",
        }
    )


if __name__ == "__main__":
    main()
