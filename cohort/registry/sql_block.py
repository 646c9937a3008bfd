"""The SQL of one block: a chain of common table expressions from the cells of an input to the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from cohort.dictionary.expression_sql import Tree, both, case, is_null, named, quoted, text
from cohort.dictionary.expressions import compile_sql
from cohort.dictionary.read import Dictionary, Variable
from cohort.registry.plan import BlockPlan, Plan, RulePlan
from cohort.registry.sql_leaf import LAYERS, Columns, LeafSql, known_cell

_TYPES = {"string": "TEXT", "coded": "TEXT", "integer": "BIGINT", "number": "DOUBLE", "date": "DATE"}
# Without these borders DuckDB would write one layer into the next, which multiplies long expressions.
MATERIALIZED = ("_read", "_judged")
UNREAD = ("unmapped", "unparsed", "no_unit")
Steps = list[tuple[str, exp.Select]]


def sql_names(columns: Sequence[str]) -> dict[str, str]:
    """Return a column name for SQL, where upper and lower case are the same, for each source column."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for position, column in enumerate(columns):
        name = f"raw {column}" if column.lower() not in taken else f"raw {column} {position}"
        taken.add(column.lower())
        names[column] = name
    return names


@dataclass(frozen=True)
class BlockSql:
    """Compiles a block.

    Attributes
    ----------
    block : BlockPlan
        What to compile.
    plan : Plan
        The mapping it belongs to.
    dictionary : Dictionary
        Analytes and their ranges.
    frame : str
        Name under which the cells are registered.
    infusions : str
        Name of the infusions of the source (patient_id, infusion_number, first and last day).
    """

    block: BlockPlan
    plan: Plan
    dictionary: Dictionary
    frame: str
    infusions: str

    @property
    def names(self) -> dict[str, str]:
        """SQL names of the source columns."""
        return sql_names([*self.block.columns, *self.block.new_columns])

    def rows(self) -> exp.Select:
        """Return the query that gives the harmonized rows."""
        steps, last = self._all_steps()
        given = [rule for rule in self.block.rules.values() if rule.leaves]
        columns = [quoted(name) for rule in given for name in output_columns(rule.variable)]
        final = _select(columns, last).where(exp.Not(this=is_null(quoted("patient_id"))), copy=False)
        return _with(steps, final.order_by(quoted("__row"), quoted("__part"), copy=False))

    def texts(self, rules: Sequence[RulePlan]) -> exp.Select:
        """Return the query that counts the texts of variables that have no rule or cannot be read."""
        late = any(rule.late for rule in (self.block.rules["patient_id"], *rules))
        steps, last = self._all_steps() if late else self._few_steps(rules)
        parts = [self._texts_of(one, last) for rule in rules for one in self._leaves(rule)]
        keys = ("variable", "source_column", "status", "value")
        columns = [*(quoted(name) for name in keys), named(exp.Count(this=exp.Star()), "n")]
        counted = exp.select(*columns, copy=False).from_(_union(parts), copy=False)
        counted = counted.group_by(*(quoted(name) for name in keys), copy=False)
        return _with(steps, counted.order_by(*(quoted(name) for name in keys), copy=False))

    def _all_steps(self) -> tuple[Steps, str]:
        """Return every step, and the name of the last."""
        steps = [*self._source_steps(), *self._kept_step()]
        given = {name: rule for name, rule in self.block.rules.items() if rule.leaves}
        late = {name: rule for name, rule in given.items() if rule.late}
        last = self._stage(steps, "kept", "early", {name: given[name] for name in given if name not in late})
        if late:
            last = self._stage(steps, self._join(steps, last, late), "late", late)
        return steps, last

    def _few_steps(self, rules: Sequence[RulePlan]) -> tuple[Steps, str]:
        """Return the steps that make some early variables only."""
        steps = [*self._source_steps(), *self._kept_step()]
        wanted = {rule.variable.name: rule for rule in (self.block.rules["patient_id"], *rules)}
        return steps, self._stage(steps, "kept", "early", wanted)

    def _texts_of(self, one: LeafSql, last: str) -> exp.Select:
        unit = one.leaf.unit
        status = one.own("s")
        value: Tree = exp.cast(one.own("t"), "TEXT")
        label: Tree = text(one.leaf.label)
        if unit is not None and unit.column:
            no_unit = exp.EQ(this=status.copy(), expression=text("no_unit"))
            value = case([(no_unit, self._column()(unit.column))], value)
            label = case([(no_unit.copy(), text(unit.column))], label)
        columns = [
            named(text(one.leaf.variable.name), "variable"),
            named(label, "source_column"),
            named(status, "status"),
            named(value, "value"),
        ]
        open_ends = exp.In(this=status.copy(), expressions=[text(name) for name in UNREAD])
        found = exp.Not(this=is_null(quoted("patient_id")))
        return _select(columns, last).where(both(open_ends, found), copy=False)

    def counts(self) -> exp.Select:
        """Return the query that counts the rows of the input, kept and left out."""
        steps = self._source_steps()
        where = self._where()
        kept = exp.true() if where is None else where
        columns = [
            named(exp.Count(this=exp.Star()), "rows"),
            named(_count_if(kept.copy()), "kept"),
            named(_count_if(exp.Not(this=exp.paren(kept.copy()))), "where_false"),
            named(_count_if(is_null(kept.copy())), "where_missing"),
        ]
        return _with(steps, _select(columns, steps[-1][0]))

    def _column(self) -> Callable[[str], Tree]:
        names = self.names
        return lambda name: quoted(names[name])

    def _source_steps(self) -> Steps:
        select = self._unpivoted(self.names) if self.block.unpivot else self._as_is()
        return [("unpivoted", select)]

    def _as_is(self) -> exp.Select:
        return _select([exp.Star(), named(exp.Literal.number(0), "__part")], self.frame)

    def _unpivoted(self, names: Mapping[str, str]) -> exp.Select:
        unpivot = self.block.unpivot
        assert unpivot is not None
        parts: list[exp.Select] = []
        for position, index in enumerate(unpivot.index_texts()):
            sources = unpivot.sources()[position]
            columns: list[Tree] = [exp.Star(), named(exp.Literal.number(position), "__part")]
            columns.append(named(text(index), names[unpivot.index]))
            for new in unpivot.names():
                nothing = exp.cast(exp.null(), "TEXT")
                cell = quoted(names[sources[new]]) if new in sources else nothing
                columns.append(named(cell, names[new]))
            select = _select(columns, self.frame)
            if not unpivot.keep_blank:
                blank = [is_null(quoted(names[column])) for column in sources.values()]
                select = select.where(exp.Not(this=exp.paren(both(*blank))), copy=False)
            parts.append(select)
        return exp.select(exp.Star()).from_(_union(parts), copy=False)

    def _where(self) -> Tree | None:
        if self.block.where is None:
            return None
        return compile_sql(
            self.block.where, known_cell(self._column(), self.plan.missing, self.block.declared)
        )

    def _kept_step(self) -> Steps:
        where = self._where()
        select = _select([exp.Star()], "unpivoted")
        return [("kept", select if where is None else select.where(where, copy=False))]

    def _stage(self, steps: Steps, source: str, name: str, rules: Mapping[str, RulePlan]) -> str:
        """Add the layers of one stage; return the name of its result."""
        leaves = {rule_name: self._leaves(rule) for rule_name, rule in rules.items()}
        last = source
        for layer in LAYERS:
            columns: Columns = []
            for parts in leaves.values():
                for one in parts:
                    columns += one.layer(layer)
            if columns:
                steps.append((f"{name}_{layer}", _select([exp.Star(), *_aliases(columns)], last)))
                last = f"{name}_{layer}"
        finals = [column for rule_name, rule in rules.items() for column in _final(rule, leaves[rule_name])]
        steps.append((name, _select([exp.Star(), *_aliases(finals)], last)))
        return name

    def _leaves(self, rule: RulePlan) -> list[LeafSql]:
        stem = f"__{rule.variable.name}"
        shared = (self._column(), self.plan.missing, self.dictionary.analytes, self.block.declared)
        return [LeafSql(leaf, f"{stem}_{number}", *shared) for number, leaf in enumerate(rule.leaves)]

    def _join(self, steps: Steps, last: str, late: Mapping[str, RulePlan]) -> str:
        """Give every row the day of its infusion, where days since infusion are asked."""
        if not any(leaf.since for rule in late.values() for leaf in rule.leaves):
            return last
        if self.block.table.name == "infusion":
            start, stop = quoted("infusion_date__from"), quoted("infusion_date__to")
            columns = [exp.Star(), named(start, "__infusion_from"), named(stop, "__infusion_to")]
            steps.append(("dated", _select(columns, last)))
            return "dated"
        keys = [
            exp.EQ(this=exp.column(key, table=last), expression=exp.column(f"__{key}", table=self.infusions))
            for key in ("patient_id", "infusion_number")
        ]
        columns = [
            exp.Column(this=exp.Star(), table=exp.to_identifier(last)),
            exp.column("__infusion_from", table=self.infusions),
            exp.column("__infusion_to", table=self.infusions),
        ]
        joined = _select(columns, last).join(
            exp.to_table(self.infusions), on=both(*keys), join_type="left", copy=False
        )
        steps.append(("dated", joined))
        return "dated"


