"""Areas under ROC curves as a result: table, sentence, curve and figure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.accuracy import AccuracyCounts, CellShares, accuracy_measures, shares_of
from cohort.estimators.contingency import Measure
from cohort.estimators.rank_association import MannWhitney
from cohort.estimators.roc import RocAreas, RocCurve
from cohort.format import fixed, interval, p_value
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
_LARGER = {1.0: "\N{GREATER-THAN OR EQUAL TO}", -1.0: "\N{LESS-THAN OR EQUAL TO}"}
_CHOSEN = "chosen from the same patients, so too good; validate the cutoff in others"
_ONE = "one cluster has no variance between clusters"
_ZERO = "a cell of the table is zero: no limits on the logit scale"


@dataclass(frozen=True, slots=True, eq=False)
class CutoffCells:
    """Rows on either side of a cutoff.

    Attributes
    ----------
    cutoff : float
        On the scale of the score.
    counts : AccuracyCounts
        By side and outcome.
    shares : CellShares or None
        Shares of the four with their covariance between clusters.
    """

    cutoff: float
    counts: AccuracyCounts
    shares: CellShares | None

    @classmethod
    def of(
        cls,
        score: FloatArray,
        positive: NDArray[np.bool_],
        cutoff: float,
        sign: float,
        cluster: NDArray[np.intp] | None,
    ) -> CutoffCells:
        """Count rows on either side of a cutoff; ``score`` is multiplied by ``sign`` already."""
        above = score >= sign * cutoff
        cells = np.column_stack([above & positive, above & ~positive, ~above & positive, ~above & ~positive])
        counts = AccuracyCounts(*(int(n) for n in cells.sum(axis=0)))
        shares = cells.mean(axis=0)
        if cluster is None:
            return cls(cutoff, counts, None)
        if cluster.max() < 1:  # a group within one cluster has no variance between clusters
            return cls(cutoff, counts, CellShares(shares, np.full((4, 4), np.nan), math.nan, _ZERO))
        return cls(cutoff, counts, shares_of(cells - shares, shares, cluster, _ZERO))

    def measures(self, conf_level: float) -> dict[str, tuple[str, Measure]]:
        """Return sensitivity and specificity with the name of their method."""
        terms = ("sensitivity", "specificity")
        if self.shares is not None:
            robust = self.shares.measures(conf_level)
            found = {term: robust[term, ""] for term in terms}
            if math.isnan(self.shares.df):
                found = {t: Measure(m.estimate, reason=m.reason or _ONE) for t, m in found.items()}
            return {term: ("cluster_robust", m) for term, m in found.items()}
        exact = accuracy_measures(self.counts, conf_level)
        return {term: ("exact", exact[term, ""]["exact"]) for term in terms}


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurve:
    """Curve of one score in one group.

    Attributes
    ----------
    score, group : str
        Column of the score, and name of the group (empty for all).
    curve : RocCurve
        Operating points, on the score times ``sign``.
    sign : float
        -1 where a low value is positive.
    cells : tuple of CutoffCells
        At each cutoff asked for, and last at Youden's.
    optimism : float
        Optimism of Youden's index; NaN where no bootstrap was asked for.
    """

    score: str
    group: str
    curve: RocCurve
    sign: float
    cells: tuple[CutoffCells, ...]
    optimism: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Roc:
    """Areas under ROC curves, their comparisons, and accuracy at cutoffs.

    Attributes
    ----------
    scores : tuple of str
        Columns of the scores.
    outcome, by : str
        Columns of the outcome and of the groups (empty for none).
    groups : tuple of str
        Groups compared; one empty name without.
    areas : RocAreas
        Of the scores, or of the groups.
    curves : tuple of ScoreCurve
        In the order of the areas.
    n_cluster : int or None
        Clusters.
    seed : int or None
        Of the bootstrap of the optimism.
    n, n_event : int
        Rows used, and those with the outcome.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Column, reason and number left out.
    notes, acknowledged : tuple of str
        What a reader should be told, and guards that were overridden.
    """

    scores: tuple[str, ...]
    outcome: str
    by: str
    groups: tuple[str, ...]
    areas: RocAreas
    curves: tuple[ScoreCurve, ...]
    n_cluster: int | None
    seed: int | None
    n: int
    n_event: int
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return areas, differences of areas, and accuracy at cutoffs.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: measures are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (the score, or ``a - b``), ``strata`` (the group, or ``a - b``), ``measure`` (``auc``,
            ``auc_difference``, ``sensitivity``, ``specificity``, ``youden``), ``level`` (the cutoff), ``method``,
            ``n``, ``n_event``, ``estimate, std_error, statistic, df, p_value, conf_low, conf_high, reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = [row for j in range(len(self.curves)) for row in self._area_rows(j, level)]
        rows += [self._difference_row(i, j, level) for i, j in combinations(range(len(self.curves)), 2)]
        rows += [row for one in self.curves for row in self._cutoff_rows(one, level)]
        return pd.DataFrame(rows)

    def _area_rows(self, j: int, level: float) -> list[dict[str, object]]:
        one, n1, n0 = self.curves[j], int(self.areas.n_with[j]), int(self.areas.n_without[j])
        kind = "obuchowski" if self.n_cluster is not None else "delong"
        found = {
            f"{kind}_logit": self.areas.area(j, level, logit=True),
            kind: self.areas.area(j, level, logit=False),
        }
        if self.n_cluster is None:
            score = MannWhitney(float(self.areas.areas[j]), n1, n0, math.nan)
            found["newcombe"] = Measure(score.estimate, score.std_error(score.estimate), *score.limits(level))
        return [_row(one, "auc", "", method, n1 + n0, n1, m) for method, m in found.items()]

    def _difference_row(self, i: int, j: int, level: float) -> dict[str, object]:
        first, second = self.curves[i], self.curves[j]
        unpaired = bool(self.by) and self.n_cluster is None
        df = self.areas.unpaired_df(i, j) if unpaired else math.inf
        m, statistic = self.areas.difference(i, j, level, df)
        method = "obuchowski" if self.n_cluster is not None else "delong"
        n, events = self.n, self.n_event
        if self.by:
            events = int(self.areas.n_with[[i, j]].sum())
            n = events + int(self.areas.n_without[[i, j]].sum())
        row = _row(first, "auc_difference", "", method, n, events, m)
        name, group = f"{first.score} - {second.score}", f"{first.group} - {second.group}"
        row |= {"strata": group} if self.by else {"term": name}
        return row | {"statistic": statistic, "df": df if math.isfinite(df) else math.nan}

    def _cutoff_rows(self, one: ScoreCurve, level: float) -> list[dict[str, object]]:
        rows = []
        for k, cells in enumerate(one.cells):
            youden = k == len(one.cells) - 1
            at = f"{_LARGER[one.sign]}{cells.cutoff:g}" + (" (youden)" if youden else "")
            for term, (method, m) in cells.measures(level).items():
                x, n = cells.counts.fractions()[term]
                shown = Measure(m.estimate, reason=_CHOSEN) if youden else m
                rows.append(_row(one, term, at, "chosen_cutoff" if youden else method, n, x, shown))
        best = one.curve.youden()
        index = float(one.curve.sensitivity[best] + one.curve.specificity[best] - 1)
        n = one.cells[0].counts.n
        x = one.cells[0].counts.tp + one.cells[0].counts.fn
        rows.append(_row(one, "youden", at, "chosen_cutoff", n, x, Measure(index, reason=_CHOSEN)))
        if not math.isnan(one.optimism):
            m = Measure(index - one.optimism, reason="mean of bootstrap samples: no limits")
            rows.append(_row(one, "youden", at, "optimism_corrected", n, x, m))
        return rows

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing`` (left out), ``n_cluster, method, conf_level, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_event],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster if self.n_cluster is not None else np.nan],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def curve(self) -> pd.DataFrame:
        """Return the operating points.

        Returns
        -------
        DataFrame
            ``term, strata``, ``cutoff`` (positive at the cutoff or beyond; infinite where nobody is), ``sensitivity``
            and ``specificity``, from nobody positive to everybody.
        """
        frames = [
            pd.DataFrame(
                {
                    "term": one.score,
                    "strata": one.group,
                    "cutoff": one.sign * one.curve.cutoff,
                    "sensitivity": one.curve.sensitivity,
                    "specificity": one.curve.specificity,
                }
            )
            for one in self.curves
        ]
        return pd.concat(frames, ignore_index=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves with their areas, and the cutoffs that were asked for.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.roc import plot_roc

        key = "strata" if self.by else "term"
        frame = self.curve().assign(strata=lambda f: f[key])
        tidy = self.tidy()
        asked = tidy[~tidy["level"].isin(["", *(t for t in tidy["level"] if t.endswith("(youden)"))])]
        marks = asked.set_index([key, "level", "measure"])["estimate"].unstack("measure").reset_index()  # noqa: PD010
        drawn = marks.rename(columns={key: "strata"}) if len(asked) else None
        areas = {one.group if self.by else one.score: self._cell(j) for j, one in enumerate(self.curves)}
        return plot_roc(frame, areas=areas, marks=drawn, ax=ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one area, or of a difference of areas.

        Parameters
        ----------
        term : str
            A score or a group, or ``a - b`` of two of them.

        Returns
        -------
        str
            For example ``area under the curve 0.78 (95% CI 0.70–0.85; 30 with, 90 without)``.
        """
        names = [one.group if self.by else one.score for one in self.curves]
        level = f"{100 * self.conf_level:g}% CI"
        if term in names:
            j = names.index(term)
            return (
                f"area under the curve {self._cell(j, level + ' ')[:-1]}; {self.areas.n_with[j]} with, "
                f"{self.areas.n_without[j]} without)"
            )
        pairs = {f"{names[i]} - {names[j]}": (i, j) for i, j in combinations(range(len(names)), 2)}
        if term not in pairs:
            raise EstimationError(
                f"term {term!r} is not in this result",
                evidence=f"terms: {', '.join([*names, *pairs])}",
                remedy="name one of these",
            )
        row = self._difference_row(*pairs[term], self.conf_level)
        low, high, p = (float(str(row[k])) for k in ("conf_low", "conf_high", "p_value"))
        if math.isnan(p):
            return f"difference in area {fixed(float(str(row['estimate'])), 2)} ({row['reason']})"
        return (
            f"difference in area {fixed(float(str(row['estimate'])), 2)} ({level} {interval(low, high)}; "
            f"P{p_value(p)})"
        )

    def _cell(self, j: int, before: str = "") -> str:
        """Print an area with the limits that exist."""
        rows = self._area_rows(j, self.conf_level)
        row = next((r for r in rows if not math.isnan(float(str(r["conf_low"])))), rows[0])
        low, high = float(str(row["conf_low"])), float(str(row["conf_high"]))
        return f"{fixed(float(str(row['estimate'])), 2)} ({before}{interval(low, high)})"

    def _method(self) -> str:
        if self.n_cluster is not None:
            return f"Obuchowski variance ({self.n_cluster} clusters), logit limits"
        complete = bool(((self.areas.areas == 0) | (self.areas.areas == 1)).any())
        return "DeLong variance, logit limits" + ("; Newcombe limits where it is zero" if complete else "")

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        names = [one.group if self.by else one.score for one in self.curves]
        cells = [
            (f"AUC {name}", self._cell(j), f"{self.areas.n_with[j]} with, {self.areas.n_without[j]} without")
            for j, name in enumerate(names)
        ]
        for i, j in combinations(range(len(names)), 2):
            row = self._difference_row(i, j, self.conf_level)
            p, low, high = (float(str(row[k])) for k in ("p_value", "conf_low", "conf_high"))
            said = f"P {p_value(p).removeprefix('=')}" if not math.isnan(p) else str(row["reason"])
            value = f"{fixed(float(str(row['estimate'])), 2)} ({interval(low, high)})"
            cells.append((f"difference {names[i]} - {names[j]}", value, said))
        cells += [self._youden_cell(name, one) for name, one in zip(names, self.curves, strict=True)]
        for name, one in zip(names, self.curves, strict=True):
            cells += [self._cutoff_cell(name, one, at) for at in one.cells[:-1]]
        limits = f"{100 * self.conf_level:g}% CI"
        table = pd.DataFrame(cells, columns=["", f"estimate ({limits})", " "])
        group = f", by {self.by}" if self.by else ""
        sentence = f"ROC of {', '.join(self.scores)} for {self.outcome}{group}"
        facts = (
            ("method", self._method()),
            ("used", f"{self.n} rows, {self.n_event} with {self.outcome}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        return Summary(sentence, facts, table)

    def _cutoff_cell(self, name: str, one: ScoreCurve, at: CutoffCells) -> tuple[str, str, str]:
        """Print sensitivity and specificity at a cutoff in one row."""
        found = at.measures(self.conf_level)
        told = [
            f"{short} {fixed(m.estimate, 2)} ({interval(m.conf_low, m.conf_high)})"
            for short, (_, m) in zip(("sens.", "spec."), found.values(), strict=True)
        ]
        return (f"{name} {_LARGER[one.sign]}{at.cutoff:g}", told[0], told[1])

    def _youden_cell(self, name: str, one: ScoreCurve) -> tuple[str, str, str]:
        best = one.curve.youden()
        index = float(one.curve.sensitivity[best] + one.curve.specificity[best] - 1)
        said = "chosen from these patients: too good"
        if not math.isnan(one.optimism):
            said = f"corrected for optimism {fixed(index - one.optimism, 2)}"
        return (f"Youden {name} {_LARGER[one.sign]}{one.cells[-1].cutoff:.4g}", fixed(index, 2), said)


def _row(
    one: ScoreCurve, measure: str, level: str, method: str, n: int, n_event: int, m: Measure
) -> dict[str, object]:
    return {
        "term": one.score,
        "strata": one.group,
        "measure": measure,
        "level": level,
        "method": method,
        "n": n,
        "n_event": n_event,
        "estimate": m.estimate,
        "std_error": m.std_error,
        "statistic": math.nan,
        "df": math.nan,
        "p_value": m.p_value,
        "conf_low": m.conf_low,
        "conf_high": m.conf_high,
        "reason": m.reason,
    }
