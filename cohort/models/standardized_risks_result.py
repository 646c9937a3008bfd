"""The result of standardized risks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from cohort.errors import EstimationError
from cohort.format import fixed, interval, n_of_total, p_value, ratio
from cohort.models.result import check_conf_level, wald
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
CONTRASTS = ("risk_difference", "risk_ratio", "odds_ratio")
_MEASURES = {
    "risk": "risk",
    "risk_difference": "risk difference",
    "risk_ratio": "risk ratio",
    "odds_ratio": "marginal odds ratio",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StandardizedRisks:
    """Risks of an outcome, had all patients had each level of an exposure.

    Attributes
    ----------
    formula, outcome, exposure : str
        The model, its outcome, and the exposure that is set.
    levels : tuple of str
        Levels of the exposure; others are compared with the first.
    risk : array of shape (k,)
        Standardized risks.
    covariance : array of shape (k, k)
        Their covariance, by the delta method.
    draws : array of shape (replicates, k) or None
        Risks in bootstrap samples; NaN where a sample has no estimate.
    n_level, n_event_level : tuple of int
        Patients observed at each level, and those of them with the outcome.
    method, limits : str
        ``ml`` or ``firth``; ``delta`` or ``bootstrap``.
    cluster : str
        Column of the clusters; empty without.
    weighted : bool
        Whether patients are weighted.
    conf_level : float
        Confidence level.
    n, n_event, n_cluster : int
        Patients, those with the outcome, clusters (0 without).
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    formula: str
    outcome: str
    exposure: str
    levels: tuple[str, ...]
    risk: FloatArray
    covariance: FloatArray
    draws: FloatArray | None
    n_level: tuple[int, ...]
    n_event_level: tuple[int, ...]
    method: str
    limits: str
    cluster: str
    weighted: bool
    conf_level: float
    n: int
    n_event: int
    n_cluster: int
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per risk, then one per contrast with the first level.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: risks, differences and ratios are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (``risk``, ``risk_difference``, ``risk_ratio``, ``odds_ratio``), ``level`` (of a contrast the
            level that is compared with the first), ``estimate``, ``std_error`` (of ratios that of the logarithm),
            ``statistic, p_value, conf_low, conf_high``, ``n, n_event`` (observed at the level), ``reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        k = len(self.levels)
        blocks = [self._block("risk", list(range(k)), level)]
        blocks += [self._block(name, list(range(1, k)), level) for name in CONTRASTS]
        return pd.concat(blocks, ignore_index=True)

    def _block(self, term: str, at: list[int], conf_level: float) -> pd.DataFrame:
        """Return the rows of one measure at some levels."""
        back = _BACK[term]
        scaled = _scaled(term, self.risk)[at]
        gradient = _gradient(term, self.risk)[at]
        std_error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", gradient, self.covariance, gradient), 0))
        drawn = None
        if self.draws is not None:
            kept = self.draws[~np.isnan(self.draws).any(axis=1)]
            drawn = np.column_stack([_scaled(term, kept.T)[j] for j in at])
            std_error = drawn.std(axis=0, ddof=1)
        low, high, statistic, p = wald(scaled, std_error, conf_level)
        if drawn is not None:
            tail = (1 - conf_level) / 2
            low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
        estimate = back(scaled)
        # a risk is its own scale for the reader; its error moves back with the derivative of the logit
        printed_error = std_error * self.risk[at] * (1 - self.risk[at]) if term == "risk" else std_error
        nothing = np.full(len(at), np.nan)
        return pd.DataFrame(
            {
                "term": term,
                "level": [self.levels[j] for j in at],
                "estimate": estimate,
                "std_error": printed_error,
                "statistic": nothing if term == "risk" else statistic,
                "p_value": nothing if term == "risk" else p,
                "conf_low": back(low),
                "conf_high": back(high),
                "n": [self.n_level[j] for j in at],
                "n_event": [self.n_event_level[j] for j in at],
                "reason": np.where(std_error > 0, "", "no standard error"),
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the analysis.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing, n_cluster, method, penalty, conf_level, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_event],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster],
                "method": [self._how()],
                "penalty": ["firth" if self.method == "firth" else ""],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the standardized risks with their limits, beside the patients observed at each level.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.proportions import plot_proportions

        risks = self.tidy()
        risks = risks[risks["term"] == "risk"].reset_index(drop=True)
        name = self.exposure.replace("_", " ")
        risks["strata"] = [f"{name}: {level}" for level in risks["level"]]
        label = f"Standardized risk (%) with {100 * self.conf_level:g}% CI"
        return plot_proportions(risks, ax=ax, conf_level=self.conf_level, xlabel=label)

    def text(self, term: str = "risk_difference") -> str:
        """Return the sentence fragment of one measure.

        Parameters
        ----------
        term : str, default='risk_difference'
            ``risk_difference``, ``risk_ratio``, ``odds_ratio`` or ``risk``, with ``[level]`` when there are several.

        Returns
        -------
        str
            For example ``risk ratio of severe, yes against no: 2.00 (95% CI 0.92–4.36; P=0.08)``.
        """
        frame = self.tidy()
        names = frame["term"] + "[" + frame["level"] + "]"
        found = frame[(frame["term"] == term) | (names == term)]
        if len(found) != 1:
            what = "is not in this result" if found.empty else "has several levels"
            raise EstimationError(
                f"term {term!r} {what}",
                evidence=f"terms: {', '.join(names)}",
                remedy="write one of these terms",
            )
        row = found.iloc[0]
        value, limits = _printed(row)
        against = "" if row["term"] == "risk" else f" against {self.levels[0]}"
        p = "" if row["term"] == "risk" else f"; P{p_value(row['p_value'])}"
        outcome = self.outcome.replace("_", " ")
        head = f"{_MEASURES[str(row['term'])]} of {outcome}, {row['level']}{against}"
        return f"{head}: {value} ({100 * self.conf_level:g}% CI {limits}{p})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.tidy()
        rows = [frame.iloc[i] for i in range(len(frame))]
        cells = pd.DataFrame(
            {
                "measure": [
                    f"{_MEASURES[str(row['term'])]}, {row['level']}"
                    + ("" if row["term"] == "risk" else f" against {self.levels[0]}")
                    for row in rows
                ],
                "estimate": [_printed(row)[0] for row in rows],
                f"{100 * self.conf_level:g}% CI": [_printed(row)[1] for row in rows],
                "P": [
                    "" if row["term"] == "risk" else p_value(row["p_value"]).removeprefix("=") for row in rows
                ],
            }
        )
        counts = zip(self.levels, self.n_event_level, self.n_level, strict=True)
        observed = ", ".join(f"{level} {n_of_total(events, n)}" for level, events, n in counts)
        facts = (
            ("method", self._how()),
            ("patients", f"{self.n}, with {self.outcome} {self.n_event}; observed {observed}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        sentence = f"Risk of {self.outcome}, had all had each level of {self.exposure} ({self.formula})"
        return Summary(sentence, facts, cells)

    def _how(self) -> str:
        model = "Firth's penalty, FLIC" if self.method == "firth" else "maximum likelihood"
        if self.limits == "bootstrap" and self.draws is not None:
            return f"standardized logistic regression, {model}, percentiles of {len(self.draws)} bootstrap samples"
        variance = "model" if self.method == "firth" else "sandwich"
        robust = f", robust to {self.n_cluster} clusters" if self.n_cluster else ""
        weights = ", weighted" if self.weighted else ""
        return f"standardized logistic regression, {model}{weights}, delta method ({variance}){robust}"


def _scaled(term: str, risk: FloatArray) -> FloatArray:
    """Move risks of shape (k, ...) to the scale on which limits of a measure are symmetric."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if term == "risk_difference":
            scaled: FloatArray = risk
        else:
            scaled = np.log(risk) if term == "risk_ratio" else logit(risk)
        return scaled if term == "risk" else np.asarray(scaled - scaled[0])


def _gradient(term: str, risk: FloatArray) -> FloatArray:
    """Return the derivatives of that scale with respect to the risks, shape (k, k)."""
    odds = 1 / (risk * (1 - risk))
    slope = {"risk_difference": np.ones(len(risk)), "risk_ratio": 1 / risk}.get(term, odds)
    own: FloatArray = np.diag(slope).copy()
    if term != "risk":
        own[:, 0] -= slope[0]
    return own


def _identity(values: FloatArray) -> FloatArray:
    return values


_BACK: dict[str, Callable[[FloatArray], FloatArray]] = {
    "risk": expit,
    "risk_difference": _identity,
    "risk_ratio": np.exp,
    "odds_ratio": np.exp,
}


def _printed(row: pd.Series) -> tuple[str, str]:
    """Print an estimate and its limits."""
    if row["term"] in ("risk", "risk_difference"):
        return fixed(row["estimate"], 2), interval(row["conf_low"], row["conf_high"], 2)
    return ratio(row["estimate"]), interval(row["conf_low"], row["conf_high"], None)
