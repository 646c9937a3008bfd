"""Covariates and recurrent events: Andersen-Gill, and Prentice-Williams-Peterson by event number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import Ties
from cohort.models.cox import CoxRegression, cox
from cohort.models.cox_inputs import as_names
from cohort.models.design import build_design
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.recurrent_inputs import EVENT_NUMBER, recurrent_rows, with_event_number
from cohort.models.summary import Summary, estimate_table, left_out_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

RecurrentModel = Literal["andersen_gill", "pwp_total", "pwp_gap"]
_METHODS = {
    "andersen_gill": "Andersen-Gill, one baseline for all events",
    "pwp_total": "Prentice-Williams-Peterson, time since the origin, a baseline for each event number",
    "pwp_gap": "Prentice-Williams-Peterson, time since the previous event, a baseline for each event number",
}
_MEASURES = {"andersen_gill": "rate ratio", "pwp_total": "hazard ratio", "pwp_gap": "hazard ratio"}
# A stratum with fewer events than this says next to nothing about its own baseline.
_FEW_EVENTS = 10


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RecurrentRegression:
    """Rate or hazard ratios of recurrent events, with standard errors that allow for events of one patient.

    Attributes
    ----------
    model : {'andersen_gill', 'pwp_total', 'pwp_gap'}
        The model.
    outcome : str
        The event that recurs.
    terminal : tuple of str
        Events that end follow-up.
    cox : CoxRegression
        The fitted model.
    events_by_number : tuple of int
        First, second, ... events that were modelled.
    notes : tuple of str
        What a reader should be told.
    """

    model: RecurrentModel
    outcome: str
    terminal: tuple[str, ...]
    cox: CoxRegression
    events_by_number: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def measure(self) -> str:
        """What the estimates are: ``rate ratio`` (Andersen-Gill) or ``hazard ratio`` of the next event."""
        return _MEASURES[self.model]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Whether estimates and limits are ratios instead of their logarithms; the standard error is that of the
            logarithm either way.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error`` (robust), ``statistic`` (z), ``p_value, conf_low, conf_high``.
        """
        return self.cox.tidy(conf_level, exponentiate)

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole model.

        Returns
        -------
        DataFrame
            Columns as of a Cox model; the global test is Wald's with the robust variance.
        """
        return self.cox.glance().assign(method=_METHODS[self.model])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the ratios as a forest plot.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        own = self.cox
        return draw_ratios(self.tidy(exponentiate=True), own.references, self.measure, own.conf_level, ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str
            Term, or ``term[level]`` when it has several levels.

        Returns
        -------
        str
            For example ``rate ratio 1.52 (95% CI 1.10–2.09; P=0.01)``.
        """
        return ratio_text(self.tidy(exponentiate=True), term, self.measure, self.cox.conf_level)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        own = self.cox
        numbers = ", ".join(str(n) for n in self.events_by_number)
        return Summary(
            sentence=f"{self.measure.capitalize()}s of {self.outcome.replace('_', ' ')}, recurrent, for {own.formula}",
            facts=(
                ("method", f"{_METHODS[self.model]}; {own.ties.capitalize()} ties"),
                ("variance", own.robust),
                (
                    "patients",
                    f"{own.n} in {own.n_rows} rows, {own.n_event} events (first, second, ...: {numbers})",
                ),
                ("left out", left_out_text(own.left_out)),
                ("notes", "; ".join(self.notes)),
            ),
            table=estimate_table(self.tidy(exponentiate=True), self.measure, own.conf_level),
        )


