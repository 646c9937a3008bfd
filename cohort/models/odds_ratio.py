"""Odds ratios by logistic regression: maximum likelihood, or Firth's penalty against separation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc
from scipy.stats import rankdata

from cohort.errors import EstimationError
from cohort.estimators.logistic import (
    LogisticFit,
    fit_logistic,
    robust_covariance,
    separating_columns,
)
from cohort.estimators.logistic_profile import profile_limits
from cohort.models.design import Design, build_design
from cohort.models.formula import parse_formula
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
Method = Literal["ml", "firth"]
Limits = Literal["wald", "profile"]
EVENTS_PER_PARAMETER = 10
_METHODS = {"ml": "maximum likelihood", "firth": "Firth's penalized likelihood"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OddsRatio:
    """Odds ratios of a logistic regression.

    Attributes
    ----------
    formula : str
        As written.
    outcome : str
        The left side.
    method : {'ml', 'firth'}
        Estimation method.
    limits : {'wald', 'profile'}
        Kind of confidence limits.
    names, terms, levels : tuple of str
        Of each coefficient: formulaic's name, the term as written, the category.
    estimate : array of shape (p,)
        Log odds ratios; the first is the intercept.
    covariance : array of shape (p, p)
        Covariance, cluster-robust when ``n_cluster`` is not 0.
    conf_low, conf_high, statistic, p_value : array of shape (p,)
        Inference at ``conf_level``, on the log scale; the statistic is z under Wald limits and the
        likelihood-ratio chi-squared (1 df) under profile limits.
    conf_level : float
        Confidence level.
    n, n_event, n_cluster : int
        Patients, those with the outcome, and clusters (0 without).
    log_likelihood, log_likelihood_null : float
        Maximized (penalized under Firth) log-likelihoods of the model and of the intercept alone.
    concordance : float
        Share of pairs of patients with and without the outcome that the model orders rightly.
    iterations : int
        Newton steps.
    references : mapping of str to str
        Reference category of each categorical term.
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
    names: tuple[str, ...]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    estimate: FloatArray
    covariance: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    conf_level: float
    n: int
    n_event: int
    n_cluster: int
    log_likelihood: float
    log_likelihood_null: float
    concordance: float
    iterations: int
    references: Mapping[str, str]
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient, the intercept first.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; profile limits exist at the level of the fit only.
        exponentiate : bool, default=False
            Whether estimates and limits are odds ratios instead of their logarithms.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error`` (log scale), ``statistic, p_value, conf_low, conf_high``.
        """
        low, high = self._limits_at(conf_level)
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
            Counts, log-likelihoods, the global likelihood-ratio test, concordance, method and penalty. Under
            Firth log-likelihoods are penalized and AIC is missing.
        """
        df = len(self.estimate) - 1
        statistic = max(2 * (self.log_likelihood - self.log_likelihood_null), 0.0)
        firth = self.method == "firth"
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_event],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster],
                "log_likelihood": [self.log_likelihood],
                "log_likelihood_null": [self.log_likelihood_null],
                "aic": [np.nan if firth else 2 * (df + 1) - 2 * self.log_likelihood],
                "concordance": [self.concordance],
                "df": [df],
                "statistic": [statistic],
                "p_value": [float(chdtrc(df, statistic)) if df else np.nan],
                "penalty": ["firth" if firth else ""],
                "method": [f"logistic regression, {_METHODS[self.method]}, {self.limits} limits"],
                "conf_level": [self.conf_level],
                "iterations": [self.iterations],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

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
        clusters = f", robust to {self.n_cluster} clusters" if self.n_cluster else ""
        facts = (
            ("method", f"logistic regression, {_METHODS[self.method]}, {self.limits} limits{clusters}"),
            ("patients", f"{self.n}, with {self.outcome} {self.n_event}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        return Summary(
            f"Odds ratio of {self.formula}",
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
        if self.limits == "profile":
            raise EstimationError(
                "profile limits exist at the level of the fit only",
                evidence=f"fitted with conf_level={self.conf_level:g}",
                remedy=f"co.odds_ratio(..., conf_level={conf_level:g})",
            )
        return wald(self.estimate, self.std_error, check_conf_level(conf_level))[:2]


def odds_ratio(
    formula: str,
    data: pd.DataFrame,
    method: Method = "ml",
    cluster: str | None = None,
    limits: Limits | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> OddsRatio:
    """Estimate odds ratios of a yes/no outcome by logistic regression.

    Patients with a missing outcome or covariate are left out and counted by reason; of a finding, present is
    compared with absent, and not imaged or indeterminate are left out.

    Parameters
    ----------
    formula : str
        ``outcome ~ covariates``; the outcome is absent/present, no/yes, boolean or 0/1.
    data : DataFrame
        One row per patient.
    method : {'ml', 'firth'}, default='ml'
        ``firth`` for few events or separation: estimates stay finite and less biased.
    cluster : str, optional
        Column of the cluster (center, patient) for a robust variance; with ``ml`` only.
    limits : {'wald', 'profile'}, optional
        Kind of limits; profile (penalized) likelihood for ``firth`` and Wald for ``ml`` by default.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``.

    Returns
    -------
    OddsRatio
        Estimates with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        Under ``ml`` with separation (the message names the column); for an outcome without both values, a
        column that is unknown, constant or collinear, or more parameters than patients.
    IncorporationError
        When a covariate is part of the grade that the outcome measures.

    See Also
    --------
    cohort.models.two_by_two.two_by_two : One exposure, without a model.

    Notes
    -----
    Equals R ``glm``, ``sandwich::vcovCL`` 3.0-2 and ``brglm2`` 0.9 (``type = "AS_mean"``); profile limits
    solve their defining equation (``tests/reference/logistic``). The cluster-robust variance has the factor
    G/(G-1).

    Examples
    --------
    >>> import pandas as pd
    >>> flair = ["no", "no", "no", "yes", "yes", "yes"] * 4
    >>> data = pd.DataFrame({"severe": [0, 0, 1, 0, 1, 1] * 4, "flair": flair})
    >>> odds_ratio("severe ~ flair", data).text("flair[yes]")
    'odds ratio 4.00 (95% CI 0.73–21.8; P=0.11)'
    """
    names = acknowledged_guards(acknowledge)
    kind = _check_arguments(method, limits, cluster)
    parsed = parse_formula(formula)
    facts = resolve_facts([*parsed.columns, parsed.response], None, data)
    notes = check_incorporation(parsed.columns, [parsed.response], facts, names)
    design = build_design(formula, data, extra=() if cluster is None else (cluster,))
    X, y = _check_design(design)
    fit = fit_logistic(X, y, "firth" if method == "firth" else "none")
    _check_fit(fit, X, y, design)
    covariance, n_cluster = fit.covariance, 0
    if cluster is not None:
        covariance, n_cluster = robust_covariance(X, y, fit, pd.factorize(design.extra[cluster])[0])
    low, high, statistic, p = _inference(X, y, fit, covariance, kind, check_conf_level(conf_level))
    return OddsRatio(
        formula=formula,
        outcome=design.response_name,
        method=method,
        limits=kind,
        names=design.names,
        terms=design.terms,
        levels=design.levels,
        estimate=fit.estimate,
        covariance=covariance,
        conf_low=low,
        conf_high=high,
        statistic=statistic,
        p_value=p,
        conf_level=conf_level,
        n=len(y),
        n_event=int(y.sum()),
        n_cluster=n_cluster,
        log_likelihood=fit.log_likelihood,
        log_likelihood_null=_null(X, y, fit).log_likelihood,
        concordance=_concordance(X @ fit.estimate, y),
        iterations=fit.iterations,
        references=design.references,
        left_out=design.left_out,
        notes=(*notes, *_sparse_note(y, X.shape[1] - 1, method)),
        acknowledged=names,
    )


def _check_arguments(method: str, limits: str | None, cluster: str | None) -> Limits:
    """Return the kind of limits, refusing combinations that have no meaning."""
    if method not in _METHODS:
        raise EstimationError(
            f"method {method!r} is not known", evidence="methods: ml, firth", remedy='method="firth"'
        )
    if limits not in (None, "wald", "profile"):
        raise EstimationError(f"limits {limits!r} are not known", evidence="limits: wald, profile")
    if cluster is not None and (method == "firth" or limits == "profile"):
        raise EstimationError(
            "a cluster-robust variance goes with maximum likelihood and Wald limits",
            evidence=f"method={method!r}, limits={limits!r}, cluster={cluster!r}",
            remedy=f'co.odds_ratio(..., method="ml", limits="wald", cluster="{cluster}")',
        )
    if limits == "wald" or (limits is None and method == "ml"):
        return "wald"
    return "profile"


def _check_design(design: Design) -> tuple[FloatArray, FloatArray]:
    y = design.response
    if y is None:
        raise EstimationError("the formula has no outcome", remedy='write "outcome ~ covariates"')
    n_event = int(y.sum())
    if n_event in (0, len(y)):
        raise EstimationError(
            f"{'no patient has' if n_event == 0 else 'every patient has'} {design.response_name}: "
            "there is nothing to compare",
            evidence=f"{n_event} of {len(y)} patients used; left out: {left_out_text(design.left_out)}",
            remedy="check the outcome, and which patients are left out",
        )
    if design.X.shape[1] > len(y):
        raise EstimationError(
            "there are more parameters than patients",
            evidence=f"{design.X.shape[1]} parameters, {len(y)} patients",
            remedy="leave covariates out of the formula",
        )
    return design.X, y


def _check_fit(fit: LogisticFit, X: FloatArray, y: FloatArray, design: Design) -> None:
    """Refuse a fit that separation has driven to infinity, naming the columns."""
    eta = np.abs(X @ fit.estimate)
    if fit.penalty == "firth" and fit.converged:
        return
    if fit.converged and eta.max() < 15:
        return
    columns = separating_columns(X, y).tolist() if fit.penalty == "none" else []
    named = [design.names[j] for j in columns if j > 0] or [design.names[j] for j in columns]
    if named:
        raise EstimationError(
            f"separation: {', '.join(named)} predicts {design.response_name} perfectly in some patients, so "
            "its maximum likelihood odds ratio is zero or infinite",
            evidence=f"{int(y.sum())} of {len(y)} patients with {design.response_name}",
            remedy='co.odds_ratio(..., method="firth")',
        )
    if not fit.converged:
        raise EstimationError(
            "the logistic regression did not converge",
            evidence=f"{fit.iterations} iterations, {X.shape[1]} parameters",
            remedy="center and scale the covariates, or leave some out",
        )


def _inference(
    X: FloatArray, y: FloatArray, fit: LogisticFit, covariance: FloatArray, kind: Limits, conf_level: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    if kind == "wald":
        return wald(fit.estimate, np.sqrt(np.diag(covariance)), conf_level)
    profile = profile_limits(X, y, fit, conf_level)
    return profile.conf_low, profile.conf_high, profile.statistic, profile.p_value


def _null(X: FloatArray, y: FloatArray, fit: LogisticFit) -> LogisticFit:
    """Fit the intercept with all other coefficients held at 0 (same penalty)."""
    free = np.zeros(X.shape[1], dtype=bool)
    free[0] = True
    return fit_logistic(X, y, fit.penalty, None, free)


def _concordance(eta: FloatArray, y: FloatArray) -> float:
    """Return the share of concordant pairs, ties counting half."""
    n1 = float(y.sum())
    n0 = len(y) - n1
    return float((rankdata(eta)[y == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def _sparse_note(y: FloatArray, parameters: int, method: Method) -> tuple[str, ...]:
    fewer = min(y.sum(), len(y) - y.sum())
    if not parameters or fewer / parameters >= EVENTS_PER_PARAMETER:
        return ()
    advice = "" if method == "firth" else '; consider method="firth"'
    return (
        f"sparse data: {fewer / parameters:.1f} events per parameter (under {EVENTS_PER_PARAMETER}){advice}",
    )
