"""Read ordered grades, exact or between bounds, and find the scale that the data can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import without_not_known
from cohort.errors import EstimationError
from cohort.estimators.ordinal_rows import reduce_scale
from cohort.format import EN_DASH
from cohort.study.guards import check_mixed_scales

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MAX_GRADES = 30


@dataclass(frozen=True, slots=True, eq=False)
class Grades:
    """Bounds of every patient's grade on the scale that the data can tell apart.

    Attributes
    ----------
    lower, upper : array of shape (n,)
        Bounds, counted from 0.
    labels : tuple of str
        Name of each category; ``3-4`` when two grades are never told apart.
    n_between : int
        Patients known only between two bounds, those of whom nothing is known included.
    n_unknown : int
        Patients of whom nothing is known: every grade is possible.
    notes : tuple of str
        Grades that were left out or joined.
    """

    lower: IntArray
    upper: IntArray
    labels: tuple[str, ...]
    n_between: int
    n_unknown: int
    notes: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether every grade is known."""
        return self.n_between == 0

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Names of the thresholds, such as ``0|1``."""
        return tuple(f"{a}|{b}" for a, b in zip(self.labels[:-1], self.labels[1:], strict=True))


def outcome_name(response: str, lower: str | None) -> str:
    """Return the name of the grade: the left side, or the lower bound's without ``_lower``.

    Examples
    --------
    >>> outcome_name("", "icans_grade_lower_imaging_blind")
    'icans_grade_imaging_blind'
    """
    return response or (lower or "").replace("_lower", "", 1)


def grade_columns(response: str, lower: str | None, upper: str | None) -> tuple[str, ...]:
    """Return the columns that hold the grade: one, or both bounds.

    Parameters
    ----------
    response : str
        Left side of the formula, empty for none.
    lower, upper : str or None
        Columns of the bounds.

    Returns
    -------
    tuple of str
        Column names.

    Raises
    ------
    EstimationError
        When there is no grade, or only one bound.
    """
    if (lower is None) != (upper is None):
        raise EstimationError(
            "only one bound of the grade was given",
            evidence=f"lower={lower!r}, upper={upper!r}",
            remedy='lower="icans_grade_lower", upper="icans_grade_upper"',
        )
    if lower is not None and upper is not None:
        return (lower, upper)
    if not response:
        raise EstimationError(
            "the formula has no grade",
            remedy='write "grade ~ covariates", or give lower= and upper=, the columns of its bounds',
        )
    return (response,)


def check_systems(columns: Sequence[str], data: pd.DataFrame, acknowledged: Sequence[str]) -> tuple[str, ...]:
    """Refuse grades as recorded when the frame says that they come from several grading systems."""
    recorded = [name for name in columns if name.startswith("reported_")]
    if not recorded or "grading_system" not in data.columns:
        return ()
    systems = data.loc[data[recorded[0]].notna(), "grading_system"].dropna().unique()
    return check_mixed_scales(recorded, (str(system) for system in systems), tuple(acknowledged))


def read_grades(columns: Sequence[pd.Series]) -> Grades:
    """Read complete columns of grades, and leave out grades that no patient supports.

    Parameters
    ----------
    columns : sequence of Series of shape (n,)
        The grade, or its lower and its upper bound.

    Returns
    -------
    Grades
        Bounds on the scale that the data can tell apart.

    Raises
    ------
    EstimationError
        For texts without an order, grades that are negative or not whole, a lower bound above the upper one, or
        when all grades are alike.
    """
    values, names = [], []
    for column in columns:
        coded, labels = _codes(column)
        values.append(coded)
        names.append(labels)
    if names[0] != names[-1]:
        raise EstimationError(
            f"{columns[0].name} and {columns[-1].name} do not have the same categories",
            remedy="give both bounds the same ordered categories, or whole numbers",
        )
    lower, upper = values[0], values[-1]
    crossed = int((lower > upper).sum())
    if crossed:
        raise EstimationError(
            f"{columns[0].name} is above {columns[-1].name}",
            evidence=f"{crossed} of {len(lower)} patients",
            remedy="check which column is lower= and which upper=, and correct these rows",
        )
    grades = _on_scale(lower, upper, names[0])
    if len(grades.labels) < 2:
        raise EstimationError(
            f"the data tell no two grades of {columns[0].name} apart: there is nothing to compare",
            evidence=f"{len(lower)} patients, {grades.n_unknown} with an undeterminable grade",
            remedy="check the grade, and which patients are left out",
        )
    return grades


def check_between(grade: pd.Series, columns: Sequence[pd.Series]) -> None:
    """Refuse a grade that lies outside its bounds.

    Parameters
    ----------
    grade : Series of shape (n,)
        The grade, missing where it could not be determined.
    columns : sequence of Series of shape (n,)
        Its complete lower and upper bound.
    """
    if isinstance(grade.dtype, pd.CategoricalDtype):
        grade = without_not_known(grade)
    known = grade.notna().to_numpy()
    value = _codes(grade[known])[0]
    lower, upper = (_codes(column)[0][known] for column in columns)
    outside = int(((value < lower) | (value > upper)).sum())
    if outside:
        raise EstimationError(
            f"{grade.name} lies outside {columns[0].name} to {columns[1].name}",
            evidence=f"{outside} of {int(known.sum())} patients with a grade",
            remedy="give the bounds of this grade, or leave the left side of the formula empty",
        )


def _on_scale(lower: IntArray, upper: IntArray, names: tuple[str, ...] | None) -> Grades:
    scale = reduce_scale(lower, upper)
    texts = [[names[g] if names else str(g) for g in members] for members in scale.members]
    labels = tuple(members[0] if len(members) == 1 else f"{members[0]}-{members[-1]}" for members in texts)
    joined = [members for members in texts if len(members) > 1]
    notes = [f"grades {EN_DASH.join((m[0], m[-1]))} are never told apart and count as one" for m in joined]
    never = [names[g] if names else str(g) for g in scale.never]
    if never:
        what = "grade" if len(never) == 1 else "grades"
        notes.append(f"no patient is known to have {what} {', '.join(never)}: no threshold of its own")
    between = scale.lower < scale.upper
    unknown = between & (scale.lower == 0) & (scale.upper == len(labels) - 1)
    return Grades(scale.lower, scale.upper, labels, int(between.sum()), int(unknown.sum()), tuple(notes))


def without_grade(grades: Grades, category: int) -> Grades:
    """Leave out a category whose estimated probability is zero.

    Parameters
    ----------
    grades : Grades
        Bounds, none of which is exactly this category.
    category : int
        Position of the category.

    Returns
    -------
    Grades
        Bounds on the scale without it.
    """
    lower = np.where(grades.lower > category, grades.lower - 1, grades.lower)
    upper = np.where(grades.upper >= category, grades.upper - 1, grades.upper)
    labels = tuple(label for k, label in enumerate(grades.labels) if k != category)
    note = f"grade {grades.labels[category]} is never certain and its estimated probability is 0"
    return Grades(lower, upper, labels, grades.n_between, grades.n_unknown, (*grades.notes, note))


def _codes(column: pd.Series) -> tuple[IntArray, tuple[str, ...] | None]:
    """Return whole numbers from 0, and the labels of an ordered category."""
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        codes: IntArray = column.cat.codes.to_numpy().astype(np.intp)
        return codes, tuple(str(c) for c in column.cat.categories)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise EstimationError(
            f"{column.name} has no order",
            evidence=f"dtype {column.dtype}, {column.nunique()} distinct values",
            remedy=f'data["{column.name}"] = pd.Categorical(data["{column.name}"], categories=[...], ordered=True) '
            "with the categories from best to worst, or use whole numbers",
        )
    values = column.to_numpy(dtype=float)
    broken = int((~np.isfinite(values) | (values != np.floor(values))).sum())
    if broken:
        name = column.name
        raise EstimationError(
            f"{name} holds grades that are not whole numbers",
            evidence=f"{broken} of {len(values)} patients",
            remedy=f'say what they mean, as bounds: data.assign(lower=np.floor(data["{name}"]), '
            f'upper=np.ceil(data["{name}"])) with lower="lower", upper="upper"',
        )
    if (values < 0).any():
        raise EstimationError(
            f"{column.name} holds negative grades",
            evidence=f"{int((values < 0).sum())} of {len(values)} patients",
            remedy="make codes of a missing grade missing: "
            f'data["{column.name}"].where(data["{column.name}"] >= 0)',
        )
    if np.ptp(values) > MAX_GRADES:
        raise EstimationError(
            f"{column.name} is not a grade",
            evidence=f"it spans more than {MAX_GRADES} whole numbers",
            remedy="use a graded outcome, or cut the numbers into ordered categories",
        )
    return values.astype(np.intp), None
