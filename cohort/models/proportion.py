"""The proportion with a finding among those in whom it is known, by group, also when rows come in clusters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.proportions import ProportionMethod, proportion_limits
from cohort.format import MISSING_TEXT, fixed, interval, n_of_total, percent
from cohort.models.one_row_each import check_one_row_each
from cohort.models.proportion_counts import ProportionCounts, count_columns
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging, imaging_rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LeftOut = tuple[tuple[str, str, int], ...]
_METHODS: tuple[ProportionMethod, ...] = get_args(ProportionMethod)
_NAMES = {"wilson": "Wilson", "exact": "Clopper-Pearson", "mid_p": "mid-p", "jeffreys": "Jeffreys"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Proportion:
    """Proportions of those in whom a finding is known, by finding and group.

    Attributes
    ----------
    by, cluster : str
        Columns of the groups and of the clusters; empty without.
    counts : tuple of ProportionCounts
        By finding, then group.
    method : {'wilson', 'exact', 'mid_p', 'jeffreys'}
        Interval that is printed and drawn.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out of every group and finding.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    by: str
    cluster: str
    counts: tuple[ProportionCounts, ...]
    method: ProportionMethod
    conf_level: float
    left_out: LeftOut
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per finding, group and interval.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: proportions are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (the finding), ``strata`` (the group), ``method`` (the chosen one first), ``estimate``,
            ``std_error``, ``conf_low``, ``conf_high``, ``n_event``, ``n`` (state known), ``n_missing`` (state not
            known), ``reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        methods = (self.method, *(m for m in _METHODS if m != self.method))
        return pd.DataFrame([c.row(method, level) for c in self.counts for method in methods])

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n`` (values known), ``n_event``, ``n_missing`` (not known, or left out), ``n_cluster`` (0 without),
            ``method, conf_level, acknowledged``.
        """
        unknown = sum(c.n_missing for c in self.counts) + sum(n for _, _, n in self.left_out)
        return pd.DataFrame(
            {
                "n": [sum(c.n for c in self.counts)],
                "n_event": [sum(c.n_event for c in self.counts)],
                "n_missing": [unknown],
                "n_cluster": [max(c.clustered.n_cluster if c.clustered else 0 for c in self.counts)],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every proportion with its limits, n/N and the number not known beside it.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.proportions import plot_proportions

        return plot_proportions(self._chosen(), ax=ax, conf_level=self.conf_level)

    def text(self, term: str = "") -> str:
        """Return the sentence fragment of one proportion.

        Parameters
        ----------
        term : str, default=''
            Finding, group, or ``finding[group]``; the first proportion by default.

        Returns
        -------
        str
            For example ``2/38 (5%; 95% CI 1.5–17.3%; 4 not known)``.
        """
        frame = self._chosen()
        names = frame["term"] + np.where(frame["strata"] == "", "", "[" + frame["strata"] + "]")
        match = (names == term) | (frame["term"] == term) | (frame["strata"] == term)
        found = frame[match] if term else frame.iloc[:1]
        if len(found) != 1:
            raise EstimationError(
                f"term {term!r} names {'no' if found.empty else 'several'} of these proportions",
                evidence=f"terms: {', '.join(names)}",
                remedy="write one of these",
            )
        row = found.iloc[0]
        limits = f"{100 * self.conf_level:g}% CI {_limits(row['conf_low'], row['conf_high'])}"
        unknown = f"; {row['n_missing']} not known" if row["n_missing"] else ""
        n, total = int(row["n_event"]), int(row["n"])
        return f"{n}/{total} ({percent(n, total)}; {limits}{unknown})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _method(self) -> str:
        within = f", effective number of rows in clusters of {self.cluster}" if self.cluster else ""
        return f"{_NAMES[self.method]} limits{within}"

    def _chosen(self) -> pd.DataFrame:
        frame = self.tidy()
        return frame[frame["method"] == self.method].reset_index(drop=True)

    def _summary(self) -> Summary:
        frame = self._chosen()
        counts = zip(frame["n_event"].tolist(), frame["n"].tolist(), strict=True)
        limits = zip(frame["conf_low"].tolist(), frame["conf_high"].tolist(), strict=True)
        cells = {
            "finding": frame["term"],
            "group": frame["strata"],
            "n/N": [n_of_total(x, n) if n else "0/0" for x, n in counts],
            f"{100 * self.conf_level:g}% CI": [_limits(*ends) for ends in limits],
            "not known": frame["n_missing"],
            "design effect": [
                fixed(c.clustered.design_effect, 2) if c.clustered else "" for c in self.counts
            ],
        }
        hidden = {"" if self.by else "group", "" if self.cluster else "design effect"}
        reasons = [reason for reason in dict.fromkeys(frame["reason"]) if reason]
        facts = (
            ("method", self._method()),
            ("not known", left_out_text(_unknown(self.counts))),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, (*self.notes, *reasons))),
        )
        names = list(dict.fromkeys(c.term for c in self.counts))
        what = names[0] if len(names) == 1 else f"{len(names)} findings"
        sentence = (
            f"Proportion with {what}{f' by {self.by}' if self.by else ''} among those in whom it is known"
        )
        shown = {name: values for name, values in cells.items() if name not in hidden}
        return Summary(sentence, facts, pd.DataFrame(shown))


def proportion(
    finding: str | Sequence[str] | int,
    data: pd.DataFrame | int | None = None,
    by: str | None = None,
    *,
    cluster: str | None = None,
    method: ProportionMethod = "wilson",
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> Proportion:
    """Estimate the proportion with a finding among those in whom it is known, with limits fit for few events.

    Not imaged, not assessable and missing are in no denominator: they are counted beside every proportion, by
    reason. Wald limits are refused: at 2 of 40 they reach below zero and hold far less than they promise.

    Parameters
    ----------
    finding : str, sequence of str, or int
        Columns of absent/present, no/yes, boolean, 0/1, or a category of two levels (the second is counted); or
        the number with the finding.
    data : DataFrame or int
        One row per patient (or per exam, with ``cluster``); or the number in whom it is known.
    by : str, optional
        Column of groups; rows without one are left out and counted.
    cluster : str, optional
        Column of clusters: patients of exams, or centers of patients. Every row weighs the same; the variance is
        that between clusters.
    method : {'wilson', 'exact', 'mid_p', 'jeffreys'}, default='wilson'
        Interval that is printed, drawn, and first in ``tidy()``, which holds all four. ``exact``
        (Clopper-Pearson) never holds less than it promises, and mostly more.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``.

    Returns
    -------
    Proportion
        Proportions with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        When a column is unknown or not of two values, a patient has several rows without ``cluster``, counts are
        impossible, or the method is unknown or Wald (the message names those that fit).
    IncorporationError
        When a finding is part of the grade whose groups are compared.

    See Also
    --------
    cohort.models.manski_bounds.manski_bounds : What the unscanned could change.
    cohort.models.two_by_two.two_by_two : Two groups against each other.

    Notes
    -----
    With clusters the interval is computed from the effective number of rows of Korn and Graubard [2]_: the number
    divided by the design effect (at least 1), with their correction by quantiles of Student's t on one degree of
    freedom less than there are clusters. ``exact`` equals R ``survey::svyciprop(method = "beta")``. With fewer than
    about ten clusters, or clusters very unequal in size, such limits are too narrow still.

    References
    ----------
    .. [1] Brown LD, Cai TT, DasGupta A (2001). Interval estimation for a binomial proportion. Stat Sci
       16:101-133. doi:10.1214/ss/1009213286
    .. [2] Korn EL, Graubard BI (1998). Confidence intervals for proportions with small expected number of positive
       counts estimated from survey data. Surv Methodol 24:193-201.

    Examples
    --------
    >>> proportion(2, 38).text()
    '2/38 (5%; 95% CI 1.5–17.3%)'
    """
    names = acknowledged_guards(acknowledge)
    level = check_conf_level(conf_level)
    _check_method(method)
    left_out: LeftOut = ()
    notes: tuple[str, ...] = ()
    if isinstance(finding, (int, float, np.number)) or isinstance(data, (int, float, np.number)):
        counts = _given(finding, data, by or cluster)
    else:
        counts, left_out, notes = _from_columns(finding, data, by, cluster, names)
    return Proportion(by or "", cluster or "", counts, method, level, left_out, notes, names)


def _check_method(method: str) -> None:
    if method in _METHODS:
        return
    wald = "Wald limits of a proportion are refused: too narrow for few events, beyond 0 and 1"
    raise EstimationError(
        wald if method == "wald" else f"method {method!r} is not known",
        evidence=f"methods: {', '.join(_METHODS)}",
        remedy='method="wilson"',
    )


def _given(n_event: object, n: object, columns: str | None) -> tuple[ProportionCounts, ...]:
    whole = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in (n_event, n))
    if not whole or columns:
        raise EstimationError(
            "proportion needs two counts, or a column and its frame",
            remedy='co.proportion(2, 38), or co.proportion("flair_deep", data, by="product")',
        )
    counts = ProportionCounts("proportion", "", int(n_event), int(n))  # type: ignore[call-overload]
    proportion_limits(counts.n_event, counts.n)  # refuses impossible counts
    return (counts,)


def _from_columns(
    finding: object, data: object, by: str | None, cluster: str | None, names: tuple[str, ...]
) -> tuple[tuple[ProportionCounts, ...], LeftOut, tuple[str, ...]]:
    findings = [finding] if isinstance(finding, str) else list(finding)  # type: ignore[call-overload]
    if not isinstance(data, pd.DataFrame) or not findings:
        raise EstimationError(
            "no data was given" if findings else "no finding was given",
            remedy='co.proportion("flair_deep", data, by="product"), or co.proportion(2, 38)',
        )
    if not cluster:
        check_one_row_each(data, "a proportion", 'cluster="patient_id", or link to one row per patient')
    facts = resolve_facts([*findings, *([by] if by else [])], None, data)
    said = (
        *check_incorporation(findings, [by] if by else [], facts, names),
        *check_selective_imaging(findings, data, names),
        *imaging_rates([*findings, *([by] if by else [])], data),
    )
    counts, left_out, notes = count_columns(findings, data, by, cluster)
    return counts, left_out, (*said, *notes)


def _limits(low: float, high: float) -> str:
    """Print limits in percent, one decimal."""
    return f"{interval(100 * low, 100 * high, 1)}%" if np.isfinite(low) else MISSING_TEXT


def _unknown(counts: Iterable[ProportionCounts]) -> LeftOut:
    """Sum the unknown of every finding over the groups."""
    total: dict[tuple[str, str], int] = {}
    for one in counts:
        for reason, n in one.unknown:
            total[one.term, reason] = total.get((one.term, reason), 0) + n
    return tuple((term, reason, n) for (term, reason), n in total.items())
