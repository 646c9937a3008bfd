"""What an ordinal regression returns: odds ratios of a higher grade, thresholds, tests and probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.proportional_odds import ProportionalityTest
from cohort.models.new_rows import Coding, new_matrix
from cohort.models.ordinal_estimation import Method
from cohort.models.ordinal_inference import category_probabilities
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
Limits = Literal["wald", "profile"]
METHODS = {"proportional_odds": "proportional odds", "continuation_ratio": "continuation ratio"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ordinal:
    """Odds ratios of a higher grade.

    Attributes
    ----------
    formula : str
        As written.
    outcome : str
        The grade.
    measure : str
        What an exponentiated coefficient is.
    method : {'proportional_odds', 'continuation_ratio'}
        Model.
    penalty : str
        ``firth`` or empty.
    limits : {'wald', 'profile'}
        Kind of confidence limits.
    grades : tuple of str
        Categories of the scale, from best to worst.
    thresholds : tuple of str
        Names of the thresholds, the last terms of the table.
    terms, levels : tuple of str
        Term as written, and category, of each coefficient; a coefficient of one threshold is ``term (1|2)``.
    nonproportional : tuple of str
        Terms whose coefficients differ by threshold.
    varying : tuple of int
        Their columns in the design.
    estimate : array of shape (p,)
        Log odds ratios of a higher grade, then thresholds: log odds of a grade at or below it when all
        covariates are zero or at their reference.
    covariance : array of shape (p, p)
        Covariance, robust when ``robust`` says so.
    conf_low, conf_high, statistic, p_value : array of shape (p,)
        Inference at ``conf_level``, on the log scale; z under Wald limits, and the likelihood-ratio chi-squared
        (1 df) under profile limits. Thresholds are not tested.
    conf_level : float
        Confidence level.
    n, n_between, n_unknown, n_cluster : int
        Patients; those whose grade is known only between bounds; those of whom every grade is possible, who are
        counted and contribute nothing; clusters (0 without).
    robust : str
        What the standard errors account for, empty when model-based.
    log_likelihood, log_likelihood_null : float
        Maximized (penalized under Firth) log-likelihoods of the model and of the thresholds alone.
    statistic_global, p_value_global : float
        Test that all coefficients are zero: likelihood ratio, or Wald's when the variance is robust.
    concordance : float
        Of pairs of which one is certainly worse, the share whose worse patient has the higher linear predictor;
        NaN when coefficients differ by threshold.
    iterations : int
        Newton steps.
    references : Mapping of str to str
        Reference category of each categorical term.
    tests : Mapping of str to ProportionalityTest
        Tests of proportional odds by name, for ``check_proportional_odds``.
    test_terms : Mapping of str to tuple of str
        Terms of each test.
    coding : Coding
        How covariates are coded, for ``predict``.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    formula: str
    outcome: str
    measure: str
    method: Method
    penalty: str
    limits: Limits
    grades: tuple[str, ...]
    thresholds: tuple[str, ...]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    nonproportional: tuple[str, ...]
    varying: tuple[int, ...]
    estimate: FloatArray
    covariance: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    conf_level: float
    n: int
    n_between: int
    n_unknown: int
    n_cluster: int
    robust: str
    log_likelihood: float
    log_likelihood_null: float
    statistic_global: float
    p_value_global: float
    concordance: float
    iterations: int
    references: Mapping[str, str]
    tests: Mapping[str, ProportionalityTest]
    test_terms: Mapping[str, tuple[str, ...]]
    coding: Coding
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    @property
    def std_error(self) -> FloatArray:
        """Standard errors on the log scale, shape (p,).

        Returns
        -------
        array of shape (p,)
            Square roots of the diagonal of the covariance.
        """
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient, then one per threshold.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; profile limits exist at the level of the fit only.
        exponentiate : bool, default=False
            Whether estimates and limits are odds ratios (of thresholds: odds) instead of their logarithms.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error`` (log scale), ``statistic, p_value, conf_low, conf_high``.
        """
        low, high = self.conf_low, self.conf_high
        if conf_level is not None and conf_level != self.conf_level:
            if self.limits == "profile":
                raise EstimationError(
                    "profile limits exist at the level of the fit only",
                    evidence=f"fitted with conf_level={self.conf_level:g}",
                    remedy=f"co.ordinal(..., conf_level={conf_level:g})",
                )
            low, high = wald(self.estimate, self.std_error, check_conf_level(conf_level))[:2]
        return tidy_regression(
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

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole fit.

        Returns
        -------
        DataFrame
            Counts, log-likelihoods, the global test, concordance, method and penalty. Under Firth the
            log-likelihoods are penalized and AIC is missing.
        """
        n_parameter = len(self.estimate)
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster],
                "log_likelihood": [self.log_likelihood],
                "log_likelihood_null": [self.log_likelihood_null],
                "aic": [np.nan if self.penalty else 2 * n_parameter - 2 * self.log_likelihood],
                "concordance": [self.concordance],
                "df": [n_parameter - len(self.thresholds)],
                "statistic": [self.statistic_global],
                "p_value": [self.p_value_global],
                "penalty": [self.penalty],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "iterations": [self.iterations],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def check_proportional_odds(self, test: str | None = None) -> pd.DataFrame:
        """Test whether a term has the same odds ratio at every threshold.

        Parameters
        ----------
        test : {'brant', 'score', 'likelihood_ratio', 'wald'}, optional
            ``brant`` for exact grades without weights, ``score`` (model-based) also for bounds; after
            ``nonproportional=``, ``likelihood_ratio`` against proportional odds and ``wald`` by term. By default
            the first that the fit has.

        Returns
        -------
        DataFrame
            ``term, statistic, df, p_value, reason`` by term as written, then the row ``GLOBAL``.

        Raises
        ------
        EstimationError
            For a test that the fit does not have.
        """
        name = next(iter(self.tests), "") if test is None else test
        if name not in self.tests:
            raise EstimationError(
                f"the fit has no test of proportional odds{f' called {test}' if test else ''}",
                evidence=f"tests: {', '.join(self.tests) or 'none'}; {self._method()}, {len(self.grades)} grades",
                remedy="brant: exact grades, no weights; score: proportional odds without penalty; "
                'likelihood_ratio: co.ordinal(..., nonproportional="term") without robust variance',
            )
        found = self.tests[name]
        return pd.DataFrame(
            {
                "term": [*self.test_terms[name], "GLOBAL"],
                "statistic": found.statistic,
                "df": found.df,
                "p_value": found.p_value,
                "reason": found.reason,
            }
        )

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the fitted probability of every grade.

        Parameters
        ----------
        frame : DataFrame
            Patients with the columns of the formula; their outcomes are not needed.

        Returns
        -------
        DataFrame
            One column per grade, index as ``frame``; rows sum to 1, and are missing where a covariate is.

        Raises
        ------
        EstimationError
            For an unknown category, or coefficients by threshold that give a patient a negative probability.
        """
        X, complete = new_matrix(self.coding, frame)
        out = np.full((len(frame), len(self.grades)), np.nan)
        K = len(self.thresholds)
        out[complete] = category_probabilities(X, self.estimate, K, self.varying, self.method)
        if (out < 0).any():
            raise EstimationError(
                "coefficients that differ by threshold give some patients a negative probability of a grade",
                evidence=f"{int((out < 0).any(axis=1).sum())} of {len(frame)} patients",
                remedy="predict within the range of the covariates, or fit with fewer nonproportional terms",
            )
        return pd.DataFrame(out, index=frame.index, columns=list(self.grades))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the odds ratios of a higher grade as a forest plot.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        return draw_ratios(self._ratios(), self.references, self.measure, self.conf_level, ax)

    def plot_probabilities(self, frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
        """Draw the fitted probabilities of the grades as stacked bars, one per row of ``frame``.

        Parameters
        ----------
        frame : DataFrame
            Patients to compare, few; the index labels the bars.
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes; widths of the pieces are the probabilities.
        """
        from cohort.plots.grade_bars import plot_grade_bars

        long = self.predict(frame).rename_axis(index="group").reset_index()
        long = long.melt("group", var_name="grade", value_name="n").assign(
            group=lambda d: d["group"].astype(str), n=lambda d: 100 * d["n"]
        )
        title = self.outcome.replace("_", " ")
        title = title[0].upper() + title[1:].replace("icans", "ICANS")
        return plot_grade_bars(
            long, ax=ax, title=title.replace("Icans", "ICANS"), xlabel="Fitted probability (%)", totals=False
        )

    def text(self, term: str) -> str:
        """Return the sentence fragment of one term.

        Parameters
        ----------
        term : str
            Term as written, or ``term[level]``.

        Returns
        -------
        str
            For example ``odds ratio of a higher grade 2.27 (95% CI 1.59–3.26; P<0.001)``.
        """
        return ratio_text(self._ratios(), term, self.measure, self.conf_level)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        bounds = f"; {self.n_between} with a grade known between bounds" if self.n_between else ""
        nothing = (
            f", {self.n_unknown} of them of any grade (counted, contribute nothing)" if self.n_unknown else ""
        )
        facts = (
            ("method", ", ".join(part for part in (self._method(), self.robust) if part)),
            ("patients", f"{self.n}, grades {', '.join(self.grades)}{bounds}{nothing}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        return Summary(
            f"{self.measure[0].upper()}{self.measure[1:]}: {self.outcome} by {self.coding.right}",
            facts,
            estimate_table(self._ratios(), "odds ratio", self.conf_level),
        )

    def _method(self) -> str:
        kind = METHODS[self.method]
        if self.nonproportional:
            kind = f"partial proportional odds ({', '.join(self.nonproportional)} by threshold)"
        how = "Firth's penalty (Jeffreys' prior)" if self.penalty else "maximum likelihood"
        return f"{kind}, {how}, {self.limits} limits"

    def _ratios(self) -> pd.DataFrame:
        """Return exponentiated rows without the thresholds."""
        return self.tidy(exponentiate=True).iloc[: len(self.estimate) - len(self.thresholds)]
