"""Bounds of a finding's proportion when not everybody was scanned, without assuming anything about the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cohort.dictionary.states import binary_states
from cohort.errors import EstimationError
from cohort.estimators.partial_identification import Bounds, difference_bounds, proportion_bounds
from cohort.estimators.proportions import proportion_limits
from cohort.format import fixed, interval
from cohort.models.coding import binary_reasons
from cohort.models.design import align_columns
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Assumption = Literal["none", "at_most"]
ASSUMPTIONS = {
    "none": "nothing assumed of those whose finding is not known",
    "at_most": "the unscanned assumed to have the finding at most as often as the scanned",
}
UNSCANNED = "not_imaged"


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """Patients of one group.

    Attributes
    ----------
    name : str
        Group; empty for all patients.
    n_event, n_known : int
        Patients with the finding, and with a known state.
    unknown : tuple of (str, int)
        Patients whose state is not known, by reason.
    """

    name: str
    n_event: int
    n_known: int
    unknown: tuple[tuple[str, int], ...]

    @property
    def n(self) -> int:
        """All patients of the group.

        Returns
        -------
        int
            Known and not known.
        """
        return self.n_known + sum(n for _, n in self.unknown)

    def split(self, assumption: Assumption) -> tuple[int, int, int, int]:
        """Return events, known, assumed at most as often, and free of assumptions.

        Parameters
        ----------
        assumption : {'none', 'at_most'}
            What is assumed.

        Returns
        -------
        tuple of int
            Arguments of the estimator.
        """
        bounded = sum(n for reason, n in self.unknown if reason == UNSCANNED and assumption == "at_most")
        return self.n_event, self.n_known, bounded, self.n - self.n_known - bounded


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ManskiBounds:
    """Bounds of the proportion with a finding among all patients, scanned or not.

    Attributes
    ----------
    finding, by : str
        Column of the finding, and of the groups (empty without).
    assumption : {'none', 'at_most'}
        What is assumed of the unscanned.
    groups : tuple of GroupCounts
        Counts by group.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out (their group is not known).
    """

    finding: str
    by: str
    assumption: Assumption
    groups: tuple[GroupCounts, ...]
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the bounds beside the proportion of those with a known state.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: proportions and their differences are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (``proportion``, ``risk_difference`` of each group against the first), ``strata``,
            ``method`` (``known_only``, ``bounds``), ``n``, ``n_event``, ``estimate, std_error`` (of the known
            only: bounds have none), ``bound_low, bound_high, conf_low, conf_high`` (Clopper-Pearson;
            Imbens-Manski), ``reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = [row for group in self.groups for row in self._proportion(group, level)]
        first = self.groups[0]
        for group in self.groups[1:]:
            bounds = difference_bounds(group.split(self.assumption), first.split(self.assumption), level)
            rows.append(
                self._row(
                    "risk_difference", f"{group.name} - {first.name}", bounds, np.nan, group.n + first.n
                )
            )
        return pd.DataFrame(rows)

    def _proportion(self, group: GroupCounts, level: float) -> list[dict[str, object]]:
        low, high = proportion_limits(group.n_event, group.n_known, "exact", level)
        share = group.n_event / group.n_known if group.n_known else np.nan
        known = {
            "term": "proportion",
            "strata": group.name,
            "method": "known_only",
            "n": group.n_known,
            "n_event": float(group.n_event),
            "estimate": share,
            "std_error": np.sqrt(share * (1 - share) / group.n_known) if group.n_known else np.nan,
            "bound_low": np.nan,
            "bound_high": np.nan,
            "conf_low": float(low),
            "conf_high": float(high),
            "reason": "" if group.n_known else "nobody has a known state",
        }
        bounds = proportion_bounds(*group.split(self.assumption), level)
        return [known, self._row("proportion", group.name, bounds, float(group.n_event), group.n)]

    def _row(self, term: str, strata: str, bounds: Bounds, n_event: float, n: int) -> dict[str, object]:
        reason = "only bounds are identified"
        if np.isnan(bounds.low):
            reason = "a group has nobody with a known state to refer to"
        return {
            "term": term,
            "strata": strata,
            "method": "bounds",
            "n": n,
            "n_event": n_event,
            "estimate": np.nan,
            "std_error": np.nan,
            "bound_low": bounds.low,
            "bound_high": bounds.high,
            "conf_low": bounds.conf_low,
            "conf_high": bounds.conf_high,
            "reason": reason,
        }

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing`` (state not known), ``method, conf_level``.
        """
        known = sum(g.n_known for g in self.groups)
        total = sum(g.n for g in self.groups)
        return pd.DataFrame(
            {
                "n": [total],
                "n_event": [sum(g.n_event for g in self.groups)],
                "n_missing": [total - known],
                "method": [f"Manski bounds, Imbens-Manski limits; {ASSUMPTIONS[self.assumption]}"],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the bounds of each group as a bar with its limits, the known-only proportion as a mark.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.bounds import plot_bounds

        frame = self.tidy()
        frame = frame[frame["term"] == "proportion"]
        return plot_bounds(frame.assign(strata=frame["strata"].replace("", "all patients")), ax=ax)

    def text(self, term: str = "") -> str:
        """Return the sentence fragment of one group.

        Parameters
        ----------
        term : str, default=''
            Name of the group; the first by default. ``risk_difference`` gives the first difference.

        Returns
        -------
        str
            For example ``between 0.07 and 0.47 (95% CI 0.03–0.58)``.
        """
        frame = self.tidy()
        frame = frame[frame["method"] == "bounds"]
        named = frame["strata"] == (term or self.groups[0].name)
        found = frame[(frame["term"] == term) | named]
        if found.empty:
            raise EstimationError(
                f"group {term!r} is not in this result",
                evidence=f"groups: {', '.join(g.name for g in self.groups)}",
                remedy="name one of these groups",
            )
        row = found.iloc[0]
        limits = interval(row["conf_low"], row["conf_high"], 2)
        ends = f"between {fixed(row['bound_low'], 2)} and {fixed(row['bound_high'], 2)}"
        return f"{ends} ({100 * self.conf_level:g}% CI {limits})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.tidy()
        ends = zip(frame["bound_low"], frame["bound_high"], strict=True)
        limits = zip(frame["conf_low"], frame["conf_high"], strict=True)
        table = pd.DataFrame(
            {
                "quantity": frame["term"].str.replace("_", " "),
                "group": frame["strata"],
                "method": frame["method"].str.replace("_", " "),
                "n": frame["n"],
                "estimate": [fixed(v, 2) if np.isfinite(v) else "" for v in frame["estimate"]],
                "bounds": [interval(a, b, 2) if np.isfinite(a) else "" for a, b in ends],
                f"{100 * self.conf_level:g}% CI": [interval(a, b, 2) for a, b in limits],
            }
        )
        unknown: dict[str, int] = {}
        for group in self.groups:
            for reason, n in group.unknown:
                unknown[reason] = unknown.get(reason, 0) + n
        facts = (
            ("method", self.glance()["method"].item()),
            ("not known", left_out_text([("", reason, n) for reason, n in unknown.items()])),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text((), ())),
        )
        by = f" by {self.by}" if self.by else ""
        return Summary(f"Proportion with {self.finding}{by} among all patients, scanned or not", facts, table)


def manski_bounds(
    finding: str,
    data: pd.DataFrame,
    by: str | None = None,
    assume: Assumption = "none",
    conf_level: float = 0.95,
) -> ManskiBounds:
    """Bound the proportion with a finding among all patients when only some were scanned.

    Whoever's state is not known (not imaged, not assessable, indeterminate, missing: counted apart) could have
    the finding or not. The lower bound says none of them has it, the upper that all have. Nobody is left out.

    Parameters
    ----------
    finding : str
        Column of absent/present beside kinds of not known, no/yes, boolean or 0/1.
    data : DataFrame
        One row per patient.
    by : str, optional
        Column of groups; differences of each against the first are bounded too. Patients whose group is missing
        are left out and counted.
    assume : {'none', 'at_most'}, default='none'
        ``at_most``: those **not imaged** have the finding at most as often as those with a known state of the
        same group. The other unknown ones stay free of assumptions.
    conf_level : float, default=0.95
        Confidence level for the true proportion or difference (not for the whole interval).

    Returns
    -------
    ManskiBounds
        Bounds with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        For an unknown column or assumption, a finding of other values, no patients, or a single group.

    References
    ----------
    .. [1] Manski CF (1990). Nonparametric bounds on treatment effects. Am Econ Rev 80:319-323.
    .. [2] Imbens GW, Manski CF (2004). Confidence intervals for partially identified parameters.
       Econometrica 72:1845-1857. doi:10.1111/j.1468-0262.2004.00555.x

    Examples
    --------
    >>> import pandas as pd
    >>> states = ["present"] * 2 + ["absent"] * 16 + ["not_imaged"] * 12
    >>> manski_bounds("flair_deep", pd.DataFrame({"flair_deep": states})).text()
    'between 0.07 and 0.47 (95% CI 0.01–0.63)'
    """
    if assume not in ASSUMPTIONS:
        raise EstimationError(
            f"assumption {assume!r} is not known",
            evidence=f"assumptions: {', '.join(ASSUMPTIONS)}",
            remedy='assume="none" or assume="at_most"',
        )
    columns, _ = align_columns([finding] if by is None else list(dict.fromkeys([finding, by])), data, None)
    if columns.empty:
        raise EstimationError("there are no patients", remedy="check the filter that made this frame")
    try:
        coded = binary_states(columns[finding])[0]
    except (ValueError, TypeError):
        raise EstimationError(
            f"column {finding} is not a finding",
            evidence=f"dtype {columns[finding].dtype}, {columns[finding].nunique()} distinct values",
            remedy="use a column of absent/present, no/yes, boolean or 0/1",
        ) from None
    left_out: tuple[tuple[str, str, int], ...] = ()
    if by is None:
        groups: tuple[GroupCounts, ...] = (_count("", columns[finding], coded),)
    else:
        missing = int(columns[by].isna().sum())
        left_out = ((by, "missing", missing),) if missing else ()
        groups = _by_group(columns[by], columns[finding], coded)
    return ManskiBounds(finding, by or "", assume, groups, check_conf_level(conf_level), left_out)


def _by_group(by: pd.Series, finding: pd.Series, coded: np.ndarray) -> tuple[GroupCounts, ...]:
    category = by if isinstance(by.dtype, pd.CategoricalDtype) else by.astype("category")
    category = category.cat.remove_unused_categories()
    if len(category.cat.categories) < 2:
        raise EstimationError(
            f"column {by.name} has fewer than two groups",
            evidence=f"{len(category.cat.categories)} distinct values",
            remedy="leave by= out",
        )
    codes = category.cat.codes.to_numpy()
    masks = [np.flatnonzero(codes == k) for k in range(len(category.cat.categories))]
    return tuple(
        _count(str(name), finding.iloc[rows], coded[rows])
        for name, rows in zip(category.cat.categories, masks, strict=True)
    )


def _count(name: str, finding: pd.Series, coded: np.ndarray) -> GroupCounts:
    unknown = binary_reasons(finding.iloc[np.flatnonzero(np.isnan(coded))])
    return GroupCounts(name, int(np.nansum(coded)), int((~np.isnan(coded)).sum()), tuple(unknown.items()))
