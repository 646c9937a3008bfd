"""Whether predicted risks are right: observed against predicted, overall, by groups of risk and along the risk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.estimators.calibration_fit import LinkFit, cloglog, inverse_cloglog
from cohort.format import fixed, interval
from cohort.models.calibration_measures import (
    DISTANCES,
    INTERCEPT,
    RATIO,
    SLOPE,
    calibration_measures,
    group_incidence,
    risk_groups,
    smooth_columns,
)
from cohort.models.incidence_rows import IncidenceGroup, incidence_rows
from cohort.models.prediction_inputs import check_risks, judged_patients, judging_times
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
IDEAL = {RATIO: "1", INTERCEPT: "0", SLOPE: "1", **dict.fromkeys(DISTANCES, "0")}
BINS, CURVE_POINTS = 40, 101


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Calibration:
    """Observed against predicted risks at one time.

    Attributes
    ----------
    outcome : str
        The event.
    risk : str
        Column of the predictions.
    time : float
        Time at which they are judged.
    estimates : DataFrame
        ``term, estimate, std_error, reason`` of the measures.
    observed : tuple of IncidenceGroup
        Everybody, then each group of risk from the lowest.
    state : int
        Column of the event in their curves.
    predicted : array of shape (1 + n_groups,)
        Mean predicted risk of the same.
    knots : array of shape (3,)
        Knots of the smooth curve, on the scale log(-log(1 - risk)).
    smooth : LinkFit or None
        Coefficients of the smooth curve; None where there is none.
    range : tuple of float
        Smallest and largest predicted risk.
    bins : array of shape (40,)
        Patients by predicted risk, in bins of 0.025.
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
    risk: str
    time: float
    estimates: pd.DataFrame
    observed: tuple[IncidenceGroup, ...]
    state: int
    predicted: FloatArray
    knots: FloatArray
    smooth: LinkFit | None
    range: tuple[float, float]
    bins: NDArray[np.int64]
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of patients."""
        return self.observed[0].table.n

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per measure of calibration.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: measures are on their natural scale.

        Returns
        -------
        DataFrame
            ``term, time, estimate, std_error, conf_low, conf_high, reason``. Ratio of observed to expected: limits
            symmetric, and standard error, on the log scale. Intercept and slope: Wald limits on the scale log(-log(1 -
            risk)). Absolute errors of the smooth curve have no limits.
        """
        frame = self.estimates.assign(time=self.time)
        z = ndtri(0.5 + self._level(conf_level) / 2)
        log = (frame["term"] == RATIO).to_numpy()
        estimate, se = (frame[name].to_numpy(dtype=float) for name in ("estimate", "std_error"))
        with np.errstate(divide="ignore"):
            low, high = (np.where(log, estimate * np.exp(s * z * se), estimate + s * z * se) for s in (-1, 1))
        columns = ["term", "time", "estimate", "std_error", "conf_low", "conf_high", "reason"]
        return frame.assign(conf_low=low, conf_high=high)[columns]

    def by_group(self, conf_level: float | None = None) -> pd.DataFrame:
        """Return observed against mean predicted risk in groups of risk.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata`` (range of predicted risks), ``outcome, time, n, n_risk, n_event, n_censor, predicted, estimate,
            std_error, conf_low, conf_high, reason``; the estimate is the Aalen-Johansen (one kind of event:
            Kaplan-Meier) incidence, with log-log limits.
        """
        level, when = self._level(conf_level), np.array([self.time])
        frames = [incidence_rows(g, self.outcome, self.state, when, level) for g in self.observed[1:]]
        frame = pd.concat(frames, ignore_index=True)
        frame = frame.assign(predicted=self.predicted[1:], n=[g.table.n for g in self.observed[1:]])
        columns = ["strata", "outcome", "time", "n", "n_risk", "n_event", "n_censor", "predicted", "estimate"]
        return frame[[*columns, "std_error", "conf_low", "conf_high", "reason"]]

    def curve(self, conf_level: float | None = None) -> pd.DataFrame:
        """Return the smooth curve of observed risk along the predicted one.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``predicted, estimate, conf_low, conf_high`` from the smallest to the largest prediction; pointwise limits,
            made on the scale log(-log(1 - risk)). Without rows where no curve could be fitted.
        """
        if self.smooth is None:
            return pd.DataFrame({name: [] for name in ("predicted", "estimate", "conf_low", "conf_high")})
        grid = np.linspace(*self.range, CURVE_POINTS)
        X = smooth_columns(cloglog(grid), self.knots)
        eta = X @ self.smooth.estimate
        wide = np.sqrt(np.einsum("ij,jk,ik->i", X, self.smooth.covariance, X))
        wide = wide * ndtri(0.5 + self._level(conf_level) / 2)
        names = ("estimate", "conf_low", "conf_high")
        values = {k: inverse_cloglog(v) for k, v in zip(names, (eta, eta - wide, eta + wide), strict=True)}
        return pd.DataFrame({"predicted": grid, **values})

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event`` (by the time), ``n_missing, method, conf_level, unit, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self._events()],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "method": ["Aalen-Johansen; regression of pseudo-values, complementary log-log link"],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw observed against predicted risk: groups with limits, the smooth curve, and how risks are spread.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        from cohort.plots.calibration import plot_calibration

        return plot_calibration(
            self.by_group(),
            self.curve(),
            self.bins,
            xlabel=f"Predicted risk by {self.time:g} {self.unit} (%)",
            ylabel=f"Observed risk of {self.outcome.replace('_', ' ')} (%)",
            ax=ax,
        )

    def text(self, term: str = SLOPE) -> str:
        """Return the sentence fragment for a manuscript.

        Parameters
        ----------
        term : str, default='calibration_slope'
            The measure.

        Returns
        -------
        str
            For example ``calibration slope of risk_30 at 30 days 0.91 (95% CI 0.60–1.22)``.
        """
        tidy = self.tidy()
        row = tidy[tidy["term"] == term]
        if row.empty:
            raise EstimationError(
                f"there is no measure {term!r}",
                evidence=f"measures: {', '.join(IDEAL)}",
                remedy="name one of them",
            )
        estimate, low, high = row[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)[0]
        limits = "" if np.isnan(low) else f" ({100 * self.conf_level:g}% CI {interval(low, high, 2)})"
        return f"{term.replace('_', ' ')} of {self.risk} at {self.time:g} {self.unit} {fixed(estimate, 2)}{limits}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        rows = self.tidy()
        limits = zip(rows["conf_low"], rows["conf_high"], strict=True)
        cells = {
            "measure": [term.replace("_", " ") for term in rows["term"]],
            "ideal": [IDEAL[term] for term in rows["term"]],
            "estimate": [fixed(v, 3) for v in rows["estimate"]],
            f"{100 * self.conf_level:g}% CI": [
                "" if np.isnan(low) else interval(low, high, 3) for low, high in limits
            ],
        }
        whole = incidence_rows(
            self.observed[0], self.outcome, self.state, np.array([self.time]), self.conf_level
        )
        means = f"observed {fixed(100 * whole['estimate'].item(), 1)}%, "
        means += f"predicted {fixed(100 * self.predicted[0], 1)}% on average"
        facts = (
            (
                "method",
                "observed by Aalen-Johansen; slope and curve by pseudo-values, log(-log(1 - risk)) scale",
            ),
            ("patients", f"{self.n}, {self._events()} events by day {self.time:g}; {means}"),
            ("left out", left_out_text(self.left_out)),
            (
                "notes",
                notes_text(self.acknowledged, (*dict.fromkeys(r for r in rows["reason"] if r), *self.notes)),
            ),
        )
        sentence = (
            f"Calibration of {self.risk}: predicted risk of {self.outcome.replace('_', ' ')} by {self.time:g}"
        )
        return Summary(f"{sentence} {self.unit}", facts, pd.DataFrame(cells))

    def _events(self) -> int:
        table = self.observed[0].table
        return int(table.n_event[table.time <= self.time, self.state].sum())

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)


