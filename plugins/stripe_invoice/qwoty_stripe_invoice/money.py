"""Convert money between the quote (``Decimal``, major units) and Stripe (``int``, minor units). Never a float.

See docs/notes/stripe.md#amounts-and-currencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from babel.core import get_global

from qwoty_integrations_host import NeedsAttention

_ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
_THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())
#: These have three decimals in ISO 4217, but Stripe does not list them. A wrong guess would charge ten times as much.
_REFUSED = frozenset("IQD LYD".split())
#: The smallest payment in minor units, for currencies where Stripe documents it; others answer ``amount_too_small``.
LEAST_PAYMENT = {"EUR": 50, "USD": 50}
#: Currencies whose amounts must be multiples: ISK and UGX have no minor unit but are sent with two decimals.
_MULTIPLES = {"ISK": 100, "UGX": 100, **dict.fromkeys(_THREE_DECIMAL, 10)}
#: The largest amounts in minor units: eight digits, for Indonesian rupiah twelve.
_MOST, _MOST_OF = 99_999_999, {"IDR": 999_999_999_999}
#: The largest error of a JSON number that was computed in binary: 1237.0500000000002 is 1237.05.
_NOISE = Decimal("1e-6")


def decimals(currency: str) -> int:
    """Return the decimals of Stripe's minor unit. Raises: NeedsAttention for a currency that Stripe does not list."""
    code = currency.upper()
    if code in _REFUSED:
        raise NeedsAttention(
            f"Stripe does not list how amounts in {code} are sent.",
            hint="Invoice this quote by hand, or in another currency.",
            code="currency_unsupported",
        )
    return 0 if code in _ZERO_DECIMAL else 3 if code in _THREE_DECIMAL else 2


def multiple(currency: str) -> int:
    """Return the step of a currency: amounts in minor units must be multiples of it. It is 1 for most currencies."""
    return _MULTIPLES.get(currency.upper(), 1)


def coin(currency: str) -> int:
    """Return the smallest coin in use, in minor units, as Unicode's CLDR lists it: 0.05 CHF, 1 SEK, 1 TWD.

    CPQs round the total or each tax to it, although Stripe takes finer amounts.
    """
    fractions = get_global("currency_fractions")
    _, _, places, step = fractions.get(currency.upper(), fractions["DEFAULT"])
    smallest = Decimal(step or 1).scaleb(decimals(currency) - places)
    return max(int(smallest), multiple(currency))


def largest(currency: str) -> int:
    """Return the largest amount that Stripe takes, in minor units."""
    return _MOST_OF.get(currency.upper(), _MOST)


def in_minor(amount: Decimal, currency: str) -> Decimal:
    """Return an amount in minor units, without errors of binary arithmetic; it may be finer than a cent."""
    minor = amount.scaleb(decimals(currency))
    whole = minor.quantize(Decimal(1), ROUND_HALF_UP)
    return whole if abs(minor - whole) <= _NOISE else minor


def to_minor(amount: Decimal, currency: str, what: str) -> int:
    """Return an amount in minor units, exactly. Raises: NeedsAttention when the currency has no such amount."""
    minor = in_minor(amount, currency)
    if minor % multiple(currency):
        raise NeedsAttention(
            f"{what}: {amount} is not an amount that Stripe takes in {currency}.",
            hint="Correct the amount in the quote and accept it again; a signed total is never rounded.",
            code="amount_precision",
        )
    return int(minor)


def rounded_to_minor(amount: Decimal, currency: str) -> int:
    """Return a computed amount in minor units, rounded half up."""
    return rounded_to_coin(amount.scaleb(decimals(currency)), currency)


def rounded_to_coin(minor: Decimal, currency: str) -> int:
    """Round minor units half up to an amount that the currency has: Stripe counts hundredths of ISK, which has none."""
    return rounded_to(minor, multiple(currency))


def rounded_to(minor: Decimal, step: int, mode: str = ROUND_HALF_UP) -> int:
    """Round minor units to a multiple of ``step``."""
    return int((minor / step).quantize(Decimal(1), mode)) * step


def to_major(minor: int | Decimal, currency: str) -> Decimal:
    """Return minor units as an amount in major units, with the currency's decimals."""
    return Decimal(minor).scaleb(-decimals(currency))


def shown(minor: int | Decimal, currency: str) -> str:
    """Return an amount for people to read: ``9102.00 EUR``, or ``0.5555 EUR`` if it was not rounded."""
    exact = to_major(int(minor) if minor == int(minor) else minor, currency)
    return f"{exact:f} {currency.upper()}"


def exact_tax(minor: int, percentage: Decimal) -> Decimal:
    """Return the tax of one rate on one line, in minor units, before it is rounded."""
    return minor * percentage / 100


def tax_on(minor: int, percentage: Decimal) -> int:
    """Return the tax of one rate on one line, rounded half away from zero: Stripe's rule, for positive amounts."""
    return int(exact_tax(minor, percentage).quantize(Decimal(1), ROUND_HALF_UP))


def split(total: int, weights: Sequence[Decimal | int], currency: str = "") -> list[int]:
    """Split a total by weight, exactly: by largest remainder, ties to the earlier part.

    With a currency, each part is an amount that the currency has, unless the total itself is finer.
    """
    step = multiple(currency)
    whole = sum(Decimal(weight) for weight in weights)
    exact = [Decimal(total) * Decimal(weight) / whole for weight in weights]
    return apportion(total, exact, step if total % step == 0 else 1)


def apportion(total: int, exact: Sequence[Decimal], step: int = 1) -> list[int]:
    """Round each exact amount to a multiple of ``step`` so that they sum to ``total``, itself a multiple of it.

    By largest remainder: all amounts are rounded down, and the rest goes to the largest remainders, the earlier one
    first, and never to amounts of zero. A negative total is shared like a positive one.
    """
    if total < 0:
        return [-part for part in apportion(-total, [-amount for amount in exact], step)]
    parts = [rounded_to(amount, step, ROUND_FLOOR) for amount in exact]
    takers = [i for i, amount in enumerate(exact) if amount] or list(range(len(parts)))
    each, left = divmod((total - sum(parts)) // step, len(takers))
    by_remainder = sorted(takers, key=lambda i: (parts[i] - exact[i], i))
    for position, i in enumerate(by_remainder):
        parts[i] += (each + (position < left)) * step
    return parts
