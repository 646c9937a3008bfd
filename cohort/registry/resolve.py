"""Rows of one key from several sources become one by a declared precedence; every decision is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.read import Table
from cohort.errors import MappingError
from cohort.registry.conflicts import key_text
from cohort.registry.registry import DECISION_COLUMNS, Registry

Precedence = Sequence[str] | Mapping[str, Sequence[str]]
_GOOD = ("ok", "partial")


def resolve_conflicts(registry: Registry, precedence: Precedence) -> Registry:
    """Merge what several sources say about one patient, each value by a precedence that you declare.

    An equal ``patient_id`` in two sources is taken for the same patient (`same_patients` helps to find those who are
    not equal). All rows of such a patient take the source that comes first among those that have the patient.
    Rows of one key become one row: each variable takes the value of the first source, in the order declared, that
    has one (status ``ok`` or ``partial``). Rows of one key **within** a source are left as they are: that is for the
    source to correct.

    Parameters
    ----------
    registry : Registry
        From `harmonize`; not changed.
    precedence : sequence of str, or mapping of str to sequence of str
        Sources, the first believed most; or an order for each table (others keep the order of the registry).

    Returns
    -------
    Registry
        With ``.decisions``: one row per value that another source contradicted, and per value that was filled in.

    Raises
    ------
    MappingError
        When a source or table is unknown, or a source is left out of an order.

    See Also
    --------
    Registry.conflicts : What would be decided.

    Examples
    --------
    >>> import cohort as co
    >>> made = co.simulate_registries(n=30, seed=1)
    >>> registry = co.harmonize([co.read_source(p, source=n) for n, p in made.sources.items()])
    >>> resolve_conflicts(registry, ["sim_redcap"])
    Traceback (most recent call last):
    ...
    cohort.errors.MappingError: The precedence does not name every source once...
    """
    orders = _orders(registry, precedence)
    first = _first_source(registry, orders["infusion"])
    tables, decisions = {}, []
    for name, frame in registry.tables.items():
        merged, made = _merged(frame, registry.dictionary.tables[name], orders[name], first)
        tables[name] = merged
        decisions.append(made)
    return replace(
        registry,
        tables=MappingProxyType(tables),
        decisions=pd.concat([registry.decisions, *decisions], ignore_index=True),
    )


def _orders(registry: Registry, precedence: Precedence) -> dict[str, list[str]]:
    given = (
        dict(precedence) if isinstance(precedence, Mapping) else dict.fromkeys(registry.tables, precedence)
    )
    unknown = [name for name in given if name not in registry.tables]
    orders = {name: list(given.get(name, registry.sources)) for name in registry.tables}
    wrong = [name for name, order in orders.items() if sorted(order) != sorted(registry.sources)]
    if unknown or wrong:
        raise MappingError(
            f"There is no table {unknown[0]!r}."
            if unknown
            else "The precedence does not name every source once.",
            evidence=f"sources: {', '.join(registry.sources)}; tables: {', '.join(unknown or wrong[:3])}",
            remedy=f"resolve_conflicts(registry, {list(registry.sources)!r})",
        )
    return orders


def _first_source(registry: Registry, order: Sequence[str]) -> pd.DataFrame:
    """Return, for patients in several sources, the source that all their rows take."""
    infusion = registry.tables["infusion"]
    known = infusion[["patient_id", "source"]].drop_duplicates()
    rank = known["source"].astype(str).map({name: i for i, name in enumerate(order)})
    best = known.assign(rank=rank.to_numpy()).sort_values(["patient_id", "rank"], kind="stable")
    several = best["patient_id"].duplicated(keep=False).to_numpy()
    return (
        best[several]
        .drop_duplicates("patient_id")[["patient_id", "source"]]
        .rename(columns={"source": "_first"})
    )


def _merged(
    frame: pd.DataFrame, table: Table, order: Sequence[str], first: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    key = [name for name in table.primary_key if name != "source"]
    own = frame["source"].astype(str)
    taken = frame[["patient_id"]].merge(first, on="patient_id", how="left")["_first"].astype(object)
    source = taken.where(taken.notna(), own.to_numpy())
    rows = frame.assign(source=pd.array(source.to_numpy(), dtype=pd.StringDtype("python")))
    group = rows.groupby(["source", *key], dropna=False, sort=False, observed=True).ngroup().to_numpy()
    by = pd.DataFrame({"group": group, "own": own.to_numpy(), "row": range(len(rows))})
    within = by.duplicated(["group", "own"], keep=False).groupby(by["group"]).transform("any").to_numpy()
    several = (by.groupby("group")["own"].transform("nunique") > 1).to_numpy() & ~within
    if not several.any():
        return rows, pd.DataFrame(columns=list(DECISION_COLUMNS))
    rank = by["own"].map({name: i for i, name in enumerate(order)})
    chosen = by.assign(rank=rank)[several].sort_values(["group", "rank"], kind="stable")
    made, decisions = _combined(rows.iloc[chosen["row"]], chosen, table, key)
    rest = rows[~several]
    whole = pd.concat([rest, made]).sort_index(kind="stable").reset_index(drop=True)
    whole.attrs = frame.attrs
    return whole, decisions


def _combined(
    rows: pd.DataFrame, chosen: pd.DataFrame, table: Table, key: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per group, each variable from the first source that has it, and what was decided."""
    group = chosen["group"].to_numpy()
    first = ~pd.Series(group).duplicated().to_numpy()
    out = rows[first].copy()
    groups = group[first]
    decisions = []
    for name in table.variables:
        status = f"{name}__status"
        if name in key or status not in rows.columns:
            continue
        good = rows[status].isin(_GOOD).to_numpy()
        order = pd.DataFrame({"group": group, "good": good, "position": range(len(rows))})
        best = order.sort_values(["group", "good", "position"], ascending=[True, False, True], kind="stable")
        best = best.drop_duplicates("group").set_index("group").loc[groups, "position"].to_numpy()
        for column in (name, status, f"{name}__from", f"{name}__to"):
            if column in rows.columns:
                out[column] = rows[column].iloc[best].set_axis(out.index)
        decisions.append(_decided(rows, chosen, name, good, best, groups, table, key))
    return out, pd.concat(decisions, ignore_index=True)


