"""Amounts in minor units: rounding, tax, and the limits of each currency.

See docs/notes/stripe.md#amounts-and-currencies.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from stripe_simulator.config import Rounding
from stripe_simulator.errors import bad_request

MINIMUM_CHARGE = {"eur": 50, "usd": 50}
# Eight digits in the smallest unit, twelve for the rupiah.
LARGEST_CHARGE = 99_999_999
LARGEST_CHARGES = {"idr": 999_999_999_999}

# Amounts must be multiples of these: the last digits are sent although the currency does not use them.
MULTIPLES = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}

SUPPORTED = frozenset(
    """aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf
    clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils
    inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk
    mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp
    sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar
    zmw""".split()
)


def checked_currency(code: str, *, param: str = "currency") -> str:
    currency = code.lower()
    if currency not in SUPPORTED:
        raise bad_request(f"Invalid currency: {code}. Stripe currently supports these currencies: …", param=param)
    return currency


def check_charge(amount: int, currency: str, *, unlisted_minimum: int = 1) -> None:
    """Refuse a Checkout Session whose amount is too small, too large, or finer than the currency."""
    minimum = MINIMUM_CHARGE.get(currency, unlisted_minimum)
    if amount < minimum:
        raise bad_request(
            f"The Checkout Session's total amount due must add up to at least {shown(minimum, currency)}",
            code="amount_too_small",
        )
    check_payable(amount, currency, "Checkout Session", param="line_items[0][price_data][unit_amount]")


def check_payable(amount: int, currency: str, kind: str, *, param: str | None = None) -> None:
    """Refuse the total of an object of this ``kind`` if it is too large or finer than the currency."""
    largest = LARGEST_CHARGES.get(currency, LARGEST_CHARGE)
    if amount > largest:
        raise bad_request(
            f"The {kind}'s total amount must be no more than {shown(largest, currency)}", code="amount_too_large"
        )
    step = MULTIPLES.get(currency, 1)
    if amount % step:
        raise bad_request(f"Invalid amount: {currency} amounts are multiples of {step}.", param=param)


def rounded(value: Decimal, rounding: Rounding = "half_away_from_zero") -> int:
    """Round to the minor unit, with halves in one of three possible directions."""
    if rounding == "half_up":
        # towards positive infinity: -0.5 becomes 0
        return int((value + Decimal("0.5")).to_integral_value(ROUND_FLOOR))
    mode = ROUND_HALF_EVEN if rounding == "half_even" else ROUND_HALF_UP
    return int(value.quantize(Decimal(1), rounding=mode))


def exclusive_tax(amount: int, percentage: Decimal, rounding: Rounding) -> int:
    return rounded(amount * percentage / 100, rounding)


def inclusive_tax(amount: int, percentage: Decimal, all_inclusive: Decimal, rounding: Rounding) -> int:
    """Return the tax of one rate in an amount that includes all inclusive rates."""
    return rounded(amount * percentage / (100 + all_inclusive), rounding)


ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())


def shown(amount: int, currency: str) -> str:
    """Format for people, e.g. ``2275.50 EUR``."""
    places = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return f"{Decimal(amount).scaleb(-places):.{places}f} {currency.upper()}"
