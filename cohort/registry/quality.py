"""Checks a harmonized registry: one row per check, variable and center, in the words of Kahn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cohort.dictionary.expressions import column_kinds, evaluate, parse_expression
from cohort.dictionary.read import Dictionary, Table
from cohort.dictionary.table_model import CheckDefault, Contradiction
from cohort.errors import DictionaryError

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


@dataclass(frozen=True)
class _Rows:
    """The rows of a table with source and center, and which of them a check looks at."""

    frame: pd.DataFrame
    groups: pd.DataFrame


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
    parts = [part for name in dictionary.tables for part in checker.table(name)]
    parts += list(checker.contradictions())
    parts.append(checker.limits(limits))
    filled = [part for part in parts if len(part)]
    whole = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(QUALITY_COLUMNS))
    whole = pd.concat([whole, checker.not_applicable(rules)], ignore_index=True)
    return QualityFrame(whole[list(QUALITY_COLUMNS)])


class _Checker:
    """Runs the checks of one registry."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], dictionary: Dictionary) -> None:
        self.tables = tables
        self.dictionary = dictionary
        self.defaults = {one.check: one for one in dictionary.checks.checks}
        self.thresholds = {
            (one.check, one.table, one.variable): one.threshold for one in dictionary.checks.thresholds
        }
        self.groups = {name: self._groups(frame) for name, frame in tables.items()}

    def _groups(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return source and center of every row; the center is that of the infusion."""
        keys = ["source", "patient_id", "infusion_number"]
        infusions = self.tables["infusion"].dropna(subset=["center_id"]).drop_duplicates(keys)
        centers = frame[keys].merge(infusions[[*keys, "center_id"]], on=keys, how="left")["center_id"]
        centers.index = frame.index
        return pd.DataFrame({"source": frame["source"], "center_id": centers.fillna(NO_CENTER)})

    def table(self, name: str) -> Iterator[pd.DataFrame]:
        """Check one table."""
        frame, table = self.tables[name], self.dictionary.tables[name]
        if not len(frame):
            return
        for variable, one in table.variables.items():
            if one.schema.set_by:
                continue
            status = frame[f"{variable}__status"].astype(str)
            asked = ~status.isin(_EXPECTED_MISSING)
            recorded = ~status.str.startswith("missing:")
            for check, statuses in _BY_STATUS.items():
                if self._applies(check, table, variable):
                    yield self._result(self.defaults[check], name, variable, status.isin(statuses), recorded)
            yield self._result(self.defaults["recorded"], name, variable, ~recorded, asked)
        yield from self._dates(table)
        yield from self._keys(table)

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

    def _dates(self, table: Table) -> Iterator[pd.DataFrame]:
        """Check that dates are in the declared order; equal days are in order."""
        frame = self.tables[table.name]
        for name, one in table.variables.items():
            for other, sign in ((one.schema.not_before, 1), (one.schema.not_after, -1)):
                if other:
                    difference = (frame[name].astype("float64") - frame[other].astype("float64")) * sign
                    yield self._result(
                        self.defaults["date_order"], table.name, name, difference < 0, difference.notna()
                    )

    def _keys(self, table: Table) -> Iterator[pd.DataFrame]:
        frame = self.tables[table.name]
        everything = pd.Series(True, index=frame.index)
        for name, one in table.variables.items():
            if one.schema.constraints.required:
                yield self._result(
                    self.defaults["key_complete"], table.name, name, frame[name].isna(), everything
                )
        twice = frame.duplicated(list(table.primary_key), keep="first")
        yield self._result(self.defaults["key_unique"], table.name, "", twice, everything)
        for key in table.foreign_keys:
            parents = self.tables[key.reference.resource][list(key.reference.fields)].drop_duplicates()
            parents = parents.set_axis(list(key.fields), axis=1).assign(__found=True)
            found = frame[list(key.fields)].merge(parents, on=list(key.fields), how="left")["__found"]
            orphan = pd.Series(found.isna().to_numpy(), index=frame.index)
            yield self._result(
                self.defaults["parent_exists"], table.name, key.reference.resource, orphan, everything
            )

    def contradictions(self) -> Iterator[pd.DataFrame]:
        """Check the conditions of checks.yaml; rows where a condition is missing are not looked at."""
        for one in self.dictionary.checks.contradictions:
            frame = self.tables[one.table]
            if not len(frame):
                continue
            expression = parse_expression(one.violated, column_kinds(frame), error=DictionaryError)
            violated = evaluate(expression, frame)
            known = violated.notna()
            yield self._result(one, one.table, one.variable, violated.fillna(False).astype(bool), known)

    def limits(self, limits: pd.DataFrame) -> pd.DataFrame:
        """Return the share of values at the limits that mappings declare."""
        check = self.defaults["below_limit"]
        counts = limits.assign(center_id=ALL, violated=limits["n_at_limit"], denominator=limits["n"])
        parts = [
            self._described(check, str(table), str(variable), part).assign(
                reason=part["at"] + ": " + part["note"]
            )
            for (table, variable), part in counts.groupby(["table", "variable"], sort=False)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(QUALITY_COLUMNS))

    def not_applicable(self, rules: pd.DataFrame) -> pd.DataFrame:
        """Return one row for each variable and source that cannot be checked, and why."""
        answered = rules[rules["status"].isin(["complete", "partial"])]
        keys = ["source", "table", "variable"]
        rest = rules.merge(answered[keys].drop_duplicates(), on=keys, how="left", indicator=True)
        rest = rest[rest["_merge"] == "left_only"].drop_duplicates(keys)
        default = self.defaults["recorded"]
        return pd.DataFrame(
            {
                "check": default.check,
                "category": default.category,
                "subcategory": default.subcategory,
                "severity": default.severity,
                "table": rest["table"],
                "variable": rest["variable"],
                "source": rest["source"],
                "center_id": ALL,
                "violated": 0,
                "denominator": 0,
                "percent": float("nan"),
                "threshold": default.threshold,
                "result": "not applicable",
                "reason": rest["status"] + ": " + rest["note"],
            }
        )

    def _result(
        self,
        check: CheckDefault | Contradiction,
        table: str,
        variable: str,
        violated: pd.Series,
        among: pd.Series,
    ) -> pd.DataFrame:
        """Count violated rows by source and center, and for each whole source."""
        groups = self.groups[table][among.to_numpy(dtype=bool)]
        if not len(groups):
            return pd.DataFrame(columns=list(QUALITY_COLUMNS))
        flags = groups.assign(violated=violated[among].to_numpy(dtype=bool))
        by_center = _counted(flags, ["source", "center_id"])
        by_source = _counted(flags, ["source"]).assign(center_id=ALL)
        return self._described(check, table, variable, pd.concat([by_source, by_center], ignore_index=True))

    def _described(
        self, check: CheckDefault | Contradiction, table: str, variable: str, counts: pd.DataFrame
    ) -> pd.DataFrame:
        threshold = self.thresholds.get((check.check, table, variable), check.threshold)
        share = counts["violated"] / counts["denominator"].where(counts["denominator"] > 0)
        failed = share > threshold
        return counts.assign(
            check=check.check,
            category=check.category,
            subcategory=check.subcategory,
            severity=check.severity,
            table=table,
            variable=variable,
            percent=100 * share,
            threshold=threshold,
            result=failed.map({True: "failed", False: "passed"}).where(share.notna(), "not applicable"),
            reason="",
        )


def _counted(flags: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    grouped = flags.groupby(list(keys), sort=True)["violated"]
    return grouped.agg(violated="sum", denominator="size").reset_index()
