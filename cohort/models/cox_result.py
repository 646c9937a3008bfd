"""The result of a Cox regression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import Ties
from cohort.estimators.cox_regression import CoxFit
from cohort.estimators.kaplan_meier import ConfType
from cohort.estimators.proportional_hazards import Transform
from cohort.format import fixed
from cohort.models.cox_arrays import CoxRecipe
from cohort.models.cox_diagnostics import (
    Residual,
    draw_proportional_hazards,
    proportional_hazards_frame,
    residual_frame,
)
from cohort.models.cox_inputs import baseline_rows
from cohort.models.effect_over_time import draw_effect, effect_rows, effect_tests
from cohort.models.new_rows import Coding
from cohort.models.predicted import (
    Prediction,
    check_level,
    predict_risk,
    predict_survival,
    unknown_kind,
)
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text
from cohort.models.time_effects import TimeEffect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
Limits = Literal["wald", "profile"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CoxRegression:
    """Hazard ratios of one event, from one Cox model.

    Attributes
    ----------
    outcome : str
        The event.
    recipe : CoxRecipe
        The model in names of columns.
    measure : str
        ``hazard ratio``, or ``cause-specific hazard ratio`` when other events compete.
    terms, levels : tuple of str
        Term as written, and category, of each coefficient.
    references : Mapping of str to str
        Reference category of each categorical term.
    coding : Coding
        How covariates are coded, for new patients.
    fit : CoxFit
        Estimates, variances and tests.
    strata : tuple of str
        Labels of the strata, empty without strata.
    n, n_rows, n_missing : int
        Patients used, their rows, and rows left out because a value is missing.
    ties, penalty, limits : str
        Approximation for ties, penalty (empty for none), and how limits are computed.
    robust : str
        What the standard errors account for, empty when model-based.
    conf_level : float
        Confidence level.
    unit : str
        Unit of time.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    time_effects : tuple of TimeEffect
        Terms whose coefficients change with time.
    """

    outcome: str
    recipe: CoxRecipe
    measure: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
    coding: Coding
    fit: CoxFit
    strata: tuple[str, ...]
    n: int
    n_rows: int
    n_missing: int
    ties: Ties
    penalty: str
    limits: Limits
    robust: str
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]
    time_effects: tuple[TimeEffect, ...] = ()

    @property
    def formula(self) -> str:
        """The covariates, as written."""
        return self.recipe.formula

    @property
    def n_event(self) -> int:
        """Number of events."""
        return self.fit.n_event

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default. Profile limits have the level they were fitted with.
        exponentiate : bool, default=False
            Whether estimates and limits are hazard ratios instead of their logarithms. The standard error is
            that of the logarithm either way.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error, statistic, p_value, conf_low, conf_high``. The statistic is z, or
            with profile limits the penalized likelihood-ratio chi-squared with one degree of freedom.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        b, se = self.fit.coefficients, np.sqrt(np.diag(self.fit.covariance))
        low, high, statistic, p = wald(b, se, level)
        profile = self.fit.profile
        if self.limits == "profile" and profile is not None:
            if level != profile.conf_level:
                raise EstimationError(
                    "profile limits have one confidence level, because a result does not keep the patients",
                    evidence=f"fitted with conf_level={profile.conf_level:g}",
                    remedy=f"fit again with conf_level={level:g}",
                )
            low, high, statistic, p = profile.conf_low, profile.conf_high, profile.statistic, profile.p_value
        return tidy_regression(
            self.terms, self.levels, b, se, low, high, p, statistic, exponentiate=exponentiate
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole model.

        Returns
        -------
        DataFrame
            Counts, log-likelihoods (penalized when ``penalty`` says so), Akaike's criterion (missing with a
            penalty), Harrell's concordance, and the global test: likelihood ratio, or Wald's with robust standard
            errors.
        """
        fit = self.fit
        test = self.global_tests().iloc[1 if self.robust else 0]
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [fit.n_event],
                "n_missing": [self.n_missing],
                "n_cluster": pd.array([fit.n_cluster], dtype="Int64"),
                "log_likelihood": [fit.log_likelihood],
                "log_likelihood_null": [fit.log_likelihood_null],
                "aic": [np.nan if self.penalty else 2 * len(self.terms) - 2 * fit.log_likelihood],
                "concordance": [fit.concordance.estimate],
                "concordance_std_error": [fit.concordance.std_error],
                "statistic": [test["statistic"]],
                "df": [test["df"]],
                "p_value": [test["p_value"]],
                "method": [test["method"]],
                "ties": [self.ties],
                "penalty": [self.penalty],
                "iterations": [fit.iterations],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def global_tests(self) -> pd.DataFrame:
        """Return the likelihood-ratio, Wald and score tests that all coefficients are zero.

        Returns
        -------
        DataFrame
            ``method, statistic, df, p_value``; Wald's uses the reported (robust) variance.
        """
        fit, df = self.fit, len(self.terms)
        statistic = np.array(
            [2 * (fit.log_likelihood - fit.log_likelihood_null), fit.wald_test, fit.score_test]
        )
        return pd.DataFrame(
            {
                "method": ["likelihood_ratio", "wald", "score"],
                "statistic": statistic,
                "df": [df] * 3,
                "p_value": stats.chi2.sf(statistic, df),
            }
        )

    def check_proportional_hazards(self, transform: Transform = "km") -> pd.DataFrame:
        """Test whether the log hazard ratios change with time (Grambsch and Therneau).

        Parameters
        ----------
        transform : {'km', 'identity', 'rank', 'log'}, default='km'
            Function of time; ``km`` is one minus the Kaplan-Meier estimate just before the time.

        Returns
        -------
        DataFrame
            ``term, statistic, df, p_value`` by term as written, then the row ``GLOBAL``.

        Raises
        ------
        EstimationError
            For an unknown transformation, or with a penalty.
        """
        return proportional_hazards_frame(self, transform)

    def plot_proportional_hazards(
        self,
        endpoint: Endpoint,
        term: str | None = None,
        data: pd.DataFrame | None = None,
        *,
        transform: Transform = "km",
        ax: Axes | None = None,
    ) -> Axes:
        """Draw how a log hazard ratio moves with time: scaled Schoenfeld residuals and their smooth.

        Parameters
        ----------
        endpoint : Endpoint
            The endpoint the fit was made from; a result keeps no patients.
        term : str, optional
            Term, or ``term[level]``; needed when there are several coefficients.
        data : DataFrame, optional
            The ``data`` the fit was made from.
        transform : {'km', 'identity', 'rank', 'log'}, default='km'
            Function of time by which the axis is spaced.
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on; a level curve means proportional hazards.
        """
        return draw_proportional_hazards(self, endpoint, term, data, transform, ax)

    def time_effect(
        self,
        times: ArrayLike | None = None,
        term: str | None = None,
        conf_level: float | None = None,
        exponentiate: bool = False,
    ) -> pd.DataFrame:
        """Return the hazard ratio, at given times, of terms whose coefficients change with time.

        Parameters
        ----------
        times : array-like, optional
            Times since the origin. By default the intervals of a piecewise effect, and for a smooth one the
            times by which 10, 25, 50, 75 and 90 % of the events had happened.
        term : str, optional
            Term; by default all that change.
        conf_level : float, optional
            Confidence level of the pointwise limits; that of the result by default.
        exponentiate : bool, default=False
            Whether estimates and limits are hazard ratios instead of their logarithms.

        Returns
        -------
        DataFrame
            ``term, level, time, estimate, std_error, statistic, p_value, conf_low, conf_high``; for intervals
            also ``time_low``, and ``time`` is their end (of the last, the last event).

        Raises
        ------
        EstimationError
            When the model has no such term.
        """
        return effect_rows(self, times, term, conf_level, exponentiate)

    def time_effect_tests(self) -> pd.DataFrame:
        """Test that the coefficients of terms with time effects do not change (Wald).

        Returns
        -------
        DataFrame
            ``term, statistic, df, p_value``, with the reported (robust) variance.
        """
        return effect_tests(self)

    def plot_time_effect(self, term: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the hazard ratio of a term over time, with its pointwise band.

        Parameters
        ----------
        term : str, optional
            Term; needed when several change with time.
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on; a level curve means proportional hazards.
        """
        return draw_effect(self, term, ax)

    def residuals(
        self, endpoint: Endpoint, kind: Residual = "martingale", data: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Compute residuals of every row used, from the endpoint the fit was made from.

        A result keeps no patients, so they are taken again, and refused when they are not those of the fit.

        Parameters
        ----------
        endpoint : Endpoint
            The endpoint the fit was made from.
        kind : str, default='martingale'
            ``martingale`` (events minus expected), ``deviance``, ``score``, ``dfbeta`` (about how far a
            coefficient would move without the row), ``schoenfeld`` or ``scaled_schoenfeld`` (of events only).
        data : DataFrame, optional
            The ``data`` the fit was made from.

        Returns
        -------
        DataFrame
            One row per row used, by its index label (a patient with several rows has several: sum them by label);
            Schoenfeld residuals one row per event, with ``time``. A row of weight zero is missing. ``dfbeta`` is
            multiplied by the weight, ``score`` and ``schoenfeld`` are not, as R ``residuals.coxph``.

        Raises
        ------
        EstimationError
            For an unknown kind, or when these are not the patients of the fit.
        """
        return residual_frame(self, endpoint, kind, data)

    def baseline_hazard(self, centered: bool = False) -> pd.DataFrame:
        """Return the cumulative hazard of a patient whose covariates are all zero or at their reference.

        Parameters
        ----------
        centered : bool, default=False
            Whether the covariates (the columns of categories too) are at their means, ``fit.baseline.center``,
            and an offset at its mean, instead of zero.

        Returns
        -------
        DataFrame
            ``strata, time, n_risk, n_event, estimate`` at each event time; Breslow's estimate, or Efron's with
            Efron's approximation.
        """
        return baseline_rows(self.fit.baseline, self.strata, centered)

    def predict(
        self,
        new_data: pd.DataFrame,
        times: ArrayLike | None = None,
        *,
        kind: Prediction = "survival",
        reference: Mapping[str, object] | None = None,
        conf_type: ConfType = "log-log",
        conf_level: float | None = None,
        acknowledge: str | Iterable[str] = (),
    ) -> pd.DataFrame:
        """Predict curves, or risks relative to one patient, for given covariates.

        Parameters
        ----------
        new_data : DataFrame
            One row per patient, with the columns of the formula, the strata and the offset.
        times : array-like, optional
            Times of the curves, in the unit of the endpoint; by default every event time (of the stratum).
        kind : {'survival', 'cumulative_hazard', 'linear_predictor', 'relative_risk'}, default='survival'
            What to predict. The last two need no times, and compare within a stratum.
        reference : mapping, optional
            Covariates of the patient that linear predictors and relative risks compare with; by default all
            are zero or at their reference category.
        conf_type : {'log-log', 'log', 'plain'}, default='log-log'
            Scale of the limits of survival. Those of a cumulative hazard are minus the logarithm of these; those
            of a relative risk are symmetric on the log scale.
        conf_level : float, optional
            Confidence level; that of the result by default.
        acknowledge : str or iterable of str, default=()
            ``immortal_time`` holds a time-dependent covariate at one value; ``competing_risk`` gives
            exp(-cumulative hazard) although other events compete.

        Returns
        -------
        DataFrame
            ``strata`` (index label of the new row), ``outcome, time, estimate, std_error, conf_low, conf_high,
            reason``, without ``time`` for relative risks. Standard errors are on the scale of the estimate, but of
            relative risks on the log scale.

        Raises
        ------
        EstimationError
            When a column is missing, or has a category or stratum the fit does not have.
        ImmortalTimeError, CompetingRiskError
            Unless acknowledged.
        """
        level = check_level(conf_level, self.conf_level)
        if self.time_effects:
            raise EstimationError(
                "a prediction would hold coefficients at one time, though they change with it",
                evidence=f"terms with time effects: {', '.join(effect.term for effect in self.time_effects)}",
                remedy="use time_effect(times) for hazard ratios at given times",
            )
        if kind in ("linear_predictor", "relative_risk"):
            return predict_risk(self, new_data, reference, level, kind == "relative_risk")
        if kind not in ("survival", "cumulative_hazard"):
            raise unknown_kind(kind, ("survival", "cumulative_hazard", "linear_predictor", "relative_risk"))
        return predict_survival(self, new_data, times, kind, conf_type, level, acknowledge)

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
        split = bool(self.time_effects)
        rows = f" in {self.n_rows} rows" if self.n_rows != self.n and not split else ""
        method = [f"Cox partial likelihood, {self.ties.capitalize()} ties"]
        method += [f"{self.penalty.capitalize()} penalty, {self.limits} limits"] if self.penalty else []
        method += [self.robust] if self.robust else []
        method += [f"{len(self.strata)} strata"] if self.strata else []
        changing = ", ".join(f"{effect.term} ({effect.kind})" for effect in self.time_effects)
        agreement = f"{fixed(fit.concordance.estimate, 3)} (SE {fixed(fit.concordance.std_error, 3)})"
        return Summary(
            sentence=f"{self.measure.capitalize()}s of {self.outcome.replace('_', ' ')}, for {self.formula}",
            facts=(
                ("method", ", ".join(method)),
                ("patients", f"{self.n}{rows}, {fit.n_event} events; concordance {agreement}"),
                ("changing with time", changing),
                ("left out", left_out_text(self.left_out)),
                ("notes", "; ".join(self.notes)),
            ),
            table=estimate_table(self.tidy(exponentiate=True), self.measure, self.conf_level),
        )
