"""Numbers as journals print them: half-up on the decimal, true minus signs, never P = 0.000."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

PStyle = Literal["nejm", "lancet", "jama", "annals"]

EN_DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
MISSING_TEXT = "NE"


def fixed(value: float, digits: int = 1) -> str:
    """Print a number with a fixed number of decimals, rounded half away from zero on its decimal form.

    Parameters
    ----------
    value : float
        Number to print; NaN prints ``NE`` (not estimable).
    digits : int, default=1
        Decimals.

    Returns
    -------
    str
        The text, with a true minus sign, and without a negative zero.

    Examples
    --------
    >>> fixed(0.125, 2), fixed(-2.5, 0), fixed(-0.001, 2)
    ('0.13', '−3', '0.00')
    """
    if math.isnan(value):
        return MISSING_TEXT
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    if abs(value) >= 1e20:
        return f"{value:.2g}".replace("-", MINUS)
    rounded = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    text = f"{abs(rounded):f}"
    return f"{MINUS}{text}" if rounded < 0 else text


def grouped(value: float, digits: int = 0) -> str:
    """Print a number as `fixed` does, with commas between thousands from five digits upwards.

    Examples
    --------
    >>> grouped(12345.6, 0), grouped(1234.0, 0), grouped(-20000.0, 1)
    ('12,346', '1234', '−20,000.0')
    """
    text = fixed(value, digits)
    sign, whole, rest = (MINUS if text.startswith(MINUS) else ""), *text.lstrip(MINUS).partition(".")[::2]
    decimals = f".{rest}" if rest else ""
    return f"{sign}{int(whole):,}{decimals}" if whole.isdigit() and len(whole) > 4 else text


def ratio(value: float) -> str:
    """Print a ratio measure: two decimals, one from 10 upwards, none from 100 upwards.

    Examples
    --------
    >>> ratio(0.734), ratio(12.34), ratio(1234.0)
    ('0.73', '12.3', '1234')
    """
    size = abs(value)
    digits = 2 if math.isnan(size) or size < 9.995 else 1 if size < 99.95 else 0
    return fixed(value, digits)


def interval(low: float, high: float, digits: int | None = 2) -> str:
    """Print an interval with an en dash, or with "to" when a limit is negative.

    Parameters
    ----------
    low, high : float
        Limits.
    digits : int or None, default=2
        Decimals; None prints as ratios.

    Examples
    --------
    >>> interval(1.2, 3.456), interval(-1.0, 2.0, 1)
    ('1.20–3.46', '−1.0 to 2.0')
    """
    texts = [ratio(v) if digits is None else fixed(v, digits) for v in (low, high)]
    return f"{texts[0]} to {texts[1]}" if low < 0 or high < 0 else f"{texts[0]}{EN_DASH}{texts[1]}"


def percent(numerator: float, denominator: float, digits: int | None = None) -> str:
    """Print a percentage; no decimals below 200 in the denominator, one from there (Annals' rule).

    Examples
    --------
    >>> percent(2, 38), percent(59, 199), percent(97, 400)
    ('5%', '30%', '24.3%')
    """
    if not denominator:
        return MISSING_TEXT
    places = (1 if denominator >= 200 else 0) if digits is None else digits
    return f"{fixed(100 * numerator / denominator, places)}%"


def n_of_total(numerator: int, denominator: int) -> str:
    """Print a count with its denominator and percentage.

    Examples
    --------
    >>> n_of_total(2, 38)
    '2/38 (5%)'
    """
    return f"{numerator}/{denominator} ({percent(numerator, denominator)})"


def _p_digits(value: float, style: PStyle) -> int:
    if style == "lancet":  # two significant figures, at most four decimals
        return min(4, max(2, 1 - math.floor(math.log10(value))))
    if style == "annals":
        return 3 if value <= 0.20 else 2
    return 3 if value < 0.01 or 0.045 <= value < 0.055 else 2


def p_value(value: float, style: PStyle = "nejm") -> str:
    """Print a p-value with its relation sign, in a journal's way.

    NEJM and JAMA: two decimals above 0.01, three below, and ``<0.001``; three decimals also from 0.045 to
    0.055, so that rounding does not move a value over 0.05. Lancet: two significant figures, at most four
    decimals, ``<0.0001``. Annals: three decimals up to 0.20, two above.

    Parameters
    ----------
    value : float
        The p-value; NaN prints ``NE``.
    style : {'nejm', 'lancet', 'jama', 'annals'}, default='nejm'
        Journal family.

    Returns
    -------
    str
        For example ``=0.03`` or ``<0.001``.

    Examples
    --------
    >>> p_value(0.0321), p_value(0.00004), p_value(0.0499), p_value(0.0116, "lancet"), p_value(1.0)
    ('=0.03', '<0.001', '=0.050', '=0.012', '>0.99')
    """
    if math.isnan(value):
        return MISSING_TEXT
    floor = 0.0001 if style == "lancet" else 0.001
    if value < floor:
        text = f"<{floor:.4f}" if style == "lancet" else "<0.001"
    elif value > 0.99:
        text = ">0.99"
    else:
        text = f"={fixed(value, _p_digits(value, style))}"
    if style == "jama":
        text = text.replace("0.", ".", 1)
    return text.replace(".", "·") if style == "lancet" and text.startswith("<") else text


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def formula_safe(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text itself, or with an apostrophe in front.

    Examples
    --------
    >>> formula_safe("=1+1"), formula_safe("3-4")
    ("'=1+1", '3-4')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
