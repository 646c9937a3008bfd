"""The arithmetic of units in SQL: shift, factor, and rounding that is the same on every engine."""

from __future__ import annotations

from sqlglot import exp

from cohort.dictionary.expression_sql import Tree, case, is_null, number
from cohort.dictionary.units import Linear


def linear(value: Tree, one: Linear) -> Tree:
    """Convert a value by the factor and shift of its unit."""
    if one.shift:
        value = exp.paren(exp.Add(this=exp.paren(value), expression=number(one.shift)))
    if one.numerator != 1:
        value = exp.paren(exp.Mul(this=exp.paren(value), expression=number(one.numerator)))
    if one.denominator != 1:
        value = exp.paren(exp.Div(this=exp.paren(value), expression=number(one.denominator)))
    return value


def twelve_digits(value: Tree) -> Tree:
    """Keep 12 significant digits, so that 11.1 mg/L and 111 tenths of it are the same 1.11 mg/dL.

    A whole number of at most 13 digits over (or times) a power of ten up to 22 is rounded once, so that the result is
    the number a reader would write, on every engine.
    """
    size = exp.Abs(this=value)
    places = exp.paren(
        exp.Sub(
            this=number(11),
            expression=exp.Floor(this=exp.Anonymous(this="log10", expressions=[size.copy()])),
        )
    )
    few = exp.Anonymous(this="least", expressions=[places, number(22)])
    up = exp.Anonymous(this="pow", expressions=[number(10), few])
    down = exp.Anonymous(this="pow", expressions=[number(10), exp.Neg(this=places.copy())])
    whole = exp.Floor(this=exp.Add(this=exp.Mul(this=size.copy(), expression=up), expression=number(0.5)))
    above = exp.Floor(this=exp.Add(this=exp.Div(this=size.copy(), expression=down), expression=number(0.5)))
    rounded = case(
        [(exp.GTE(this=places.copy(), expression=number(0)), exp.Div(this=whole, expression=up.copy()))],
        exp.Mul(this=above, expression=down.copy()),
    )
    negative = exp.LT(this=value.copy(), expression=number(0))
    zero = exp.EQ(this=value.copy(), expression=number(0))
    return case(
        [
            (is_null(value.copy()), exp.null()),
            (zero, number(0)),
            (negative, exp.Neg(this=exp.paren(rounded.copy()))),
        ],
        rounded,
    )
