"""How well a score ranks who will have the event by a time: cumulative/dynamic area under the ROC curve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cohort.errors import EstimationError
from cohort.estimators.prediction_scores import Scored, area_under_curve
from cohort.format import fixed, interval, p_value
from cohort.models.cox_inputs import as_names
from cohort.models.prediction_inputs import judged_patients, judging_times
from cohort.models.prediction_rows import ScoreRows, score_rows
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

MEASURE = "auc"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimeDependentAUC:
    """Areas under the ROC curve of one or more scores, at times.

    Attributes
    ----------
    outcome : str
        The event.
    markers : tuple of str
        The scores.
    rows : ScoreRows
        Estimates and their covariance.
    competing : bool
        Whether other events compete; patients who had one are controls.
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
    markers: tuple[str, ...]
    rows: ScoreRows
    competing: bool
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per score and time.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: areas are on their natural scale.

        Returns
        -------
        DataFrame
            ``term, measure, time, n, n_risk`` (followed to the time or longer), ``n_event`` (by it), ``n_censor``
            (by it), ``estimate, std_error, conf_low, conf_high, reason``; Wald limits, within 0 and 1.
        """
        return self.rows.tidy(self._level(conf_level), 0.0, 1.0)

    def difference(self, reference: str | None = None, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences in area between scores judged in the same patients.

        Parameters
        ----------
        reference : str, optional
            The score that is subtracted; the first by default.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``term`` (the comparison), ``measure, time, estimate, std_error, statistic, p_value, conf_low,
            conf_high, reason``; the covariance of the scores is taken into account.
        """
        own = self.markers[0] if reference is None else reference
        if own not in self.markers or len(self.markers) < 2:
            raise EstimationError(
                f"there is no second score to compare with {own!r}",
                evidence=f"scores: {', '.join(self.markers)}",
                remedy='co.time_dependent_auc(endpoint, ["easix", "car_hematotox"], times)',
            )
        return self.rows.differences(own, self._level(conf_level))

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event`` (by the last time), ``n_missing, method, conf_level, unit, acknowledged``.
        """
        method = "cumulative/dynamic, inverse probability of censoring (Kaplan-Meier)"
        return self.rows.glance(method, self.left_out, self.conf_level, self.unit, self.acknowledged)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the areas with their limits against time.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        from cohort.plots.scores import plot_scores

        label = "Area under the ROC curve"
        return plot_scores(self.tidy(), ylabel=label, unit=self.unit, reference=0.5, top=1.0, ax=ax)

    def text(self, term: str = "", time: float | None = None) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str, default=''
            The score; the first by default.
        time : float, optional
            The time; the last by default.

        Returns
        -------
        str
            For example ``area under the ROC curve of easix at 30 days 0.73 (95% CI 0.67–0.79)``.
        """
        tidy = self.tidy()
        when = float(tidy["time"].max()) if time is None else float(time)
        row = tidy[(tidy["term"] == (term or self.markers[0])) & (tidy["time"] == when)]
        if row.empty:
            raise EstimationError(
                f"there is no area of {term!r} at {when:g} {self.unit}",
                evidence=f"scores: {', '.join(self.markers)}",
                remedy="name one of the scores, and a time that was asked for",
            )
        estimate, low, high = row[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)[0]
        return (
            f"area under the ROC curve of {row['term'].item()} at {when:g} {self.unit} {fixed(estimate, 2)} "
            f"({100 * self.conf_level:g}% CI {interval(low, high, 2)})"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        rows = self.tidy()
        cells = {
            "score": list(rows["term"]),
            self.unit: [f"{time:g}" for time in rows["time"]],
            "events": [str(n) for n in rows["n_event"]],
            "AUC": [fixed(v, 3) for v in rows["estimate"]],
            f"{100 * self.conf_level:g}% CI": [
                interval(low, high, 3) for low, high in zip(rows["conf_low"], rows["conf_high"], strict=True)
            ],
        }
        compared = ""
        if len(self.markers) > 1:
            texts = self.difference()
            pairs = zip(texts["term"], texts["time"], texts["p_value"], strict=True)
            compared = ", ".join(f"{term} at {time:g} P{p_value(p)}" for term, time, p in pairs)
        controls = "; controls: event-free, or a competing event" if self.competing else ""
        reasons = dict.fromkeys(reason for reason in self.rows.reason if reason)
        facts = (
            ("method", f"cumulative/dynamic AUC, inverse probability of censoring{controls}"),
            ("patients", f"{self.rows.n}, {int(self.rows.counts[:, 1].max())} events by the last time"),
            ("difference", compared),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, (*reasons, *self.notes))),
        )
        names = " and ".join(self.markers)
        sentence = f"How well {names} ranks who has {self.outcome.replace('_', ' ')} by a time"
        return Summary(sentence, facts, pd.DataFrame(cells))

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)


