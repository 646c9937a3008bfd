"""Whether acting on a predicted risk does more good than treating everybody or nobody: net benefit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.format import fixed, interval
from cohort.models.cox_inputs import as_names
from cohort.models.net_benefit import ALL, NOBODY, known_in_everybody, net_benefit
from cohort.models.prediction_inputs import check_risks, judged_patients, judging_times
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
THRESHOLDS = tuple(round(0.01 * k, 2) for k in range(1, 100))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DecisionCurve:
    """Net benefit of acting on predicted risks, over thresholds.

    Attributes
    ----------
    outcome : str
        The event.
    risks : tuple of str
        Columns of the predictions.
    time : float
        Time by which the event counts; NaN for an outcome without time.
    benefit : DataFrame
        ``term, threshold, n, n_positive, estimate, std_error, reason``.
    n, n_event : int
        Patients, and those with the event.
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
    risks: tuple[str, ...]
    time: float
    benefit: pd.DataFrame
    n: int
    n_event: int
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per strategy and threshold.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: net benefit is on its natural scale.

        Returns
        -------
        DataFrame
            ``term`` (prediction, ``treat all``, ``treat none``), ``threshold, n, n_positive, estimate, std_error,
            conf_low, conf_high, reason``; Wald limits.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        wide = ndtri(0.5 + level / 2) * self.benefit["std_error"]
        frame = self.benefit.assign(
            conf_low=self.benefit["estimate"] - wide, conf_high=self.benefit["estimate"] + wide
        )
        reason = frame.pop("reason")
        return frame.assign(reason=reason)

    def at(self, thresholds: ArrayLike) -> pd.DataFrame:
        """Return rows of some of the thresholds that were asked for.

        Parameters
        ----------
        thresholds : array-like
            Thresholds.

        Returns
        -------
        DataFrame
            Columns as in :meth:`tidy`.
        """
        wanted = np.atleast_1d(np.asarray(thresholds, dtype=float))
        tidy = self.tidy()
        known = np.isclose(tidy["threshold"].to_numpy()[:, None], wanted, rtol=0, atol=1e-12)
        if not known.any(axis=0).all():
            raise EstimationError(
                "a threshold was not computed",
                evidence=f"{int((~known.any(axis=0)).sum())} of {len(wanted)} thresholds",
                remedy="name it in decision_curve(..., thresholds=)",
            )
        wanted_rows: pd.DataFrame = tidy[known.any(axis=1)].reset_index(drop=True)
        return wanted_rows

    def interventions_avoided(self) -> pd.DataFrame:
        """Return how many treatments a prediction saves against treating all, without missing an event more.

        Returns
        -------
        DataFrame
            ``term, threshold, estimate``: the difference in net benefit from treating all over the odds of the
            threshold, per patient.
        """
        frame = self.benefit[self.benefit["term"].isin(self.risks)]
        everyone = self.benefit[self.benefit["term"] == ALL].set_index("threshold")["estimate"]
        threshold = frame["threshold"].to_numpy()
        gain = frame["estimate"].to_numpy() - everyone.loc[threshold].to_numpy()
        columns = frame[["term", "threshold"]].reset_index(drop=True)
        return columns.assign(estimate=gain * (1 - threshold) / threshold)

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing, method, conf_level, unit, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_event],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw net benefit against the threshold.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        from cohort.plots.decision_curve import plot_decision_curve

        return plot_decision_curve(self.tidy(), ax=ax)

    def text(self, term: str = "", threshold: float | None = None) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str, default=''
            The prediction; the first by default.
        threshold : float, optional
            The threshold; the middle one by default.

        Returns
        -------
        str
            For example ``net benefit of risk_30 at a threshold of 20% 0.12 (95% CI 0.08–0.16), treat all 0.07``.
        """
        known = np.unique(self.benefit["threshold"])
        rows = self.at(known[len(known) // 2] if threshold is None else threshold).set_index("term")
        name = term or self.risks[0]
        if name not in rows.index:
            raise EstimationError(
                f"there is no strategy {name!r}",
                evidence=f"strategies: {', '.join(rows.index)}",
                remedy="name one of them",
            )
        numbers = rows[["estimate", "conf_low", "conf_high", "threshold"]].astype(float)
        estimate, low, high, at = numbers.loc[[name]].to_numpy(dtype=float)[0].tolist()
        everyone = numbers.loc[[ALL]].to_numpy(dtype=float)[0, 0].item()
        return (
            f"net benefit of {name} at a threshold of {100 * at:g}% {fixed(estimate, 3)} "
            f"({100 * self.conf_level:g}% CI {interval(low, high, 3)}), treat all {fixed(everyone, 3)}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _method(self) -> str:
        return (
            "net benefit"
            if np.isnan(self.time)
            else "net benefit, Aalen-Johansen incidence among the positive"
        )

    def _summary(self) -> Summary:
        known = np.unique(self.benefit["threshold"])
        some = known[np.unique(np.linspace(0, len(known) - 1, 5).round().astype(int))]
        wide = self.at(some).pivot_table(index="threshold", columns="term", values="estimate", dropna=False)
        cells = {"threshold": [f"{100 * t:g}%" for t in wide.index]}
        cells |= {name: [fixed(v, 3) for v in wide[name]] for name in (*self.risks, ALL)}
        facts = (
            ("method", self._method()),
            ("patients", f"{self.n}, {self.n_event} events"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        when = "" if np.isnan(self.time) else f" by {self.time:g} {self.unit}"
        sentence = (
            f"Net benefit of acting on {' and '.join(self.risks)}: {self.outcome.replace('_', ' ')}{when}"
        )
        return Summary(sentence, facts, pd.DataFrame(cells))


def decision_curve(
    outcome: Endpoint | str,
    risks: str | Sequence[str],
    time: float | None = None,
    data: pd.DataFrame | None = None,
    *,
    thresholds: ArrayLike = THRESHOLDS,
    event: str | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> DecisionCurve:
    """Estimate the net benefit of treating patients whose predicted risk reaches a threshold.

    At threshold p, one needless treatment is taken to weigh p / (1 - p) of one event treated in time. Net benefit is
    the share of patients who are treated and have the event, minus that weight times the share treated without it.
    A prediction is of use where its curve lies above both treating all and treating none (zero); choose the range of
    thresholds before looking.

    Parameters
    ----------
    outcome : Endpoint or str
        Follow-up from the origin with ``time=``; or, for an outcome known in everybody, its yes/no column in ``data``.
    risks : str or sequence of str
        Columns of predicted risks, between 0 and 1.
    time : float, optional
        Time by which the event counts, in the endpoint's unit.
    data : DataFrame, optional
        The columns; with an endpoint those its own frame lacks.
    thresholds : array-like, default=0.01, 0.02, ..., 0.99
        Thresholds, strictly between 0 and 1.
    event : str, optional
        The event of interest, when the endpoint has several.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    DecisionCurve
        Net benefit with ``tidy()``, ``at()``, ``interventions_avoided()``, ``glance()`` and ``plot()``.

    Raises
    ------
    EstimationError
        When a risk or threshold is out of range, a time is missing, or follow-up ends before it.
    ImmortalTimeError
        When a prediction is known only after the clock has started.

    See Also
    --------
    calibration : A prediction that is not calibrated acts at the wrong threshold.

    Notes
    -----
    With q the share whose risk is at least p, and F the incidence among them by Kaplan-Meier [1]_ or, with competing
    events, Aalen-Johansen, net benefit is q {F - (1 - F) p / (1 - p)}. Its variance is that of a product of
    independent q and F, as in [2]_ for an outcome without censoring. Where follow-up of the positive ends before the
    time, the estimate is missing, with the reason. Estimates agree with R survival to 1e-10
    (``tests/reference/prediction``).

    References
    ----------
    .. [1] Vickers AJ, Cronin AM, Elkin EB, Gonen M (2008). BMC Med Inform Decis Mak 8:53. doi:10.1186/1472-6947-8-53
    .. [2] Pfeiffer RM, Gail MH (2020). Biom J 62:764-776. doi:10.1002/bimj.201800240

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"severe_icans": ["yes", "no", "yes", "no"], "risk": [0.8, 0.6, 0.4, 0.1]})
    >>> co.decision_curve("severe_icans", "risk", data=frame, thresholds=[0.5]).tidy()[["term", "estimate"]]
             term  estimate
    0        risk       0.0
    1   treat all       0.0
    2  treat none       0.0
    """
    names, level, cut = as_names(risks), check_conf_level(conf_level), _thresholds(thresholds)
    if not names or {ALL, NOBODY} & set(names):
        raise EstimationError("no predicted risk was given", remedy='write risks=["risk_30"]')
    if isinstance(outcome, str):
        patients, horizon, unit = known_in_everybody(outcome, names, data, acknowledge), np.nan, ""
        if time is not None:
            raise EstimationError(
                "a time needs follow-up",
                evidence=f"outcome {outcome} is a column",
                remedy="pass an endpoint: co.endpoint(...), or leave time= out",
            )
    else:
        if time is None:
            raise EstimationError("a time is needed with an endpoint", remedy="write time=30")
        horizon = float(judging_times(time)[0])
        patients, unit = judged_patients(outcome, names, data, event, acknowledge), outcome.unit
    check_risks(patients.scores, names)
    by_then = (patients.event == patients.code) & (np.isnan(horizon) | (patients.stop <= horizon))
    return DecisionCurve(
        outcome=patients.outcome,
        risks=tuple(names),
        time=horizon,
        benefit=net_benefit(patients, names, horizon, cut),
        n=len(patients.stop),
        n_event=int(by_then.sum()),
        conf_level=level,
        unit=unit,
        left_out=patients.left_out,
        notes=patients.notes,
        acknowledged=patients.acknowledged,
    )


def _thresholds(thresholds: ArrayLike) -> FloatArray:
    cut = np.unique(np.atleast_1d(np.asarray(thresholds, dtype=float)))
    if not len(cut) or not ((cut > 0) & (cut < 1)).all():
        raise EstimationError(
            "thresholds must lie strictly between 0 and 1",
            evidence=f"{int((~((cut > 0) & (cut < 1))).sum())} of {len(cut)} do not",
            remedy="write thresholds=[0.1, 0.2, 0.3]",
        )
    return cut
