"""Cumulative hazard of given covariates under a Cox model, with its variance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.baseline import BaselineHazard

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Entries of the array (rows, times, covariates) held at once.
_ENTRIES = 2_000_000


def predicted_hazard(
    base: BaselineHazard,
    coefficients: FloatArray,
    covariance: FloatArray,
    X: FloatArray,
    times: FloatArray,
    offset: FloatArray | None = None,
    stratum: IntArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Predict the cumulative hazard of rows at times.

    With h = exp((x - c)'b), H the baseline at the covariate means c and D the cumulated mean of the risk sets, the
    variance of h H is h^2 {var H + d' V d}, d = (x - c) H - D (Tsiatis 1981; Therneau and Grambsch 2000, section
    10.2.3).

    Parameters
    ----------
    base : BaselineHazard
        Baseline of the fit.
    coefficients, covariance : array of shape (p,), (p, p)
        Log hazard ratios and their covariance V.
    X : array of shape (n, p)
        Covariates.
    times : array of shape (T,)
        Times.
    offset, stratum : array of shape (n,) or None
        Offsets, and codes of the strata.

    Returns
    -------
    hazard, std_error : array of shape (n, T)
        Cumulative hazards with their standard errors.
    """
    Z = X - base.center
    eta = Z @ coefficients + (0.0 if offset is None else offset - base.offset)
    hazard, variance = np.empty((2, len(X), len(times)))
    codes = np.zeros(len(X), dtype=np.intp) if stratum is None else stratum
    step = max(1, _ENTRIES // max(1, len(times) * X.shape[1]))
    for code in np.unique(codes).tolist():
        H, V, D = base.at(code, times)
        rows = np.flatnonzero(codes == code)
        for begin in range(0, len(rows), step):
            some = rows[begin : begin + step]
            d = Z[some, None, :] * H[:, None] - D
            hazard[some] = H
            variance[some] = V + np.einsum("ntj,jk,ntk->nt", d, covariance, d, optimize=True)
    with np.errstate(over="ignore"):
        risk = np.exp(eta)[:, None]
        return risk * hazard, risk * np.sqrt(variance)
