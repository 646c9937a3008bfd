"""Finds rows that share a key and contradict each other, within a source and between sources."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cohort.dictionary.read import Dictionary, Table

CONFLICT_COLUMNS = (
    "table",
    "patient_id",
    "infusion_number",
    "key",
    "variable",
    "n_rows",
    "sources",
    "values",
)


def find_conflicts(tables: Mapping[str, pd.DataFrame], dictionary: Dictionary) -> pd.DataFrame:
    """Return one row for each key and variable with different values.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Harmonized tables.
    dictionary : Dictionary
        Their keys.

    Returns
    -------
    DataFrame
        Columns table, patient_id, infusion_number, key, variable, n_rows, sources, values.
    """
    parts = [_of_table(tables[name], table) for name, table in dictionary.tables.items() if len(tables[name])]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(CONFLICT_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(CONFLICT_COLUMNS)]


def _of_table(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    key = [column for column in table.primary_key if column != "source"]
    shared = frame[frame.duplicated(key, keep=False)]
    variables = [
        name
        for name, one in table.variables.items()
        if name not in key and not one.schema.set_by and one.schema.role != "order"
    ]
    variables = [name for name in variables if shared[name].notna().any()]
    if not len(shared) or not variables:
        return pd.DataFrame(columns=list(CONFLICT_COLUMNS))
    group = shared.groupby(key, dropna=False, sort=False, observed=True).ngroup()
    long = pd.concat(
        [
            pd.DataFrame(
                {
                    "group": group,
                    "variable": name,
                    "order": position,
                    "source": shared["source"].astype(str),
                    "value": shared[name].astype("string"),
                }
            )
            for position, name in enumerate(variables)
        ]
    ).dropna(subset=["value"])
    by = ["group", "order", "variable"]
    long = long[long.groupby(by)["value"].transform("nunique") > 1]
    found = (
        long.groupby(by, sort=True)
        .agg(n_rows=("value", "size"), sources=("source", _listed), values=("value", _listed))
        .reset_index()
    )
    first = shared.assign(group=group).drop_duplicates("group").set_index("group")
    rest = [column for column in key if column not in ("patient_id", "infusion_number")]
    names = first.loc[found["group"]]
    return found.assign(
        table=table.name,
        patient_id=names["patient_id"].to_numpy(),
        infusion_number=names["infusion_number"].to_numpy(),
        key=key_text(names, rest).to_numpy(),
    )


def _listed(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(values))


def key_text(names: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Write the key columns that have a value as ``name=value``."""
    text = pd.Series("", index=names.index, dtype="string")
    for column in columns:
        values = names[column].astype("string")
        part = (column + "=" + values).fillna("")
        text = text + part.where((text == "") | (part == ""), ", " + part)
    return text
