"""Subdistribution hazard ratios by the Fine-Gray model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from cohort.errors import EndpointError
from cohort.estimators.subdistribution import FineGrayFit, fit_fine_gray
from cohort.models.cox_inputs import cause, cautions, grades
from cohort.models.design import build_design
from cohort.models.formula import parse_formula
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.summary import Summary, estimate_table, left_out_text
from cohort.study.guards import acknowledged_guards, check_immortal_time, check_incorporation, resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

MEASURE = "subdistribution hazard ratio"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FineGray:
    """Subdistribution hazard ratios of one event, in the presence of others.

    Attributes
    ----------
    outcome : str
        The event.
    formula : str
        The covariates, as written.
    terms, levels : tuple of str
        Term as written, and category, of each coefficient.
    references : Mapping of str to str
        Reference category of each categorical term.
    fit : FineGrayFit
        Estimates and variance.
    n, n_missing : int
        Patients used, and left out because a value is missing.
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
    formula: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
    fit: FineGrayFit
    n: int
    n_missing: int
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

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
                "log_likelihood": [fit.log_likelihood],
                "log_likelihood_null": [fit.log_likelihood_null],
                "statistic": [fit.wald_test],
                "df": [df],
                "p_value": [float(stats.chi2.sf(fit.wald_test, df))],
                "method": ["wald"],
                "ties": ["breslow"],
                "iterations": [fit.iterations],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def baseline_hazard(self) -> pd.DataFrame:
        """Return the cumulative subdistribution hazard of a patient whose covariates are all zero.

        Returns
        -------
        DataFrame
            ``time, estimate`` at each time of the event of interest.
        """
        return pd.DataFrame({"time": self.fit.time, "estimate": self.fit.cumulative_hazard})

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
        return Summary(
            sentence=f"Subdistribution hazard ratios of {self.outcome.replace('_', ' ')}, for {self.formula}",
            facts=(
                ("method", "Fine-Gray, Breslow ties, variance for estimated censoring weights"),
                ("patients", f"{self.n}, {fit.n_event} events, {fit.n_competing} competing events"),
                ("left out", left_out_text(self.left_out)),
                ("notes", "; ".join(self.notes)),
            ),
            table=estimate_table(self.tidy(exponentiate=True), MEASURE, self.conf_level),
        )


def fine_gray(
    endpoint: Endpoint,
    formula: str,
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> FineGray:
    """Estimate subdistribution hazard ratios by the Fine-Gray model.

    The ratio tells how covariates relate to the cumulative incidence of one event when others compete with
    it. It is not a hazard ratio among those still event-free: patients with a competing event stay at risk,
    with the weight of still being uncensored.

    Parameters
    ----------
    endpoint : Endpoint
        Right-censored follow-up with at least two kinds of event.
    formula : str
        Covariates, as ``"age_years + product"``.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    event : str, optional
        The event of interest; needed when the endpoint has several.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    FineGray
        Log subdistribution hazard ratios with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    ImmortalTimeError
        When a covariate becomes known only after the clock of the endpoint has started.
    IncorporationError
        When a covariate is part of the grade that defines the event.
    EndpointError
        When no event is chosen, none competes, or patients enter late.
    EstimationError
        When the model cannot be estimated; the column is named.

    See Also
    --------
    cohort.models.cox.cox : Cause-specific hazard ratios, for questions of etiology.

    Notes
    -----
    Breslow's approximation for ties; censoring is taken as the same for everyone. The variance accounts for the
    estimated censoring distribution [1]_. Agrees with R cmprsk 2.2-11 ``crr`` to 1e-10
    (``tests/reference/fine_gray``).

    References
    ----------
    .. [1] Fine JP, Gray RJ (1999). J Am Stat Assoc 94:496-509. doi:10.1080/01621459.1999.10474144

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {"days": [2, 3, 3, 5, 6, 8, 9, 9], "status": [1, 2, 1, 0, 1, 2, 1, 0], "x": [1, 0, 1, 1, 0, 0, 1, 0]}
    ... )
    >>> relapse = co.Endpoint.from_columns(
    ...     frame, time="days", event="status", states={1: "relapse", 2: "death"}
    ... )
    >>> fine_gray(relapse, "x", event="relapse").tidy()[["term", "estimate", "std_error"]].round(4)
      term  estimate  std_error
    0    x    1.8343     0.8964
    """
    level = check_conf_level(conf_level)
    code, competes = cause(endpoint, event)
    _require_competing(endpoint, competes)
    columns, expressed = parse_formula(formula).columns, grades(endpoint, event)
    facts = resolve_facts([*columns, *expressed], endpoint, data)
    notes = [
        *check_immortal_time(columns, endpoint, facts, acknowledge),
        *check_incorporation(columns, expressed, facts, acknowledge),
    ]
    design = build_design(formula, data, endpoint, intercept=False)
    happened = endpoint.event[design.rows]
    fit = fit_fine_gray(
        design.X,
        endpoint.stop[design.rows].astype(float),
        happened == code,
        (happened > 0) & (happened != code),
        names=design.names,
    )
    return FineGray(
        outcome=event or endpoint.name,
        formula=formula,
        terms=design.terms,
        levels=design.levels,
        references=design.references,
        fit=fit,
        n=len(design.rows),
        n_missing=design.n_missing,
        conf_level=level,
        unit=endpoint.unit,
        left_out=(*(("", reason, n) for reason, n in endpoint.excluded), *design.left_out),
        notes=(
            *notes,
            *endpoint.notes,
            *cautions(fit.n_event, len(design.names), weighted=False, robust=False),
        ),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
    )


def _require_competing(endpoint: Endpoint, competes: bool) -> None:
    if not competes:
        raise EndpointError(
            f"{endpoint.name} has no competing event",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="use cox, or make an endpoint that names the competing events",
        )
    n_late = int((endpoint.start > 0).sum())
    if endpoint.counting or n_late:
        raise EndpointError(
            "the Fine-Gray model here needs right-censored follow-up from time zero",
            evidence="the endpoint is in (start, stop] rows"
            if endpoint.counting
            else f"{n_late} rows enter late",
            remedy="use cox with event= for cause-specific hazards, or a landmark",
        )
