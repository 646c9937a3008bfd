"""Three states everywhere: present, absent, and the kinds of not known, as the whole package codes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PRESENCE = ("absent", "present", "indeterminate", "not_assessable", "not_imaged")
MISSING_REASONS = ("unknown", "not_applicable", "not_done", "not_reported", "blank", "not_collected")
_NEGATIVE = frozenset({"absent", "no"})
_POSITIVE = frozenset({"present", "yes"})
NOT_KNOWN = frozenset({*PRESENCE[2:], *MISSING_REASONS})


def is_three_state(values: pd.Series) -> bool:
    """Whether the labels are absent/present (or no/yes) beside kinds of not known, and nothing else."""
    if not isinstance(values.dtype, pd.CategoricalDtype) and not pd.api.types.is_string_dtype(values.dtype):
        return False
    labels = (
        set(values.cat.categories)
        if isinstance(values.dtype, pd.CategoricalDtype)
        else set(values.dropna().unique())
    )
    decided = labels & (_NEGATIVE | _POSITIVE)
    return bool(decided) and labels <= (_NEGATIVE | _POSITIVE | NOT_KNOWN)


def without_not_known(values: pd.Series) -> pd.Series:
    """Return a category without the kinds of not known among its levels: their rows are missing.

    Parameters
    ----------
    values : Series of shape (n,)
        A category.

    Returns
    -------
    Series of shape (n,)
        The same Series where no level is a kind of not known.

    Examples
    --------
    >>> grade = pd.Series(pd.Categorical(["0", "not_assessable"], ["0", "1", "not_assessable"], ordered=True))
    >>> list(without_not_known(grade).cat.categories)
    ['0', '1']
    """
    unknown = [label for label in values.cat.categories if label in NOT_KNOWN]
    return values.cat.remove_categories(unknown) if unknown else values


def without_blanks(values: pd.Series) -> pd.Series:
    """Return the values with empty texts as missing; the same Series where there are none.

    Parameters
    ----------
    values : Series of shape (n,)
        Values of any kind.

    Returns
    -------
    Series of shape (n,)
        The values.

    Examples
    --------
    >>> without_blanks(pd.Series(["yes", "", " "])).tolist()
    ['yes', None, None]
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        empty = [label for label in values.cat.categories if isinstance(label, str) and not label.strip()]
        return values.cat.remove_categories(empty) if empty else values
    if not (pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(values.dtype)):
        return values
    codes, labels = pd.factorize(values)
    blank = np.array([*(isinstance(label, str) and not label.strip() for label in labels), False])[codes]
    if not blank.any():
        return values
    kept = values.astype(object).to_numpy(copy=True)
    kept[blank] = None
    return pd.Series(kept, index=values.index, name=values.name, dtype=values.dtype)


def binary_states(values: pd.Series) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Code a three-state, boolean or 0/1 series as 1, 0 and NaN, and count why values are NaN.

    Parameters
    ----------
    values : Series of shape (n,)
        Labels ``absent``/``present`` or ``no``/``yes`` beside kinds of not known; or boolean; or 0/1.

    Returns
    -------
    coded : array of shape (n,)
        1 present, 0 absent, NaN anything else.
    left_out : dict of str to int
        Number of NaN by reason (``not_imaged``, ``indeterminate``, ..., ``missing``), in descending order.
    """
    if is_three_state(values):
        labels = values.astype(object).where(values.notna(), "missing").to_numpy(dtype=object)
        coded = np.full(len(labels), np.nan)
        coded[np.isin(labels, list(_NEGATIVE))] = 0.0
        coded[np.isin(labels, list(_POSITIVE))] = 1.0
        reasons = pd.Series(labels[np.isnan(coded)], dtype=object).value_counts()
        ordered = sorted(reasons.items(), key=lambda item: (-int(item[1]), str(item[0])))
        return coded, {str(reason): int(count) for reason, count in ordered}
    coded = np.asarray(values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    if not np.isin(coded[~np.isnan(coded)], (0.0, 1.0)).all():
        msg = "values are neither absent/present, no/yes, boolean nor 0/1"
        raise ValueError(msg)
    n_missing = int(np.isnan(coded).sum())
    return coded, {"missing": n_missing} if n_missing else {}
