"""The result of a Cox regression with a random effect of centers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import Ties
from cohort.estimators.robust_variance import wald_statistic
from cohort.estimators.shared_frailty import Distribution, FrailtyFit
from cohort.format import fixed, p_value, ratio
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MEASURES = ("variance", "median hazard ratio")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SharedFrailty:
    """Hazard ratios within centers, and how much centers differ.

    Attributes
    ----------
    outcome : str
        The event.
    formula : str
        Covariates.
    frailty : str
        Column of the centers.
    distribution : {'gamma', 'lognormal'}
        Distribution of the random effect.
    measure : str
        ``hazard ratio``, or ``cause-specific hazard ratio`` when other events compete.
    terms, levels : tuple of str
        Term as written, and category, of each coefficient.
    references : Mapping of str to str
        Reference category of each categorical term.
    fit : FrailtyFit
        Estimates.
    centers : tuple of str
        Names of the centers.
    n, n_rows, n_missing : int
        Patients used, their rows, and rows left out because a value is missing.
    ties : str
        Approximation for ties.
    strata : tuple of str
        Labels of the strata.
    conf_level : float
        Confidence level.
    unit : str
        Unit of time.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out.
    notes, acknowledged : tuple of str
        What a reader should be told, and guards that were overridden.
    """

    outcome: str
    formula: str
    frailty: str
    distribution: Distribution
    measure: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
    fit: FrailtyFit
    centers: tuple[str, ...]
    n: int
    n_rows: int
    n_missing: int
    ties: Ties
    strata: tuple[str, ...]
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Whether estimates and limits are hazard ratios instead of their logarithms; the standard error is that of
            the logarithm either way.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error, statistic, p_value, conf_low, conf_high``. Ratios compare patients of
            the same center; standard errors take the variance between centers as known.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        b, se = self.fit.coefficients, np.sqrt(np.diag(self.fit.covariance))
        low, high, statistic, p = wald(b, se, level)
        return tidy_regression(
            self.terms, self.levels, b, se, low, high, p, statistic, exponentiate=exponentiate
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole model.

        Returns
        -------
        DataFrame
            Counts, the variance between centers with its test, the marginal log-likelihood, and Wald's test that all
            coefficients are zero.
        """
        fit, df = self.fit, len(self.terms)
        statistic = wald_statistic(fit.coefficients, fit.covariance, None)
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [int(fit.n_event.sum())],
                "n_missing": [self.n_missing],
                "n_cluster": [len(self.centers)],
                "frailty_variance": [fit.theta],
                "frailty_p_value": [fit.p_value],
                "log_likelihood": [fit.log_likelihood],
                "statistic": [statistic],
                "df": [df],
                "p_value": [stats.chi2.sf(statistic, df)],
                "method": ["wald"],
                "ties": [self.ties],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def heterogeneity(self) -> pd.DataFrame:
        """Return how much centers differ, with limits from the profile likelihood.

        Returns
        -------
        DataFrame
            ``measure, estimate, conf_low, conf_high, statistic, p_value, method``: the variance, and the median hazard
            ratio of the patient in the center of higher hazard, when two patients of equal covariates are drawn from
            two centers at random. The test is the likelihood-ratio test that the variance is zero; zero is an end of
            its range, so half of the p-value of a chi-squared with 1 df.
        """
        fit = self.fit
        variances = [fit.theta, fit.theta_low, fit.theta_high]
        medians = [_median_ratio(v, self.distribution) for v in variances]
        table = pd.DataFrame([variances, medians], columns=["estimate", "conf_low", "conf_high"])
        table.insert(0, "measure", list(_MEASURES))
        return table.assign(statistic=fit.statistic, p_value=fit.p_value, method="likelihood_ratio")

    def frailties(self, conf_level: float | None = None, exponentiate: bool = True) -> pd.DataFrame:
        """Return the predicted hazard of each center relative to the average one.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=True
            Whether estimates and limits are ratios instead of logarithms.

        Returns
        -------
        DataFrame
            ``term, level, n, n_event, estimate, std_error, conf_low, conf_high, reason``, by center. Predictions are
            drawn towards 1, the more so the fewer events a center has; limits are symmetric on the log scale and take
            the variance as known.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        fit = self.fit
        low, high, _, _ = wald(fit.log_frailty, fit.log_frailty_std_error, level)
        values = [np.exp(v) if exponentiate else v for v in (fit.log_frailty, low, high)]
        return pd.DataFrame(
            {
                "term": self.frailty,
                "level": list(self.centers),
                "n": fit.n,
                "n_event": fit.n_event,
                "estimate": values[0],
                "std_error": fit.log_frailty_std_error,
                "conf_low": values[1],
                "conf_high": values[2],
                "reason": "" if fit.theta > 0 else "the estimated variance between centers is zero",
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the hazard ratios as a forest plot.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        return draw_ratios(self.tidy(exponentiate=True), self.references, self.measure, self.conf_level, ax)

    def plot_frailties(self, ax: Axes | None = None) -> Axes:
        """Draw the predicted hazard of each center in order ("caterpillar plot").

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on; intervals are those of ``frailties()``.

        Raises
        ------
        EstimationError
            When the variance is zero: all centers are predicted alike.
        """
        from cohort.plots.forest import plot_forest

        if self.fit.theta == 0:
            raise EstimationError(
                "all centers are predicted to have the same hazard",
                evidence=f"{len(self.centers)} of {self.frailty}; estimated variance 0",
                remedy="say so: heterogeneity() has the upper limit of the variance",
            )
        rows = self.frailties().sort_values("estimate", kind="stable")
        return plot_forest(
            rows.drop(columns=["std_error", "reason"]),
            measure="Hazard ratio to the average center",
            ax=ax,
            direction=("Lower hazard", "Higher hazard"),
            conf_level=self.conf_level,
            zebra=False,
        )

    def text(self, term: str) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str
            Term, or ``term[level]`` when it has several levels.

        Returns
        -------
        str
            For example ``hazard ratio 1.52 (95% CI 1.10–2.09; P=0.01)``.
        """
        return ratio_text(self.tidy(exponentiate=True), term, self.measure, self.conf_level)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        fit = self.fit
        rows = f" in {self.n_rows} rows" if self.n_rows != self.n else ""
        name = {"gamma": "gamma", "lognormal": "log-normal"}[self.distribution]
        middle, low, high = self.heterogeneity().iloc[1][["estimate", "conf_low", "conf_high"]]
        spread = (
            f"variance {fixed(fit.theta, 3)} ({fixed(fit.theta_low, 3)} to {fixed(fit.theta_high, 3)}), median hazard "
            f"ratio {ratio(middle)} ({ratio(low)}–{ratio(high)}), P{p_value(fit.p_value)}"
        )
        strata = f", {len(self.strata)} strata" if self.strata else ""
        return Summary(
            sentence=f"{self.measure.capitalize()}s of {self.outcome.replace('_', ' ')} within {self.frailty}, "
            f"for {self.formula}",
            facts=(
                (
                    "method",
                    f"Cox partial likelihood with {name} frailty, {self.ties.capitalize()} ties{strata}",
                ),
                (
                    "patients",
                    f"{self.n}{rows}, {int(fit.n_event.sum())} events, {len(self.centers)} of {self.frailty}",
                ),
                ("between them", spread),
                ("left out", left_out_text(self.left_out)),
                ("notes", "; ".join(self.notes)),
            ),
            table=estimate_table(self.tidy(exponentiate=True), self.measure, self.conf_level),
        )


def _median_ratio(variance: float, distribution: Distribution) -> float:
    """Return the median of the larger over the smaller of two independent frailties."""
    if variance == 0 or not np.isfinite(variance):
        return 1.0 if variance == 0 else np.inf
    if distribution == "lognormal":
        return float(np.exp(np.sqrt(2 * variance) * stats.norm.ppf(0.75)))
    return float(stats.f.ppf(0.75, 2 / variance, 2 / variance))
