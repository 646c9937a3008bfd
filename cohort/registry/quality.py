"""Checks a harmonized registry: one row per check, variable and center, in the words of Kahn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.expressions import column_kinds, evaluate, parse_expression
from cohort.dictionary.read import Dictionary, Table
from cohort.dictionary.table_model import CheckDefault, Contradiction
from cohort.errors import DictionaryError
from cohort.registry.cross_checks import cross_checks, unlike_centers
from cohort.registry.engine import STATUSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUALITY_COLUMNS = (
    "check",
    "category",
    "subcategory",
    "severity",
    "table",
    "variable",
    "source",
    "center_id",
    "violated",
    "denominator",
    "percent",
    "threshold",
    "result",
    "reason",
)
ALL = "all"
NO_CENTER = "unknown"
MISSING = tuple(status for status in STATUSES if status.startswith("missing:"))
_EXPECTED_MISSING = ("missing:not_applicable", "missing:not_collected")
_BY_STATUS = {
    "code_known": ("unmapped",),
    "readable": ("unparsed",),
    "unit_known": ("no_unit",),
    "in_range": ("out_of_range",),
    "date_complete": ("partial",),
}


class QualityFrame(pd.DataFrame):
    """The results of all checks as a DataFrame, with ``plot()``."""

    @property
    def _constructor(self) -> type[QualityFrame]:
        return QualityFrame

    def plot(self, ax: Axes | None = None) -> Axes:  # type: ignore[override]
        """Draw a heat map: variables by center, the largest share of violated rows of any check.

        Parameters
        ----------
        ax : Axes, optional
            A new figure by default.

        Returns
        -------
        Axes
            With one row per variable that violates a check anywhere, one column per center.
        """
        from cohort.registry.quality_plot import plot_quality

        return plot_quality(self, ax)


def check_quality(
    tables: Mapping[str, pd.DataFrame], dictionary: Dictionary, rules: pd.DataFrame, limits: pd.DataFrame
) -> QualityFrame:
    """Run every check of the dictionary; see `Registry.quality`.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Harmonized tables.
    dictionary : Dictionary
        Its checks and thresholds.
    rules : DataFrame
        What each source says about each variable: a variable that no source gives is not applicable.
    limits : DataFrame
        Values at declared limits.

    Returns
    -------
    QualityFrame
        One row per check, table, variable, source and center; ``center_id`` is ``all`` for the whole source.
    """
    checker = _Checker(tables, dictionary)
    for name in dictionary.tables:
        checker.table(name)
    checker.contradictions()
    checker.across()
    checker.limits(limits)
    checker.not_applicable(rules)
    return QualityFrame(pd.DataFrame(checker.rows, columns=list(QUALITY_COLUMNS)))


def violated_rows(
    tables: Mapping[str, pd.DataFrame], dictionary: Dictionary, check: str, table: str, variable: str
) -> NDArray[np.bool_] | None:
    """Return which rows of a table violate a check; None when there is no such check of this variable.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Harmonized tables.
    dictionary : Dictionary
        Its checks.
    check, table, variable : str
        As in a row of the quality frame.

    Returns
    -------
    array of bool or None
        One entry per row of the table.
    """
    checker = _Checker(tables, dictionary)
    checker.wanted = (check, table, variable)
    checker.table(table)
    checker.contradictions()
    checker.across()
    return checker.found


@dataclass(frozen=True)
class _Groups:
    """Source and center of every row of a table, as codes."""

    codes: NDArray[np.intp]
    sources: tuple[str, ...]
    centers: tuple[str, ...]


class _Checker:
    """Runs the checks of one registry and keeps their results as rows."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], dictionary: Dictionary) -> None:
        self.tables = tables
        self.dictionary = dictionary
        self.rows: list[tuple[object, ...]] = []
        self.wanted: tuple[str, str, str] | None = None
        self.found: NDArray[np.bool_] | None = None
        self.defaults = {one.check: one for one in dictionary.checks.checks}
        self.thresholds = {
            (one.check, one.table, one.variable): one.threshold for one in dictionary.checks.thresholds
        }
        self.groups = {name: self._groups(frame) for name, frame in tables.items()}

    def _groups(self, frame: pd.DataFrame) -> _Groups:
        """Return source and center of every row; the center is that of the infusion."""
        keys = ["source", "patient_id", "infusion_number"]
        infusions = self.tables["infusion"].dropna(subset=["center_id"]).drop_duplicates(keys)
        centers = frame[keys].merge(infusions[[*keys, "center_id"]], on=keys, how="left")["center_id"]
        both = (
            frame["source"].astype(object).to_numpy()
            + "\x1f"
            + centers.fillna(NO_CENTER).to_numpy(dtype=object)
        )
        codes, pairs = pd.factorize(both, sort=True)
        names = [str(pair).split("\x1f") for pair in pairs]
        return _Groups(codes, tuple(name[0] for name in names), tuple(name[1] for name in names))

    def table(self, name: str) -> None:
        """Check one table."""
        frame, table = self.tables[name], self.dictionary.tables[name]
        if not len(frame):
            return
        for variable, one in table.variables.items():
            if one.schema.set_by:
                continue
            status = frame[f"{variable}__status"]
            recorded = ~_among(status, MISSING)
            for check, statuses in _BY_STATUS.items():
                if self._applies(check, table, variable):
                    self._add(self.defaults[check], name, variable, _among(status, statuses), recorded)
            asked = ~_among(status, _EXPECTED_MISSING)
            self._add(self.defaults["recorded"], name, variable, ~recorded, asked)
        self._dates(table)
        self._keys(table)

    def _applies(self, check: str, table: Table, name: str) -> bool:
        one = table.variables[name]
        limits = one.schema.constraints
        applies = {
            "code_known": one.kind == "coded",
            "readable": one.kind in ("integer", "number", "date"),
            "unit_known": bool(one.schema.unit_by) or one.schema.unit not in ("", "d"),
            "in_range": limits.minimum is not None or limits.maximum is not None or bool(one.schema.unit_by),
            "date_complete": one.schema.interval,
        }
        return applies[check]

    def _dates(self, table: Table) -> None:
        """Check that days are in the declared order; equal days are in order."""
        frame = self.tables[table.name]
        check = self.defaults["date_order"]
        for name, one in table.variables.items():
            for other, sign in ((one.schema.not_before, 1), (one.schema.not_after, -1)):
                if other:
                    first, last = (
                        frame[column].to_numpy(dtype=float, na_value=np.nan) for column in (other, name)
                    )
                    difference = (last - first) * sign
                    self._add(check, table.name, name, difference < 0, ~np.isnan(difference))

    def _keys(self, table: Table) -> None:
        frame = self.tables[table.name]
        everything = np.ones(len(frame), dtype=bool)
        for name, one in table.variables.items():
            if one.schema.constraints.required:
                absent = frame[name].isna().to_numpy(dtype=bool)
                self._add(self.defaults["key_complete"], table.name, name, absent, everything)
        twice = frame.duplicated(list(table.primary_key), keep="first").to_numpy()
        self._add(self.defaults["key_unique"], table.name, "", twice, everything)
        for key in table.foreign_keys:
            fields, parent = list(key.fields), key.reference.resource
            parents = self.tables[parent][list(key.reference.fields)].drop_duplicates()
            parents = parents.set_axis(fields, axis=1).assign(__found=True)
            orphan = frame[fields].merge(parents, on=fields, how="left")["__found"].isna().to_numpy()
            self._add(self.defaults["parent_exists"], table.name, parent, orphan, everything)

    def contradictions(self) -> None:
        """Check the conditions of checks.yaml; rows where a condition is missing are not looked at."""
        for one in self.dictionary.checks.contradictions:
            frame = self.tables[one.table]
            if len(frame):
                expression = parse_expression(one.violated, column_kinds(frame), error=DictionaryError)
                violated = evaluate(expression, frame)
                known = violated.notna().to_numpy()
                self._add(one, one.table, one.variable, violated.fillna(False).to_numpy(dtype=bool), known)

    def across(self) -> None:
        """Check what stands in several tables, and centers against each other."""
        for one in cross_checks(self.tables):
            self._add(self.defaults[one.check], one.table, one.variable, one.violated, one.among)
        infusion = self.tables["infusion"]
        measured = [
            name
            for name, one in self.dictionary.tables["infusion"].variables.items()
            if one.kind == "number" and name in infusion.columns
        ]
        check = self.defaults["center_like_others"]
        for row in unlike_centers(infusion, measured).to_dict("records"):
            reason = f"median {row['median']:g}, the other centers {row['others']:g}" if row["far"] else ""
            n = int(row["n"])
            self._row(
                check, "infusion", row["variable"], row["source"], row["center_id"], n * row["far"], n, reason
            )

    def limits(self, limits: pd.DataFrame) -> None:
        """Add the share of values at the limits that mappings declare."""
        check = self.defaults["below_limit"]
        for row in limits.to_dict("records"):
            table, variable = str(row["table"]), str(row["variable"])
            reason = f"{row['at']}: {row['note']}"
            self._row(check, table, variable, str(row["source"]), ALL, row["n_at_limit"], row["n"], reason)

    def not_applicable(self, rules: pd.DataFrame) -> None:
        """Add one row for each variable and source that cannot be checked, and why."""
        answered = rules[rules["status"].isin(["complete", "partial"])]
        keys = ["source", "table", "variable"]
        known = {tuple(one) for one in answered[keys].to_numpy().tolist()}
        rest = rules[[tuple(one) not in known for one in rules[keys].to_numpy().tolist()]]
        default = self.defaults["recorded"]
        for row in rest.drop_duplicates(keys).to_dict("records"):
            reason = f"{row['status']}: {row['note']}"
            self._row(default, row["table"], row["variable"], row["source"], ALL, 0, 0, reason)

    def _add(
        self,
        check: CheckDefault | Contradiction,
        table: str,
        variable: str,
        violated: NDArray[np.bool_],
        among: NDArray[np.bool_],
    ) -> None:
        """Count violated rows for each whole source, then by source and center."""
        if (check.check, table, variable) == self.wanted:
            self.found = violated & among
        groups = self.groups[table]
        n = np.bincount(groups.codes[among], minlength=len(groups.sources))
        bad = np.bincount(groups.codes[among & violated], minlength=len(groups.sources))
        for source in dict.fromkeys(groups.sources):
            here = [
                position for position, name in enumerate(groups.sources) if name == source and n[position]
            ]
            if here:
                self._row(check, table, variable, source, ALL, int(bad[here].sum()), int(n[here].sum()))
            for position in here:
                center = groups.centers[position]
                self._row(check, table, variable, source, center, int(bad[position]), int(n[position]))

    def _row(
        self,
        check: CheckDefault | Contradiction,
        table: str,
        variable: str,
        source: str,
        center: str,
        violated: int,
        n: int,
        reason: str = "",
    ) -> None:
        threshold = self.thresholds.get((check.check, table, variable), check.threshold)
        share = violated / n if n else float("nan")
        result = "not applicable" if not n else "failed" if share > threshold else "passed"
        head = (
            check.check,
            check.category,
            check.subcategory,
            check.severity,
            table,
            variable,
            source,
            center,
        )
        self.rows.append((*head, violated, n, 100 * share, threshold, result, reason))


def _among(status: pd.Series, wanted: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each status is one of those wanted, by code."""
    codes = [code for code, name in enumerate(status.cat.categories) if name in wanted]
    return np.isin(status.cat.codes.to_numpy(), codes)
