"""From columns to tested and verified patients, with everyone who is not counted accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import binary_states
from cohort.errors import EstimationError
from cohort.estimators.verification import VerifiedSample
from cohort.models.coding import as_scores, binary_reasons
from cohort.models.design import align_columns, build_design
from cohort.study.guards import check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.study.window_guard import check_windows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
LeftOut = tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class AccuracyRows:
    """What the estimators of accuracy work on.

    Attributes
    ----------
    label : str
        The test, with its threshold.
    sample : VerifiedSample
        Tested patients.
    rows : array of shape (n,)
        Their positions in the frame.
    cluster : array of shape (n,) or None
        Codes of clusters.
    unverified : tuple of (str, int)
        Tested patients who were not verified, by reason.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out.
    notes : tuple of str
        What a reader should be told.
    """

    label: str
    sample: VerifiedSample
    rows: IntArray
    cluster: IntArray | None
    unverified: tuple[tuple[str, int], ...]
    left_out: LeftOut
    notes: tuple[str, ...]


def accuracy_rows(
    test: str | Sequence[str],
    reference: str,
    data: pd.DataFrame,
    *,
    threshold: float | None = None,
    verified: str | None = None,
    cluster: str | None = None,
    covariates: Sequence[str] = (),
    acknowledged: tuple[str, ...] = (),
) -> AccuracyRows:
    """Read the columns of a study of accuracy.

    Parameters
    ----------
    test, reference, data, threshold, verified, cluster, covariates : object
        As in :func:`cohort.models.diagnostic_accuracy.diagnostic_accuracy`.
    acknowledged : tuple of str
        Guards to override.

    Returns
    -------
    AccuracyRows
        Tested patients; a test that is not known is left out and never negative.

    Raises
    ------
    EstimationError
        As there.
    """
    tests = (test,) if isinstance(test, str) else tuple(test)
    if len(tests) not in (1, 2) or (len(tests) == 2 and threshold is None):
        raise EstimationError(
            "a test is one column, or the lower and upper end of a grade with a threshold",
            evidence=f"{len(tests)} columns given",
            remedy='test="flair_deep", or test=("icans_grade_lower", "icans_grade_upper"), threshold=3',
        )
    if reference in tests:
        raise EstimationError(
            f"column {reference} is both test and reference", remedy="name the column of the reference"
        )
    used = [
        *tests,
        reference,
        *([verified] if verified else []),
        *([cluster] if cluster else []),
        *covariates,
    ]
    frame, _ = align_columns(list(dict.fromkeys(used)), data, None)
    check_rows(data, cluster)
    facts = resolve_facts([*tests, reference], None, data)
    notes = (
        *check_incorporation(tests, [reference], facts, acknowledged),
        *check_selective_imaging([*tests, reference], data, acknowledged),
        *check_windows([*tests, reference], facts, acknowledged),
    )
    positive, left_out, label = _tested(frame, tests, threshold)
    condition = three_state(frame[reference], "reference")
    known = ~np.isnan(condition)
    silent = np.isnan(positive)
    if silent.any():
        both = [int((silent & (condition == value)).sum()) for value in (1.0, 0.0)]
        notes = (
            *notes,
            f"test not known in {int(silent.sum())}, of them {both[0]} with and {both[1]} without {reference}: "
            "neither positive nor negative",
        )
    keep = ~silent
    for name in dict.fromkeys((*([cluster] if cluster else []), *covariates)):
        bad = _unusable(frame[name]) & keep
        if bad.any():
            left_out += [
                (name, r, n) for r, n in binary_reasons(frame[name].iloc[np.flatnonzero(bad)]).items()
            ]
            keep &= ~bad
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise EstimationError(
            "no patient has a known test result",
            evidence=", ".join(f"{n} {column} {reason}" for column, reason, n in left_out) or "no rows",
            remedy="check the column of the test and the filter that made this frame",
        )
    is_verified, unverified, said = _verification(frame, reference, verified, known, rows)
    sample = VerifiedSample(positive[rows] == 1, (condition[rows] == 1) & is_verified, is_verified)
    codes = cluster_codes(frame[cluster].iloc[rows]) if cluster else None
    return AccuracyRows(label, sample, rows, codes, unverified, tuple(left_out), (*notes, *said))


def check_rows(data: pd.DataFrame, cluster: str | None) -> None:
    """Refuse a frame without rows, and repeated patients that no cluster accounts for.

    Parameters
    ----------
    data : DataFrame
        The frame.
    cluster : str or None
        Column of clusters.
    """
    if data.empty:
        raise EstimationError("the frame has no rows", remedy="pass data=, one row per patient or exam")
    keys = [key for key in ("source", "patient_id") if key in data.columns]
    repeats = int(data.duplicated(keys).sum()) if "patient_id" in keys else 0
    if repeats and cluster is None:
        raise EstimationError(
            "a patient has several rows, which are not independent",
            evidence=f"{repeats} of {len(data)} rows repeat {', '.join(keys)}",
            remedy='cluster="patient_id", or link to one row per patient first',
        )


def three_state(values: pd.Series, what: str) -> FloatArray:
    """Code a finding as 1, 0 and NaN, refusing anything else.

    Parameters
    ----------
    values : Series of shape (n,)
        The column.
    what : str
        What it is used for, for the message.

    Returns
    -------
    array of shape (n,)
        1 present, 0 absent, NaN not known.
    """
    try:
        return binary_states(values)[0]
    except (ValueError, TypeError):
        raise EstimationError(
            f"the {what} {values.name} is not a yes/no variable",
            evidence=f"dtype {values.dtype}, {values.nunique()} distinct values",
            remedy="use absent/present, no/yes, boolean or 0/1"
            + ("; for a grade or a score give threshold=" if what == "test" else ""),
        ) from None


def numbers(values: pd.Series, what: str = "score") -> FloatArray:
    """Return a score or grade as numbers; kinds of not known are missing and never a level.

    Parameters
    ----------
    values : Series of shape (n,)
        Numbers, or an ordered category (its numeric labels, or else positions from 0).
    what : str
        What it is used for, for the message.

    Returns
    -------
    array of shape (n,)
        The numbers.
    """
    category = isinstance(values.dtype, pd.CategoricalDtype)
    number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    if not (category or number):
        raise EstimationError(
            f"the {what} {values.name} is not a number",
            evidence=f"dtype {values.dtype}",
            remedy=f'pd.to_numeric(data["{values.name}"], errors="coerce")',
        )
    return as_scores(values).numbers


def _tested(
    frame: pd.DataFrame, tests: tuple[str, ...], threshold: float | None
) -> tuple[FloatArray, list[tuple[str, str, int]], str]:
    """Code the test as 1, 0 and NaN; give who is not known, and its label."""
    first = frame[tests[0]]
    if threshold is None:
        positive = three_state(first, "test")
        bad = np.flatnonzero(np.isnan(positive))
        return positive, [(tests[0], r, n) for r, n in binary_reasons(first.iloc[bad]).items()], tests[0]
    if not np.isfinite(threshold):
        raise EstimationError("the threshold is not a number", remedy="threshold=3: positive at 3 or above")
    low, high = numbers(first, "test"), numbers(frame[tests[-1]], "test")
    if (low > high).any():
        raise EstimationError(
            f"{tests[0]} is above {tests[-1]}",
            evidence=f"in {int((low > high).sum())} of {len(low)} rows",
            remedy="give the lower end first",
        )
    missing = np.isnan(low) | np.isnan(high)
    positive = np.where(
        missing, np.nan, np.where(low >= threshold, 1.0, np.where(high < threshold, 0.0, np.nan))
    )
    open_ = np.isnan(positive) & ~missing
    counted = (("missing", int(missing.sum())), ("on either side of the threshold", int(open_.sum())))
    label = f"{' to '.join(tests)} \N{GREATER-THAN OR EQUAL TO} {threshold:g}"
    return positive, [(tests[0], reason, n) for reason, n in counted if n], label


def _unusable(values: pd.Series) -> NDArray[np.bool_]:
    """Whether a covariate or cluster is missing, or a kind of not known."""
    try:
        return np.isnan(binary_states(values)[0])
    except (ValueError, TypeError):
        return values.isna().to_numpy()


def _verification(
    frame: pd.DataFrame, reference: str, verified: str | None, known: NDArray[np.bool_], rows: IntArray
) -> tuple[NDArray[np.bool_], tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Say who of the tested was verified, why the others were not, and what contradicts itself."""
    column = frame[reference].iloc[rows]
    has = known[rows]
    reasons = binary_reasons(column.iloc[np.flatnonzero(~has)])
    if verified is None:
        return has, tuple(reasons.items()), ()
    said = three_state(frame[verified].iloc[rows], "column verified")
    is_verified = has & (said == 1)
    unused = int((has & ~is_verified).sum())
    without = int((~has & (said == 1)).sum())
    notes = []
    if unused:
        reasons[f"{verified} is not yes"] = unused
        notes.append(f"{reference} is known in {unused} who were not verified: not used")
    if without:
        notes.append(f"{reference} is not known in {without} said to be verified: counted as not verified")
    return is_verified, tuple(reasons.items()), tuple(notes)


