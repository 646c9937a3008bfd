"""The layout that a mapping expects: every column of every file, and what its cells may hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from cohort.dictionary.expression_nodes import (
    Arithmetic,
    Call,
    Column,
    Comparison,
    Constant,
    Expression,
    Junction,
    Membership,
    Negation,
    Node,
)
from cohort.dictionary.mapping import read_mapping
from cohort.dictionary.mapping_model import Rule
from cohort.dictionary.read import Dictionary, read_dictionary
from cohort.registry.plan import BlockPlan, Leaf
from cohort.registry.planner import make_plan

COLUMNS = ("input", "column", "variables", "holds", "unit", "missing")
_KINDS = {"integer": "a whole number", "number": "a number", "date": "a date", "string": "text"}
Facts = dict[str, dict[str, list[str]]]


def mapping_layout(mapping: str | Path, dictionary: Dictionary | None = None) -> pd.DataFrame:
    """List the columns that a mapping reads and what their cells may hold, for the data manager who makes the extract.

    Parameters
    ----------
    mapping : str or Path
        Name of a packaged mapping, or path of a mapping file.
    dictionary : Dictionary, optional
        The packaged one by default.

    Returns
    -------
    DataFrame
        One row per column: ``input`` (the file), ``column``, ``variables`` that it serves, ``holds`` (codes, a date
        format, a number or text), ``unit``, and ``missing`` (codes with the reason that they stand for).

    Raises
    ------
    MappingError
        When there is no such mapping, or it cannot be used.

    Examples
    --------
    >>> layout = mapping_layout("cibmtr_baseline").set_index("column")
    >>> layout.loc["sex", "holds"]
    'male | female'
    >>> layout.loc["crp", "unit"]
    'as crp_unit says'
    """
    known = dictionary or read_dictionary()
    read = read_mapping(mapping, known)
    plan = make_plan(read, known)
    shared = [f"{code} = {reason}" for code, reason in plan.missing.items()]
    rows = []
    for name in read.model.inputs:
        facts: Facts = {}
        for block in (one for one in plan.blocks if one.input == name):
            table = read.model.tables[block.table.name]
            own = table.blocks[block.number] if table.blocks else table
            _block_facts(block, {**table.rules, **own.rules}, facts)
        for column, said in facts.items():
            texts = {what: "; ".join(dict.fromkeys(said.get(what, ()))) for what in ("variables", "unit")}
            holds = " | ".join(dict.fromkeys(said.get("holds", ()))) or "text"
            codes = [text for text in said.get("missing", ()) if text not in shared]
            missing = "; ".join([*codes, *shared])
            rows.append((name, column, texts["variables"], holds, texts["unit"], missing))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _block_facts(block: BlockPlan, rules: dict[str, Rule], facts: Facts) -> None:
    behind = _behind(block)
    for column, what, text in _all_facts(block, rules):
        for name in behind.get(column, [column]):
            said = facts.setdefault(name, {})
            if text not in said.setdefault(what, []):
                said[what].append(text)
    if block.unpivot is not None:
        facts.pop(block.unpivot.index, None)


def _behind(block: BlockPlan) -> dict[str, list[str]]:
    """Return the source columns behind each column that unpivot makes."""
    found: dict[str, list[str]] = {}
    for one in block.unpivot.sources() if block.unpivot else ():
        for new, column in one.items():
            found.setdefault(new, []).append(column)
    return found


def _all_facts(block: BlockPlan, rules: dict[str, Rule]) -> Iterator[tuple[str, str, str]]:
    """Yield column, what is told of it, and the text."""
    for name, rule in block.rules.items():
        label = f"{block.table.name}.{name}"
        parts = rules[name].coalesce or (rules[name],) if name in rules else ()
        for leaf, part in zip(rule.leaves, parts, strict=False):
            for column in leaf.columns:
                yield column, "variables", label
            yield from _leaf_facts(leaf, part.unit or rules[name].unit)
    if block.where is not None:
        for column in block.where.columns:
            yield column, "variables", f"{block.table.name} (where)"
        yield from _compared(block.where)


def _leaf_facts(leaf: Leaf, unit: object) -> Iterator[tuple[str, str, str]]:
    for expression in leaf.expressions:
        yield from _compared(expression)
    if leaf.source is None:
        return
    yield from ((leaf.source, "holds", text) for text in _holds(leaf))
    yield from ((leaf.source, "missing", f"{code} = {reason}") for code, reason in leaf.missing.items())
    if leaf.unit is None:
        if leaf.variable.schema.unit == "d" and not leaf.since and leaf.recode is None:
            yield leaf.source, "unit", "days since infusion"
        return
    if leaf.unit.column:
        yield leaf.source, "unit", f"as {leaf.unit.column} says"
        yield from ((leaf.unit.column, "holds", code) for code in leaf.unit.choices)
    else:
        yield leaf.source, "unit", _constant_unit(unit)


def _constant_unit(unit: object) -> str:
    constant, units = getattr(unit, "constant", ""), getattr(unit, "units", {})
    return constant or ", ".join(f"{name} in {one}" for name, one in units.items())


def _holds(leaf: Leaf) -> Iterator[str]:
    if leaf.recode is not None:
        yield from leaf.recode
    elif leaf.dates or leaf.partial:
        yield from (one.text for one in (*leaf.dates, *leaf.partial))
    else:
        yield _KINDS.get(leaf.variable.kind, "text")


def _compared(expression: Expression) -> Iterator[tuple[str, str, str]]:
    """Yield the texts with which an expression compares its columns."""
    for node in _nodes(expression.root):
        parts: tuple[Node, ...] = ()
        if isinstance(node, Comparison):
            parts = (node.left, node.right)
        elif isinstance(node, Membership):
            parts = (node.part, *node.options)
        elif isinstance(node, Call) and node.function == "has_code":
            parts = node.arguments[:2]
        columns = [one.name for one in parts if isinstance(one, Column) and not one.harmonized]
        texts = [one.value for one in parts if isinstance(one, Constant) and isinstance(one.value, str)]
        for column in columns:
            yield from ((column, "holds", text) for text in texts)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    children: tuple[Node, ...] = ()
    if isinstance(node, Comparison | Arithmetic):
        children = (node.left, node.right)
    elif isinstance(node, Membership | Negation):
        children = (node.part,)
    elif isinstance(node, Junction):
        children = node.parts
    elif isinstance(node, Call):
        children = node.arguments
    for child in children:
        yield from _nodes(child)
