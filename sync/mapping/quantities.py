"""Below the values: exact arithmetic and digits. No number of a database is rounded unless the mapping says so."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal

from sync.mapping.model import Column

EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_UP)


def scaled(text: str, scale: Decimal | None) -> Decimal:
    number = Decimal(text)
    if scale is None or not number.is_finite():
        return number
    return EXACT.multiply(number, scale)


def scale_of(column: Column) -> Decimal | None:
    # repr of a float is the shortest text that is that float: 0.01 is 0.01 again.
    return None if column.scale is None else Decimal(repr(column.scale)).normalize()


def digits_of(number: Decimal, least: int, decimals: int | None, quantity: bool) -> str:
    """`decimals` rounds half up; without it nothing is lost, and at least ``least`` digits follow the point."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    wanted = decimals
    if wanted is None:
        text = format(number, "f")
        needed = len(text.rstrip("0").partition(".")[2]) if "." in text else 0
        wanted = max(least, needed)
    if exponent != -wanted:
        number = EXACT.quantize(number, Decimal((0, (1,), -wanted)))
    if not number:
        number = abs(number)  # no "-0.00"
    return f"{number:,f}" if quantity else f"{number:f}"
