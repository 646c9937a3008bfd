"""Unit conversion fixed at compile time: exact fractions, temperature shifts, analytes for molar units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from cohort.dictionary.table_model import Category, UnitsModel


@dataclass(frozen=True, slots=True)
class Linear:
    """A conversion: (value + shift) times numerator divided by denominator.

    Attributes
    ----------
    shift, numerator, denominator : float
        Whole numbers wherever the factor is a ratio of whole numbers, so that 25 mg/L is 2.5 mg/dL exactly.
    """

    shift: float = 0.0
    numerator: float = 1.0
    denominator: float = 1.0

    def __call__(self, value: float) -> float:
        """Convert one value."""
        return (value + self.shift) * self.numerator / self.denominator


@dataclass(frozen=True)
class Units:
    """The known units.

    Attributes
    ----------
    factors : mapping of str to (dimension, factor, shift)
        Of every unit.
    """

    factors: Mapping[str, tuple[str, Fraction, Fraction]]

    @classmethod
    def from_model(cls, model: UnitsModel) -> Units:
        """Make exact fractions of the file."""
        return cls(
            {
                unit: (dimension, Fraction(one.factor), Fraction(one.shift))
                for dimension, units in model.dimensions.items()
                for unit, one in units.items()
            }
        )

    def conversion(self, source: str, target: str, analyte: Category | None = None) -> Linear | None:
        """Return the conversion, or None when the two units do not meet.

        Parameters
        ----------
        source, target : str
            UCUM codes.
        analyte : Category, optional
            Whose cited factors may connect mass and molar units.
        """
        if source == target:
            return Linear()
        direct = self._direct(source, target)
        if direct is not None or analyte is None:
            return direct
        for one in analyte.conversions:
            first, last = self._factor(source, one.source), self._factor(analyte.unit, target)
            if first is not None and last is not None:
                return _linear(first * Fraction(str(one.factor)) * last, Fraction(0))
        return None

    def _factor(self, source: str, target: str) -> Fraction | None:
        if source not in self.factors or target not in self.factors:
            return None
        (first, factor, shift), (second, other, other_shift) = self.factors[source], self.factors[target]
        return factor / other if first == second and not shift and not other_shift else None

    def _direct(self, source: str, target: str) -> Linear | None:
        if source not in self.factors or target not in self.factors:
            return None
        (first, factor, shift), (second, other, other_shift) = self.factors[source], self.factors[target]
        if first != second:
            return None
        ratio = factor / other
        return _linear(ratio, shift - other_shift / ratio)


def _linear(ratio: Fraction, shift: Fraction) -> Linear:
    if max(ratio.numerator, ratio.denominator) < 2**53:
        return Linear(float(shift), float(ratio.numerator), float(ratio.denominator))
    return Linear(float(shift), float(ratio), 1.0)