def time_dependent_auc(
    endpoint: Endpoint,
    marker: str | Sequence[str],
    times: ArrayLike,
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> TimeDependentAUC:
    """Estimate how well a score ranks patients who have the event by a time above those who do not.

    The area at time t is the probability that, of a patient with the event by t and one without, the first has
    the higher score; equal scores count half. Patients without it are those event-free at t, and with competing
    events also those who had one by t. A score of 0.5 ranks no better than chance; below, higher scores go with
    fewer events. Only the ranking is judged: for predicted risks see also ``brier_score`` and ``calibration``.

    Patients censored before t are represented by those still followed: weights are inverse probabilities of being
    uncensored by the Kaplan-Meier estimate, which must not depend on the score.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up from the origin, one row per patient.
    marker : str or sequence of str
        Columns of the scores: numbers, ordered categories, or two values. Several are judged in the same patients,
        those in whom all are known.
    times : array-like
        Times at which to judge, in the endpoint's unit.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    event : str, optional
        The event of interest, when the endpoint has several.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    TimeDependentAUC
        Areas with ``tidy()``, ``difference()``, ``glance()`` and ``plot()``; missing with a reason where follow-up
        has ended or nobody has had the event.

    Raises
    ------
    ImmortalTimeError
        When the score is known only after the clock has started: use a landmark.
    IncorporationError
        When the score is part of the grade that defines the event.
    EstimationError
        With late entry, a category without an order, or an unknown column.

    See Also
    --------
    brier_score : Judges predicted risks, not only their ranking.
    diagnostic_accuracy : Judges a test against a condition that is present now.

    Notes
    -----
    Weights, and standard errors from the influence function with estimated weights, as in [1]_. Estimates, standard
    errors and differences agree with R riskRegression 2022.11.28 ``Score`` to 1e-10, with ties as well
    (``tests/reference/prediction``).

    References
    ----------
    .. [1] Blanche P, Dartigues JF, Jacqmin-Gadda H (2013). Stat Med 32:5381-5397. doi:10.1002/sim.5958

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [2, 4, 5, 6, 9], "dead": [1, 1, 0, 1, 0], "easix": [5.0, 1.5, 2.0, 3.1, 0.9]})
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead")
    >>> co.time_dependent_auc(survival, "easix", 4).tidy()["estimate"].round(4).tolist()
    [0.6667]
    """
    names, wanted = as_names(marker), judging_times(times)
    if not names:
        raise EstimationError("no score was given", remedy='write marker="easix"')
    level = check_conf_level(conf_level)
    patients = judged_patients(endpoint, names, data, event, acknowledge)
    labels: list[tuple[str, str, float, Scored, str]] = []
    for when in wanted.tolist():
        weights, reason = patients.weights(when)
        for name, values in zip(names, patients.scores.T, strict=True):
            scored = area_under_curve(values, weights)
            labels.append((name, MEASURE, when, scored, reason))
    labels.sort(key=lambda row: names.index(row[0]))
    rows = score_rows(patients, labels)
    below = [
        name for name in names if (rows.estimate[np.array([term == name for term in rows.term])] < 0.5).any()
    ]
    return TimeDependentAUC(
        outcome=patients.outcome,
        markers=tuple(names),
        rows=rows,
        competing=patients.competing,
        conf_level=level,
        unit=endpoint.unit,
        left_out=patients.left_out,
        notes=(
            *([f"below 0.5: higher {', '.join(below)} goes with fewer events"] if below else []),
            *patients.notes,
        ),
        acknowledged=patients.acknowledged,
    )
