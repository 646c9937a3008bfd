"""How far predicted risks are from what happened: Brier score under censoring, and its scaled form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.prediction_scores import Scored, brier, scaled_brier
from cohort.format import fixed, interval
from cohort.models.prediction_inputs import check_risks, judged_patients, judging_times
from cohort.models.prediction_rows import ScoreRows, score_rows
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
Risks = str | Sequence[str] | Mapping[str, str | Sequence[str]]
BRIER, SCALED, NULL = "brier_score", "scaled_brier", "null model"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BrierScore:
    """Brier scores of predicted risks at times, beside the null model.

    Attributes
    ----------
    outcome : str
        The event.
    models : tuple of str
        Names of the predictions.
    rows : ScoreRows
        Estimates and their covariance.
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
    models: tuple[str, ...]
    rows: ScoreRows
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per prediction, measure and time.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: scores are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (with ``null model``), ``measure`` (``brier_score``, ``scaled_brier``), ``time, n, n_risk,
            n_event, n_censor, estimate, std_error, conf_low, conf_high, reason``; Wald limits, at most 1, and of
            the Brier score at least 0.
        """
        frame = self.rows.tidy(self._level(conf_level), -np.inf, 1.0)
        plain = frame["measure"] == BRIER
        return frame.assign(conf_low=frame["conf_low"].where(~plain, frame["conf_low"].clip(lower=0.0)))

    def difference(self, reference: str | None = None, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences between predictions judged in the same patients.

        Parameters
        ----------
        reference : str, optional
            The prediction that is subtracted; ``null model`` by default.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``term`` (the comparison), ``measure, time, estimate, std_error, statistic, p_value, conf_low,
            conf_high, reason``.
        """
        own = NULL if reference is None else reference
        if own not in (*self.models, NULL):
            raise EstimationError(
                f"there is no prediction {own!r}",
                evidence=f"predictions: {', '.join(self.models)}",
                remedy=f'difference("{self.models[0]}")',
            )
        return self.rows.differences(own, self._level(conf_level))

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event`` (by the last time), ``n_missing, method, conf_level, unit, acknowledged``.
        """
        method = "inverse probability of censoring (Kaplan-Meier)"
        return self.rows.glance(method, self.left_out, self.conf_level, self.unit, self.acknowledged)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the Brier scores with their limits against time.

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

        frame = self.tidy()
        return plot_scores(frame[frame["measure"] == BRIER], ylabel="Brier score", unit=self.unit, ax=ax)

    def text(self, term: str = "", time: float | None = None) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str, default=''
            The prediction; the first by default.
        time : float, optional
            The time; the last by default.

        Returns
        -------
        str
            For example ``Brier score of risk_30 at 30 days 0.17 (95% CI 0.15–0.19), scaled 12%``.
        """
        tidy = self.tidy()
        when = float(tidy["time"].max()) if time is None else float(time)
        rows = tidy[(tidy["term"] == (term or self.models[0])) & (tidy["time"] == when)].set_index("measure")
        if rows.empty:
            raise EstimationError(
                f"there is no Brier score of {term!r} at {when:g} {self.unit}",
                evidence=f"predictions: {', '.join(self.models)}",
                remedy="name one of the predictions, and a time that was asked for",
            )
        row = rows.loc[BRIER, ["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
        found = rows["estimate"].to_dict()
        scaled = f", scaled {fixed(100 * found[SCALED], 0)}%" if SCALED in found else ""
        return (
            f"Brier score of {term or self.models[0]} at {when:g} {self.unit} {fixed(row[0], 3)} "
            f"({100 * self.conf_level:g}% CI {interval(row[1], row[2], 3)}){scaled}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        rows = self.tidy()
        plain = rows[rows["measure"] == BRIER].reset_index(drop=True)
        scaled = rows[rows["measure"] == SCALED].set_index(["term", "time"])["estimate"].mul(100).map(fixed)
        keys = list(zip(plain["term"], plain["time"], strict=True))
        cells = {
            "prediction": list(plain["term"]),
            self.unit: [f"{time:g}" for time in plain["time"]],
            "Brier": [fixed(v, 3) for v in plain["estimate"]],
            f"{100 * self.conf_level:g}% CI": [
                interval(low, high, 3)
                for low, high in zip(plain["conf_low"], plain["conf_high"], strict=True)
            ],
            "scaled %": [scaled.get(key, "") for key in keys],
        }
        reasons = dict.fromkeys(reason for reason in self.rows.reason if reason)
        facts = (
            ("method", "Brier score, inverse probability of censoring; scaled: 1 - Brier / null model's"),
            ("patients", f"{self.rows.n}, {int(self.rows.counts[:, 1].max())} events by the last time"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, (*reasons, *self.notes))),
        )
        sentence = f"How far predicted risks of {self.outcome.replace('_', ' ')} are from what happened"
        return Summary(sentence, facts, pd.DataFrame(cells))

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)


def brier_score(
    endpoint: Endpoint,
    risk: Risks,
    times: ArrayLike,
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> BrierScore:
    """Estimate the mean squared difference between predicted risks and what happened by a time.

    0 is perfect; a prediction of 0.5 for everybody has 0.25. The null model predicts for everybody the cumulative
    incidence of these patients; the scaled score, one minus the ratio of both (index of prediction accuracy), is the
    share of its error that the prediction removes, and is negative for a prediction that is worse than none. It
    judges ranking and calibration together.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up from the origin, one row per patient.
    risk : str, sequence of str, or mapping
        Column of the predicted risk of the event by the time, between 0 and 1; with several times one column for
        each, in their order. A mapping of names to such columns compares several predictions.
    times : array-like
        Times at which to judge, in the endpoint's unit, ascending.
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
    BrierScore
        Scores with ``tidy()``, ``difference()``, ``glance()`` and ``plot()``; missing with a reason where follow-up
        has ended or nobody has had the event.

    Raises
    ------
    EstimationError
        When a risk is not between 0 and 1, times and columns do not match, or with late entry.
    ImmortalTimeError
        When the prediction is known only after the clock has started: use a landmark.

    See Also
    --------
    calibration : Shows where predicted risks are too high or too low.
    time_dependent_auc : Judges the ranking alone.

    Notes
    -----
    Weighted as in [1]_, with competing risks as in [2]_. Scores, standard errors, differences and the scaled score
    agree with R riskRegression 2022.11.28 ``Score(metrics="brier", summary="ipa")`` to 1e-10, with ties as well
    (``tests/reference/prediction``); the standard error of the scaled score is ours, by the same influences.

    References
    ----------
    .. [1] Graf E, Schmoor C, Sauerbrei W, Schumacher M (1999). Stat Med 18:2529-2545.
       doi:10.1002/(sici)1097-0258(19990915/30)18:17/18<2529::aid-sim274>3.0.co;2-5
    .. [2] Schoop R, Beyersmann J, Schumacher M, Binder H (2011). Biom J 53:88-112. doi:10.1002/bimj.201000073

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [2, 4, 5, 6], "dead": [1, 1, 0, 1], "risk": [0.9, 0.5, 0.3, 0.2]})
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead")
    >>> co.brier_score(survival, "risk", 4).tidy()[["term", "measure", "estimate"]].round(4)
             term       measure  estimate
    0        risk   brier_score    0.0975
    1  null model   brier_score    0.2500
    2        risk  scaled_brier    0.6100
    """
    wanted, level = judging_times(times), check_conf_level(conf_level)
    models = _columns(risk, wanted, np.atleast_1d(np.asarray(times, dtype=float)))
    flat = [column for columns in models.values() for column in columns]
    patients = judged_patients(endpoint, flat, data, event, acknowledge)
    check_risks(patients.scores, flat)
    own = dict(zip(models, np.split(patients.scores, len(models), axis=1), strict=True))
    plain: list[tuple[str, str, float, Scored, str]] = []
    scaled: list[tuple[str, str, float, Scored, str]] = []
    for k, when in enumerate(wanted.tolist()):
        weights, reason = patients.weights(when)
        incidence = float(np.mean(weights.weight * weights.case))
        null = brier(np.full(len(patients.stop), incidence), weights)
        for name, values in own.items():
            scored = brier(values[:, k], weights)
            plain.append((name, BRIER, when, scored, reason))
            scaled.append((name, SCALED, when, scaled_brier(scored, null), reason))
        plain.append((NULL, BRIER, when, null, reason))
    return BrierScore(
        outcome=patients.outcome,
        models=tuple(models),
        rows=score_rows(patients, [*plain, *scaled]),
        conf_level=level,
        unit=endpoint.unit,
        left_out=patients.left_out,
        notes=patients.notes,
        acknowledged=patients.acknowledged,
    )


def _columns(risk: Risks, wanted: FloatArray, given: FloatArray) -> dict[str, tuple[str, ...]]:
    """Return the columns of each prediction, one for each time."""
    if isinstance(risk, Mapping):
        models = {str(k): (v,) if isinstance(v, str) else tuple(v) for k, v in risk.items()}
    elif isinstance(risk, str):
        models = {risk: (risk,)}
    else:
        models = {"risk" if len(risk) > 1 else str(risk[0]) if risk else "": tuple(risk)}
    wrong = [name for name, columns in models.items() if len(columns) != len(wanted)]
    if wrong or not np.array_equal(given, wanted) or not models or NULL in models:
        raise EstimationError(
            "every prediction needs one column of risks for each time, times ascending",
            evidence=f"{len(wanted)} distinct times; columns: "
            + ", ".join(f"{name} {len(columns)}" for name, columns in models.items()),
            remedy='risk={"model": ["risk_30", "risk_100"]}, times=[30, 100]',
        )
    return models