def cluster_codes(values: pd.Series) -> IntArray:
    """Return codes of clusters from 0, refusing a single one.

    Parameters
    ----------
    values : Series of shape (n,)
        Clusters, none missing.

    Returns
    -------
    array of shape (n,)
        Codes.
    """
    codes, levels = pd.factorize(values, sort=False)
    if len(levels) < 2:
        raise EstimationError(
            "one cluster has no variance between clusters",
            evidence=f"column {values.name} has {len(levels)} value",
            remedy="leave cluster= out",
        )
    return np.asarray(codes, dtype=np.intp)


def covariate_strata(frame: pd.DataFrame, covariates: Sequence[str]) -> IntArray:
    """Cross the covariates to strata; numbers with many values are refused.

    Parameters
    ----------
    frame : DataFrame
        Tested patients only.
    covariates : sequence of str
        Columns.

    Returns
    -------
    array of shape (n,)
        Codes from 0.
    """
    many = [name for name in covariates if frame[name].nunique() > 10]
    if many:
        raise EstimationError(
            f"{', '.join(many)} has too many values to make strata of",
            evidence=f"{frame[many[0]].nunique()} distinct values",
            remedy='method="ipw" or method="multiple_imputation", or cut it into a few categories',
        )
    return np.asarray(frame.groupby(list(covariates), observed=True, sort=False).ngroup(), dtype=np.intp)


def covariate_design(frame: pd.DataFrame, covariates: Sequence[str], test: NDArray[np.bool_]) -> FloatArray:
    """Build the design matrix of test result and covariates, with intercept.

    Parameters
    ----------
    frame : DataFrame
        Tested patients only.
    covariates : sequence of str
        Columns.
    test : array of shape (n,)
        Test result.

    Returns
    -------
    array of shape (n, p)
        Columns intercept, test, covariates (standardized, which changes no probability).
    """
    base = [np.ones(len(test)), test.astype(float)]
    if test.all() or not test.any():
        raise EstimationError(
            "every tested patient has the same test result", remedy="check the test's column"
        )
    if not covariates:
        return np.column_stack(base)
    design = build_design(" + ".join(covariates), frame.reset_index(drop=True))
    Z = design.X[:, 1:]
    return np.column_stack([*base, (Z - Z.mean(axis=0)) / Z.std(axis=0)])
