"""Cause-specific and subdistribution hazard ratios of every event, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EndpointError, EstimationError
from cohort.estimators.cox_problem import Ties
from cohort.format import interval, p_value, ratio
from cohort.models.cox import CoxRegression, cox
from cohort.models.cox_inputs import as_names, cause
from cohort.models.fine_gray import FineGray, fine_gray
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

MEASURES = ("cause-specific hazard ratio", "subdistribution hazard ratio")
_NUMBERS = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CompetingRisksTable:
    """Both hazard ratios of every event of an endpoint.

    Attributes
    ----------
    name : str
        The endpoint.
    formula : str
        The covariates, as written.
    outcomes : tuple of str
        The events.
    n_event : tuple of int
        Number of each event among the patients used.
    cause_specific : mapping of str to CoxRegression
        Cox model of each event; the other events end follow-up.
    subdistribution : mapping of str to FineGray
        Fine-Gray model of each event; patients with another event stay at risk.
    reasons : mapping of (str, str) to str
        Why a model could not be fitted, by event and measure.
    conf_level : float
        Confidence level.
    """

    name: str
    formula: str
    outcomes: tuple[str, ...]
    n_event: tuple[int, ...]
    cause_specific: Mapping[str, CoxRegression]
    subdistribution: Mapping[str, FineGray]
    reasons: Mapping[tuple[str, str], str]
    conf_level: float

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per event, coefficient and measure.

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
            ``outcome, measure, term, level, n_event, estimate, std_error, statistic, p_value, conf_low,
            conf_high, reason``. The measure is ``cause-specific hazard ratio`` or ``subdistribution hazard
            ratio``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        terms = self._any.tidy()[["term", "level"]]
        blocks = []
        for outcome, n_event in zip(self.outcomes, self.n_event, strict=True):
            for measure, fits in self._columns():
                fit = fits.get(outcome)
                rows = terms.assign(**dict.fromkeys(_NUMBERS, np.nan))
                if fit is not None:
                    rows = fit.tidy(conf_level=level, exponentiate=exponentiate)
                blocks.append(
                    rows.assign(
                        outcome=outcome,
                        measure=measure,
                        n_event=n_event,
                        reason=self.reasons.get((outcome, measure), ""),
                    )
                )
        columns = ["outcome", "measure", "term", "level", "n_event", *_NUMBERS, "reason"]
        return pd.concat(blocks, ignore_index=True)[columns]

    def glance(self) -> pd.DataFrame:
        """Return one row about the table.

        Returns
        -------
        DataFrame
            Patients, those left out, events of any kind, and settings.
        """
        fit = self._any
        return pd.DataFrame(
            {
                "n": [fit.n],
                "n_event": [sum(self.n_event)],
                "n_missing": [fit.n_missing],
                "n_cluster": pd.array([fit.fit.n_cluster], dtype="Int64"),
                "conf_level": [self.conf_level],
                "unit": [fit.unit],
                "acknowledged": [", ".join(fit.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw both ratios of every event on one axis, with their numbers in two columns.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        from cohort.plots.paired_forest import plot_paired_forest

        frame = self.tidy(exponentiate=True).assign(reference=False)
        references = self._any.references
        blocks = []
        for (_, _, term), block in frame.groupby(["outcome", "measure", "term"], sort=False):
            if term in references:
                first = block.head(1)[["outcome", "measure", "term", "n_event"]]
                first = first.assign(level=references[str(term)], estimate=1.0, reference=True)
                block = pd.concat([first, block])
            blocks.append(block)
        table = pd.concat(blocks, ignore_index=True)
        return plot_paired_forest(table, measures=MEASURES, ax=ax, conf_level=self.conf_level)

    def text(self, term: str) -> str:
        """Return the sentence fragment for a manuscript, both ratios of every event.

        Parameters
        ----------
        term : str
            Term, or ``term[level]`` when it has several levels.

        Returns
        -------
        str
            For example ``relapse: cause-specific hazard ratio 1.52 (95% CI 1.10–2.09; P=0.01), subdistribution
            hazard ratio 1.40 (95% CI 1.02–1.93; P=0.04); death: ...``.
        """
        parts = []
        for outcome in self.outcomes:
            said = []
            for measure, fits in self._columns():
                fit = fits.get(outcome)
                missing = f"{measure} not estimable"
                said.append(missing if fit is None else fit.text(term))
            parts.append(f"{outcome}: {', '.join(said)}")
        return "; ".join(parts)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    @property
    def _any(self) -> CoxRegression | FineGray:
        """A model that could be fitted; all have the same patients and coefficients."""
        return next(fit for _, fits in self._columns() for fit in fits.values())

    def _columns(self) -> tuple[tuple[str, Mapping[str, CoxRegression | FineGray]], ...]:
        return (MEASURES[0], self.cause_specific), (MEASURES[1], self.subdistribution)

    def _summary(self) -> Summary:
        fit = self._any
        events = ", ".join(f"{n} {name}" for name, n in zip(self.outcomes, self.n_event, strict=True))
        missing = [f"{event}, {measure}: {why}" for (event, measure), why in self.reasons.items()]
        notes = [note for fit in self.cause_specific.values() for note in fit.notes]
        notes += [note for fit in self.subdistribution.values() for note in fit.notes]
        sentence = f"Cause-specific and subdistribution hazard ratios of {self.name.replace('_', ' ')}"
        return Summary(
            sentence=f"{sentence}, for {self.formula}",
            facts=(
                ("method", "Cox models with the other events as end of follow-up; Fine-Gray models"),
                ("patients", f"{fit.n}; events: {events}"),
                ("left out", left_out_text(fit.left_out)),
                ("notes", "; ".join(dict.fromkeys([*missing, *notes]))),
            ),
            table=_printed(self.tidy(exponentiate=True), self.conf_level),
        )


def competing_risks_table(
    endpoint: Endpoint,
    formula: str,
    data: pd.DataFrame | None = None,
    *,
    events: Sequence[str] | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    censoring_strata: str | Sequence[str] | None = None,
    ties: Ties | None = None,
    robust: bool | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> CompetingRisksTable:
    """Estimate both hazard ratios of every event that competes with others.

    The cause-specific hazard ratio compares the rates of an event among those still free of every event
    (etiology); the subdistribution hazard ratio tells how a covariate goes with how many have had the event
    (prognosis). Neither stands for the other: a covariate that changes one event's rate changes the other
    events' subdistribution hazards too, so both are reported for all events [1]_.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up with at least two kinds of event, one row per patient; patients may enter late.
    formula : str
        Covariates, as ``"age_years + product"``; the same in every model.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    events : sequence of str, optional
        Events to report; by default all of the endpoint.
    strata : str or sequence of str, optional
        Columns; every combination has its own baseline.
    cluster : str, optional
        Column of the groups within which patients are alike; all standard errors become cluster-robust.
    weights : str, optional
        Column of case weights.
    censoring_strata : str or sequence of str, optional
        Columns; every combination has its own censoring distribution in the Fine-Gray models.
    ties : {'efron', 'breslow'}, optional
        Approximation for ties; by default ``efron`` in the Cox and ``breslow`` in the Fine-Gray models, the
        default of each.
    robust : bool, optional
        Sandwich standard errors in the Cox models (those of Fine-Gray models always are); by default when a
        weight is not a whole number.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    CompetingRisksTable
        Both logarithms of ratios of every event with ``tidy()``, ``glance()``, ``plot()`` and ``text()``. A
        model that cannot be fitted leaves missing values with their reason.

    Raises
    ------
    ImmortalTimeError
        When a covariate becomes known only after the clock of the endpoint has started.
    IncorporationError
        When a covariate is part of the grade that defines an event.
    EndpointError
        When the endpoint has one event (use ``cox``), several rows per patient, or not the event named.
    EstimationError
        When no model can be estimated.

    See Also
    --------
    cohort.models.cox.cox : One cause-specific hazard ratio, with time-dependent covariates.
    cohort.models.fine_gray.fine_gray : One subdistribution hazard ratio.

    Notes
    -----
    Each column is what ``cox(event=)`` and ``fine_gray(event=)`` return; all models use the same patients.

    References
    ----------
    .. [1] Latouche A, Allignol A, Beyersmann J, Labopin M, Fine JP (2013). J Clin Epidemiol 66:648-653.
       doi:10.1016/j.jclinepi.2012.09.017

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {"days": [2, 3, 3, 5, 6, 8, 9, 9], "status": [1, 2, 1, 0, 1, 2, 1, 2], "x": [1, 0, 1, 1, 0, 1, 0, 0]}
    ... )
    >>> first = co.Endpoint.from_columns(
    ...     frame, time="days", event="status", states={1: "relapse", 2: "death"}, name="relapse_or_death"
    ... )
    >>> co.competing_risks_table(first, "x").tidy()[["outcome", "measure", "estimate"]].round(3)
       outcome                       measure  estimate
    0  relapse   cause-specific hazard ratio     1.188
    1  relapse  subdistribution hazard ratio     0.663
    2    death   cause-specific hazard ratio     0.490
    3    death  subdistribution hazard ratio    -0.449
    """
    level = check_conf_level(conf_level)
    outcomes = _outcomes(endpoint, events)
    cause_specific: dict[str, CoxRegression] = {}
    subdistribution: dict[str, FineGray] = {}
    failures: dict[tuple[str, str], EstimationError] = {}
    for outcome in outcomes:
        try:
            subdistribution[outcome] = fine_gray(
                endpoint,
                formula,
                data,
                event=outcome,
                strata=strata,
                cluster=cluster,
                weights=weights,
                censoring_strata=censoring_strata,
                ties=ties or "breslow",
                conf_level=level,
                acknowledge=acknowledge,
            )
        except EstimationError as error:
            failures[outcome, MEASURES[1]] = error
        try:
            cause_specific[outcome] = cox(
                endpoint,
                formula,
                data,
                event=outcome,
                strata=strata,
                cluster=cluster,
                weights=weights,
                ties=ties or "efron",
                robust=robust,
                conf_level=level,
                acknowledge=acknowledge,
            )
        except EstimationError as error:
            failures[outcome, MEASURES[0]] = error
    if not cause_specific and not subdistribution:
        raise next(iter(failures.values()))
    return CompetingRisksTable(
        name=endpoint.name,
        formula=formula,
        outcomes=outcomes,
        cause_specific=cause_specific,
        subdistribution=subdistribution,
        n_event=_events(outcomes, cause_specific, subdistribution),
        reasons={key: error.problem for key, error in failures.items()},
        conf_level=level,
    )


def _outcomes(endpoint: Endpoint, events: Sequence[str] | None) -> tuple[str, ...]:
    if len(endpoint.states) < 2:
        raise EndpointError(
            f"{endpoint.name} has no competing event",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="use cox, or make an endpoint that names the competing events",
        )
    wanted = endpoint.states if events is None else as_names(events)
    for event in wanted:
        cause(endpoint, event)
    if not wanted:
        raise EndpointError(
            "no event is asked for",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="leave events= out for all of them",
        )
    return tuple(wanted)


def _events(
    outcomes: Sequence[str], cox_fits: Mapping[str, CoxRegression], fine_gray_fits: Mapping[str, FineGray]
) -> tuple[int, ...]:
    fits: dict[str, CoxRegression | FineGray] = {**fine_gray_fits, **cox_fits}
    return tuple(fits[outcome].n_event if outcome in fits else 0 for outcome in outcomes)


def _printed(tidy: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    """Print one row per event and coefficient, each measure in its own columns."""
    first, second = (tidy[tidy["measure"] == measure].reset_index(drop=True) for measure in MEASURES)
    names = [
        f"{outcome}: {term}{f' {level}' if level else ''}"
        for outcome, term, level in zip(first["outcome"], first["term"], first["level"], strict=True)
    ]
    cells = {"": names}
    for measure, rows in zip(MEASURES, (first, second), strict=True):
        numbers = rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
        cells[f"{measure} ({conf_level * 100:g}% CI)"] = [
            "NE" if np.isnan(estimate) else f"{ratio(estimate)} ({interval(low, high, None)})"
            for estimate, low, high in numbers.tolist()
        ]
        cells[f"P{'' if measure == MEASURES[0] else ' '}"] = [
            "" if np.isnan(p) else p_value(p).removeprefix("=") for p in rows["p_value"]
        ]
    return pd.DataFrame(cells)
