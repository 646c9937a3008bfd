"""What weights change in curves by group: who is in them, which tests remain, and restricted means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.estimators.logrank import KSampleTest
from cohort.estimators.restricted_mean import RestrictedMean
from cohort.estimators.weighted_survival import area_under
from cohort.models.given_weights import GivenWeights, weights_of_endpoint
from cohort.models.groups import Groups
from cohort.models.survival_rows import SurvivalGroup

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def weighted_groups(
    groups: Groups, weights: GivenWeights, data: pd.DataFrame | None, endpoint: Endpoint
) -> tuple[Groups, FloatArray]:
    """Leave out of groups those who have no weight.

    Parameters
    ----------
    groups : Groups
        Rows by group.
    weights : str, Series or InverseProbabilityWeights
        Weights.
    data : DataFrame or None
        Columns the endpoint's own frame lacks.
    endpoint : Endpoint
        The endpoint whose rows are grouped.

    Returns
    -------
    groups : Groups
        Rows with a weight above zero.
    weight : array of shape (n_kept,)
        Their weights.
    """
    every, name = weights_of_endpoint(weights, data, endpoint)
    weight = every[groups.rows]
    keep = weight > 0
    counted = (("missing", int(np.isnan(weight).sum())), ("zero", int((weight == 0).sum())))
    used, codes = np.unique(groups.codes[keep], return_inverse=True)
    names = tuple(groups.names[k] for k in used)
    kept = replace(
        groups,
        names=names,
        codes=codes.astype(np.int64),
        rows=groups.rows[keep],
        strata=None if groups.strata is None else groups.strata[keep],
        left_out=(*groups.left_out, *((name, reason, n) for reason, n in counted if n)),
        empty=(*groups.empty, *(one for one in groups.names if one not in names)),
    )
    return kept, weight[keep]


def no_weighted_test(n_group: int) -> KSampleTest:
    """Return the log-rank test of weighted curves, which there is not.

    Parameters
    ----------
    n_group : int
        Number of groups.

    Returns
    -------
    KSampleTest
        NaN with the reason.
    """
    reason = "not with weights: co.cox(..., weights=) tests the groups with robust standard errors"
    none = np.full(n_group, np.nan)
    return KSampleTest(np.nan, n_group - 1, np.nan, none, np.outer(none, none), reason)


def weighted_mean(group: SurvivalGroup, unweighted: RestrictedMean, tau: float) -> RestrictedMean:
    """Return the area under a weighted curve; its standard error needs the patients, which a result has not.

    Parameters
    ----------
    group : SurvivalGroup
        The group.
    unweighted : RestrictedMean
        Of the same patients without weights, for the reason when the horizon lies beyond follow-up.
    tau : float
        Horizon.

    Returns
    -------
    RestrictedMean
        Mean, without a standard error.
    """
    if np.isnan(unweighted.estimate):
        return unweighted
    return RestrictedMean(area_under(group.curve, tau), np.nan, "no standard error with weights: bootstrap")


def subject_codes(subject: NDArray[np.int64] | None) -> IntArray | None:
    """Code patients from 0; None where each row is a patient.

    Parameters
    ----------
    subject : array of shape (n,) or None
        Patients of the rows.

    Returns
    -------
    array of shape (n,) or None
        Codes.
    """
    return None if subject is None else np.unique(subject, return_inverse=True)[1].astype(np.intp)
