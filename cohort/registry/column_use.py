"""What becomes of each column of a source: read by rules, set aside with a note, or not mentioned at all."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cohort.dictionary.mapping import Mapping
from cohort.dictionary.read import Dictionary, read_dictionary
from cohort.registry.plan import Plan
from cohort.registry.planner import make_plan
from cohort.registry.source import Source

READ, SET_ASIDE, NOT_MENTIONED = "read", "not_used", "not_mentioned"
COLUMNS = ("input", "column", "use", "variables", "note")
Row = tuple[str, str, str, str, str]


def column_use(source: Source, dictionary: Dictionary | None = None) -> pd.DataFrame:
    """Say of every column of a source what the mapping does with it.

    Parameters
    ----------
    source : Source
        From `read_source`.
    dictionary : Dictionary, optional
        The packaged one by default.

    Returns
    -------
    DataFrame
        One row per column, in the order of the files: ``input``, ``column``, ``use`` (``read`` by a rule, ``not_used``
        by declaration, ``not_mentioned``), ``variables`` that it serves (``table.variable``), and the ``note`` of
        ``not_used:``. A column that is not mentioned is one that nobody has decided about.

    Examples
    --------
    >>> import cohort as co
    >>> made = co.simulate_registries(n=30, seed=1)
    >>> source = co.read_source(made.sources["sim_ebmt"], source="sim_ebmt")
    >>> bool((co.column_use(source)["use"] == "read").any())
    True
    """
    return planned_use(source, make_plan(source.mapping, dictionary or read_dictionary()))


def planned_use(source: Source, plan: Plan) -> pd.DataFrame:
    """Return the same, given the plan of the mapping."""
    rows: list[Row] = []
    for name, frame in source.frames.items():
        rows += list(_uses(name, [str(one) for one in frame.columns], plan, source.mapping))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _uses(name: str, columns: list[str], plan: Plan, mapping: Mapping) -> Iterator[Row]:
    served = _served(name, plan)
    aside = {
        column: one.note
        for one in mapping.model.not_used
        if one.input in ("", name)
        for column in one.columns
    }
    for column in columns:
        if column in served:
            yield name, column, READ, "; ".join(dict.fromkeys(served[column])), ""
        elif column in aside:
            yield name, column, SET_ASIDE, "", aside[column]
        else:
            yield name, column, NOT_MENTIONED, "", ""


def _served(name: str, plan: Plan) -> dict[str, list[str]]:
    """Return, for each column that is read, the variables that it serves; conditions serve the whole table."""
    served: dict[str, list[str]] = {}
    for block in (one for one in plan.blocks if one.input == name):
        new = _behind_unpivot(block.unpivot.sources()) if block.unpivot else {}
        for column in block.columns:
            served.setdefault(column, [])
        for variable, rule in block.rules.items():
            for column in (one for leaf in rule.leaves for one in leaf.columns):
                for behind in new.get(column, [column]):
                    served.setdefault(behind, []).append(f"{block.table.name}.{variable}")
        for column in block.where.columns if block.where else ():
            for behind in new.get(column, [column]):
                served.setdefault(behind, []).append(f"{block.table.name}, where")
    return served


def _behind_unpivot(sources: tuple[dict[str, str], ...]) -> dict[str, list[str]]:
    """Return the source columns behind each new column."""
    behind: dict[str, list[str]] = {}
    for one in sources:
        for new, column in one.items():
            behind.setdefault(new, []).append(column)
    return behind
