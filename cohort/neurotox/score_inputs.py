"""Inputs of the scores: scalars, arrays or Series as floats, in declared and plausible units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import RangeError, StudyError, UnitsError
from cohort.neurotox.columns import Numbers

Values: TypeAlias = "ArrayLike | pd.Series"
Labels: TypeAlias = "str | bool | ArrayLike | pd.Series"


@dataclass(frozen=True, slots=True)
class Plausible:
    """Values that occur in the declared unit, and what a value beyond them suggests.

    Attributes
    ----------
    low, high : float
        Plausible range, both ends included; 0 is always allowed where ``zero`` says so.
    unit : str
        Declared unit.
    hint : str
        The unit the value is probably in, and the conversion.
    zero : bool
        Whether 0 is a value.
    """

    low: float
    high: float
    unit: str
    hint: str
    zero: bool = False


PLAUSIBLE: Mapping[str, Plausible] = {
    "ldh_u_l": Plausible(20, 20_000, "U/L", "µkat/L × 60 = U/L"),
    "creatinine_mg_dl": Plausible(0.1, 25, "mg/dL", "µmol/L / 88.4 = mg/dL"),
    "platelets_10e9_l": Plausible(1, 2_000, "10⁹/L", "/µL / 1000 = 10⁹/L", zero=True),
    "crp_mg_dl": Plausible(0, 50, "mg/dL", "mg/L / 10 = mg/dL", zero=True),
    "ferritin_ng_ml": Plausible(1, 500_000, "ng/mL", "µg/mL × 1000 = ng/mL", zero=True),
    "anc_per_ul": Plausible(10, 100_000, "/µL", "10⁹/L × 1000 = /µL", zero=True),
    "hemoglobin_g_dl": Plausible(2, 25, "g/dL", "g/L / 10 = g/dL"),
    "temperature_c": Plausible(30, 45, "°C", "(°F - 32) / 1.8 = °C"),
    "triglycerides_mmol_l": Plausible(0.1, 50, "mmol/L", "mg/dL / 88.57 = mmol/L"),
    "fibrinogen_g_l": Plausible(0.05, 15, "g/L", "mg/dL / 100 = g/L", zero=True),
    "ast_u_l": Plausible(1, 50_000, "U/L", "µkat/L × 60 = U/L"),
    "alt_u_l": Plausible(1, 50_000, "U/L", "µkat/L × 60 = U/L"),
    "scd25_u_ml": Plausible(20, 500_000, "U/mL", "assays differ; ask the laboratory for U/mL", zero=True),
}
COUNTS: Mapping[str, tuple[float, float]] = {"cytopenia_lineages": (0, 3)}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a score as arrays of one shape.

    Attributes
    ----------
    values : mapping of str to array
        By argument name.
    index : Index or None
        Index of the result when a Series was given.
    shape : tuple of int
        Shape of the result; empty for a number.
    """

    values: Mapping[str, Numbers]
    index: pd.Index | None
    shape: tuple[int, ...]

    def __getitem__(self, name: str) -> Numbers:
        return self.values[name]

    def wrap(self, score: Numbers, name: str) -> float | NDArray[np.float64] | pd.Series:
        """Return the score as what came in: a Series, an array or a number."""
        if self.index is not None:
            return pd.Series(score, index=self.index, name=name)
        return score if self.shape else float(score)


def read_inputs(
    acknowledge: str | Iterable[str],
    labels: Mapping[str, tuple[Numbers, pd.Index | None]] | None = None,
    **values: Values,
) -> Inputs:
    """Read and check the values, and bring them to one shape and index."""
    arrays = {name: (codes, index) for name, (codes, index) in (labels or {}).items()}
    accepted = (acknowledge,) if isinstance(acknowledge, str) else tuple(acknowledge)
    for name, value in values.items():
        numbers = _floats(name, value)
        check_units(name, numbers, "units" in accepted)
        arrays[name] = (numbers, value.index if isinstance(value, pd.Series) else None)
    indexes = [index for _, index in arrays.values() if index is not None]
    for index in indexes[1:]:
        if not index.equals(indexes[0]):
            raise StudyError(
                "the Series of a score have different indexes",
                evidence=", ".join(arrays),
                remedy="take them from one frame, or align them first",
            )
    try:
        spread = np.broadcast_arrays(*[numbers for numbers, _ in arrays.values()])
    except ValueError:
        raise StudyError(
            "the inputs of a score have different lengths",
            evidence=", ".join(f"{name}: {numbers.shape}" for name, (numbers, _) in arrays.items()),
            remedy="pass one value per patient for each of them",
        ) from None
    return Inputs(dict(zip(arrays, spread, strict=True)), indexes[0] if indexes else None, spread[0].shape)


def labels_as_codes(name: str, values: Labels, labels: tuple[str, ...]) -> tuple[Numbers, pd.Index | None]:
    """Return the position of each label as floats, NaN where missing, and the index of a Series."""
    index = values.index if isinstance(values, pd.Series) else None
    given = np.asarray(values.astype(object) if isinstance(values, pd.Series) else values, dtype=object)
    code: dict[object, float] = {label: float(position) for position, label in enumerate(labels)}
    if labels == ("no", "yes"):
        code |= {False: 0.0, True: 1.0}
    flat = given.reshape(-1)
    missing = pd.isna(flat)
    found = np.array(
        [np.nan if gone else code.get(one, -1.0) for one, gone in zip(flat, missing, strict=True)]
    )
    n_unknown = int((found < 0).sum())
    if n_unknown:
        raise RangeError(
            f"{name} holds labels that it does not have",
            evidence=f"{name}: {n_unknown} of {flat.size} values",
            remedy=f"use {', '.join(labels)}",
        )
    return found.reshape(given.shape), index


def _floats(name: str, value: Values) -> Numbers:
    """Return the values as floats."""
    try:
        if isinstance(value, pd.Series):
            return np.asarray(
                value.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=float
            )
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise RangeError(f"{name} is not numeric", remedy="convert it to numbers first") from None


def check_units(name: str, values: Numbers, acknowledged: bool) -> None:
    """Refuse impossible values, and implausible ones unless they were acknowledged."""
    known = values[~np.isnan(values)]
    if name in COUNTS:
        low, high = COUNTS[name]
        bad = (known < low) | (known > high) | (known != np.floor(known))
        if bad.any():
            raise RangeError(
                f"{name} holds impossible values",
                evidence=f"{name}: {int(bad.sum())} of {known.size} values; allowed {low:g} to {high:g}",
                remedy="correct them or set them to missing",
            )
        return
    allowed = PLAUSIBLE[name]
    impossible = (known < 0) | np.isinf(known)
    if impossible.any():
        raise RangeError(
            f"{name} holds impossible values",
            evidence=f"{name}: {int(impossible.sum())} of {known.size} values are negative or infinite",
            remedy="correct them or set them to missing",
        )
    odd = ((known < allowed.low) | (known > allowed.high)) & ~((known == 0) & allowed.zero)
    if odd.any() and not acknowledged:
        raise UnitsError(
            f"{name} holds values that are implausible in {allowed.unit}",
            evidence=f"{name}: {int(odd.sum())} of {known.size} values outside {allowed.low:g} to {allowed.high:g}",
            remedy=f'convert first ({allowed.hint}); if they are right, say acknowledge="units"',
        )
