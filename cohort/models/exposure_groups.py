"""The groups of an exposure, one row per patient: what weighting and its check of balance share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import (
    NOT_KNOWN,
    binary_states,
    is_three_state,
    without_blanks,
    without_not_known,
)
from cohort.errors import EstimationError
from cohort.models.coding import binary_reasons

IntArray = NDArray[np.intp]
MAX_GROUPS = 10


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of an exposure.

    Attributes
    ----------
    code : array of shape (n,)
        Group of each row, -1 when it is not known.
    levels : tuple of str
        Names; the first is the reference.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows without a group.
    """

    code: IntArray
    levels: tuple[str, ...]
    left_out: tuple[tuple[str, str, int], ...]


def exposure_groups(column: pd.Series, imaged: bool = False) -> Groups:
    """Sort patients into the groups of an exposure; kinds of not known stay outside and are counted.

    Parameters
    ----------
    column : Series of shape (n,)
        Absent/present, no/yes, boolean, 0/1, or a category, in which kinds of not known are no group.
    imaged : bool, default=False
        Whether the column says who was imaged: ``imaged`` against ``not_imaged`` then, or no/yes.

    Returns
    -------
    Groups
        Codes, names and who has none.

    Raises
    ------
    EstimationError
        For fewer than two groups, more than ten, or numbers that are not 0/1.
    """
    column = without_blanks(column)
    if imaged and "imaged" in set(column.dropna().unique()):
        return _imaging(column)
    try:
        coded = binary_states(column)[0]
    except (ValueError, TypeError):
        return _category(column)
    code = np.where(np.isnan(coded), -1, coded).astype(np.intp)
    if is_three_state(column):
        known = set(column.dropna().unique())
        levels = ("absent", "present") if known & {"absent", "present"} else ("no", "yes")
    else:
        levels = ("no", "yes") if pd.api.types.is_bool_dtype(column.dtype) else ("0", "1")
    return _checked(column, code, levels)


def _imaging(column: pd.Series) -> Groups:
    """Code ``mri_status``: here not_imaged is a group, and only what nobody knows is not."""
    labels = column.astype(object)
    other = sorted({str(one) for one in labels.dropna().unique()} - {"imaged", "not_imaged"} - NOT_KNOWN)
    if other:
        raise EstimationError(
            f"column {column.name} has levels beside imaged, not_imaged and unknown",
            evidence=f"{len(other)} other levels",
            remedy=f'data["{column.name}"].replace(...): say of each level whether the patient was imaged',
        )
    code = np.select(
        [labels.eq("imaged").fillna(False), labels.eq("not_imaged").fillna(False)], [1, 0], default=-1
    )
    return _checked(column, code.astype(np.intp), ("not_imaged", "imaged"))


def _category(column: pd.Series) -> Groups:
    if pd.api.types.is_numeric_dtype(column.dtype):
        raise EstimationError(
            f"exposure {column.name} is a number that is not 0/1",
            evidence=f"{column.nunique()} distinct values, dtype {column.dtype}",
            remedy=f'make groups of it first: pd.cut(data["{column.name}"], ...)',
        )
    category = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
    category = without_not_known(category).cat.remove_unused_categories()
    levels = tuple(str(level) for level in category.cat.categories)
    if len(levels) > MAX_GROUPS:
        raise EstimationError(
            f"exposure {column.name} has too many groups",
            evidence=f"{len(levels)} groups, at most {MAX_GROUPS}",
            remedy="join rare groups first",
        )
    return _checked(column, category.cat.codes.to_numpy().astype(np.intp), levels)


def _checked(column: pd.Series, code: IntArray, levels: tuple[str, ...]) -> Groups:
    sizes = np.bincount(code[code >= 0], minlength=len(levels))
    if len(levels) < 2 or (sizes == 0).any():
        counts = ", ".join(f"{level} {n}" for level, n in zip(levels, sizes.tolist(), strict=False))
        raise EstimationError(
            f"exposure {column.name} does not have patients in two groups: there is nothing to compare",
            evidence=f"patients: {counts or 'none'}",
            remedy="check the exposure, and which patients are left out",
        )
    reasons = binary_reasons(column.iloc[np.flatnonzero(code < 0)])
    return Groups(code, levels, tuple((str(column.name), reason, n) for reason, n in reasons.items()))


def require_one_row_each(data: pd.DataFrame) -> None:
    """Refuse repeated index labels and repeated patients: a weight belongs to one patient.

    Parameters
    ----------
    data : DataFrame
        One row per patient.

    Raises
    ------
    EstimationError
        When a label or a ``patient_id`` stands twice, or the frame is empty.
    """
    if data.empty:
        raise EstimationError("there are no patients", remedy="check the filter that made this frame")
    if not data.index.is_unique:
        raise EstimationError(
            "the index has repeated labels, so weights could not be given back to patients",
            evidence=f"{int(data.index.duplicated().sum())} of {len(data)} labels are repeats",
            remedy="data = data.reset_index(drop=True)",
        )
    if "patient_id" in data.columns:
        keys = [key for key in ("source", "patient_id", "infusion_number") if key in data.columns]
        repeats = int(data.duplicated(keys).sum())
        if repeats:
            raise EstimationError(
                "patients are repeated where one row each is assumed",
                evidence=f"{repeats} of {len(data)} rows repeat {', '.join(keys)}",
                remedy=f"data.drop_duplicates({keys!r}), after finding out why",
            )
