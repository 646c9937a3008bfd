"""What a parametric survival model returns: ratios on the scales it has, curves, quantiles, and how it prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cohort.errors import CompetingRiskError, EstimationError
from cohort.estimators.survival_families import FAMILIES, Distribution
from cohort.format import fixed
from cohort.models.curves import check_times
from cohort.models.parametric_estimation import ParametricEstimate
from cohort.models.parametric_predictions import new_design, quantile_rows, survival_rows
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
Scale = Literal["time_ratio", "hazard_ratio", "odds_ratio"]
_SCALES: dict[str, tuple[Scale, ...]] = {
    "weibull": ("time_ratio", "hazard_ratio"),
    "exponential": ("time_ratio", "hazard_ratio"),
    "lognormal": ("time_ratio",),
    "loglogistic": ("time_ratio", "odds_ratio"),
    "gompertz": ("hazard_ratio",),
    "gengamma": ("time_ratio",),
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParametricSurvival:
    """A parametric survival model.

    Attributes
    ----------
    outcome : str
        The event.
    formula : str
        The covariates, as written; empty for none.
    distribution : str
        The distribution.
    estimate : ParametricEstimate
        The fit.
    n_event : int
        Events.
    competing : bool
        Whether other events compete, so that hazards are cause-specific.
    conf_level : float
        Confidence level.
    unit : str
        Unit of time.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    outcome: str
    formula: str
    distribution: Distribution
    estimate: ParametricEstimate
    n_event: int
    competing: bool
    conf_level: float
    unit: str
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    @property
    def measure(self) -> str:
        """Scale of :meth:`tidy`: ``time ratio``, or ``hazard ratio`` where time is not accelerated (Gompertz)."""
        return self._words(_SCALES[self.distribution][0])

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per parameter: intercept, covariates, and what shapes the distribution.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Whether estimates and limits are ratios (and ``log(scale)`` the scale); standard errors stay as they are,
            and so does a ``rate`` or ``shape``, which is no logarithm.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error, statistic`` (z), ``p_value, conf_low, conf_high``. A coefficient of the
            accelerated models is a log time ratio: above 0 the event comes later.
        """
        own = self.estimate
        b, V = own.fit.coefficients, own.fit.covariance
        return self._rows(own.terms, own.levels, b, V, conf_level, exponentiate)

    def ratios(self, scale: Scale | None = None, conf_level: float | None = None) -> pd.DataFrame:
        """Return the covariates' ratios on one of the scales the distribution has.

        Parameters
        ----------
        scale : {'time_ratio', 'hazard_ratio', 'odds_ratio'}, optional
            Time ratios for all but Gompertz; hazard ratios for Weibull, exponential, Gompertz; odds ratios (of having
            had the event by any time) for log-logistic. The first it has by default.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            As :meth:`tidy`, covariates only, exponentiated; limits by the delta method on the log scale.

        Raises
        ------
        EstimationError
            When the distribution has no such ratio: under it the ratio changes with time.
        """
        scales = _SCALES[self.distribution]
        chosen = scales[0] if scale is None else scale
        if chosen not in scales:
            raise EstimationError(
                f"a {self.distribution} model has no {chosen}: it changes with time",
                evidence=f"it has {', '.join(scales)}",
                remedy=f'write scale="{scales[0]}", or choose a distribution that has it',
            )
        own, p = self.estimate, len(self.estimate.terms) - 1 - len(FAMILIES[self.distribution].parameters)
        b, V = own.fit.coefficients, own.fit.covariance
        J = np.zeros((p, len(b)))
        J[:, 1 : 1 + p] = np.eye(p)
        estimate = b[1 : 1 + p]
        if chosen != scales[0]:
            # log hazard (odds) ratio = -beta / sigma
            sigma = np.exp(b[-1]) if FAMILIES[self.distribution].parameters else 1.0
            J /= -sigma
            estimate = -estimate / sigma
            if FAMILIES[self.distribution].parameters:
                J[:, -1] = -estimate
        terms, levels = own.terms[1 : 1 + p], own.levels[1 : 1 + p]
        return self._rows(terms, levels, estimate, J @ V @ J.T, conf_level, True)

    def compare(self) -> pd.DataFrame:
        """Compare the distributions on the same patients and covariates.

        Returns
        -------
        DataFrame
            ``distribution, log_likelihood, df`` (parameters), ``aic``, ``reason`` (why one could not be fitted); the
            lowest criterion first. A difference below 2 says little.
        """
        frame = pd.DataFrame(
            list(self.estimate.comparison), columns=["distribution", "log_likelihood", "df", "reason"]
        )
        frame.insert(3, "aic", 2 * frame["df"] - 2 * frame["log_likelihood"])
        return frame.sort_values("aic", ignore_index=True)

    def survival_at(
        self, times: ArrayLike, data: pd.DataFrame | None = None, conf_level: float | None = None
    ) -> pd.DataFrame:
        """Return the probability of no event by given times for given patients.

        Parameters
        ----------
        times : array-like
            Times since the origin; sorted in the answer.
        data : DataFrame, optional
            Patients with the columns of the formula; not needed without covariates.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata`` (label of the patient), ``time, estimate, std_error, conf_low, conf_high, reason``; limits by the
            delta method, symmetric on the scale log(-log S).

        Raises
        ------
        CompetingRiskError
            When other events compete: survival from one cause alone is not a probability of patients.
        """
        self._refuse_competing()
        wanted = check_times(times)
        labels, X = new_design(self.estimate.coding, data)
        return survival_rows(self.estimate.fit, labels, X, wanted, self._level(conf_level))

    def quantile(
        self, p: float = 0.5, data: pd.DataFrame | None = None, conf_level: float | None = None
    ) -> pd.DataFrame:
        """Return the time by which a share of patients like the given ones has had the event.

        Parameters
        ----------
        p : float, default=0.5
            Share with the event; 0.5 for the median.
        data : DataFrame, optional
            Patients with the columns of the formula; not needed without covariates.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata, term`` (the share), ``estimate, std_error`` (of the log time), ``conf_low, conf_high, reason``.
        """
        self._refuse_competing()
        if not 0 < p < 1:
            raise EstimationError("p is no share", evidence=f"p={p!r}", remedy="write quantile(0.5)")
        labels, X = new_design(self.estimate.coding, data)
        return quantile_rows(self.estimate.fit, labels, X, p, self._level(conf_level))

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole model.

        Returns
        -------
        DataFrame
            Counts, log-likelihoods, Akaike's criterion, the test of all covariates (likelihood ratio, or Wald's with
            robust standard errors), distribution.
        """
        own = self.estimate
        df = len(own.terms) - 1 - len(FAMILIES[self.distribution].parameters)
        statistic = 2 * (own.fit.log_likelihood - own.log_likelihood_null)
        if own.robust and df:
            b = own.fit.coefficients[1 : 1 + df]
            statistic = float(b @ np.linalg.solve(own.fit.covariance[1 : 1 + df, 1 : 1 + df], b))
        return pd.DataFrame(
            {
                "n": [own.n],
                "n_event": [self.n_event],
                "n_missing": [own.n_missing],
                "log_likelihood": [own.fit.log_likelihood],
                "log_likelihood_null": [own.log_likelihood_null],
                "aic": [2 * len(own.terms) - 2 * own.fit.log_likelihood],
                "statistic": [statistic if df else np.nan],
                "df": [df],
                "p_value": [stats.chi2.sf(statistic, df) if df else np.nan],
                "method": [f"{self.distribution} model, maximum likelihood"],
                "iterations": [own.fit.iterations],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the covariates' ratios as a forest plot; without covariates the curve of survival.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        if self.formula:
            return draw_ratios(self.ratios(), self.estimate.references, self.measure, self.conf_level, ax)
        from cohort.plots.smooth_survival import plot_smooth_survival

        last = float(self.quantile(0.9)["estimate"].iloc[0])
        return plot_smooth_survival(self.survival_at(np.linspace(0, last, 201)), ax=ax, unit=self.unit)

    def text(self, term: str) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str
            Term, or ``term[level]`` when it has several levels; without covariates ``median``.

        Returns
        -------
        str
            For example ``time ratio 1.52 (95% CI 1.10–2.09; P=0.01)``.
        """
        if term == "median" and not self.formula:
            row = self.quantile().iloc[0]
            low, high = (fixed(float(row[name]), 1) for name in ("conf_low", "conf_high"))
            level = f"{100 * self.conf_level:g}% CI"
            return f"median {fixed(float(row['estimate']), 1)} {self.unit} ({level} {low} to {high})"
        return ratio_text(self.ratios(), term, self.measure, self.conf_level)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        own, scales = self.estimate, _SCALES[self.distribution]
        words = self.outcome.replace("_", " ")
        best = self.compare().iloc[0]
        fit = f"log-likelihood {fixed(own.fit.log_likelihood, 1)}, AIC {fixed(float(self.glance()['aic'].iloc[0]), 1)}"
        lowest = (
            ""
            if best["distribution"] == self.distribution
            else (f" (lowest: {best['distribution']} {fixed(float(best['aic']), 1)})")
        )
        further = ", ".join(
            f"{name} {fixed(value, 3)}"
            for name, value in zip(own.terms, own.fit.coefficients, strict=True)
            if name == "Intercept" or name in FAMILIES[self.distribution].parameters
        )
        table = pd.DataFrame()
        if self.formula:
            table = estimate_table(self.ratios(), self._words(scales[0]), self.conf_level)
            if len(scales) > 1:
                other = estimate_table(self.ratios(scales[1]), self._words(scales[1]), self.conf_level)
                other = other.iloc[:, 1:3].rename(columns={other.columns[2]: f"{other.columns[2]} "})
                table = pd.concat([table.iloc[:, :3], other, table.iloc[:, 3:]], axis=1)
        else:
            table = self._median_table()
        return Summary(
            sentence=f"{self.measure.capitalize()}s of {words}, for {self.formula}"
            if self.formula
            else f"Time to {words}, without covariates",
            facts=(
                ("method", f"{self.distribution} model, maximum likelihood; {fit}{lowest}"),
                ("variance", own.robust),
                ("parameters", further),
                ("patients", f"{own.n}, {self.n_event} events"),
                ("left out", left_out_text(own.left_out)),
                ("notes", "; ".join(self.notes)),
            ),
            table=table,
        )

    def _median_table(self) -> pd.DataFrame:
        if self.competing:
            return pd.DataFrame()
        row = self.quantile().iloc[0]
        low, high = (fixed(float(row[name]), 1) for name in ("conf_low", "conf_high"))
        return pd.DataFrame(
            {
                "": [f"median ({self.unit})"],
                "estimate": [fixed(float(row["estimate"]), 1)],
                f"{100 * self.conf_level:g}% CI": [f"{low} to {high}"],
            }
        )

    def _rows(
        self,
        terms: tuple[str, ...],
        levels: tuple[str, ...],
        b: FloatArray,
        V: FloatArray,
        conf_level: float | None,
        exponentiate: bool,
    ) -> pd.DataFrame:
        se = np.sqrt(np.diag(V))
        low, high, statistic, p = wald(b, se, self._level(conf_level))
        out = tidy_regression(terms, levels, b, se, low, high, p, statistic, exponentiate=exponentiate)
        plain = np.isin(terms, ["rate", "shape"]) & exponentiate
        out.loc[plain, ["estimate", "conf_low", "conf_high"]] = np.column_stack([b, low, high])[plain]
        return out

    def _words(self, scale: Scale) -> str:
        prefix = "cause-specific " if self.competing and scale == "hazard_ratio" else ""
        return prefix + scale.replace("_", " ")

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)

    def _refuse_competing(self) -> None:
        if self.competing:
            raise CompetingRiskError(
                f"survival from {self.outcome} alone is no probability of patients, because other events compete",
                remedy="co.cumulative_incidence(endpoint), or a model of the event-free survival",
            )
