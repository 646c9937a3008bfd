"""Balance of covariates between groups: the table, the Love plot, the sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.estimators.balance import Balance
from cohort.format import fixed, ratio
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_RATIO = "a yes/no column: its variance follows from its mean"
NO_SPREAD = "the column does not vary in a group"
SHARED = "one sample is part of the other"


@dataclass(frozen=True, slots=True)
class Compared:
    """One covariate column in two samples.

    Attributes
    ----------
    term, level : str
        Covariate, and its category.
    first, second : str
        Names of the samples.
    method : {'unweighted', 'weighted'}
        Whether the weights were used.
    binary : bool
        Whether the column is 0/1.
    balance : Balance
        Means, standardized difference, variance ratio and distance of the distributions.
    std_error : float
        Approximate standard error of the standardized difference; NaN when the samples share patients.
    n : int
        Patients with a weight in either sample.
    """

    term: str
    level: str
    first: str
    second: str
    method: str
    binary: bool
    balance: Balance
    std_error: float
    n: int

    @property
    def variable(self) -> str:
        """Covariate with its category.

        Returns
        -------
        str
            Such as ``product: axi-cel``.
        """
        return f"{self.term}: {self.level}" if self.level else self.term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BalanceTable:
    """How alike groups are in their covariates, before and after weighting.

    Attributes
    ----------
    formula : str
        As written.
    groups : tuple of (str, int)
        Groups, with the number of patients used.
    target : str
        Whom the weighted groups should stand for, empty without weights.
    rows : tuple of Compared
        One per column, pair of groups and method.
    threshold : float
        Absolute standardized difference that is still called balance.
    effective_n : float
        Kish's effective sample size of the weights; NaN without weights.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    """

    formula: str
    groups: tuple[tuple[str, int], ...]
    target: str
    rows: tuple[Compared, ...]
    threshold: float
    effective_n: float
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per column, comparison, method and measure.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: all measures are on their natural scale.

        Returns
        -------
        DataFrame
            ``term, level, strata`` (second - first group), ``method`` (unweighted, weighted), ``measure``
            (``standardized_difference``, ``variance_ratio``, ``ks``, ``mean_first``, ``mean_second``), ``estimate,
            std_error, conf_low, conf_high`` (of the standardized difference, from effective sample sizes), ``n,
            reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        z = float(ndtri(0.5 + level / 2))
        return pd.DataFrame([line for row in self.rows for line in _measures(row, z)])

    def glance(self) -> pd.DataFrame:
        """Return one row about the balance.

        Returns
        -------
        DataFrame
            ``n, n_missing, effective_n, largest_difference, largest_difference_unweighted, method, conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [sum(n for _, n in self.groups)],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "effective_n": [self.effective_n],
                "largest_difference": [self._largest(self._last_method())],
                "largest_difference_unweighted": [self._largest("unweighted")],
                "method": [f"standardized differences, {self._last_method()}"],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the absolute standardized differences (Love plot); of several pairs of groups the largest.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.love import plot_love

        rows = [
            {"variable": variable, "sample": method, "estimate": self._worst(variable, method, _difference)}
            for method in self._methods()
            for variable in self._variables()
        ]
        labels = {name: name.replace("_", " ") for name in self._variables()}
        return plot_love(pd.DataFrame(rows), ax=ax, threshold=self.threshold, labels=labels)

    def text(self, term: str = "") -> str:
        """Return the sentence fragment of one covariate, or of the largest difference.

        Parameters
        ----------
        term : str, default=''
            Covariate, or ``covariate: category``; the largest difference of all by default.

        Returns
        -------
        str
            For example ``standardized difference 0.42 unweighted, 0.03 weighted``.
        """
        names = [name for name in self._variables() if term in (name, name.split(": ")[0])]
        if term and not names:
            raise EstimationError(
                f"term {term!r} is not in this result", evidence=f"terms: {', '.join(self._variables())}"
            )
        chosen = names if term else list(self._variables())
        parts = [
            f"{fixed(max(abs(self._worst(name, method, _difference)) for name in chosen), 2)} {method}"
            for method in self._methods()
        ]
        largest = "" if len(chosen) == 1 else "largest absolute "
        return f"{largest}standardized difference {', '.join(parts)}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def _last_method(self) -> str:
        return self._methods()[-1]

    def _variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.variable for row in self.rows))

    def _worst(self, variable: str, method: str, measure: Callable[[Compared], float]) -> float:
        """Return the measure of the pair of groups that differ most; NaN when it is missing for all pairs."""
        rows = [row for row in self.rows if (row.variable, row.method) == (variable, method)]
        values = [value for row in rows if np.isfinite(value := measure(row))]
        return max(values, key=_extremeness(measure)) if values else float("nan")

    def _largest(self, method: str) -> float:
        values = [abs(row.balance.difference) for row in self.rows if row.method == method]
        return float(np.nanmax(values)) if np.isfinite(values).any() else float("nan")

    def _summary(self) -> Summary:
        two = len({(row.first, row.second) for row in self.rows}) == 1
        means = [f"mean {self.rows[0].first}", f"mean {self.rows[0].second}"] if two else []
        columns = [*means, *(f"SMD {m}" for m in self._methods()), "variance ratio", "KS"]
        table = pd.DataFrame(
            [self._cells(name, two) for name in self._variables()], columns=["covariate", *columns]
        )
        sizes = ", ".join(f"{name} {n}" for name, n in self.groups)
        effective = (
            f"; effective sample size {fixed(self.effective_n, 1)}" if np.isfinite(self.effective_n) else ""
        )
        method = self._last_method()
        above = sum(abs(self._worst(v, method, _difference)) > self.threshold for v in self._variables())
        facts = (
            ("target", self.target),
            ("patients", sizes + effective),
            (
                "balance",
                f"{above} of {len(self._variables())} columns with an absolute standardized difference above "
                f"{self.threshold:g}, {method}",
            ),
            (
                "table",
                "" if method == "unweighted" else "means, variance ratios and KS distances are weighted",
            ),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text((), self.notes)),
        )
        return Summary(f"Balance of {self.formula}, {' and '.join(self._methods())}", facts, table)

    def _cells(self, variable: str, two: bool) -> list[str]:
        last = self._last_method()
        row = next(r for r in self.rows if (r.variable, r.method) == (variable, last))
        means = [_number(mean) for mean in row.balance.means] if two else []
        differences = [_number(self._worst(variable, m, _difference)) for m in self._methods()]
        rest = (self._worst(variable, last, measure) for measure in (_variance_ratio, _ks))
        return [variable, *means, *differences, *(_number(value) for value in rest)]


def _measures(row: Compared, z: float) -> list[dict[str, object]]:
    b = row.balance
    empty = "a group has no patient with a weight" if np.isnan(b.means[0] + b.means[1]) else ""
    spread = empty or (NO_SPREAD if np.isnan(b.difference) else "")
    lines = (
        ("standardized_difference", b.difference, row.std_error, spread),
        ("variance_ratio", _variance_ratio(row), np.nan, empty or (NO_RATIO if row.binary else NO_SPREAD)),
        ("ks", b.ks, np.nan, empty),
        ("mean_first", b.means[0], np.nan, empty),
        ("mean_second", b.means[1], np.nan, empty),
    )
    return [
        {
            "term": row.term,
            "level": row.level,
            "strata": f"{row.second} - {row.first}",
            "method": row.method,
            "measure": measure,
            "estimate": value,
            "std_error": error,
            "conf_low": value - z * error,
            "conf_high": value + z * error,
            "n": row.n,
            "reason": reason if np.isnan(value) else "",
        }
        for measure, value, error, reason in lines
    ]


def _difference(row: Compared) -> float:
    return row.balance.difference


def _variance_ratio(row: Compared) -> float:
    return float("nan") if row.binary else row.balance.variance_ratio


def _ks(row: Compared) -> float:
    return row.balance.ks


def _extremeness(measure: Callable[[Compared], float]) -> Callable[[float], float]:
    return (lambda value: abs(np.log(value))) if measure is _variance_ratio else abs


def _number(value: float) -> str:
    if np.isnan(value):
        return ""
    return fixed(value, 2) if abs(value) < 10 else ratio(value) if value > 0 else fixed(value, 1)
