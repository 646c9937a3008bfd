"""The result of a logistic regression: odds ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.firth_prediction import Predictor
from cohort.estimators.rubin import t_quantile
from cohort.models.new_rows import Coding
from cohort.models.odds_ratio_predictions import choose_predictor, predicted_risks
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression
from cohort.models.summary import Summary, estimate_table, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
Method = Literal["ml", "firth", "exact", "conditional", "gee", "random_intercept"]
Limits = Literal["wald", "profile", "exact", "mid_p"]
Variance = Literal["", "robust", "bias_reduced", "mancl_derouen", "kauermann_carroll"]
Correlation = Literal["", "exchangeable", "independence"]
METHODS: Mapping[Method, str] = {
    "ml": "maximum likelihood",
    "firth": "Firth's penalized likelihood",
    "exact": "exact conditional",
    "conditional": "conditional likelihood",
    "gee": "estimating equations",
    "random_intercept": "random intercept",
}
# What the sentence adds to the formula: a conditional odds ratio is not a marginal one.
_WITHIN = {
    "conditional": " within sets of {}",
    "gee": ", averaged over clusters of {}",
    "random_intercept": " within a cluster of {}",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OddsRatio:
    """Odds ratios of a logistic regression.

    Attributes
    ----------
    formula : str
        As written.
    outcome : str
        The left side.
    method : {'ml', 'firth', 'exact', 'conditional', 'gee', 'random_intercept'}
        Estimation method.
    limits : {'wald', 'profile', 'exact', 'mid_p'}
        Kind of confidence limits; those called Wald are t limits where ``df`` is finite.
    variance, correlation : str
        Kind of robust variance, and working correlation; empty without.
    cluster : str
        Column of the clusters; empty without.
    strata : tuple of str
        Columns of the strata or matched sets.
    names, terms, levels : tuple of str
        Of each coefficient: formulaic's name, the term as written, the category.
    estimate : array of shape (p,)
        Log odds ratios; the first is the intercept, save under ``exact`` and ``conditional``, which have none.
    covariance : array of shape (p, p)
        Covariance, robust when ``variance`` is not empty; exact conditional estimates have no covariances.
    conf_low, conf_high, statistic, p_value : array of shape (p,)
        Inference at ``conf_level``, on the log scale; the statistic is z or t under Wald limits, the
        likelihood-ratio chi-squared (1 df) under profile limits, and missing under exact ones.
    df : array of shape (p,)
        Degrees of freedom of t limits; infinite for normal ones.
    reasons : tuple of str
        Why something of a coefficient is missing; empty when nothing is.
    conf_level : float
        Confidence level.
    n, n_event, n_cluster : int
        Patients, those with the outcome, and clusters (0 without).
    how, test : str
        Method in words, and what the global test is.
    statistic_global, p_value_global : float
        Test that all coefficients but the intercept are 0; NaN where there is none.
    log_likelihood, log_likelihood_null : float
        Maximized (penalized under Firth, conditional within sets) log-likelihoods of the model and of the
        intercept alone; NaN for estimating equations and exact inference.
    aic : float
        Akaike's information criterion; NaN without a plain likelihood.
    concordance : float
        Share of pairs of patients with and without the outcome that the model orders rightly; NaN within sets.
    working_correlation : float
        Working correlation of estimating equations, else NaN.
    intercept_sd : float
        Standard deviation of random intercepts (log odds), else NaN.
    iterations : int
        Newton steps.
    references : mapping of str to str
        Reference category of each categorical term.
    predictors : mapping of str to Predictor
        Coefficients that predict risks, by correction, the default first; empty where nothing does.
    coding : Coding
        How covariates were coded, for predictions.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    formula: str
    outcome: str
    method: Method
    limits: Limits
    variance: Variance
    correlation: Correlation
    cluster: str
    strata: tuple[str, ...]
    names: tuple[str, ...]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    estimate: FloatArray
    covariance: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    df: FloatArray
    reasons: tuple[str, ...]
    conf_level: float
    n: int
    n_event: int
    n_cluster: int
    how: str
    test: str
    statistic_global: float
    p_value_global: float
    log_likelihood: float
    log_likelihood_null: float
    aic: float
    concordance: float
    working_correlation: float
    intercept_sd: float
    iterations: int
    references: Mapping[str, str]
    predictors: Mapping[str, Predictor]
    coding: Coding
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient, the intercept first.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; profile and exact limits exist at the level of the fit only.
        exponentiate : bool, default=False
            Whether estimates and limits are odds ratios instead of their logarithms.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error`` (log scale), ``statistic, p_value, conf_low, conf_high``; ``df`` of
            t limits, and ``reason`` where something is missing.
        """
        low, high = self._limits_at(conf_level)
        frame = tidy_regression(
            self.terms,
            self.levels,
            self.estimate,
            self.std_error,
            low,
            high,
            self.p_value,
            self.statistic,
            exponentiate=exponentiate,
        )
        if np.isfinite(self.df).any():
            frame.insert(frame.columns.to_list().index("p_value"), "df", self.df)
        return frame.assign(reason=list(self.reasons)) if any(self.reasons) else frame

    @property
    def std_error(self) -> FloatArray:
        """Standard errors of the log odds ratios, shape (p,).

        Returns
        -------
        array of shape (p,)
            Square roots of the diagonal of the covariance.
        """
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole fit.

        Returns
        -------
        DataFrame
            Counts, log-likelihoods, the global test, concordance, method and penalty. The test is a likelihood
            ratio; with clusters a Wald test with the robust variance. Under Firth log-likelihoods are penalized
            and AIC is missing; estimating equations and exact inference have no likelihood.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_event],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster],
                "log_likelihood": [self.log_likelihood],
                "log_likelihood_null": [self.log_likelihood_null],
                "aic": [self.aic],
                "concordance": [self.concordance],
                "correlation": [self.working_correlation],
                "intercept_sd": [self.intercept_sd],
                "df": [sum(term != "Intercept" for term in self.terms)],
                "statistic": [self.statistic_global],
                "p_value": [self.p_value_global],
                "penalty": ["firth" if self.method == "firth" else ""],
                "method": [f"logistic regression, {self.how}; global test {self.test}"],
                "conf_level": [self.conf_level],
                "iterations": [self.iterations],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def predict(
        self,
        frame: pd.DataFrame,
        correction: Literal["flic", "flac", "none"] | None = None,
        conf_level: float | None = None,
    ) -> pd.DataFrame:
        """Predict risks of the outcome.

        Firth's penalty pulls predicted risks towards one half, so that on average they exceed a small observed
        share. FLIC, the default there, refits the intercept and keeps the odds ratios; FLAC refits all coefficients
        with a covariate for the penalty's pseudo-observations. With both the mean predicted risk of the patients
        fitted is the observed share.

        Parameters
        ----------
        frame : DataFrame
            Patients with the columns of the formula; their outcomes are not needed.
        correction : {'flic', 'flac', 'none'}, optional
            ``flic`` after ``firth`` by default, with which all go; ``none`` otherwise.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``estimate, std_error`` (of the risk), ``conf_low, conf_high`` (Wald limits of the log odds, moved back),
            ``reason``; index as ``frame``, missing where a covariate is.

        Raises
        ------
        EstimationError
            After ``exact``, ``conditional`` and ``random_intercept``, which have no intercept that is known; for a
            category the fit has not seen.
        """
        predictor = choose_predictor(self.predictors, correction, self.method)
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        return predicted_risks(predictor, self.coding, frame, float(self.df.min()), level)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the odds ratios as a forest plot.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        return draw_ratios(self._ratios(), self.references, "odds ratio", self.conf_level, ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one term.

        Parameters
        ----------
        term : str
            Term as written, or ``term[level]``.

        Returns
        -------
        str
            For example ``odds ratio 2.27 (95% CI 1.59–3.26; P<0.001)``.
        """
        return ratio_text(self._ratios(), term, "odds ratio", self.conf_level)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        facts = (
            ("method", f"logistic regression, {self.how}"),
            ("patients", f"{self.n}, with {self.outcome} {self.n_event}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        groups = ", ".join(self.strata) or self.cluster
        return Summary(
            f"Odds ratio of {self.formula}{_WITHIN.get(self.method, '').format(groups)}",
            facts,
            estimate_table(self._ratios(), "odds ratio", self.conf_level),
        )

    def _ratios(self) -> pd.DataFrame:
        """Return exponentiated rows without the intercept."""
        frame = self.tidy(exponentiate=True)
        return frame[frame["term"] != "Intercept"].reset_index(drop=True)

    def _limits_at(self, conf_level: float | None) -> tuple[FloatArray, FloatArray]:
        if conf_level is None or conf_level == self.conf_level:
            return self.conf_low, self.conf_high
        if self.limits != "wald":
            raise EstimationError(
                f"{self.limits.replace('_', '-')} limits exist at the level of the fit only",
                evidence=f"fitted with conf_level={self.conf_level:g}",
                remedy=f"co.odds_ratio(..., conf_level={conf_level:g})",
            )
        half = t_quantile(1 - (1 - check_conf_level(conf_level)) / 2, self.df) * self.std_error
        return self.estimate - half, self.estimate + half