def _decided(
    rows: pd.DataFrame,
    chosen: pd.DataFrame,
    name: str,
    good: NDArray[np.bool_],
    best: NDArray[np.int64],
    groups: NDArray[np.int64],
    table: Table,
    key: Sequence[str],
) -> pd.DataFrame:
    """List where sources differ, or where the first one had no value and another filled it in."""
    text = rows[name].astype("string").to_numpy(dtype=object)
    known = pd.DataFrame(
        {"group": chosen["group"].to_numpy(), "own": chosen["own"].to_numpy(), "value": text, "good": good}
    )
    counts = known[known["good"]].groupby("group").agg(n=("value", "nunique"), n_have=("own", "size"))
    taken = known.iloc[best].set_axis(groups)
    leading = known.drop_duplicates("group").set_index("group").loc[groups]
    differ = counts["n"].reindex(groups).fillna(0).to_numpy() > 1
    filled = ~leading["good"].to_numpy() & taken["good"].to_numpy()
    at = differ | filled
    where = rows.iloc[best].set_axis(groups)[at]
    rest = [column for column in key if column not in ("patient_id", "infusion_number")]
    other = known[known["good"]].groupby("group")["own"].agg(lambda one: "; ".join(dict.fromkeys(one)))
    return pd.DataFrame(
        {
            "table": table.name,
            "patient_id": where["patient_id"].to_numpy(),
            "infusion_number": where["infusion_number"].to_numpy(),
            "key": key_text(where, rest).to_numpy(),
            "variable": name,
            "taken_from": taken.loc[at, "own"].to_numpy(),
            "sources": other.reindex(groups)[at].to_numpy(),
            "why": pd.Series(differ[at]).map({True: "sources differ", False: "filled in"}).to_numpy(),
        },
        columns=list(DECISION_COLUMNS),
    )
