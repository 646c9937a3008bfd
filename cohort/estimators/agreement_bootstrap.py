"""Bootstrap of agreement: units (or clusters) drawn with replacement, every coefficient on the same draws."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.agreement import unit_agreement
from cohort.estimators.krippendorff import krippendorff_distances, middle_ranks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_BLOCK = 200


def bootstrap_agreement(
    r: FloatArray,
    pair: tuple[IntArray, IntArray] | None,
    W: FloatArray,
    scores: FloatArray,
    level: str,
    cluster: IntArray | None,
    n_boot: int,
    rng: np.random.Generator,
) -> Mapping[str, FloatArray]:
    """Return the resampled coefficients.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    pair : (array, array) or None
        Codes of the two raters, when there are two.
    W : array of shape (q, q)
        Agreement weights.
    scores : array of shape (q,)
        Values of the categories, for Krippendorff's differences.
    level : str
        Krippendorff's level of measurement.
    cluster : array of shape (n,) or None
        Cluster codes from 0; whole clusters are drawn.
    n_boot : int
        Resamples.
    rng : Generator
        Source of randomness.

    Returns
    -------
    mapping of str to array of shape (n_boot,)
        By term; ``specific_agreement`` terms end in the number of the category. NaN where a resample does not
        define the coefficient.
    """
    groups = len(r) if cluster is None else int(cluster.max()) + 1
    parts = []
    for start in range(0, n_boot, _BLOCK):
        size = min(_BLOCK, n_boot - start)
        drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(float)
        w = drawn if cluster is None else drawn[:, cluster]
        parts.append(weighted_agreement(r, pair, W, scores, level, w))
    return {term: np.concatenate([part[term] for part in parts]) for term in parts[0]}


def weighted_agreement(
    r: FloatArray,
    pair: tuple[IntArray, IntArray] | None,
    W: FloatArray,
    scores: FloatArray,
    level: str,
    w: FloatArray,
) -> dict[str, FloatArray]:
    """Return every coefficient for each row of weights of the units.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    pair : (array, array) or None
        Codes of the two raters, when there are two.
    W : array of shape (q, q)
        Agreement weights.
    scores : array of shape (q,)
        Values of the categories.
    level : str
        Krippendorff's level of measurement.
    w : array of shape (B, n)
        Weights of the units, such as how often each was drawn.

    Returns
    -------
    dict of str to array of shape (B,)
        As in `bootstrap_agreement`.
    """
    q, ri = r.shape[1], r.sum(axis=1)
    two, rated = (ri >= 2).astype(float), (ri >= 1).astype(float)
    share = np.divide(r, ri[:, None], out=np.zeros_like(r), where=ri[:, None] > 0)
    pi = _over(w @ share, (w @ rated)[:, None])
    plain = _over(w @ (unit_agreement(r, np.eye(q)) * two), w @ two)
    weighted = _over(w @ (unit_agreement(r, W) * two), w @ two)
    spread = (pi * (1 - pi)).sum(axis=1) / max(q * (q - 1), 1)
    out = {
        "percent_agreement": plain,
        "pabak": (q * plain - 1) / (q - 1) if q > 1 else np.full(len(w), np.nan),
        "fleiss_kappa": _chance(weighted, np.einsum("bi,ij,bj->b", pi, W, pi)),
        "gwet_ac1": _chance(plain, q * spread),
        "gwet_ac2": _chance(weighted, W.sum() * spread),
        "krippendorff_alpha": _alpha(np.where(ri[:, None] >= 2, r, 0.0), scores, level, w),
    }
    for k in range(q):
        possible = w @ (r[:, k] * np.maximum(ri - 1, 0))
        out[f"specific_agreement {k}"] = _over(w @ (r[:, k] * (r[:, k] - 1)), possible)
    if pair is not None:
        out["cohen_kappa"] = _cohen(*pair, W, w)
    return out


def _cohen(first: IntArray, second: IntArray, W: FloatArray, w: FloatArray) -> FloatArray:
    q, both = len(W), (first >= 0) & (second >= 0)
    cells = np.zeros((len(first), q * q))
    cells[np.flatnonzero(both), (first * q + second)[both]] = 1.0
    table = (w @ cells).reshape(-1, q, q)
    p = _over(table, table.sum(axis=(1, 2))[:, None, None])
    expected = np.einsum("bi,ij,bj->b", p.sum(axis=2), W, p.sum(axis=1))
    return _chance(np.einsum("bij,ij->b", p, W), expected)


def _alpha(used: FloatArray, scores: FloatArray, level: str, w: FloatArray) -> FloatArray:
    m = used.sum(axis=1)
    n = w @ used
    total = n.sum(axis=1)
    pairs = np.maximum(m - 1, 1)
    if level in ("ordinal", "interval"):  # sum of a_c b_k (x_c - x_k)^2 by its moments
        x = middle_ranks(n) if level == "ordinal" else np.broadcast_to(scores, n.shape)
        each = 2 * m[:, None] * (used @ (x**2).T) - 2 * (used @ x.T) ** 2
        apart = np.einsum("bn,nb->b", w / pairs, each)
        expected = 2 * total * (n * x**2).sum(axis=1) - 2 * (n * x).sum(axis=1) ** 2
    else:
        distance = krippendorff_distances(scores, n[0], level)
        apart = w @ (((used @ distance) * used).sum(axis=1) / pairs)
        expected = np.einsum("bi,ij,bj->b", n, distance, n)
    one_category = (n > 0).sum(axis=1) < 2
    return np.asarray(1 - _over((total - 1) * apart, np.where(one_category, 0.0, expected)))


def _over(top: FloatArray, bottom: FloatArray) -> FloatArray:
    out = np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan)
    return np.asarray(np.divide(top, bottom, out=out, where=bottom != 0))


def _chance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    room = 1 - expected
    share = np.divide(observed - expected, room, out=np.full(len(room), np.nan), where=room > 1e-12)
    return np.asarray(share)
