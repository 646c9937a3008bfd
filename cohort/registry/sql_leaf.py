"""The SQL of one way to make a variable, in five layers: text, read, scaled, converted, judged.

Every layer is a list of (tree, column name) that a block selects beside what it has. With the column names of
leaf ``x``: ``x_t`` text, ``x_e`` status when there is nothing to read, ``x_p`` value as read, ``x_a``/``x_z`` first
and last day of a partial date, ``x_c`` value times the factor of its unit, ``x_v`` value in the unit of the
dictionary, ``x_s`` status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from cohort.dictionary.dates import DatePattern
from cohort.dictionary.expression_nodes import Expression
from cohort.dictionary.expression_sql import (
    NUMBER,
    Tree,
    both,
    case,
    cast,
    days_from,
    either,
    extract,
    is_null,
    matches,
    number,
    quoted,
    read_date,
    text,
    trimmed,
)
from cohort.dictionary.expressions import compile_sql
from cohort.dictionary.table_model import Category
from cohort.dictionary.units import Linear
from cohort.registry.plan import Leaf
from cohort.registry.sql_units import linear, twelve_digits

Columns = list[tuple[Tree, str]]
LAYERS = ("texts", "read", "scaled", "converted", "judged")
SIGN = "^[<>]=?[ ]*"
UNCAUSED = "missing:unknown"


@dataclass(frozen=True)
class LeafSql:
    """Compiles a leaf.

    Attributes
    ----------
    leaf : Leaf
        What to compile.
    id : str
        Start of its column names.
    column : callable
        SQL column of a source column.
    missing : mapping of str to str
        Codes that mean missing everywhere in the source.
    analytes : mapping of str to Category
        Ranges of laboratory values.
    declared : mapping of str to tuple of str
        Values that the file declares missing, by column.
    """

    leaf: Leaf
    id: str
    column: Callable[[str], Tree]
    missing: Mapping[str, str]
    analytes: Mapping[str, Category]
    declared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def own(self, part: str) -> Tree:
        """Return one of the leaf's columns."""
        return quoted(f"{self.id}_{part}")

    def layer(self, name: str) -> Columns:
        """Return the columns of a layer: one of ``LAYERS``."""
        layers = {
            "texts": self.texts,
            "read": self.read,
            "scaled": self.scaled,
            "converted": self.converted,
            "judged": self.judged,
        }
        return layers[name]()

    def texts(self) -> Columns:
        """Layer 1: the text, or what an expression gives."""
        leaf = self.leaf
        if leaf.source is not None:
            return [(self.column(leaf.source), f"{self.id}_t")]
        if leaf.constant is not None:
            return [(text(leaf.constant), f"{self.id}_t")]
        if leaf.sequence:
            return [(self._number_in_group(), f"{self.id}_t")]
        assert leaf.derive is not None
        tree = self._expression(leaf.derive)
        if leaf.derive.kind == "text":
            tree = exp.Nullif(this=trimmed(tree), expression=text(""))
        elif leaf.derive.kind == "boolean":
            tree = case([(tree, text("yes")), (exp.Not(this=exp.paren(tree.copy())), text("no"))])
        elif leaf.derive.kind == "any":
            tree = exp.cast(tree, "TEXT")
        return [(tree, f"{self.id}_t")]

    def read(self) -> Columns:
        """Layer 2: the status when there is nothing to read, and the value as read."""
        columns: Columns = [(case(self._early()), f"{self.id}_e")]
        if self._is_date:
            first, last = self._partial()
            return [*columns, (self._day(), f"{self.id}_p"), (first, f"{self.id}_a"), (last, f"{self.id}_z")]
        return [*columns, (self._value(), f"{self.id}_p")]

    def scaled(self) -> Columns:
        """Layer 3: the value times the factor of its unit."""
        return [(self._unit(self.own("p")), f"{self.id}_c")] if self._converts else []

    def converted(self) -> Columns:
        """Layer 4: the value in the unit of the dictionary, rounded; days since infusion."""
        value = self.own("p")
        if self.leaf.since:
            return self._since()
        if self._converts:
            value = twelve_digits(self.own("c"))
        rounding = self.leaf.rounding
        if rounding == "half_up":
            value = exp.Floor(this=exp.paren(exp.Add(this=exp.paren(value), expression=number(0.5))))
        elif rounding:
            value = exp.Floor(this=value) if rounding == "down" else exp.Ceil(this=value)
        columns: Columns = [(value, f"{self.id}_v")]
        if self._is_date:
            columns += [(self._or("p", "a"), f"{self.id}_from"), (self._or("p", "z"), f"{self.id}_to")]
        elif self.leaf.variable.schema.interval:
            columns += [(value.copy(), f"{self.id}_from"), (value.copy(), f"{self.id}_to")]
        return columns

    def judged(self) -> Columns:
        """Layer 5: the status."""
        early = self.own("e")
        branches: list[tuple[Tree, Tree]] = [(exp.Not(this=exp.paren(is_null(early))), early.copy())]
        unread = text("unmapped" if self._is_coded else "unparsed")
        if self._is_date:
            nothing = both(is_null(self.own("p")), is_null(self.own("a")))
            branches.append((nothing, unread))
            if self.leaf.since:
                branches.append((is_null(quoted("__infusion_from")), text(UNCAUSED)))
            branches.append((is_null(self.own("v")), text("partial")))
        else:
            branches.append((is_null(self.own("p")), unread))
            branches += self._unit_and_shape()
        branches += [(test, text("out_of_range")) for test in self._outside()]
        if self._signed:
            branches.append((matches(self.own("t"), SIGN), text("partial")))
        return [(case(branches, text("ok")), f"{self.id}_s")]

    def final_value(self) -> Tree:
        """Return the value where the status allows one."""
        status = self.own("s")
        allowed = ["ok", "partial"] if self._signed else ["ok"]
        test = exp.In(this=status, expressions=[text(one) for one in allowed])
        return case([(test, self.own("v"))])

    def final_bound(self, side: str) -> Tree:
        """Return an end of the interval."""
        test = exp.In(this=self.own("s"), expressions=[text("ok"), text("partial")])
        return case([(test, self.own(side))])

    @property
    def _is_date(self) -> bool:
        return self.leaf.since or self.leaf.variable.kind == "date"

    @property
    def _is_coded(self) -> bool:
        return self.leaf.recode is not None

    @property
    def _signed(self) -> bool:
        return bool(self.leaf.limit and self.leaf.limit.signs)

    @property
    def _converts(self) -> bool:
        """Whether the value is multiplied by a factor."""
        plan = self.leaf.unit
        if plan is None or self.leaf.since:
            return False
        choices = [one for targets in plan.choices.values() for one in targets.values()]
        return bool(plan.column or plan.by_analyte) or any(one != Linear() for one in choices)

    def _expression(self, expression: Expression) -> Tree:
        return compile_sql(expression, known_cell(self.column, self.missing, self.declared), quoted)

    def _number_in_group(self) -> Tree:
        """Return the position of each counted row in its group, in the order of the file."""
        counted = exp.true() if self.leaf.counting is None else self._expression(self.leaf.counting)
        one = case([(counted, exp.Literal.number(1))], exp.Literal.number(0))
        window = exp.Window(
            this=exp.Sum(this=one),
            partition_by=[self.column(name) for name in self.leaf.sequence],
            order=exp.Order(expressions=[quoted("__row"), quoted("__part")]),
        )
        return case([(counted.copy(), exp.cast(window, "DOUBLE"))])

    def _early(self) -> list[tuple[Tree, Tree]]:
        branches = [(self._expression(one), text(f"missing:{reason}")) for reason, one in self.leaf.when]
        if self.leaf.source is not None or (self.leaf.derive and self.leaf.derive.kind in ("text", "any")):
            branches += _codes(self.own("t"), self.leaf.missing)
        branches += self._unnamed()
        blank = text(f"missing:{self.leaf.missing.get('', 'blank')}")
        if self.leaf.derive is not None:
            blank = self._cause(self.leaf.derive)
        elif self.leaf.sequence:
            blank = text("missing:not_applicable")
        return [*branches, (is_null(self.own("t")), blank)]

    def _unnamed(self) -> list[tuple[Tree, Tree]]:
        """Return the branch of values that the file declares missing and the mapping does not name."""
        named = self.leaf.recode or {}
        codes = [one for one in self.declared.get(self.leaf.source or "", ()) if one not in named]
        return _codes(self.own("t"), dict.fromkeys(codes, ""), "unmapped")

    def _cause(self, expression: Expression) -> Tree:
        """Return why a derived value is missing: the reason of the first missing input."""
        branches: list[tuple[Tree, Tree]] = []
        for name in expression.columns:
            branches += _codes(self.column(name), self.missing)
            branches += _codes(self.column(name), dict.fromkeys(self.declared.get(name, ()), "unknown"))
            branches.append((is_null(self.column(name)), text("missing:blank")))
        for name in expression.harmonized:
            branches.append((is_null(quoted(name)), quoted(f"{name}__status")))
        says_missing = "missing" in expression.text.replace("is_missing", "")
        return case(branches, text(UNCAUSED if says_missing else "unparsed"))

    def _value(self) -> Tree:
        own, derive = self.own("t"), self.leaf.derive
        if self.leaf.recode is not None:
            recoded: Tree = exp.Case(
                this=own,
                ifs=[exp.If(this=text(code), true=text(target)) for code, target in self.leaf.recode.items()],
                default=exp.null(),
            )
            return recoded if self.leaf.variable.kind in ("coded", "string") else cast(recoded, "DOUBLE")
        if self.leaf.variable.kind == "string":
            pattern = self.leaf.variable.schema.constraints.pattern
            return case([(matches(own, f"^(?:{pattern})$"), own.copy())]) if pattern else own
        if self.leaf.sequence or (derive is not None and derive.kind == "number"):
            return own
        return cast(extract(self._plain_number(own), NUMBER, 0), "DOUBLE")

    def _plain_number(self, tree: Tree) -> Tree:
        if self._signed:
            tree = exp.RegexpReplace(this=tree, expression=text(SIGN), replacement=text(""))
        if not self.leaf.comma:
            return tree
        point = exp.Anonymous(this="contains", expressions=[tree, text(".")])
        swapped = exp.Anonymous(this="replace", expressions=[tree.copy(), text(","), text(".")])
        return case([(exp.Not(this=point), swapped)])

    def _day(self) -> Tree:
        if self.leaf.derive is not None:
            return exp.cast(self.own("t"), "DATE")
        return _first([read_date(self.own("t"), one) for one in self.leaf.dates])

    def _partial(self) -> tuple[Tree, Tree]:
        if self.leaf.derive is not None or not self.leaf.partial:
            return exp.cast(exp.null(), "DATE"), exp.cast(exp.null(), "DATE")
        starts = [read_date(self.own("t"), one) for one in self.leaf.partial]
        return _first(starts), _first(
            [_last_day(start.copy(), one) for start, one in zip(starts, self.leaf.partial, strict=True)]
        )

    def _or(self, first: str, second: str) -> Tree:
        return exp.Coalesce(this=self.own(first), expressions=[self.own(second)])

    def _since(self) -> Columns:
        start, stop = quoted("__infusion_from"), quoted("__infusion_to")
        exact = exp.EQ(this=start, expression=stop)
        return [
            (case([(exact, days_from(start.copy(), self.own("p")))]), f"{self.id}_v"),
            (days_from(stop.copy(), self._or("p", "a")), f"{self.id}_from"),
            (days_from(start.copy(), self._or("p", "z")), f"{self.id}_to"),
        ]

    def _unit(self, value: Tree) -> Tree:
        plan = self.leaf.unit
        assert plan is not None
        if not plan.column and not plan.by_analyte:
            return linear(value, next(iter(next(iter(plan.choices.values())).values())))
        found = [
            (code, analyte, one) for code, targets in plan.choices.items() for analyte, one in targets.items()
        ]
        parts = {}
        for part in ("shift", "numerator", "denominator"):
            by_value: dict[float, list[Tree]] = {}
            for code, analyte, one in found:
                by_value.setdefault(getattr(one, part), []).append(self._unit_test(code, analyte))
            parts[part] = case([(either(*tests), number(factor)) for factor, tests in by_value.items()])
        if any(one.shift for *_, one in found):
            value = exp.paren(exp.Add(this=exp.paren(value), expression=parts["shift"]))
        product = exp.paren(exp.Mul(this=exp.paren(value), expression=parts["numerator"]))
        return exp.paren(exp.Div(this=product, expression=parts["denominator"]))

    def _unit_test(self, code: str, analyte: str) -> Tree:
        """Return whether a row has this unit and analyte."""
        plan = self.leaf.unit
        assert plan is not None
        tests: list[Tree] = []
        if plan.column:
            tests.append(exp.EQ(this=self._unit_code(), expression=text(code)))
        if analyte:
            tests.append(exp.EQ(this=quoted(self.leaf.variable.schema.unit_by), expression=text(analyte)))
        return both(*tests)

    def _unit_code(self) -> Tree:
        assert self.leaf.unit is not None
        column = self.column(self.leaf.unit.column)
        return (
            exp.Coalesce(this=column, expressions=[text(self.leaf.unit.blank)])
            if self.leaf.unit.blank
            else column
        )

    def _unit_and_shape(self) -> list[tuple[Tree, Tree]]:
        branches: list[tuple[Tree, Tree]] = []
        if self.leaf.unit is not None:
            branches.append((is_null(self.own("v")), text("no_unit")))
        if self.leaf.variable.kind == "integer":
            whole = exp.Floor(this=self.own("v"))
            branches.append((exp.NEQ(this=self.own("v"), expression=whole), text("unparsed")))
        return branches

    def _outside(self) -> list[Tree]:
        limits = self.leaf.variable.schema.constraints
        if self.leaf.variable.schema.unit_by:
            return self._outside_by_analyte()
        tests: list[Tree] = []
        for limit, kind in ((limits.minimum, exp.LT), (limits.maximum, exp.GT)):
            if limit is not None:
                bound = number(limit) if isinstance(limit, float) else exp.cast(text(str(limit)), "DATE")
                tests.append(kind(this=self.own("v"), expression=bound))
        return tests

    def _outside_by_analyte(self) -> list[Tree]:
        tests: list[Tree] = []
        for side, kind in (("minimum", exp.LT), ("maximum", exp.GT)):
            bounds = {name: getattr(one, side) for name, one in self.analytes.items()}
            ifs = [
                exp.If(this=text(name), true=number(bound))
                for name, bound in bounds.items()
                if bound is not None
            ]
            if ifs:
                bound = exp.Case(this=quoted(self.leaf.variable.schema.unit_by), ifs=ifs, default=exp.null())
                tests.append(kind(this=self.own("v"), expression=bound))
        return tests