def output_columns(variable: Variable) -> tuple[str, ...]:
    """Return the columns that a variable has in a harmonized table."""
    columns = (variable.name, f"{variable.name}__status")
    if variable.schema.interval:
        return (*columns, f"{variable.name}__from", f"{variable.name}__to")
    return columns


def _final(rule: RulePlan, leaves: Sequence[LeafSql]) -> Columns:
    """Return value, status, and interval of a variable."""
    variable = rule.variable
    kind = _TYPES[variable.kind]
    columns: Columns = [
        (exp.cast(_choose(leaves, [one.final_value() for one in leaves]), kind), variable.name),
        (_status(leaves), f"{variable.name}__status"),
    ]
    if variable.schema.interval:
        for side in ("from", "to"):
            bounds = [one.final_bound(side) for one in leaves]
            columns.append((exp.cast(_choose(leaves, bounds), kind), f"{variable.name}__{side}"))
    return columns


def _good(leaf: LeafSql) -> Tree:
    return exp.In(this=leaf.own("s"), expressions=[text("ok"), text("partial")])


def _choose(leaves: Sequence[LeafSql], parts: Sequence[Tree]) -> Tree:
    """Return the part of the first leaf that gives a value."""
    if len(leaves) == 1:
        return parts[0]
    return case([(_good(one), part) for one, part in zip(leaves, parts, strict=True)])


