"""Accuracy when only some tested patients were verified: Begg-Greenes and inverse probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cohort.errors import EstimationError
from cohort.estimators.accuracy import (
    AccuracyCounts,
    CellShares,
    shares_of,
)
from cohort.estimators.logistic import fit_logistic

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedSample:
    """Tested patients, of whom some were verified.

    Attributes
    ----------
    test : array of shape (n,)
        Whether the test was positive.
    condition : array of shape (n,)
        Whether the reference found the condition; False where not verified.
    verified : array of shape (n,)
        Whether the reference is known.
    """

    test: BoolArray
    condition: BoolArray
    verified: BoolArray

    def counts(self) -> AccuracyCounts:
        """Count the verified.

        Returns
        -------
        AccuracyCounts
            The table of the verified.
        """
        return AccuracyCounts(
            *(
                int(np.count_nonzero(self.verified & (self.test == t) & (self.condition == d)))
                for t in (True, False)
                for d in (True, False)
            )
        )

    def unverified(self) -> tuple[int, int]:
        """Count the unverified with a positive and with a negative test.

        Returns
        -------
        tuple of int
            The two numbers.
        """
        return int((~self.verified & self.test).sum()), int((~self.verified & ~self.test).sum())


def _cells_of(test: BoolArray, positive: FloatArray) -> FloatArray:
    """Spread each patient over the four cells by test and probability of the condition; shape (n, 4)."""
    t = test.astype(float)
    return np.column_stack([t * positive, t * (1 - positive), (1 - t) * positive, (1 - t) * (1 - positive)])


def begg_greenes(
    sample: VerifiedSample, stratum: IntArray | None = None, cluster: IntArray | None = None
) -> CellShares:
    r"""Correct accuracy for verification that depends on the test result, and on a stratum, only.

    Parameters
    ----------
    sample : VerifiedSample
        Tested patients.
    stratum : array of shape (n,), optional
        Codes from 0 of a covariate that verification depended on too.
    cluster : array of shape (n,), optional
        Codes from 0 of clusters for the variance.

    Returns
    -------
    CellShares
        Shares among all tested.

    Raises
    ------
    EstimationError
        When nobody was verified in a cell of test result and stratum.

    Notes
    -----
    With :math:`\phi_j` the share of cell j of test and stratum among all tested and :math:`\theta_j` the share
    with the condition among its verified, sensitivity is :math:`\sum_{j: T=1} \phi_j\theta_j / \sum_j
    \phi_j\theta_j`. The influence of a patient gives, for one stratum, exactly the variance of the logit in [1]_.

    References
    ----------
    .. [1] Begg CB, Greenes RA (1983). Assessment of diagnostic tests when disease verification is subject to
       selection bias. Biometrics 39:207-215. doi:10.2307/2530820
    """
    code = sample.test.astype(np.intp)
    if stratum is not None:
        code = np.unique(code + 2 * stratum, return_inverse=True)[1].reshape(-1)
    size = np.bincount(code).astype(float)
    known = np.bincount(code, weights=sample.verified, minlength=len(size))
    empty = (size > 0) & (known == 0)
    if empty.any():
        raise EstimationError(
            "in a group of the same test result nobody was verified: what they have is not identified",
            evidence=f"{int(empty.sum())} of {int((size > 0).sum())} groups, {int(size[empty].sum())} patients",
            remedy='use fewer covariates=, or method="bounds"',
        )
    theta = np.bincount(code, weights=sample.condition, minlength=len(size)) / np.maximum(known, 1)
    mean = theta[code]
    expected = _cells_of(sample.test, mean)
    shares = expected.mean(axis=0)
    residual = sample.verified * (size / np.maximum(known, 1))[code] * (sample.condition - mean)
    influence = expected - shares + (_cells_of(sample.test, mean + residual) - expected)
    return shares_of(
        influence, shares, cluster, "a cell of the verified is zero: no limits on the logit scale"
    )


@dataclass(frozen=True, slots=True, eq=False)
class WeightedShares:
    """Shares by inverse probability of verification.

    Attributes
    ----------
    shares : CellShares
        The shares.
    weights : array of shape (n_verified,)
        Weights of the verified.
    """

    shares: CellShares
    weights: FloatArray


def inverse_probability(
    sample: VerifiedSample, X: FloatArray, cluster: IntArray | None = None, test_column: int = 1
) -> WeightedShares:
    """Weight the verified by the inverse of their probability of verification.

    Parameters
    ----------
    sample : VerifiedSample
        Tested patients.
    X : array of shape (n, p)
        Design matrix of the logistic model of verification, with intercept and test result.
    cluster : array of shape (n,), optional
        Codes from 0 of clusters for the variance.
    test_column : int, default=1
        Column of the test result in the design matrix.

    Returns
    -------
    WeightedShares
        The variance accounts for the estimated weights (stacked estimating equations).

    Raises
    ------
    EstimationError
        When the model of verification separates verified from not verified.

    Notes
    -----
    With a saturated model of the test result alone, estimate and variance equal those of :func:`begg_greenes`.
    """
    V = sample.verified.astype(float)
    # a test result of which everyone was verified has weight 1, and no part in the model
    modelled = np.array([not sample.verified[sample.test == t].all() for t in (False, True)])[
        sample.test.astype(int)
    ]
    part = X if modelled.all() or not modelled.any() else np.delete(X, test_column, axis=1)
    rho = np.ones(len(V))
    if modelled.any():
        rho[modelled] = _probabilities(part[modelled], V[modelled])
    w = V / rho
    cells = _cells_of(sample.test, sample.condition.astype(float))
    shares = (w[:, None] * cells).sum(axis=0) / w.sum()
    deviation = w[:, None] * (cells - shares)
    # d(weighted deviation)/d(gamma) = -w (1 - rho) x; gamma's influence is I^-1 x (V - rho)
    influence = deviation
    if modelled.any():
        slope = -(deviation * (1 - rho)[:, None]).T @ part
        information = (part * (rho * (1 - rho))[:, None]).T @ part
        influence = deviation + (part * (V - rho)[:, None]) @ np.linalg.solve(information, slope.T)
    zero = "a cell of the verified is zero: no limits on the logit scale"
    found = shares_of(influence * len(V) / w.sum(), shares, cluster, zero)
    return WeightedShares(found, w[sample.verified])


def _probabilities(X: FloatArray, V: FloatArray) -> FloatArray:
    """Fit the model of verification, refusing one that separates."""
    fit = fit_logistic(X, V)
    eta = X @ fit.estimate
    if not fit.converged or np.abs(eta).max() > 15:
        raise EstimationError(
            "the model of verification separates: some kinds of patients were never, or always, verified",
            evidence=f"{int(V.sum())} of {len(V)} patients verified, {X.shape[1]} parameters",
            remedy='leave the covariate that decides out, or use method="begg_greenes" or method="bounds"',
        )
    return np.asarray(expit(eta))
