"""The result of standardized curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.kaplan_meier import probability_limits
from cohort.format import fixed
from cohort.models.curves import axis_ticks, check_times, interval_text
from cohort.models.result import check_conf_level, wald
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.plots.time_axis import TimeUnit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StandardizedCurves:
    """Curves of an event, had all patients had each level of an exposure.

    Attributes
    ----------
    outcome, formula, exposure : str
        The event, the covariates, and the exposure that is set.
    levels : tuple of str
        Levels of the exposure; others are compared with the first.
    measure : str
        ``survival`` or ``cumulative incidence``.
    model : str
        The model in words.
    time : array of shape (T,)
        Event times.
    estimate : array of shape (T, k)
        The curves.
    covariance : array of shape (T, k, k)
        Covariance of the curves at one time.
    draws : array of shape (replicates, T, k) or None
        Curves in bootstrap samples; NaN where a sample has no estimate.
    n_risk : array of shape (T, k)
        Patients observed at each level who are at risk.
    n_level : tuple of int
        Patients observed at each level.
    last_time : float
        End of follow-up.
    limits : str
        ``delta`` or ``bootstrap``.
    cluster : str
        Column of the clusters; empty without.
    conf_level : float
        Confidence level.
    n, n_event, n_cluster : int
        Patients, events, clusters (0 without).
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
    exposure: str
    levels: tuple[str, ...]
    measure: str
    model: str
    time: FloatArray
    estimate: FloatArray
    covariance: FloatArray
    draws: FloatArray | None
    n_risk: NDArray[np.intp]
    n_level: tuple[int, ...]
    last_time: float
    limits: str
    cluster: str
    conf_level: float
    n: int
    n_event: int
    n_cluster: int
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per level and event time.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: probabilities are on their natural scale.

        Returns
        -------
        DataFrame
            ``strata`` (the level), ``outcome, time, n_risk`` (observed at the level), ``estimate, std_error, conf_low,
            conf_high, reason``.
        """
        return self.at(self.time, conf_level)

    def at(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return the curves at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit; sorted in the answer.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`tidy`. Beyond the last follow-up the estimate is missing, with the reason.
        """
        wanted, level = check_times(times), self._level(conf_level)
        at = np.searchsorted(self.time, wanted, "right")
        beyond = wanted > self.last_time
        frames = []
        for k, name in enumerate(self.levels):
            columns = [np.where(beyond, np.nan, values) for values in self._curve(k, at, level)]
            frames.append(
                pd.DataFrame(
                    {
                        "strata": name,
                        "outcome": self.outcome,
                        "time": wanted,
                        "n_risk": self._n_risk(k, wanted),
                        **dict(zip(("estimate", "std_error", "conf_low", "conf_high"), columns, strict=True)),
                        "reason": np.where(beyond, f"follow-up ends at {self.last_time:g}", ""),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def difference(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences of the curves from that of the first level at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``term`` (the comparison), ``outcome, time, estimate, std_error, statistic, p_value, conf_low, conf_high,
            reason``; limits on the scale of probabilities.
        """
        return self._contrast(times, self._level(conf_level), ratio=False)

    def ratio(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return ratios of the curves to that of the first level at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`difference`; limits are symmetric, and ``std_error`` and the statistic are, on the log
            scale.
        """
        return self._contrast(times, self._level(conf_level), ratio=True)

    def glance(self) -> pd.DataFrame:
        """Return one row about the analysis.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing, n_cluster, method, conf_level, unit, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_event],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster],
                "method": [self._how()],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None, times: ArrayLike | None = None) -> Axes:
        """Draw the curves with their limits; each ends where few patients observed at its level remain at risk.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        times : array-like, optional
            Ticks of the axis.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.incidence import plot_incidence
        from cohort.plots.survival import plot_survival

        ticks, printed = axis_ticks(times, self.last_time, self.unit)
        name = self.exposure.replace("_", " ")
        labels = {level: f"{name}: {level}" for level in self.levels}
        unit = cast("TimeUnit", self.unit)
        if self.measure == "survival":
            return plot_survival(
                self.tidy(),
                ax=ax,
                times=ticks,
                unit=unit,
                display_unit=printed,
                ylabel="Standardized survival (%)",
                labels=labels,
                censor_marks=False,
            )
        return plot_incidence(
            self.tidy(),
            ax=ax,
            times=ticks,
            unit=unit,
            display_unit=printed,
            ylabel="Standardized incidence (%)",
            labels=labels,
        )

    def text(self, term: str = "", time: float | None = None) -> str:
        """Return the sentence fragment of the difference of a level from the first.

        Parameters
        ----------
        term : str, default=''
            Level; the second by default.
        time : float, optional
            Time since the origin; the last event by default.

        Returns
        -------
        str
            For example ``survival at 365 days 62.1% with flair_deep present, 80.3% with absent: difference −18.2
            percentage points (95% CI −30.4 to −6.0)``.
        """
        level = term or self.levels[1]
        when = float(self.time[-1]) if time is None else float(time)
        rows = self.at([when]).set_index("strata")["estimate"]
        if level not in self.levels:
            raise EstimationError(
                f"there is no level {level!r} of {self.exposure}",
                evidence=f"levels: {', '.join(self.levels)}",
                remedy="name one of them",
            )
        if level == self.levels[0]:
            return f"{self.measure} at {when:g} {self.unit} {fixed(100 * rows[level], 1)}% with {self.exposure} {level}"
        found = self.difference([when])
        row = found[found["term"] == f"{level} - {self.levels[0]}"].iloc[0]
        values = 100 * row[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
        return (
            f"{self.measure} at {when:g} {self.unit} {fixed(100 * rows[level], 1)}% with {self.exposure} {level}, "
            f"{fixed(100 * rows[self.levels[0]], 1)}% with {self.levels[0]}: difference {fixed(values[0], 1)} "
            f"percentage points ({100 * self.conf_level:g}% CI {interval_text(values[1], values[2], 1)})"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        when = float(self.time[-1])
        rows = self.at([when])
        against = 100 * self.difference([when])[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
        compared = [f"{fixed(one, 1)} ({interval_text(low, high, 1)})" for one, low, high in against.tolist()]
        limits = f"{100 * self.conf_level:g}% CI"
        cells = {
            self.exposure: list(self.levels),
            "observed": [f"{n}" for n in self.n_level],
            f"% at {when:g} {self.unit}": [fixed(100 * v, 1) for v in rows["estimate"]],
            limits: [
                interval_text(100 * low, 100 * high, 1)
                for low, high in zip(rows["conf_low"], rows["conf_high"], strict=True)
            ],
            f"difference from {self.levels[0]} ({limits})": ["", *compared],
        }
        facts = (
            ("method", self._how()),
            ("patients", f"{self.n}, {self.n_event} events"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        what = f"{self.measure.capitalize()}: {self.outcome.replace('_', ' ')}"
        sentence = f"{what}, had all had each level of {self.exposure} ({self.formula})"
        return Summary(sentence, facts, pd.DataFrame(cells))

    def _how(self) -> str:
        if self.draws is not None:
            return f"standardized, {self.model}, percentiles of {len(self.draws)} bootstrap samples"
        robust = f", {self.n_cluster} clusters" if self.n_cluster else ""
        return f"standardized, {self.model}, influence functions{robust}"

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)

    def _n_risk(self, k: int, times: FloatArray) -> NDArray[np.intp]:
        """Return who is at risk: at an event time itself, between two of them at the next."""
        known = np.append(self.n_risk[:, k], 0)
        return known[np.searchsorted(self.time, times, "left")]

    def _start(self) -> float:
        return 1.0 if self.measure == "survival" else 0.0

    def _curve(self, k: int, at: NDArray[np.intp], conf_level: float) -> list[FloatArray]:
        """Return estimate, standard error and limits of one level after a number of event times."""
        p = np.append(self._start(), self.estimate[:, k])
        error = np.append(0.0, np.sqrt(np.maximum(self.covariance[:, k, k], 0)))
        low, high = probability_limits(p, error, "log-log", conf_level)
        if self.draws is not None:
            drawn = _kept(self.draws)[:, :, k]
            tail = (1 - conf_level) / 2
            error = np.append(0.0, drawn.std(axis=0, ddof=1))
            low, high = (np.append(np.nan, np.quantile(drawn, q, axis=0)) for q in (tail, 1 - tail))
        none_yet = p == self._start()
        low, high = np.where(none_yet, p, low), np.where(none_yet, p, high)
        return [values[at] for values in (p, error, low, high)]

    def _contrast(self, times: ArrayLike, conf_level: float, ratio: bool) -> pd.DataFrame:
        wanted = check_times(times)
        at = np.searchsorted(self.time, wanted, "right")
        p = np.vstack([np.full((1, len(self.levels)), self._start()), self.estimate])[at]
        V = np.concatenate([np.zeros((1, *self.covariance.shape[1:])), self.covariance])[at]
        drawn = None
        if self.draws is not None:
            kept = _kept(self.draws)
            start = np.full((len(kept), 1, kept.shape[2]), self._start())
            drawn = np.concatenate([start, kept], axis=1)[:, at]
        frames = [self._pair(k, wanted, p, V, drawn, conf_level, ratio) for k in range(1, len(self.levels))]
        return pd.concat(frames, ignore_index=True)

    def _pair(
        self,
        k: int,
        times: FloatArray,
        p: FloatArray,
        V: FloatArray,
        drawn: FloatArray | None,
        conf_level: float,
        ratio: bool,
    ) -> pd.DataFrame:
        """Compare one level with the first; limits on the log scale for a ratio."""
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled, slope = (np.log(p), 1 / p) if ratio else (p, np.ones_like(p))
            estimate = scaled[:, k] - scaled[:, 0]
            variance = (
                V[:, k, k] * slope[:, k] ** 2
                + V[:, 0, 0] * slope[:, 0] ** 2
                - 2 * V[:, 0, k] * slope[:, 0] * slope[:, k]
            )
            error = np.sqrt(np.maximum(variance, 0))
            compared = None
            if drawn is not None:
                moved = np.log(drawn) if ratio else drawn
                compared = moved[:, :, k] - moved[:, :, 0]
                error = compared.std(axis=0, ddof=1)
            low, high, statistic, p_value = wald(estimate, error, conf_level)
            if compared is not None:
                tail = (1 - conf_level) / 2
                low, high = np.quantile(compared, [tail, 1 - tail], axis=0)
        beyond = times > self.last_time
        unknown = beyond | ~(error > 0)
        back = np.exp if ratio else np.asarray
        columns = {
            "estimate": np.where(beyond, np.nan, back(estimate)),
            "std_error": np.where(unknown, np.nan, error),
            "statistic": np.where(unknown, np.nan, statistic),
            "p_value": np.where(unknown, np.nan, p_value),
            "conf_low": np.where(unknown, np.nan, back(low)),
            "conf_high": np.where(unknown, np.nan, back(high)),
        }
        reason = np.where(
            beyond, f"follow-up ends at {self.last_time:g}", np.where(unknown, "no event yet", "")
        )
        sign = "/" if ratio else "-"
        head = {"term": f"{self.levels[k]} {sign} {self.levels[0]}", "outcome": self.outcome, "time": times}
        return pd.DataFrame({**head, **columns, "reason": reason})


def _kept(draws: FloatArray) -> FloatArray:
    """Return the samples that have an estimate."""
    return draws[~np.isnan(draws).any(axis=(1, 2))]
