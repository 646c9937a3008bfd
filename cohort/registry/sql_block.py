"""The SQL of one block: a chain of common table expressions from the cells of an input to the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from cohort.dictionary.expression_sql import Tree, both, case, is_null, named, quoted, text
from cohort.dictionary.expressions import compile_sql
from cohort.dictionary.read import Dictionary, Variable
from cohort.registry.plan import BlockPlan, Plan, RulePlan
from cohort.registry.sql_leaf import Columns, LeafSql, known_cell

_TYPES = {"string": "TEXT", "coded": "TEXT", "integer": "BIGINT", "number": "DOUBLE", "date": "DATE"}
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
        """Return the query that gives the harmonized rows, with the texts of coded variables beside."""
        steps = [*self._source_steps(), *self._kept_step()]
        given = {name: rule for name, rule in self.block.rules.items() if rule.leaves}
        early = {name: rule for name, rule in given.items() if not rule.late}
        late = {name: rule for name, rule in given.items() if rule.late}
        last = self._stage(steps, "kept", "early", early)
        if late:
            last = self._stage(steps, self._join(steps, last, late), "late", late)
        columns = [quoted(name) for rule in given.values() for name in output_columns(rule.variable)]
        final = exp.select(*columns).from_(last).where(exp.Not(this=is_null(quoted("patient_id"))))
        return _with(steps, final.order_by(quoted("__row"), quoted("__part")))

    def texts(self, rule: RulePlan) -> exp.Select:
        """Return the query that counts the texts of a variable that have no rule or cannot be read."""
        steps = [*self._source_steps(), *self._kept_step()]
        given = {name: one for name, one in self.block.rules.items() if one.leaves}
        last = self._stage(steps, "kept", "early", {name: one for name, one in given.items() if not one.late})
        late = {name: one for name, one in given.items() if one.late}
        if rule.late:
            last = self._stage(steps, self._join(steps, last, late), "late", late)
        parts = [self._texts_of(one, last) for one in self._leaves(rule)]
        stacked: exp.Select | exp.Union = parts[0]
        for part in parts[1:]:
            stacked = exp.union(stacked, part, distinct=False)
        n = exp.alias_(exp.Count(this=exp.Star()), "n")
        keys = [quoted(name) for name in ("source_column", "status", "value")]
        counted = exp.select(*keys, n).from_(stacked.subquery("parts")).group_by(*keys)
        return _with(steps, counted.order_by(*(key.copy() for key in keys)))

    def _texts_of(self, one: LeafSql, last: str) -> exp.Select:
        unit = one.leaf.unit
        status = one.own("s")
        value: Tree = exp.cast(one.own("t"), "TEXT")
        label: Tree = text(one.leaf.label)
        if unit is not None and unit.column:
            no_unit = exp.EQ(this=status.copy(), expression=text("no_unit"))
            value = case([(no_unit, self._column()(unit.column))], value)
            label = case([(no_unit.copy(), text(unit.column))], label)
        columns: Columns = [(label, "source_column"), (status, "status"), (value, "value")]
        open_ends = exp.In(this=status.copy(), expressions=[text(name) for name in UNREAD])
        found = exp.Not(this=is_null(quoted("patient_id")))
        return exp.select(*_aliases(columns)).from_(last).where(both(open_ends, found))

    def counts(self) -> exp.Select:
        """Return the query that counts the rows of the input, kept and left out."""
        steps = self._source_steps()
        where = self._where()
        kept = exp.true() if where is None else where
        columns = [
            exp.alias_(exp.Count(this=exp.Star()), "rows"),
            exp.alias_(_count_if(kept.copy()), "kept"),
            exp.alias_(_count_if(exp.Not(this=exp.paren(kept.copy()))), "where_false"),
            exp.alias_(_count_if(is_null(kept.copy())), "where_missing"),
        ]
        return _with(steps, exp.select(*columns).from_(steps[-1][0]))

    def _column(self) -> Callable[[str], Tree]:
        names = self.names
        return lambda name: quoted(names[name])

    def _source_steps(self) -> Steps:
        select = self._unpivoted(self.names) if self.block.unpivot else self._as_is()
        return [("unpivoted", select)]

    def _as_is(self) -> exp.Select:
        return exp.select(exp.Star(), exp.alias_(exp.Literal.number(0), "__part", quoted=True)).from_(
            exp.to_table(self.frame)
        )

    def _unpivoted(self, names: Mapping[str, str]) -> exp.Select:
        unpivot = self.block.unpivot
        assert unpivot is not None
        parts: list[exp.Select] = []
        for position, (index, sources) in enumerate(
            zip(unpivot.index_texts(), unpivot.sources(), strict=True)
        ):
            new = [
                exp.alias_(
                    quoted(names[sources[one]]) if one in sources else exp.cast(exp.null(), "TEXT"),
                    names[one],
                    quoted=True,
                )
                for one in unpivot.names()
            ]
            select = exp.select(
                exp.Star(),
                exp.alias_(exp.Literal.number(position), "__part", quoted=True),
                exp.alias_(text(index), names[unpivot.index], quoted=True),
                *new,
            ).from_(exp.to_table(self.frame))
            if not unpivot.keep_blank:
                filled = [
                    exp.Not(this=exp.paren(is_null(quoted(names[column])))) for column in sources.values()
                ]
                select = select.where(exp.or_(*filled))
            parts.append(select)
        stacked: exp.Select | exp.Union = parts[0]
        for part in parts[1:]:
            stacked = exp.union(stacked, part, distinct=False)
        return exp.select(exp.Star()).from_(stacked.subquery("parts"))

    def _where(self) -> Tree | None:
        if self.block.where is None:
            return None
        return compile_sql(self.block.where, known_cell(self._column(), self.plan.missing))

    def _kept_step(self) -> Steps:
        where = self._where()
        select = exp.select(exp.Star()).from_("unpivoted")
        return [("kept", select if where is None else select.where(where))]

    def _stage(
        self,
        steps: Steps,
        source: str,
        name: str,
        rules: Mapping[str, RulePlan],
    ) -> str:
        """Add the layers of one stage; return the name of its result."""
        leaves = {rule_name: self._leaves(rule) for rule_name, rule in rules.items()}
        last = source
        for layer in ("texts", "read", "converted", "judged"):
            columns: Columns = [
                column for parts in leaves.values() for one in parts for column in getattr(one, layer)()
            ]
            if columns:
                select = exp.select(exp.Star(), *_aliases(columns)).from_(last)
                last = f"{name}_{layer}"
                steps.append((last, select))
        finals = [column for rule_name, rule in rules.items() for column in _final(rule, leaves[rule_name])]
        steps.append((name, exp.select(exp.Star(), *_aliases(finals)).from_(last)))
        return name

    def _leaves(self, rule: RulePlan) -> list[LeafSql]:
        stem = f"__{rule.variable.name}"
        return [
            LeafSql(leaf, f"{stem}_{number}", self._column(), self.plan.missing, self.dictionary.analytes)
            for number, leaf in enumerate(rule.leaves)
        ]

    def _join(self, steps: Steps, last: str, late: Mapping[str, RulePlan]) -> str:
        """Give every row the day of its infusion, where days since infusion are asked."""
        if not any(leaf.since for rule in late.values() for leaf in rule.leaves):
            return last
        if self.block.table.name == "infusion":
            start, stop = quoted("infusion_date__from"), quoted("infusion_date__to")
            columns: Columns = [(start, "__infusion_from"), (stop, "__infusion_to")]
            steps.append(("dated", exp.select(exp.Star(), *_aliases(columns)).from_(last)))
            return "dated"
        on = both(
            *(
                exp.EQ(
                    this=exp.column(key, table=last), expression=exp.column(f"__{key}", table=self.infusions)
                )
                for key in ("patient_id", "infusion_number")
            )
        )
        select = exp.select(
            exp.Column(this=exp.Star(), table=exp.to_identifier(last)),
            exp.column("__infusion_from", table=self.infusions),
            exp.column("__infusion_to", table=self.infusions),
        )
        steps.append(("dated", select.from_(last).join(self.infusions, on=on, join_type="left")))
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


def _count_if(test: Tree) -> Tree:
    return exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=test))


def _with(steps: Steps, select: exp.Select) -> exp.Select:
    for name, step in steps:
        select = select.with_(name, as_=step, copy=False)
    return select
