"""Hazard ratios by Cox regression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import Ties
from cohort.estimators.cox_regression import CoxFit, Penalty, fit_cox
from cohort.estimators.proportional_hazards import TRANSFORMS, Transform
from cohort.format import fixed
from cohort.models.cox_inputs import (
    as_names,
    baseline_rows,
    case_weights,
    cause,
    cautions,
    cluster_codes,
    grades,
    numbers,
    stratum_codes,
    term_columns,
)
from cohort.models.design import build_design
from cohort.models.formula import parse_formula
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text
from cohort.study.guards import acknowledged_guards, check_immortal_time, check_incorporation, resolve_facts

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
    formula : str
        The covariates, as written.
    measure : str
        ``hazard ratio``, or ``cause-specific hazard ratio`` when other events compete.
    terms, levels : tuple of str
        Term as written, and category, of each coefficient.
    references : Mapping of str to str
        Reference category of each categorical term.
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
    """

    outcome: str
    formula: str
    measure: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
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
        tests = self.fit.proportional_hazards
        if transform not in TRANSFORMS:
            raise EstimationError(
                f"transform={transform!r} is unknown", remedy=f"write one of {', '.join(TRANSFORMS)}"
            )
        if transform not in tests:
            raise EstimationError(
                f"proportional hazards cannot be tested with transform={transform!r}",
                evidence=f"penalty {self.penalty}" if self.penalty else "an event at time zero or before",
                remedy="fit without penalty to test" if self.penalty else 'write transform="km"',
            )
        test = tests[transform]
        if np.isnan(test.statistic[-1]):
            raise EstimationError(
                "proportional hazards cannot be tested: too little is left beside the estimates",
                evidence=f"{self.fit.n_event} events at {len(np.unique(self.fit.baseline.time))} different times, "
                f"{len(self.terms)} coefficients",
                remedy="describe the curves with kaplan_meier(by=) instead",
            )
        return pd.DataFrame(
            {
                "term": [*dict.fromkeys(self.terms), "GLOBAL"],
                "statistic": test.statistic,
                "df": test.df.astype(int),
                "p_value": test.p_value,
            }
        )

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
        rows = f" in {self.n_rows} rows" if self.n_rows != self.n else ""
        method = [f"Cox partial likelihood, {self.ties.capitalize()} ties"]
        method += [f"{self.penalty.capitalize()} penalty, {self.limits} limits"] if self.penalty else []
        method += [self.robust] if self.robust else []
        method += [f"{len(self.strata)} strata"] if self.strata else []
        agreement = f"{fixed(fit.concordance.estimate, 3)} (SE {fixed(fit.concordance.std_error, 3)})"
        return Summary(
            sentence=f"{self.measure.capitalize()}s of {self.outcome.replace('_', ' ')}, for {self.formula}",
            facts=(
                ("method", ", ".join(method)),
                ("patients", f"{self.n}{rows}, {fit.n_event} events; concordance {agreement}"),
                ("left out", left_out_text(self.left_out)),
                ("notes", "; ".join(self.notes)),
            ),
            table=estimate_table(self.tidy(exponentiate=True), self.measure, self.conf_level),
        )


