"""Bootstrap of agreement: units (or clusters) drawn with replacement, every coefficient on the same draws."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.agreement import krippendorff_distances, unit_agreement

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_BLOCK = 200


def draw_weights(n: int, cluster: IntArray | None, n_boot: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each unit is drawn in each resample.

    Parameters
    ----------
    n : int
        Units.
    cluster : array of shape (n,) or None
        Cluster codes; whole clusters are drawn.
    n_boot : int
        Resamples.
    rng : Generator
        Source of randomness.

    Returns
    -------
    array of shape (n_boot, n)
        Counts as floats.
    """
    groups = n if cluster is None else int(cluster.max()) + 1
    counts = rng.multinomial(groups, np.full(groups, 1 / groups), size=n_boot).astype(float)
    return counts if cluster is None else counts[:, cluster]


def bootstrap_agreement(
    r: FloatArray,
    pair: tuple[IntArray, IntArray] | None,
    W: FloatArray,
    scores: FloatArray,
    level: str,
    weights: FloatArray,
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
    weights : array of shape (n_boot, n)
        Draws of `draw_weights`.

    Returns
    -------
    mapping of str to array of shape (n_boot,)
        By term; ``specific_agreement`` terms end in the number of the category. NaN where a resample does not
        define the coefficient.
    """
    blocks = [weights[i : i + _BLOCK] for i in range(0, len(weights), _BLOCK)]
    parts = [_block(r, pair, W, scores, level, w) for w in blocks]
    return {term: np.concatenate([part[term] for part in parts]) for term in parts[0]}


def _block(
    r: FloatArray,
    pair: tuple[IntArray, IntArray] | None,
    W: FloatArray,
    scores: FloatArray,
    level: str,
    w: FloatArray,
) -> dict[str, FloatArray]:
    q, ri = r.shape[1], r.sum(axis=1)
    two, rated = (ri >= 2).astype(float), (ri >= 1).astype(float)
    share = np.divide(r, ri[:, None], out=np.zeros_like(r), where=ri[:, None] > 0)
    eye = np.eye(q)
    pi = _over(w @ share, (w @ rated)[:, None])
    plain = _over(w @ (unit_agreement(r, eye) * two), w @ two)
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
    scaled = used / np.maximum(m - 1, 1)[:, None]
    if level == "ordinal":  # differences depend on the resample
        together = (w @ (scaled[:, :, None] * used[:, None, :]).reshape(len(used), -1)).reshape(
            len(w), *[used.shape[1]] * 2
        )
        distance = krippendorff_distances(scores, n, level)
        apart = np.einsum("bij,bij->b", together, distance)
        expected = np.einsum("bi,bij,bj->b", n, distance, n)
    else:
        distance = krippendorff_distances(scores, n, level)
        apart = w @ ((used @ distance) * scaled).sum(axis=1)
        expected = np.einsum("bi,ij,bj->b", n, distance, n)
    return np.asarray(1 - _over((n.sum(axis=1) - 1) * apart, expected))


def _over(top: FloatArray, bottom: FloatArray) -> FloatArray:
    out = np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan)
    return np.asarray(np.divide(top, bottom, out=out, where=bottom != 0))


def _chance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    room = 1 - expected
    share = np.divide(observed - expected, room, out=np.full(len(room), np.nan), where=room > 1e-12)
    return np.asarray(share)
