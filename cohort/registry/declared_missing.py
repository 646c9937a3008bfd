"""Tells a plan which values the file itself declares missing, so that none of them can become a value by silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from cohort.dictionary.expression_sql import SPACES
from cohort.errors import SourceError
from cohort.registry.plan import BlockPlan, Plan

MAX_VALUES = 10_000


def with_declared(plan: Plan, labels: Mapping[str, pd.DataFrame]) -> Plan:
    """Return the plan with the values that the source's files declare missing.

    A rule that names such a value in ``missing:`` or ``recode:`` decides; where none does the status is
    ``unmapped``, and in an expression the value is missing.

    Parameters
    ----------
    plan : Plan
        From `make_plan`.
    labels : mapping of str to DataFrame
        By input, as `read_labels` gives them.

    Returns
    -------
    Plan
        The same one when nothing is declared.

    Raises
    ------
    SourceError
        When a range of missing values covers so many that it must be a mistake.
    """
    declared = {name: _by_column(name, frame) for name, frame in labels.items() if len(frame)}
    if not any(declared.values()):
        return plan
    blocks = tuple(replace(one, declared=_of_block(one, declared.get(one.input, {}))) for one in plan.blocks)
    return replace(plan, blocks=blocks)


def _by_column(name: str, labels: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    missing = labels[labels["is_missing"]]
    values = missing["value"].str.strip(SPACES)
    groups = values[values != ""].groupby(missing["column"], sort=False)
    declared = {str(column): tuple(dict.fromkeys(texts)) for column, texts in groups}
    large = [column for column, texts in declared.items() if len(texts) > MAX_VALUES]
    if large:
        raise SourceError(
            "A range of missing values covers more values than can be meant.",
            evidence=f"input {name}: {', '.join(f'{one} ({len(declared[one]):,})' for one in large[:5])}",
            remedy="narrow the missing values of the column in the file",
        )
    return declared


def _of_block(block: BlockPlan, declared: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the declared values of each column that the block reads; unpivot takes them along."""
    found = {column: declared[column] for column in block.columns if column in declared}
    if block.unpivot is not None:
        for one in block.unpivot.sources():
            for new, column in one.items():
                if column in declared:
                    found[new] = tuple(dict.fromkeys([*found.get(new, ()), *declared[column]]))
    return found
