"""The result of a Fine-Gray model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from cohort.estimators.cox_problem import Ties
from cohort.estimators.subdistribution import FineGrayFit
from cohort.models.cox_arrays import CoxRecipe
from cohort.models.cox_inputs import baseline_rows
from cohort.models.new_rows import Coding
from cohort.models.predicted import (
    IncidencePrediction,
    check_level,
    predict_incidence,
    predict_risk,
    unknown_kind,
)
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURE = "subdistribution hazard ratio"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FineGray:
    """Subdistribution hazard ratios of one event, in the presence of others.

    Attributes
    ----------
    outcome : str
        The event.
    recipe : CoxRecipe
        The model in names of columns.
    terms, levels : tuple of str
        Term as written, and category, of each coefficient.
    references : Mapping of str to str
        Reference category of each categorical term.
    coding : Coding
        How covariates are coded, for new patients.
    fit : FineGrayFit
        Estimates and variance.
    strata, censoring_strata : tuple of str
        Labels of the strata with their own baseline, and of the groups with their own censoring distribution.
    n, n_missing : int
        Patients used, and left out because a value is missing.
    ties : str
        Approximation for ties, and the conventions that go with it.
    robust : str
        What the standard errors account for beyond the estimated weights, empty for nothing.
    conf_level : float
        Confidence level.
    unit : str
        Unit of time.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    outcome: str
    recipe: CoxRecipe
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
    coding: Coding
    fit: FineGrayFit
    strata: tuple[str, ...]
    censoring_strata: tuple[str, ...]
    n: int
    n_missing: int
    ties: Ties
    robust: str
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    @property
    def formula(self) -> str:
        """The covariates, as written."""
        return self.recipe.formula

    @property
    def n_event(self) -> int:
        """Number of events of interest."""
        return self.fit.n_event

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Whether estimates and limits are ratios instead of their logarithms. The standard error is that of
            the logarithm either way.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error, statistic, p_value, conf_low, conf_high``.
        """
        b, se = self.fit.coefficients, np.sqrt(np.diag(self.fit.covariance))
        low, high, z, p = wald(b, se, self.conf_level if conf_level is None else conf_level)
        return tidy_regression(self.terms, self.levels, b, se, low, high, p, z, exponentiate=exponentiate)

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole model.

        Returns
        -------
        DataFrame
            Counts, log pseudo-likelihoods, and the Wald test that all coefficients are zero.
        """
        fit, df = self.fit, len(self.terms)
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [fit.n_event],
                "n_missing": [self.n_missing],
                "n_cluster": pd.array([fit.n_cluster], dtype="Int64"),
                "log_likelihood": [fit.log_likelihood],
                "log_likelihood_null": [fit.log_likelihood_null],
                "statistic": [fit.wald_test],
                "df": [df],
                "p_value": [float(stats.chi2.sf(fit.wald_test, df))],
                "method": ["wald"],
                "ties": [self.ties],
                "iterations": [fit.iterations],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def baseline_hazard(self, centered: bool = False) -> pd.DataFrame:
        """Return the cumulative subdistribution hazard of a patient whose covariates are all zero.

        Parameters
        ----------
        centered : bool, default=False
            Whether the covariates are at their means (``fit.baseline.center``) instead of zero.

        Returns
        -------
        DataFrame
            ``strata, time, n_risk, n_event, estimate`` at each time of the event of interest; at risk are those
            free of any event.
        """
        return baseline_rows(self.fit.baseline, self.strata, centered)

    def predict(
        self,
        new_data: pd.DataFrame,
        times: ArrayLike | None = None,
        *,
        kind: IncidencePrediction = "incidence",
        reference: Mapping[str, object] | None = None,
        conf_level: float | None = None,
    ) -> pd.DataFrame:
        """Predict cumulative incidence, or risks relative to one patient, for given covariates.

        Parameters
        ----------
        new_data : DataFrame
            One row per patient, with the columns of the formula, the strata and the offset.
        times : array-like, optional
            Times of the curves, in the unit of the endpoint; by default every time of the event of interest.
        kind : {'incidence', 'linear_predictor', 'relative_risk'}, default='incidence'
            What to predict. The last two need no times.
        reference : mapping, optional
            Covariates of the patient that linear predictors and relative risks compare with; by default all
            are zero or at their reference category.
        conf_level : float, optional
            Confidence level of linear predictors and relative risks; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata`` (index label of the new row), ``outcome, time, estimate, reason`` as R ``predict.crr``, which
            has no limits either; for limits see ``co.standardized_curves``. Relative risks have ``std_error``
            (log scale), ``conf_low, conf_high`` and no ``time``.

        Raises
        ------
        EstimationError
            When a column is missing, or has a category or stratum the fit does not have.
        """
        level = check_level(conf_level, self.conf_level)
        if kind in ("linear_predictor", "relative_risk"):
            return predict_risk(self, new_data, reference, level, kind == "relative_risk")
        if kind != "incidence":
            raise unknown_kind(kind, ("incidence", "linear_predictor", "relative_risk"))
        return predict_incidence(self, new_data, times)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the subdistribution hazard ratios as a forest plot.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        return draw_ratios(self.tidy(exponentiate=True), self.references, MEASURE, self.conf_level, ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str
            Term, or ``term[level]`` when it has several levels.

        Returns
        -------
        str
            For example ``subdistribution hazard ratio 1.52 (95% CI 1.10–2.09; P=0.01)``.
        """
        return ratio_text(self.tidy(exponentiate=True), term, MEASURE, self.conf_level)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        fit = self.fit
        method = [f"Fine-Gray, {self.ties.capitalize()} ties"]
        method += [f"{len(self.strata)} strata"] if self.strata else []
        method += (
            [f"censoring weights in {len(self.censoring_strata)} groups"] if self.censoring_strata else []
        )
        method += ["variance for estimated censoring weights"] if self.ties == "breslow" else []
        method += ["sandwich variance, weights as known"] if self.ties == "efron" else []
        method += [self.robust] if self.robust else []
        return Summary(
            sentence=f"Subdistribution hazard ratios of {self.outcome.replace('_', ' ')}, for {self.formula}",
            facts=(
                ("method", ", ".join(method)),
                ("patients", f"{self.n}, {fit.n_event} events, {fit.n_competing} competing events"),
                ("left out", left_out_text(self.left_out)),
                ("notes", "; ".join(self.notes)),
            ),
            table=estimate_table(self.tidy(exponentiate=True), MEASURE, self.conf_level),
        )
