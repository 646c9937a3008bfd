"""Precision: how wide the interval of a proportion is expected to be, or how many patients a width needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.expected_width import expected_limits, n_for_half_width
from cohort.estimators.proportions import ProportionMethod
from cohort.format import fixed, interval
from cohort.models.plan_checks import check_between, check_n, one_of
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METHODS = {"wilson": "Wilson", "exact": "Clopper-Pearson", "jeffreys": "Jeffreys"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Precision:
    """Expected precision of a proportion in a planned study.

    Attributes
    ----------
    proportion : float
        Proportion expected.
    n : int
        Patients.
    n_effective : int
        Patients that would tell as much without clustering.
    method : str
        Interval.
    conf_level : float
        Confidence level.
    design_effect : float
        Inflation of the variance by clustering.
    """

    proportion: float
    n: int
    n_effective: int
    method: ProportionMethod
    conf_level: float
    design_effect: float

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row: the proportion with its expected limits.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the plan by default.
        exponentiate : bool, default=False
            Without effect.

        Returns
        -------
        DataFrame
            ``term, method, estimate, std_error, conf_low, conf_high, half_width, n``; limits are means over all
            numbers of events that may occur.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        low, high = expected_limits(self.proportion, self.n_effective, self.method, level)
        variance = self.proportion * (1 - self.proportion) / self.n_effective
        return pd.DataFrame(
            {
                "term": ["proportion"],
                "method": [self.method],
                "estimate": [self.proportion],
                "std_error": [math.sqrt(variance)],
                "conf_low": [low],
                "conf_high": [high],
                "half_width": [(high - low) / 2],
                "n": [self.n],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the plan.

        Returns
        -------
        DataFrame
            ``n, method, conf_level``.
        """
        return pd.DataFrame({"n": [self.n], "method": [self._method()], "conf_level": [self.conf_level]})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the expected half width against the number of patients, with this plan marked.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.plan_curve import plot_plan_curve

        sizes = np.unique(np.geomspace(max(self.n / 8, 2), self.n * 4, 40).round().astype(int))
        frame = pd.DataFrame({"n": sizes, "estimate": [self._half_width(int(n)) for n in sizes]})
        mark = (float(self.n), float(self.tidy()["half_width"].iloc[0]))
        return plot_plan_curve(frame, mark=mark, ylabel="Expected half width of the interval", ax=ax)

    def text(self, term: str = "proportion") -> str:
        """Return the sentence fragment for a protocol.

        Parameters
        ----------
        term : str, default='proportion'
            The only term.

        Returns
        -------
        str
            For example ``with 120 patients a proportion of 0.30 has an expected 95% CI of 0.23 to 0.39``.
        """
        if term != "proportion":
            raise EstimationError(f"term {term!r} is not in this result", remedy='text("proportion")')
        row = self.tidy().iloc[0]
        limits = interval(row["conf_low"], row["conf_high"]).replace("\N{EN DASH}", " to ")
        level = f"{100 * self.conf_level:g}% CI"
        return f"with {self.n} patients a proportion of {fixed(self.proportion, 2)} has an expected {level} of {limits}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _half_width(self, n: int) -> float:
        size = max(1, math.floor(n / self.design_effect))
        low, high = expected_limits(self.proportion, size, self.method, self.conf_level)
        return (high - low) / 2

    def _method(self) -> str:
        return f"{_METHODS[self.method]} limits, mean over the binomial distribution"

    def _summary(self) -> Summary:
        row = self.tidy().iloc[0]
        clustered = f"; design effect {self.design_effect:.2f}, as {self.n_effective} unclustered"
        facts = (
            ("method", self._method()),
            ("patients", f"{self.n}{clustered if self.design_effect > 1 else ''}"),
            ("left out", "nobody: a plan has no patients; add those who will not be imaged or assessed"),
        )
        cells = {
            "proportion": [fixed(self.proportion, 3)],
            f"expected {100 * self.conf_level:g}% CI": [interval(row["conf_low"], row["conf_high"], 3)],
            "half width": [fixed(row["half_width"], 4)],
        }
        return Summary(
            f"Expected precision of a proportion of {self.proportion:g}", facts, pd.DataFrame(cells)
        )


def precision(
    proportion: float,
    *,
    n: int | None = None,
    half_width: float | None = None,
    method: ProportionMethod = "wilson",
    design_effect: float = 1.0,
    conf_level: float = 0.95,
) -> Precision:
    """Plan a proportion: the width that a number of patients gives, or the number that a width needs.

    The width is the mean over all numbers of events that may occur, not the width at the expected number.

    Parameters
    ----------
    proportion : float
        Proportion expected, between 0 and 1; 0.5 is the widest.
    n : int, optional
        Patients in the denominator (imaged and assessable).
    half_width : float, optional
        Half width wanted, in place of ``n``.
    method : {'wilson', 'exact', 'jeffreys'}, default='wilson'
        Interval that will be reported.
    design_effect : float, default=1.0
        Inflation by clustering, from ``co.design_effect``.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    Precision
        Plan with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        When not exactly one of ``n`` and ``half_width`` is given, or an argument is out of range.

    Examples
    --------
    >>> import cohort as co
    >>> co.precision(0.3, half_width=0.1).n
    77
    """
    check_between("proportion", proportion, 0, 1)
    effect = check_between("design_effect", design_effect, 1, math.inf, closed=True)
    if method not in _METHODS:
        raise EstimationError(
            f"method {method!r} is not known",
            evidence=f"methods: {', '.join(_METHODS)}",
            remedy='method="wilson"',
        )
    level = check_conf_level(conf_level)
    if one_of(n=n, half_width=half_width) == "n":
        size = check_n("n", n if n is not None else 0)
        effective = max(1, math.floor(size / effect))
    else:
        width = check_between("half_width", half_width if half_width is not None else 0.0, 0, 0.5)
        effective = n_for_half_width(proportion, width, method, level)
        size = math.ceil(effective * effect)
    return Precision(float(proportion), size, effective, method, level, effect)