def cox(
    endpoint: Endpoint,
    formula: str,
    data: pd.DataFrame | None = None,
    *,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    ties: Ties = "efron",
    penalty: Penalty | None = None,
    robust: bool = False,
    event: str | None = None,
    limits: Limits | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> CoxRegression:
    """Estimate hazard ratios by Cox regression.

    A patient is at risk in (start, stop]: someone who is censored on the day of an event was still at risk on
    it, someone who enters on that day was not yet. With competing events the estimate is the cause-specific
    hazard ratio of one event, and the other events end follow-up.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up and event, right-censored or in (start, stop] rows.
    formula : str
        Covariates, as ``"age_years + product"``.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    strata : str or sequence of str, optional
        Columns; every combination has its own baseline hazard.
    cluster : str, optional
        Column of the groups within which patients are alike; standard errors become cluster-robust.
    weights : str, optional
        Column of case weights. With sampling or inverse-probability weights use ``robust=True``.
    offset : str, optional
        Column of a part of the linear predictor whose coefficient is one.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for events on the same day.
    penalty : {'firth'}, optional
        Firth's penalty, which keeps estimates finite when a covariate separates the events.
    robust : bool, default=False
        Sandwich standard errors; rows of one patient count together.
    event : str, optional
        Which event, when the endpoint has several.
    limits : {'wald', 'profile'}, optional
        How limits and p-values are computed; by default profile with Firth's penalty and Wald without.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    CoxRegression
        Log hazard ratios with ``tidy()``, ``glance()``, ``plot()``, ``check_proportional_hazards()``.

    Raises
    ------
    ImmortalTimeError
        When a covariate becomes known only after the clock of the endpoint has started.
    IncorporationError
        When a covariate is part of the grade that defines the event.
    EndpointError
        When the endpoint has several events and none is chosen.
    EstimationError
        When the model cannot be estimated; the column is named.

    See Also
    --------
    counting_process : Makes a finding after infusion a time-dependent covariate.

    Notes
    -----
    Newton's method on the partial likelihood with Efron's or Breslow's approximation; robust variance from
    grouped score residuals [1]_; Firth's penalty with profile limits as in [2]_; test of proportional hazards
    as survival 3 computes it [3]_. Agrees with R survival 3.5-3 to 1e-10 (``tests/reference/cox``).

    References
    ----------
    .. [1] Lin DY, Wei LJ (1989). J Am Stat Assoc 84:1074-1078. doi:10.1080/01621459.1989.10478874
    .. [2] Heinze G, Schemper M (2001). Biometrics 57:114-119. doi:10.1111/j.0006-341X.2001.00114.x
    .. [3] Grambsch PM, Therneau TM (1994). Biometrika 81:515-526. doi:10.1093/biomet/81.3.515

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [1, 1, 6, 6, 8, 9], "dead": [1, 0, 1, 1, 0, 1], "x": [1, 1, 1, 0, 0, 0]})
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead", name="overall_survival")
    >>> fit = co.cox(survival, "x", ties="breslow")
    >>> fit.tidy()[["term", "estimate", "std_error"]].round(4)
      term  estimate  std_error
    0    x    1.4753     1.2557
    """
    level = check_conf_level(conf_level)
    code, competing = cause(endpoint, event)
    by = as_names(strata)
    extra = [*by, *(name for name in (cluster, weights, offset) if name is not None)]
    columns = list(dict.fromkeys([*parse_formula(formula).columns, *by, *([offset] if offset else [])]))
    facts = resolve_facts([*columns, *grades(endpoint, event)], endpoint, data)
    notes = [
        *check_immortal_time(columns, endpoint, facts, acknowledge),
        *check_incorporation(columns, grades(endpoint, event), facts, acknowledge),
    ]
    design = build_design(formula, data, endpoint, intercept=False, extra=extra)
    how = limits or ("profile" if penalty else "wald")
    stratum, labels = stratum_codes(design, by)
    subject = None if endpoint.subject is None else endpoint.subject[design.rows]
    groups, robust_text = cluster_codes(design, cluster, robust, subject)
    happened = endpoint.event[design.rows] == code
    fit = fit_cox(
        design.X,
        endpoint.start[design.rows] if (endpoint.start != 0).any() else None,
        endpoint.stop[design.rows].astype(float),
        happened,
        stratum=stratum,
        weight=None if weights is None else case_weights(design.extra[weights]),
        offset=None if offset is None else numbers(design.extra[offset], "offset"),
        cluster=groups,
        robust=robust,
        ties=ties,
        penalty=penalty,
        profile_level=level if how == "profile" else None,
        terms=term_columns(design.terms),
        names=design.names,
    )
    return CoxRegression(
        outcome=event or endpoint.name,
        formula=formula,
        measure="cause-specific hazard ratio" if competing else "hazard ratio",
        terms=design.terms,
        levels=design.levels,
        references=design.references,
        fit=fit,
        strata=labels,
        n=len(design.rows) if subject is None else len(np.unique(subject)),
        n_rows=len(design.rows),
        n_missing=design.n_missing,
        ties=ties,
        penalty=penalty or "",
        limits=how,
        robust=robust_text,
        conf_level=level,
        unit=endpoint.unit,
        left_out=(*(("", reason, n) for reason, n in endpoint.excluded), *design.left_out),
        notes=(
            *notes,
            *endpoint.notes,
            *cautions(fit.n_event, len(design.names), weights is not None, bool(robust_text), fit.n_cluster),
        ),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
    )
