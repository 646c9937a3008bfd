"""Subdistribution hazard ratios by the Fine-Gray model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from cohort.errors import EndpointError
from cohort.estimators.cox_problem import Ties
from cohort.estimators.subdistribution import FineGrayFit, fit_fine_gray
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
    formula: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
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


def fine_gray(
    endpoint: Endpoint,
    formula: str,
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    censoring_strata: str | Sequence[str] | None = None,
    ties: Ties = "breslow",
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
        Follow-up with at least two kinds of event, one row per patient; patients may enter late.
    formula : str
        Covariates, as ``"age_years + product"``.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    event : str, optional
        The event of interest; needed when the endpoint has several.
    strata : str or sequence of str, optional
        Columns; every combination has its own baseline.
    cluster : str, optional
        Column of the groups within which patients are alike; standard errors become cluster-robust.
    weights : str, optional
        Column of case weights.
    offset : str, optional
        Column of a part of the linear predictor whose coefficient is one.
    censoring_strata : str or sequence of str, optional
        Columns; every combination has its own censoring (and entry) distribution. By default it is one for
        everyone, also with ``strata``.
    ties : {'breslow', 'efron'}, default='breslow'
        ``breslow`` is R's ``crr``, whose variance accounts for the estimated weights; ``efron`` is R's
        ``finegray`` followed by ``coxph``, which takes them as known.
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
        When no event is chosen, none competes, or patients have several rows.
    EstimationError
        When the model cannot be estimated; the column is named.

    See Also
    --------
    cohort.models.cox.cox : Cause-specific hazard ratios, for questions of etiology.

    Notes
    -----
    A patient with a competing event at X stays at risk with weight G(t-)H(t-)/{G(X-)H(X-)}: G the Kaplan-Meier
    estimate of remaining uncensored, H (with late entry) the product-limit estimate of having entered [2]_.
    The two values of ``ties`` bring the conventions of the two programs with them. With ``breslow`` a patient with
    an event on a day still counts as at risk of censoring on it, case weights count patients in G and H too, and
    the variance accounts for G and H being estimated ([1]_, section 5; the term of H is its mirror in reversed
    time). With ``efron`` events precede censoring on the same day, G and H count every row once, and the sandwich
    variance takes them as known. Agrees with R cmprsk 2.2-11 ``crr`` and survival 3.5-3 ``finegray`` with
    ``coxph(cluster = id)`` to 1e-10 (``tests/reference/fine_gray``).

    References
    ----------
    .. [1] Fine JP, Gray RJ (1999). J Am Stat Assoc 94:496-509. doi:10.1080/01621459.1999.10474144
    .. [2] Geskus RB (2011). Biometrics 67:39-49. doi:10.1111/j.1541-0420.2010.01420.x

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
    by, apart = as_names(strata), as_names(censoring_strata)
    columns = list(dict.fromkeys([*parse_formula(formula).columns, *by, *([offset] if offset else [])]))
    expressed = grades(endpoint, event)
    facts = resolve_facts([*columns, *expressed], endpoint, data)
    notes = [
        *check_immortal_time(columns, endpoint, facts, acknowledge),
        *check_incorporation(columns, expressed, facts, acknowledge),
    ]
    extra = [*by, *apart, *(name for name in (cluster, weights, offset) if name is not None)]
    design = build_design(formula, data, endpoint, intercept=False, extra=extra)
    happened = endpoint.event[design.rows]
    stratum, labels = stratum_codes(design, by)
    censoring_group, censoring_labels = stratum_codes(design, apart)
    groups, robust_text = cluster_codes(design, cluster, False, None)
    fit = fit_fine_gray(
        design.X,
        endpoint.stop[design.rows].astype(float),
        happened == code,
        (happened > 0) & (happened != code),
        start=endpoint.start[design.rows] if (endpoint.start != 0).any() else None,
        stratum=stratum,
        weight=None if weights is None else case_weights(design.extra[weights]),
        offset=None if offset is None else numbers(design.extra[offset], "offset"),
        cluster=groups,
        censoring_group=censoring_group,
        ties=ties,
        names=design.names,
    )
    return FineGray(
        outcome=event or endpoint.name,
        formula=formula,
        terms=design.terms,
        levels=design.levels,
        references=design.references,
        fit=fit,
        strata=labels,
        censoring_strata=censoring_labels,
        n=len(design.rows),
        n_missing=design.n_missing,
        ties=ties,
        robust=robust_text,
        conf_level=level,
        unit=endpoint.unit,
        left_out=(*(("", reason, n) for reason, n in endpoint.excluded), *design.left_out),
        notes=(
            *notes,
            *endpoint.notes,
            *cautions(fit.n_event, len(design.names), False, False, fit.n_cluster),
            *_curtailed(fit.n_curtailed),
            *(
                ["censoring weights count every row once, as R finegray"]
                if weights and ties == "efron"
                else []
            ),
        ),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
    )


def _curtailed(n: int) -> list[str]:
    if not n:
        return []
    return [f"{n} competing events leave the risk sets where the follow-up of their censoring stratum ends"]


def _require_competing(endpoint: Endpoint, competes: bool) -> None:
    if not competes:
        raise EndpointError(
            f"{endpoint.name} has no competing event",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="use cox, or make an endpoint that names the competing events",
        )
    if endpoint.counting:
        raise EndpointError(
            "the Fine-Gray model needs one row per patient",
            evidence=f"{endpoint.n_subjects} patients in {len(endpoint.stop)} (start, stop] rows",
            remedy="use cox with event= for cause-specific hazards, or a landmark; late entry is entry= of "
            "Endpoint.from_columns",
        )