def _status(leaves: Sequence[LeafSql]) -> Tree:
    """Return the status of the first leaf that gives a value, else the first that is not blank."""
    if len(leaves) == 1:
        return leaves[0].own("s")
    blank = text("missing:blank")
    not_blank = [exp.Nullif(this=one.own("s"), expression=blank.copy()) for one in leaves]
    fallback = exp.Coalesce(this=not_blank[0], expressions=[*not_blank[1:], blank])
    return case([(_good(one), one.own("s")) for one in leaves], fallback)


def _aliases(columns: Columns) -> list[Tree]:
    return [named(tree, name) for tree, name in columns]


def _select(columns: Sequence[Tree], table: str) -> exp.Select:
    return exp.select(*columns, copy=False).from_(exp.to_table(table), copy=False)


def _union(parts: Sequence[exp.Select]) -> exp.Subquery:
    stacked: exp.Select | exp.Union = parts[0]
    for part in parts[1:]:
        stacked = exp.union(stacked, part, distinct=False, copy=False)
    return stacked.subquery("parts", copy=False)


def _count_if(test: Tree) -> Tree:
    return exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=test))


def _with(steps: Steps, select: exp.Select) -> exp.Select:
    for name, step in steps:
        select = select.with_(name, as_=step, materialized=name.endswith(MATERIALIZED) or None, copy=False)
    return select
