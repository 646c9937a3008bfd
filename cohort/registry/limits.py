"""Counts values at the limits where an assay or an export stops."""

from __future__ import annotations

import pandas as pd

from cohort.registry.plan import BlockPlan, Leaf

LIMIT_COLUMNS = ("source", "table", "variable", "at", "n", "n_at_limit", "note")


def at_limits(source: str, block: BlockPlan, made: pd.DataFrame) -> list[tuple[object, ...]]:
    """Return one row for each declared limit: how many values there are, and how many stand at it or beyond.

    Parameters
    ----------
    source : str
        Name of the source.
    block : BlockPlan
        Whose rules may declare limits.
    made : DataFrame of shape (n, p)
        The rows that the block made.
    """
    rows: list[tuple[object, ...]] = []
    for name, rule in block.rules.items():
        for leaf in rule.leaves:
            if leaf.limit is None:
                continue
            values = made[name].astype("float64")
            for side in ("lower", "upper"):
                limit = _limit(leaf, side)
                if limit is not None:
                    beyond = values <= limit if side == "lower" else values >= limit
                    row = (source, block.table.name, name, f"{side} limit", int(values.notna().sum()))
                    rows.append((*row, int(beyond.sum()), rule.note))
    return rows


def _limit(leaf: Leaf, side: str) -> float | None:
    """Return the limit in the unit of the dictionary; None when the unit differs from row to row."""
    value: float | None = getattr(leaf.limit, side)
    if value is None or leaf.unit is None:
        return value
    conversions = [one for targets in leaf.unit.choices.values() for one in targets.values()]
    return conversions[0](value) if len(conversions) == 1 else None
