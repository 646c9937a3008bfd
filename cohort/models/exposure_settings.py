"""Everybody with the exposure set to one level: the designs from which standardized risks and curves are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.models.new_rows import Coding, code_column, new_matrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MAX_LEVELS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """An exposure at each of its levels, in all patients.

    Attributes
    ----------
    levels : tuple of str
        Names of the levels, the one others are compared with first.
    designs : tuple of array of shape (n, p)
        Design of all patients at each level, without intercept.
    observed : array of shape (n,)
        Position in ``levels`` of each patient's own value, -1 when it is none of them.
    """

    levels: tuple[str, ...]
    designs: tuple[FloatArray, ...]
    observed: IntArray


def exposure_settings(
    coding: Coding,
    frame: pd.DataFrame,
    exposure: str,
    values: Sequence[object] | None = None,
    reference: object | None = None,
) -> Settings:
    """Set an exposure to each of its levels in all patients.

    Parameters
    ----------
    coding : Coding
        How the fit coded its covariates.
    frame : DataFrame
        The patients of the fit, with the columns of its formula.
    exposure : str
        One of these columns.
    values : sequence, optional
        Values of the exposure; by default its categories, or the two values of a number that has two.
    reference : object, optional
        The value others are compared with; the first by default.

    Returns
    -------
    Settings
        Levels, designs, and who was observed at which.

    Raises
    ------
    EstimationError
        When the exposure is not in the formula, is a number without ``values``, or a value is not one of it.
    """
    if exposure not in coding.levels:
        raise EstimationError(
            f"the exposure {exposure} is not in the formula",
            evidence=f"columns of the formula: {', '.join(coding.levels)}",
            remedy=f'write it into the formula: "... + {exposure}", or name one of these columns',
        )
    known = coding.levels[exposure]
    own = _texts(frame[exposure], known)
    chosen = _values(frame[exposure], exposure, known, values)
    labels = [_label(value) for value in chosen]
    if known and (wrong := [label for label in labels if label not in known]):
        raise EstimationError(
            f"{exposure} has no category {', '.join(wrong)}",
            evidence=f"categories: {', '.join(known)}",
            remedy="name two or more of these in values=",
        )
    first = 0 if reference is None else _position(_label(reference), labels, exposure)
    order = [first, *(k for k in range(len(chosen)) if k != first)]
    designs = tuple(_design_at(coding, frame, exposure, chosen[k]) for k in order)
    position = {labels[k]: j for j, k in enumerate(order)}
    observed: IntArray = np.asarray(own.map(position).fillna(-1), dtype=np.intp)
    return Settings(tuple(labels[k] for k in order), designs, observed)


def _design_at(coding: Coding, frame: pd.DataFrame, exposure: str, value: object) -> FloatArray:
    """Return the design of all patients with the exposure at one value."""
    column = pd.Series([value] * len(frame), index=frame.index)
    return new_matrix(coding, frame.assign(**{exposure: column}))[0]


def _values(
    column: pd.Series, exposure: str, known: tuple[str, ...], values: Sequence[object] | None
) -> list[object]:
    if values is None:
        distinct: list[object] = [*(known or np.unique(column.to_numpy(dtype=float)).tolist())]
        if not known and len(distinct) != 2:
            raise EstimationError(
                f"the exposure {exposure} is a number: it has no levels to compare",
                evidence=f"{len(distinct)} distinct values",
                remedy=f'values=(low, high) with two values of "{exposure}", or make groups of it first: pd.cut(...)',
            )
        return distinct
    chosen: list[object] = [values] if isinstance(values, str) else list(values)
    if not 2 <= len(set(map(_label, chosen))) == len(chosen) <= MAX_LEVELS:
        raise EstimationError(
            f"values= needs between 2 and {MAX_LEVELS} different values of {exposure}",
            evidence=f"{len(chosen)} values given",
            remedy="values=(first, second)",
        )
    if not known and not all(isinstance(v, (int, float, np.number)) and np.isfinite(v) for v in chosen):
        raise EstimationError(
            f"{exposure} is a number, and values= are not finite numbers",
            evidence=f"{len(chosen)} values given",
            remedy="values=(50, 70)",
        )
    return chosen


def _position(label: str, labels: list[str], exposure: str) -> int:
    if label not in labels:
        raise EstimationError(
            f"the reference is not a level of {exposure} that is compared",
            evidence=f"levels: {', '.join(labels)}",
            remedy=f'reference="{labels[0]}"',
        )
    return labels.index(label)


def _texts(column: pd.Series, known: tuple[str, ...]) -> pd.Series:
    """Return each patient's own level as its label."""
    return code_column(column, known).astype(object).map(_label)


def _label(value: object) -> str:
    """Print a value as a level; whole numbers without a point."""
    if isinstance(value, (bool, np.bool_)):
        return "1" if value else "0"
    if isinstance(value, (int, float, np.number)):
        return f"{float(value):.12g}"
    return str(value)