def known_cell(
    column: Callable[[str], Tree], missing: Mapping[str, str], declared: Mapping[str, tuple[str, ...]]
) -> Callable[[str], Tree]:
    """Return columns as expressions see them: missing codes of the source, and of the file, are missing."""

    def cell(name: str) -> Tree:
        codes = dict.fromkeys([*(code for code in missing if code), *declared.get(name, ())])
        if not codes:
            return column(name)
        among = exp.In(this=column(name), expressions=[text(code) for code in codes])
        return case([(exp.Not(this=exp.paren(among)), column(name))])

    return cell


def _codes(tree: Tree, missing: Mapping[str, str], status: str = "") -> list[tuple[Tree, Tree]]:
    """Return one branch for each reason, or with one status for all."""
    reasons: dict[str, list[str]] = {}
    for code, reason in missing.items():
        if code:
            reasons.setdefault(reason, []).append(code)
    return [
        (
            exp.In(this=tree.copy(), expressions=[text(code) for code in codes]),
            text(status or f"missing:{reason}"),
        )
        for reason, codes in reasons.items()
    ]


def _first(trees: Iterable[Tree]) -> Tree:
    first, *rest = trees
    return exp.Coalesce(this=first, expressions=rest) if rest else first


def _last_day(start: Tree, pattern: DatePattern) -> Tree:
    if pattern.precision == "year":
        year = exp.Extract(this=exp.var("YEAR"), expression=start)
        parts = [year, exp.Literal.number(12), exp.Literal.number(31)]
        return exp.Anonymous(this="make_date", expressions=parts)
    return exp.cast(exp.Anonymous(this="last_day", expressions=[start]), "DATE")