def recurrent(
    rows: Endpoint | pd.DataFrame,
    formula: str,
    model: RecurrentModel = "andersen_gill",
    data: pd.DataFrame | None = None,
    *,
    id: str | None = None,
    start: str = "start",
    stop: str = "stop",
    event: str = "event",
    outcome: str | None = None,
    last_event: int | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    ties: Ties = "efron",
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> RecurrentRegression:
    """Estimate how covariates change the rate of an event that patients can have more than once.

    ``andersen_gill`` treats all events alike: the ratio of rates, whatever happened before. ``pwp_total`` and
    ``pwp_gap`` ask for the hazard of the next event among patients who had the same number before, on the clock of the
    origin or of the previous event; a patient is at risk of the second only after the first, so the covariate's effect
    on later events is one among those who had earlier ones. A terminal event ends follow-up as censored; how many
    events a patient has when death is possible is :func:`cohort.mean_cumulative_count`.

    Parameters
    ----------
    rows : Endpoint or DataFrame
        Several rows (start, stop] per patient, from :func:`cohort.recurrent_endpoint` or
        ``Endpoint.from_columns(..., id=)``; or a frame with the columns ``id``, ``start``, ``stop``, ``event``.
    formula : str
        Covariates; ``event_number`` (1 while waiting for the first event) may be one of them.
    model : {'andersen_gill', 'pwp_total', 'pwp_gap'}, default='andersen_gill'
        The model.
    data : DataFrame, optional
        Columns the rows lack, aligned by index label.
    id, start, stop, event : str, optional
        Columns of a frame; ``event`` is 0/1 or has the level ``censored``.
    outcome : str, optional
        The event that recurs; the first of the endpoint by default. All others end follow-up.
    last_event : int, optional
        Leave out what comes after this many events of a patient, when later ones are too few for their own baseline.
    strata : str or sequence of str, optional
        Columns; every combination has its own baseline hazard, beside the event number.
    cluster : str, optional
        Column of groups larger than patients (centers) for the robust variance; the patient by default.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for events at the same time.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    RecurrentRegression
        Log ratios with ``tidy()``, ``glance()``, ``plot()``; ``.cox`` is the Cox model with its further methods.

    Raises
    ------
    EndpointError
        When rows name no patient, intervals of a patient overlap or repeat (counted), or a patient goes on after a
        terminal event.
    ImmortalTimeError
        When a covariate becomes known only after the clock has started.
    EstimationError
        When the model cannot be estimated; the column is named.

    See Also
    --------
    cohort.models.mean_cumulative_count.mean_cumulative_count : Mean number of events by a time.

    Notes
    -----
    Cox regression [1]_ [2]_ with the sandwich variance by patient of Lin and Wei, which for Andersen-Gill is that of
    the proportional rates model and needs no independence of a patient's events [3]_. Equals R survival 3.5-3
    ``coxph(..., cluster = id)`` with ``strata(enum)`` to 1e-8 (``tests/reference/recurrent``).

    References
    ----------
    .. [1] Andersen PK, Gill RD (1982). Ann Stat 10:1100-1120. doi:10.1214/aos/1176345976
    .. [2] Prentice RL, Williams BJ, Peterson AV (1981). Biometrika 68:373-379. doi:10.1093/biomet/68.2.373
    .. [3] Lin DY, Wei LJ, Yang I, Ying Z (2000). J R Stat Soc B 62:711-730. doi:10.1111/1467-9868.00259

    Examples
    --------
    >>> rows = pd.DataFrame({
    ...     "patient_id": list("aabcccd"), "start": [0, 5, 0, 0, 3, 6, 0], "stop": [5, 9, 7, 3, 6, 10, 8],
    ...     "event": [1, 0, 1, 1, 1, 0, 0], "high_dose": [1, 1, 0, 1, 1, 1, 0],
    ... })
    >>> recurrent(rows, "high_dose", id="patient_id").tidy()[["term", "estimate", "std_error"]].round(4)
            term  estimate  std_error
    0  high_dose    1.0986     0.7454
    """
    if model not in _METHODS:
        raise EstimationError(
            f"model={model!r} is unknown", remedy=f"write one of {', '.join(map(repr, _METHODS))}"
        )
    if last_event is not None and last_event < 1:
        raise EstimationError(
            "last_event must be at least 1", evidence=f"last_event={last_event}", remedy="write last_event=2"
        )
    read = recurrent_rows(rows, id, start, stop, event, outcome)
    endpoint = with_event_number(read, last_event, model == "pwp_gap")
    by_number = [] if model == "andersen_gill" else [EVENT_NUMBER]
    fit = cox(
        endpoint,
        formula,
        data,
        strata=[*as_names(strata), *by_number] or None,
        cluster=cluster,
        robust=True,
        ties=ties,
        event=read.outcome,
        conf_level=conf_level,
        acknowledge=acknowledge,
    )
    extra = [*as_names(strata), *([cluster] if cluster else [])]
    used = build_design(formula, data, endpoint, intercept=False, extra=extra).rows
    happened = used[endpoint.event[used] == read.code]
    counts = np.bincount(endpoint.frame[EVENT_NUMBER].to_numpy()[happened])[1:]
    return RecurrentRegression(
        model=model,
        outcome=read.outcome,
        terminal=read.terminal,
        cox=fit,
        events_by_number=tuple(counts.tolist()),
        notes=(*_notes(read.terminal, read.gaps, counts.tolist(), model), *fit.notes),
    )


def _notes(terminal: Sequence[str], gaps: int, counts: Sequence[int], model: RecurrentModel) -> list[str]:
    notes = [f"{', '.join(terminal)} ends follow-up as censored"] if terminal else []
    notes += [f"{gaps} gaps in which a patient is not at risk"] if gaps else []
    thin = sum(1 for n in counts if n < _FEW_EVENTS)
    if thin and model != "andersen_gill":
        first = next(k for k, n in enumerate(counts, start=1) if n < _FEW_EVENTS)
        notes.append(
            f"fewer than {_FEW_EVENTS} events with number {first}: consider last_event={max(first - 1, 1)}"
        )
    return notes
