"""Weights of patients: what they are, how they spread, and the model of the exposure behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.balancing_weights import Target, effective_sample_size
from cohort.format import fixed, ratio
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.models.weighting import ESTIMANDS, METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
WeightMethod = Literal["ml", "firth", "entropy"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InverseProbabilityWeights:
    """Weights of patients, and the model of the exposure they come from.

    The one result that holds a number per patient, because that is what it is asked for: the weight and the
    probability, keyed by the label of the row. It holds no covariate and no outcome.

    Attributes
    ----------
    formula, exposure : str
        As written, and its left side.
    groups : tuple of str
        Groups of the exposure, the reference first.
    focal : int
        Position of the group that ``att`` and ``imaged`` are about.
    estimand : {'ate', 'att', 'overlap', 'matching', 'imaged'}
        Whom the weighted groups stand for.
    method : {'ml', 'firth', 'entropy'}
        How the weights were found.
    stabilized : bool
        Whether weights were multiplied by the share of their group.
    truncation : tuple of float or None
        Quantiles at which weights were truncated.
    names, terms, levels : tuple of str
        Of each coefficient, the intercept first; empty names for entropy balancing.
    references : mapping of str to str
        Reference category of each categorical term.
    estimate : array of shape (k - 1, p)
        Log odds ratios of each group against the first; NaN for entropy balancing.
    covariance : array of shape ((k - 1) p, (k - 1) p)
        Their covariance.
    index : Index
        Labels of the rows used.
    code : array of shape (n,)
        Group of each row used.
    values : array of shape (n,)
        Weights; 0 for those who get none (not imaged).
    probability : array of shape (n, k)
        Probability of each group; NaN for entropy balancing.
    n_truncated : int
        Weights that were truncated.
    concordance : float
        c-statistic of the model; NaN for more than two groups.
    log_likelihood : float
        Of the model of the exposure.
    iterations : int
        Newton steps.
    conf_level : float
        Confidence level of the coefficients.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes, acknowledged : tuple of str
        What a reader should be told, and guards that were overridden.
    """

    formula: str
    exposure: str
    groups: tuple[str, ...]
    focal: int
    estimand: Target
    method: WeightMethod
    stabilized: bool
    truncation: tuple[float, float] | None
    names: tuple[str, ...]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
    estimate: FloatArray
    covariance: FloatArray
    index: pd.Index
    code: NDArray[np.intp]
    values: FloatArray
    probability: FloatArray
    n_truncated: int
    concordance: float
    log_likelihood: float
    iterations: int
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    @property
    def weights(self) -> pd.Series:
        """Weights keyed by the label of the row: ``data.assign(weight=fit.weights)``.

        Returns
        -------
        Series of shape (n,)
            Of those with a weight. Rows that are not in it become missing when it is assigned to a frame, so
            that every estimate leaves them out and counts them.
        """
        used = self.values > 0
        return pd.Series(self.values[used], index=self.index[used], name="weight")

    def by(self, column: pd.Series) -> pd.DataFrame:
        """Describe the weights in the levels of another column, such as the center or the grade.

        Parameters
        ----------
        column : Series of shape (m,)
            Values by the labels of the rows; rows without a value stand under ``missing``.

        Returns
        -------
        DataFrame
            One row per level: ``level, n`` (rows used), ``n_weighted``, ``share`` of these, ``mean, min, max`` of
            the weights and ``effective_n``.
        """
        found = column.reindex(self.index).astype(object)
        labels = found.where(found.notna(), "missing").astype(str).to_numpy(dtype=str)
        rows = []
        for level in np.unique(labels).tolist():
            w = self.values[labels == level]
            used = w[w > 0]
            empty = not len(used)
            rows.append(
                {
                    "level": level,
                    "n": len(w),
                    "n_weighted": len(used),
                    "share": len(used) / len(w),
                    "mean": np.nan if empty else used.mean(),
                    "min": np.nan if empty else used.min(),
                    "max": np.nan if empty else used.max(),
                    "effective_n": effective_sample_size(used),
                }
            )
        return pd.DataFrame(rows)

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the model of the exposure, one row per coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level of Wald limits; that of the result by default.
        exponentiate : bool, default=False
            Whether estimates and limits are odds ratios instead of their logarithms.

        Returns
        -------
        DataFrame
            ``term, level, outcome`` (the group against the first), ``estimate, std_error, statistic, p_value,
            conf_low, conf_high, reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        k, estimate = len(self.estimate), self.estimate.ravel()
        se = np.sqrt(np.diag(self.covariance))
        low, high, statistic, p = wald(estimate, se, level)
        frame = tidy_regression(
            self.terms * k, self.levels * k, estimate, se, low, high, p, statistic, exponentiate=exponentiate
        )
        frame["outcome"] = np.repeat(
            self.groups[1:] if k > 1 or self.method != "entropy" else [""], len(self.terms)
        )
        frame["reason"] = "entropy balancing has no model of the exposure" if self.method == "entropy" else ""
        return frame

    def glance(self) -> pd.DataFrame:
        """Return one row about the weights.

        Returns
        -------
        DataFrame
            ``n, n_event`` (with a weight), ``n_missing, effective_n, weight_min, weight_max, n_truncated,
            concordance, log_likelihood, method, conf_level, iterations, acknowledged``.
        """
        used = self.values[self.values > 0]
        return pd.DataFrame(
            {
                "n": [len(self.values)],
                "n_event": [len(used)],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "effective_n": [effective_sample_size(used)],
                "weight_min": [used.min()],
                "weight_max": [used.max()],
                "n_truncated": [self.n_truncated],
                "concordance": [self.concordance],
                "log_likelihood": [self.log_likelihood],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "iterations": [self.iterations],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None, group: str | None = None) -> Axes:
        """Draw the overlap: the propensity of one group, among its patients and mirrored among the others.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        group : str, optional
            Whose propensity; the last group by default. After entropy balancing the weights are drawn.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.curves import readable
        from cohort.plots.overlap import plot_overlap

        if group is not None and group not in self.groups:
            raise _no_group(group, self.groups)
        k = len(self.groups) - 1 if group is None else self.groups.index(group)
        inside = self.code == k
        entropy = self.method == "entropy"
        values = self.values if entropy else self.probability[:, k]
        edges = np.linspace(0, float(values.max()) if entropy else 1.0, 21)
        others = self.groups[1 - k] if len(self.groups) == 2 else "other groups"
        frames = [
            pd.DataFrame(
                {
                    "strata": name,
                    "bin_low": edges[:-1],
                    "bin_high": edges[1:],
                    "n": np.histogram(values[mask], edges)[0],
                    "weighted": np.histogram(values[mask], edges, weights=self.values[mask])[0],
                }
            )
            for name, mask in ((self.groups[k], inside), (others, ~inside))
        ]
        label = (
            "Weight" if entropy else f"Probability of {readable(self.exposure)} {readable(self.groups[k])}"
        )
        return plot_overlap(pd.concat(frames, ignore_index=True), ax=ax, xlabel=label)

    def text(self, term: str = "") -> str:
        """Return the sentence fragment of one group, or of all weights.

        Parameters
        ----------
        term : str, default=''
            Name of a group; all patients with a weight by default.

        Returns
        -------
        str
            For example ``weights 0.52 to 3.10, effective sample size 38.2 of 50``.
        """
        if term and term not in self.groups:
            raise _no_group(term, self.groups)
        w = self.values if not term else self.values[self.code == self.groups.index(term)]
        w = w[w > 0]
        if not len(w):
            return f"0 patients of {term} with a weight"
        return (
            f"weights {ratio(w.min())} to {ratio(w.max())}, effective sample size "
            f"{fixed(effective_sample_size(w), 1)} of {len(w)}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _method(self) -> str:
        parts = [METHODS[self.method], "stabilized" if self.stabilized else ""]
        if self.truncation is not None:
            parts.append(f"truncated at quantiles {self.truncation[0]:g} and {self.truncation[1]:g}")
        return ", ".join(part for part in parts if part)

    def _summary(self) -> Summary:
        rows = []
        for k, name in enumerate(self.groups):
            w = self.values[self.code == k]
            used = w[w > 0]
            cells = [f"{len(w)}", "no weight", "", "", ""]
            if len(used):
                numbers = (effective_sample_size(used), used.mean(), used.min(), used.max())
                cells = [f"{len(w)}", fixed(numbers[0], 1), *(ratio(v) for v in numbers[1:])]
            rows.append([name, *cells])
        c = "" if np.isnan(self.concordance) else f"c-statistic {fixed(self.concordance, 2)}"
        facts = (
            ("method", self._method()),
            ("model", c),
            ("truncated", f"{self.n_truncated} weights" if self.truncation else ""),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        columns = [self.exposure, "n", "effective n", "mean weight", "min", "max"]
        target = ESTIMANDS[self.estimand].format(self.groups[self.focal])
        sentence = f"Weights of {self.formula}: groups stand for {target}"
        return Summary(sentence, facts, pd.DataFrame(rows, columns=columns))


def _no_group(name: str, groups: tuple[str, ...]) -> EstimationError:
    return EstimationError(f"group {name!r} is not in this result", evidence=f"groups: {', '.join(groups)}")