def calibration(
    endpoint: Endpoint,
    risk: str,
    time: float,
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    groups: int = 5,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> Calibration:
    """Compare predicted risks with what was observed by a time.

    From coarse to fine: the ratio of observed to mean predicted risk (1 when right on average); the intercept, how
    much higher the observed risk is on the scale log(-log(1 - risk)) (0), and the slope, below 1 when high risks are
    predicted too high and low ones too low (1); groups of patients by predicted risk; and a smooth curve, whose mean,
    median and 90th percentile distance from the predictions are told. With competing events risks are cumulative
    incidences.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up from the origin, one row per patient.
    risk : str
        Column of the predicted risk of the event by the time, between 0 and 1.
    time : float
        Time at which to judge, in the endpoint's unit.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    event : str, optional
        The event of interest, when the endpoint has several.
    groups : int, default=5
        Groups of equally many patients by predicted risk; fewer where predictions are the same.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    Calibration
        Measures with ``tidy()``, ``by_group()``, ``curve()``, ``glance()`` and ``plot()``.

    Raises
    ------
    EstimationError
        When a risk is not between 0 and 1, follow-up ends before the time, nobody had the event, or with late entry.
    ImmortalTimeError
        When the prediction is known only after the clock has started: use a landmark.

    See Also
    --------
    brier_score : One number for ranking and calibration together.

    Notes
    -----
    Intercept (slope fixed at 1), slope and curve (restricted cubic spline, knots at the 10th, 50th and 90th
    percentiles) are regressions of pseudo-values [1]_ by generalized estimating equations with a complementary log-log
    link, as proposed in [2]_; censoring must not depend on the prediction. The standard error of the ratio is that of
    the observed risk: predictions are taken as given. Agrees with R prodlim, geepack 1.3.9 and survival to 1e-8
    (``tests/reference/prediction``).

    References
    ----------
    .. [1] Andersen PK, Klein JP, Rosthoej S (2003). Biometrika 90:15-27. doi:10.1093/biomet/90.1.15
    .. [2] van Geloven N, Giardiello D, Bonneville EF, et al. (2022). BMJ 377:e069249. doi:10.1136/bmj-2021-069249

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [2, 4, 5, 6, 9], "dead": [1, 1, 0, 1, 0], "risk": [0.7, 0.5, 0.3, 0.2, 0.3]})
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead")
    >>> co.calibration(survival, "risk", 4, groups=2).tidy()["estimate"][0].round(4)
    np.float64(1.0)
    """
    when, level = judging_times(time), check_conf_level(conf_level)
    if len(when) != 1 or groups < 1:
        raise EstimationError(
            "calibration is judged at one time, in one group or more",
            evidence=f"{len(when)} times, groups={groups}",
            remedy="co.calibration(endpoint, risk, 30, groups=5)",
        )
    patients = judged_patients(endpoint, [risk], data, event, acknowledge)
    check_risks(patients.scores, [risk])
    horizon, predicted = float(when[0]), patients.scores[:, 0]
    reason = patients.weights(horizon)[1]
    if reason and reason != "everyone has had the event":
        raise EstimationError(
            f"calibration cannot be judged at {horizon:g}",
            evidence=reason,
            remedy="choose a time within follow-up, by which events have occurred",
        )
    n_states = len(endpoint.states)
    codes, names = risk_groups(predicted, groups)
    everyone = np.zeros(len(predicted), dtype=np.int64)
    observed = [group_incidence("", patients, everyone == 0, n_states)]
    observed += [group_incidence(name, patients, codes == k, n_states) for k, name in enumerate(names)]
    means = [float(predicted.mean()), *(float(predicted[codes == k].mean()) for k in range(len(names)))]
    rows, knots, smooth = calibration_measures(patients, predicted, horizon, observed[0], means[0])
    return Calibration(
        outcome=patients.outcome,
        risk=risk,
        time=horizon,
        estimates=rows,
        observed=tuple(observed),
        state=patients.code - 1,
        predicted=np.array(means),
        knots=knots,
        smooth=smooth,
        range=(float(predicted.min()), float(predicted.max())),
        bins=np.histogram(predicted, BINS, (0.0, 1.0))[0].astype(np.int64),
        conf_level=level,
        unit=endpoint.unit,
        left_out=patients.left_out,
        notes=patients.notes,
        acknowledged=patients.acknowledged,
    )
