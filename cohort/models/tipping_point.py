"""How far from missing at random the truth must be before a conclusion changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import without_blanks
from cohort.errors import EstimationError
from cohort.estimators.rubin import t_quantile, t_tail
from cohort.format import fixed, p_value, ratio
from cohort.models.impute import impute
from cohort.models.pool import Pooled, pool
from cohort.models.pooled_text import limits_text, with_labels
from cohort.models.pooling_rows import back
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TippingPoint:
    """One estimate, pooled under several shifts of the imputed values.

    Attributes
    ----------
    variable : str
        Variable whose imputed values are shifted.
    shifted : int
        Values that are shifted.
    measure : str
        Name of the estimate.
    log_measure : bool
        Whether estimates are logarithms of a ratio.
    row : dict
        What identifies the estimate: ``term``, ``level``, and so on.
    scale : str
        Scale of the pooling.
    delta : array of shape (k,)
        Shifts, ascending.
    estimate, std_error, df : array of shape (k,)
        Pooled at each shift, on the pooling scale.
    complete_case : array of shape (3,) or None
        Estimate and limits of the complete cases, on the scale of ``tidy()``.
    complete_case_text : str
        Whom they are about.
    m : int
        Completed data sets of each shift.
    n : int or None
        Rows of each.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out although values were imputed.
    conf_level : float
        Confidence level.
    """

    variable: str
    shifted: int
    measure: str
    log_measure: bool
    row: Mapping[str, Any]
    scale: str
    delta: FloatArray
    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray
    complete_case: FloatArray | None
    complete_case_text: str
    m: int
    n: int | None
    left_out: tuple[tuple[str, str, int], ...]
    conf_level: float

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per shift.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Whether log ratios and their limits become ratios.

        Returns
        -------
        DataFrame
            The keys of the estimate, ``delta, estimate, std_error, statistic, df, p_value, conf_low, conf_high,
            complete_case, complete_case_low, complete_case_high``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        half = t_quantile(1 - (1 - level) / 2, self.df) * self.std_error
        scales = (self.scale,) * len(self.delta)
        value, slope = back(self.estimate, scales)
        ends = np.sort([back(self.estimate + sign * half, scales)[0] for sign in (-1, 1)], axis=0)
        complete = np.full(3, np.nan) if self.complete_case is None else self.complete_case
        if exponentiate and self.log_measure:
            value, ends, complete = np.exp(value), np.exp(ends), np.exp(complete)
        statistic = self.estimate / self.std_error
        return pd.DataFrame(
            {
                **{name: [v] * len(value) for name, v in self.row.items()},
                "delta": self.delta,
                "estimate": value,
                "std_error": np.abs(slope) * self.std_error,
                "statistic": statistic,
                "df": self.df,
                "p_value": t_tail(statistic, self.df),
                "conf_low": ends[0],
                "conf_high": ends[1],
                "complete_case": complete[0],
                "complete_case_low": complete[1],
                "complete_case_high": complete[2],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the analysis.

        Returns
        -------
        DataFrame
            ``n, n_imputation, n_missing, method, conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_imputation": [self.m],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "method": [f"multiple imputation, imputed {self.variable} shifted by delta, Rubin's rules"],
                "conf_level": [self.conf_level],
            }
        )

    @property
    def tipping(self) -> tuple[float, ...]:
        """Shifts at which the p-value crosses 1 - ``conf_level``, by linear interpolation of the nearer limit.

        Returns
        -------
        tuple of float
            Ascending; empty when the conclusion is the same at all shifts.
        """
        half = t_quantile(1 - (1 - self.conf_level) / 2, self.df) * self.std_error
        found = []
        for limit in (self.estimate - half, self.estimate + half):
            for k in np.flatnonzero(np.sign(limit[1:]) * np.sign(limit[:-1]) < 0):
                share = limit[k] / (limit[k] - limit[k + 1])
                found.append(float(self.delta[k] + share * (self.delta[k + 1] - self.delta[k])))
        return tuple(sorted(found))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the estimate against the shift.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.sensitivity import plot_sensitivity

        is_ratio = self.log_measure or self.scale == "log"
        return plot_sensitivity(
            self.tidy(exponentiate=True),
            variable=self.variable,
            measure=self.measure,
            ratio=is_ratio,
            tipping=self.tipping,
            conf_level=self.conf_level,
            ax=ax,
        )

    def text(self, term: str = "") -> str:
        """Return the sentence fragment about the tipping point.

        Parameters
        ----------
        term : str, default=''
            Term of the estimate; there is one only.

        Returns
        -------
        str
            For example ``odds ratio 1.90 at delta 0; P crosses 0.05 at delta −1.4``.
        """
        frame = self.tidy(exponentiate=True)
        at = int(np.argmin(np.abs(self.delta)))
        return f"{self.measure} {ratio(frame['estimate'][at])} at delta {self.delta[at]:g}; {self._tips()}"

    def _tips(self) -> str:
        p = f"P crosses {1 - self.conf_level:.2g}"
        where = " and ".join(fixed(v, 2) for v in self.tipping)
        span = f"{self.delta[0]:g} to {self.delta[-1]:g}"
        return f"{p} at delta {where}" if where else f"same conclusion at every delta from {span}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.tidy(exponentiate=True)
        label = with_labels(pd.DataFrame([dict(self.row)]), self.measure)["label"].iloc[0]
        facts = (
            ("method", f"{self.shifted} imputed values of {self.variable} shifted by delta, Rubin's rules"),
            ("imputations", f"{self.m} at each delta, the same random numbers"),
            ("tipping point", self._tips()),
            ("complete cases", self._complete()),
            ("left out", left_out_text(self.left_out)),
        )
        limits = zip(frame["conf_low"], frame["conf_high"], strict=True)
        table = pd.DataFrame(
            {
                "delta": [f"{value:g}" for value in self.delta],
                self.measure: [ratio(v) for v in frame["estimate"]],
                f"{self.conf_level * 100:g}% CI": [limits_text(low, high) for low, high in limits],
                "P": [p_value(v).removeprefix("=") for v in frame["p_value"]],
            }
        )
        return Summary(f"Sensitivity of the {self.measure} of {label} to what is missing", facts, table)

    def _complete(self) -> str:
        if self.complete_case is None:
            return self.complete_case_text
        value, low, high = np.exp(self.complete_case) if self.log_measure else self.complete_case
        return f"{ratio(value)} ({limits_text(low, high)}), {self.complete_case_text}"


def tipping_point(
    data: pd.DataFrame,
    analysis: Callable[[pd.DataFrame], Any],
    variable: str,
    deltas: Sequence[float],
    *,
    seed: int,
    term: str | None = None,
    m: int = 20,
    within: pd.Series | None = None,
    conf_level: float = 0.95,
    **options: Any,
) -> TippingPoint:
    """Repeat an analysis with imputed values shifted away from missing at random, and find where it tips.

    Imputed numbers are raised by delta; of a finding or grade delta is added to the log odds of present or of a
    higher grade. At delta 0 values are missing at random. With ``within`` only some patients are shifted, as a
    pattern mixture does whose missing values differ by group.

    Parameters
    ----------
    data : DataFrame
        One row per patient.
    analysis : callable
        Takes a completed frame and returns a result, as for ``Imputations.fit``.
    variable : str
        Variable with missing values.
    deltas : sequence of float
        Shifts, in the unit of the variable or in log odds; at least two.
    seed : int
        Seed; each shift uses the same random numbers, so that shifts and not chance make the difference.
    term : str, optional
        Row of the analysis, as it prints or as ``term[level]``; needed when there are several.
    m : int, default=20
        Completed data sets of each shift.
    within : Series of bool, optional
        Patients whose imputed values are shifted; all by default.
    conf_level : float, default=0.95
        Confidence level; the conclusion tips where the p-value crosses 1 less this.
    **options
        Further arguments of :func:`cohort.models.impute.impute`.

    Returns
    -------
    TippingPoint
        ``tidy()`` by shift, ``tipping``, ``plot()``.

    Raises
    ------
    EstimationError
        For fewer than two shifts, a variable without missing values, or a term that is not one row.

    See Also
    --------
    cohort.models.impute.impute : One set of imputations.

    Notes
    -----
    A shift cannot be learned from the data: say beforehand which shifts are plausible.

    References
    ----------
    .. [1] van Buuren S (2018). Flexible Imputation of Missing Data, second edition, section 9.2.
    .. [2] Cro S, Morris TP, Kenward MG, Carpenter JR (2020). Sensitivity analysis for clinical trials with missing
       continuous outcome data using controlled multiple imputation. Stat Med 39:2815-2842. doi:10.1002/sim.8569

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"crp": rng.normal(5, 2, 80), "severe": rng.integers(0, 2, 80)})
    >>> data["crp"] = data["crp"] + data["severe"]
    >>> data.loc[:19, "crp"] = np.nan
    >>> tipping_point(data, lambda f: __import__("cohort").odds_ratio("severe ~ crp", f), "crp", [-1, 0, 1],
    ...               seed=1, m=3).tidy()["delta"].tolist()
    [-1.0, 0.0, 1.0]
    """
    shifts = _check(data, variable, deltas, within, bool(options.get("states")))
    shift_of = np.ones(len(data)) if within is None else within.reindex(data.index).to_numpy(dtype=float)
    weights = pd.Series(shift_of, index=data.index)
    imputed = [impute(data, m, seed=seed, delta={variable: weights * shift}, **options) for shift in shifts]
    pooled = [pool(one.fit(analysis), conf_level=conf_level) for one in imputed]
    first = pooled[0]
    at = _row(first, term)
    wanted = next(c.variable.wanted for c in imputed[0].columns if c.variable.name == variable)
    return TippingPoint(
        variable=variable,
        shifted=int((wanted & (shift_of > 0)).sum()),
        measure=first.measure,
        log_measure=first.log_measure,
        row=first.rows[at],
        scale=first.scale[at],
        delta=shifts,
        estimate=np.array([one.pool.estimate[at] for one in pooled]),
        std_error=np.array([np.sqrt(one.pool.total[at]) for one in pooled]),
        df=np.array([one.pool.df[at] for one in pooled]),
        complete_case=None if first.complete_case is None else first.complete_case[at],
        complete_case_text=first.complete_case_text,
        m=m,
        n=first.n,
        left_out=first.left_out,
        conf_level=conf_level,
    )


def _check(
    data: pd.DataFrame, variable: str, deltas: Sequence[float], within: pd.Series | None, states: bool
) -> FloatArray:
    shifts = np.unique(np.asarray(deltas, dtype=float))
    if len(shifts) < 2 or not np.isfinite(shifts).all():
        raise EstimationError(
            "a sensitivity analysis needs at least two different finite shifts",
            evidence=f"{len(shifts)} given",
            remedy="deltas=[-2, -1, 0, 1, 2]",
        )
    if variable not in data or not (states or without_blanks(data[variable]).isna().any()):
        raise EstimationError(
            f"nothing is missing in {variable}" if variable in data else f"unknown column {variable}",
            evidence=f"the frame has {len(data.columns)} columns",
            remedy="name a variable with missing values",
        )
    if within is not None and not set(within.reindex(data.index).unique()) <= {True, False}:
        raise EstimationError(
            "within= does not say yes or no for every row of the data",
            evidence=f"dtype {within.dtype}",
            remedy='within=data["severe_icans"] == "yes"',
        )
    return shifts


def _row(pooled: Pooled, term: str | None) -> int:
    """Return the position of the row asked for, or of the only one but the intercept."""
    frame = with_labels(pooled.tidy().rename_axis("position").reset_index(), pooled.measure)
    own = frame["term"].astype(str) if "term" in frame else frame["label"]
    asked = (own == term) | (frame["label"] == term) | (frame["bracketed"] == term)
    found = frame["position"] if term is None else frame["position"][asked]
    if len(found) != 1:
        raise EstimationError(
            f"{len(found)} rows of the analysis are meant",
            evidence=f"rows: {', '.join(frame['label'])}",
            remedy=f'term="{frame["label"].iloc[0]}"',
        )
    return int(found.iloc[0])
