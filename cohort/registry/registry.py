"""The harmonized registry: canonical tables and everything that is known about how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from cohort.dictionary.read import Dictionary
from cohort.errors import DictionaryError
from cohort.registry.conflicts import find_conflicts
from cohort.registry.quality import QualityFrame, check_quality, violated_rows

DECISION_COLUMNS = (
    "table",
    "patient_id",
    "infusion_number",
    "key",
    "variable",
    "taken_from",
    "sources",
    "why",
)


@dataclass(frozen=True)
class Registry:
    """A harmonized registry, immutable: every table is handed out as a copy.

    The tables are attributes (``registry.infusion``, ``registry.mri_exam``, ...). A variable ``v`` stands beside
    ``v__status``: ``ok``, ``missing:<reason>``, ``unmapped``, ``unparsed``, ``out_of_range``, ``no_unit``,
    ``partial``; the value is missing unless the status is ``ok`` (or ``partial``, for a number read with a sign).
    Variables that can be known to an interval also have ``v__from`` and ``v__to``.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        The nine canonical tables by name.
    dictionary : Dictionary
        What the variables are.
    sources : tuple of str
        Names of the sources, in order of precedence.
    unmapped : DataFrame
        Source texts without a rule, or that cannot be read: source, table, variable, source_column, status,
        value, n.
    audit : DataFrame
        Rows in, left out, out; status counts of every rule; hashes of inputs, dictionary, mapping and SQL.
    rules : DataFrame
        What every source says about every variable: complete, partial, impossible, undetermined, with notes, and
        whether the rule is confirmed by the source's own documentation.
    sql : mapping of (source, table, block) to str
        The SQL that made the rows.
    limits : DataFrame
        Values at the limits that mappings declare: source, table, variable, at, n, n_at_limit, note.
    privacy : mapping of str to str
        What `deidentify` did; empty when the registry still names patients.
    decisions : DataFrame
        What `resolve_conflicts` decided: table, patient_id, infusion_number, key, variable, taken_from, sources, why.
    """

    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    dictionary: Dictionary = field(repr=False)
    sources: tuple[str, ...]
    unmapped: pd.DataFrame = field(repr=False)
    audit: pd.DataFrame = field(repr=False)
    rules: pd.DataFrame = field(repr=False)
    sql: Mapping[tuple[str, str, int], str] = field(repr=False)
    limits: pd.DataFrame = field(repr=False)
    privacy: Mapping[str, str] = field(default_factory=dict, repr=False)
    decisions: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(DECISION_COLUMNS)), repr=False
    )

    def __getattr__(self, name: str) -> pd.DataFrame:
        """Return a canonical table."""
        tables = self.__dict__.get("tables", {})
        if name in tables:
            frame: pd.DataFrame = tables[name].copy()
            return frame
        msg = f"a registry has no table or attribute {name!r}"
        raise AttributeError(msg)

    def __dir__(self) -> list[str]:
        """Name the tables beside the rest."""
        return sorted([*object.__dir__(self), *self.tables])

    def __repr__(self) -> str:
        """Give rows and patients by table, and what needs attention."""
        lines = [f"Registry of {len(self.sources)} source(s): {', '.join(self.sources)}"]
        for name, frame in self.tables.items():
            patients = frame[["source", "patient_id"]].drop_duplicates()
            lines.append(f"  {name:<18}{len(frame):>9,} rows {len(patients):>8,} patients")
        n = int(self.unmapped["n"].sum())
        lines.append(
            f"{n:,} values without a rule or unreadable: see .unmapped; see also .quality() and .conflicts"
        )
        return "\n".join(lines)

    @property
    def conflicts(self) -> pd.DataFrame:
        """Rows with the same key and different values, within a source and between sources.

        One row per key and variable: table, patient_id, infusion_number, key (the other key columns), variable,
        n_rows, sources, values. Equal ``patient_id`` in two sources is taken for the same patient.
        """
        return find_conflicts(self.tables, self.dictionary)

    def quality(self) -> QualityFrame:
        """Check the registry; one row per check, variable and center.

        Returns
        -------
        QualityFrame
            A DataFrame: check, category and subcategory (Kahn), severity, table, variable, source, center_id, violated,
            denominator, percent, threshold, result (passed, failed, not applicable), reason. ``plot()`` draws a
            heat map by center.
        """
        return check_quality(self.tables, self.dictionary, self.rules, self.limits)

    def violations(self, check: str, table: str, variable: str = "") -> pd.DataFrame:
        """Return the keys of the rows that violate a check, to be looked up at the source.

        Parameters
        ----------
        check, table, variable : str
            As in a row of `quality`.

        Returns
        -------
        DataFrame
            The primary key of each row; no values.
        """
        if table not in self.tables:
            raise DictionaryError(
                f"There is no table {table!r}.", evidence=f"tables: {', '.join(self.tables)}"
            )
        found = violated_rows(self.tables, self.dictionary, check, table, variable)
        if found is None:
            known = self.quality()
            names = known.loc[(known["table"] == table) & (known["variable"] == variable), "check"].unique()
            raise DictionaryError(
                f"There is no check {check!r} of {table}.{variable}.",
                evidence=f"checks: {', '.join(names) or 'none'}",
                remedy="take check, table and variable from a row of registry.quality()",
            )
        keys = list(self.dictionary.tables[table].primary_key)
        rows: pd.DataFrame = self.tables[table].loc[found, keys].reset_index(drop=True)
        return rows

    def collected(self, table: str, source: str) -> bool:
        """Whether a source collects a table at all.

        Parameters
        ----------
        table : str
            Name of a canonical table.
        source : str
            Name of a source.
        """
        if table not in self.tables or source not in self.sources:
            raise DictionaryError(
                f"There is no table {table!r} of a source {source!r}.",
                evidence=f"tables: {', '.join(self.tables)}; sources: {', '.join(self.sources)}",
            )
        rules = self.rules
        said = rules.loc[(rules["table"] == table) & (rules["source"] == source), "status"]
        return bool(said.isin(["complete", "partial"]).any())
