"""One pair of a screen: the method its rule names, the estimate with limits, and who was left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.contingency import Measure, TwoByTwoCounts, odds_ratio_limits
from cohort.estimators.exact_tables import conditional_odds_ratio, fisher_p_value
from cohort.estimators.rank_association import MannWhitney, Spearman, mann_whitney, spearman
from cohort.models.screen_columns import ScreenColumn

PairMethod = Literal["exact", "mid_p", "score", "rank_sum", "exact_rank_sum", "spearman", "exact_spearman"]
PairRule = Callable[[str, str, float, int], str]
METHODS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "exact": ("odds ratio", "Fisher's exact test"),
        "mid_p": ("odds ratio", "conditional, mid-p"),
        "score": ("odds ratio", "score (Miettinen-Nurminen)"),
        "rank_sum": ("probability higher", "Mann-Whitney"),
        "exact_rank_sum": ("probability higher", "exact Mann-Whitney"),
        "spearman": ("Spearman correlation", "Spearman, t"),
        "exact_spearman": ("Spearman correlation", "exact Spearman"),
    }
)
EXPECTED, SMALL_GROUP, EXACT_ROWS, EXACT_ORDERS = 5.0, 10, 200, 9
FITTING = {
    "binary x binary": ("exact", "mid_p", "score"),
    "binary x ranked": ("rank_sum", "exact_rank_sum"),
    "ranked x ranked": ("spearman", "exact_spearman"),
}


def pair_rule(exposure: str, outcome: str, smallest: float, n: int) -> str:
    """Name the method of a pair; the default rule of a screen.

    Parameters
    ----------
    exposure, outcome : {'binary', 'ordered', 'number'}
        Kinds of the two columns.
    smallest : float
        Smallest expected cell of a two-by-two table, or the size of the smaller group; n where neither is
        binary.
    n : int
        Patients with both values.

    Returns
    -------
    str
        Two binary columns: ``exact`` when an expected cell is below 5, else ``score``. One binary column:
        ``exact_rank_sum`` when the smaller group has fewer than 10 of at most 200 patients, else ``rank_sum``. None:
        ``exact_spearman`` below 9 patients, else ``spearman``.

    Examples
    --------
    >>> pair_rule("binary", "binary", 3.2, 60), pair_rule("binary", "ordered", 25, 60)
    ('exact', 'rank_sum')
    """
    if exposure == outcome == "binary":
        return "exact" if smallest < EXPECTED else "score"
    if "binary" in (exposure, outcome):
        return "exact_rank_sum" if smallest < SMALL_GROUP and n <= EXACT_ROWS else "rank_sum"
    return "exact_spearman" if n < EXACT_ORDERS else "spearman"


@dataclass(frozen=True, slots=True, eq=False)
class ScreenPair:
    """What one pair of a screen gave.

    Attributes
    ----------
    exposure, outcome : str
        Names of the columns.
    family : str
        Family within which its p-value is adjusted.
    method : str
        Key of ``METHODS``; empty when the pair was not tested.
    found : TwoByTwoCounts or MannWhitney or Spearman or None
        What the estimate and its limits follow from.
    p_value : float
        Two-sided, by the method.
    n, n_event : int
        Patients used, and those with the outcome (-1 when the outcome is not yes/no).
    left_out : tuple of (str, str, int)
        Column, reason and number left out of this pair.
    reason : str
        Why it was not tested, or why a value is missing.
    """

    exposure: str
    outcome: str
    family: str
    method: str
    found: TwoByTwoCounts | MannWhitney | Spearman | None
    p_value: float
    n: int
    n_event: int
    left_out: tuple[tuple[str, str, int], ...]
    reason: str

    def measure(self, conf_level: float) -> Measure:
        """Return the estimate with limits at a confidence level, on its natural scale."""
        if isinstance(self.found, TwoByTwoCounts):
            wald = odds_ratio_limits(self.found, conf_level)
            table = wald["score"] if self.method == "score" else _conditional(self, conf_level)
            return Measure(
                table.estimate,
                wald["wald"].std_error,
                table.conf_low,
                table.conf_high,
                self.p_value,
                table.reason,
            )
        if isinstance(self.found, MannWhitney):
            theta = self.found.estimate
            low, high = self.found.limits(conf_level)
            return Measure(theta, self.found.std_error(theta), low, high, self.p_value, self.reason)
        if isinstance(self.found, Spearman):
            low, high = self.found.limits(conf_level)
            reason = (
                "fewer than four patients, or a perfect correlation: no limits" if math.isnan(low) else ""
            )
            return Measure(self.found.estimate, self.found.std_error, low, high, self.p_value, reason)
        return Measure(math.nan, reason=self.reason)


def _conditional(pair: ScreenPair, conf_level: float) -> Measure:
    assert isinstance(pair.found, TwoByTwoCounts)
    return conditional_odds_ratio(pair.found, conf_level)[pair.method]


def compare_pair(
    x: ScreenColumn, y: ScreenColumn, family: str, rule: PairRule, refusal: str = ""
) -> ScreenPair:
    """Test one pair with the method that the rule names; what cannot be tested says why.

    Parameters
    ----------
    x, y : ScreenColumn
        Exposure and outcome, rows aligned.
    family : str
        Its family.
    rule : callable
        As :func:`pair_rule`.
    refusal : str, default=''
        Why a guard refuses the pair.

    Returns
    -------
    ScreenPair
        The result.

    Raises
    ------
    EstimationError
        When the rule names a method that does not fit the columns.
    """
    reason = refusal or x.reason or y.reason or ("a column against itself" if x.name == y.name else "")
    keep = ~np.isnan(x.scores) & ~np.isnan(y.scores)
    left_out = () if reason else _left_out(x, y)
    a, b = x.scores[keep], y.scores[keep]
    reason = reason or _nothing_to_compare(x, a) or _nothing_to_compare(y, b)
    n_event = int(b.sum()) if y.kind == "binary" else -1
    if reason:
        return ScreenPair(x.name, y.name, family, "", None, math.nan, len(a), n_event, left_out, reason)
    method = _method(x, y, a, b, rule)
    found, p = _FOUND[method.removeprefix("exact_")](a, b, x.kind, method)
    reason = "" if not math.isnan(p) else "all values are equal"
    return ScreenPair(x.name, y.name, family, method, found, p, len(a), n_event, left_out, reason)


def _nothing_to_compare(column: ScreenColumn, values: NDArray[np.float64]) -> str:
    if not len(values):
        return "no patient has both values"
    if column.kind == "binary" and values.min() == values.max():
        return f"{'every' if values[0] else 'no'} patient has {column.name}"
    return f"{column.name} has one value only" if values.min() == values.max() else ""


def _method(
    x: ScreenColumn, y: ScreenColumn, a: NDArray[np.float64], b: NDArray[np.float64], rule: PairRule
) -> str:
    groups = [min(v.sum(), len(v) - v.sum()) for c, v in ((x, a), (y, b)) if c.kind == "binary"]
    smallest = (
        float(groups[0] * groups[1] / len(a)) if len(groups) == 2 else float(min(groups, default=len(a)))
    )
    method = rule(x.kind, y.kind, smallest, len(a))
    kinds = ("ranked x ranked", "binary x ranked", "binary x binary")[len(groups)]
    if method not in FITTING[kinds]:
        raise EstimationError(
            f"the rule names {method!r} for a pair that it does not fit",
            evidence=f"{x.name} ({x.kind}) against {y.name} ({y.kind}); methods: {', '.join(get_args(PairMethod))}",
            remedy=f"for such a pair name one of {', '.join(FITTING[kinds])}",
        )
    return method


Found = tuple[TwoByTwoCounts | MannWhitney | Spearman, float]


def _table(a: NDArray[np.float64], b: NDArray[np.float64], _kind: str, method: str) -> Found:
    x, y = a == 1, b == 1
    cells = [int(np.count_nonzero(exposed & event)) for exposed in (x, ~x) for event in (y, ~y)]
    table = TwoByTwoCounts(*cells)
    if method == "exact":
        return table, fisher_p_value(table)
    if method == "mid_p":
        return table, conditional_odds_ratio(table)["mid_p"].p_value
    return table, odds_ratio_limits(table)["score"].p_value


def _rank_sum(a: NDArray[np.float64], b: NDArray[np.float64], kind: str, method: str) -> Found:
    """Compare the ordered side between the groups of the yes/no side."""
    group, value = (a, b) if kind == "binary" else (b, a)
    found = mann_whitney(value[group == 1], value[group == 0], exact=method == "exact_rank_sum")
    return found, found.p_value


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64], _kind: str, method: str) -> Found:
    found = spearman(a, b, exact=method == "exact_spearman")
    return found, found.p_value


_FOUND: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.float64], str, str], Found]] = (
    MappingProxyType(
        {
            "exact": _table,
            "mid_p": _table,
            "score": _table,
            "rank_sum": _rank_sum,
            "spearman": _spearman,
        }
    )
)


def _left_out(x: ScreenColumn, y: ScreenColumn) -> tuple[tuple[str, str, int], ...]:
    """Count each patient left out once, at the exposure's reason first."""
    out: list[tuple[str, str, int]] = []
    before = np.zeros(len(x.scores), dtype=bool)
    for column in (x, y):
        missing = np.isnan(column.scores) & ~before
        labels, counts = np.unique(column.why_unknown[missing].astype(str), return_counts=True)
        ordered = sorted(zip(counts.tolist(), labels.tolist(), strict=True), key=lambda c: (-c[0], c[1]))
        out += [(column.name, label, n) for n, label in ordered]
        before |= missing
    return tuple(out)
