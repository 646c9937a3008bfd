"""Turns a mapping into a plan and collects everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass, field
from types import MappingProxyType

from cohort.dictionary.expression_nodes import Expression, Kind
from cohort.dictionary.expressions import parse_expression
from cohort.dictionary.mapping import Mapping
from cohort.dictionary.mapping_model import Absent, Block, Merge, Rule, Status, TableMapping, Unpivot
from cohort.dictionary.read import Dictionary, Table, Variable
from cohort.dictionary.strict_yaml import Problem, did_you_mean, problems_error
from cohort.errors import MappingError
from cohort.registry.plan import BlockPlan, Leaf, Place, Plan, RulePlan
from cohort.registry.rule_checks import RuleChecker

_KINDS: dict[str, Kind] = {
    "string": "text",
    "coded": "text",
    "integer": "number",
    "number": "number",
    "date": "date",
}
_COMMON = ("recode", "missing", "unit", "date", "partial", "since", "round", "decimal", "limit")


class AnyColumn(dict[str, Kind]):
    """Takes every name for a column of text: whether the source has it is known only when it is read."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name not in ("missing", "true", "false")

    def __missing__(self, name: str) -> Kind:
        return "text"


def make_plan(mapping: Mapping, dictionary: Dictionary) -> Plan:
    """Check a mapping against the dictionary.

    Parameters
    ----------
    mapping : Mapping
        From `cohort.dictionary.mapping.read_mapping`.
    dictionary : Dictionary
        Says which variables must be answered, and their categories, units and ranges.

    Returns
    -------
    Plan
        Ready to be compiled.

    Raises
    ------
    MappingError
        With every problem at once, each with file, line, column and remedy.
    """
    planner = _Planner(mapping, dictionary)
    plan = planner.plan()
    if planner.problems:
        problems = sorted(set(planner.problems), key=lambda one: (one.line, one.column, one.message))
        raise problems_error(problems, MappingError, f"The mapping {mapping.file}")
    return plan


@dataclass
class _Planner:
    """Walks through a mapping."""

    mapping: Mapping
    dictionary: Dictionary
    problems: list[Problem] = field(default_factory=list)

    def plan(self) -> Plan:
        """Plan every table, infusion first."""
        model = self.mapping.model
        absent = {table: one.note for one in model.not_collected for table in one.tables}
        self._check_tables(absent)
        blocks: list[BlockPlan] = []
        for name, table in self.dictionary.tables.items():
            if name in model.tables:
                blocks += self._table(table, model.tables[name])
        blocks.sort(key=lambda block: block.table.name != "infusion")
        self._check_since(blocks)
        self._check_not_used(blocks)
        missing = MappingProxyType(dict(model.missing_codes))
        known = {name: one for name, one in model.tables.items() if name in self.dictionary.tables}
        merges = {name: one.merge for name, one in known.items() if one.merge is not None}
        for name, merge in merges.items():
            self._check_merge(self.dictionary.tables[name], merge)
        return Plan(model.source, tuple(blocks), MappingProxyType(absent), missing, MappingProxyType(merges))

    def _check_merge(self, table: Table, merge: Merge) -> None:
        """Refuse what has no earliest, latest or highest value."""
        kinds = {"earliest": "integer", "latest": "integer", "highest": "coded"}
        for word, kind in kinds.items():
            for number, name in enumerate(getattr(merge, word)):
                place: Place = ("tables", table.name, "merge", word, number)
                if name not in table.variables or name in table.primary_key:
                    remedy = did_you_mean(name, set(table.variables) - set(table.primary_key))
                    self.problem(place, f"{table.name} has no variable {name!r} to merge", remedy)
                elif table.variables[name].kind != kind:
                    wanted = "days and whole numbers" if kind == "integer" else "coded variables"
                    self.problem(place, f"{word} is for {wanted}, not for {name}", "remove it")
                elif merge.names().count(name) > 1:
                    self.problem(place, f"{name} stands in merge twice", "keep one")

    def _check_tables(self, absent: Names[str, str]) -> None:
        """Check that every canonical table is mapped or said not to be collected, and no other."""
        model, known = self.mapping.model, self.dictionary.tables
        for position, one in enumerate(model.not_collected):
            for name in sorted(set(one.tables) - set(known)):
                self.problem(
                    ("not_collected", position), f"unknown table {name!r}", did_you_mean(name, known)
                )
        for name in model.tables:
            if name not in known:
                self.problem_at_key(("tables", name), f"unknown table {name!r}", did_you_mean(name, known))
            elif name in absent:
                what = f"{name} is mapped and also not_collected"
                self.problem_at_key(("tables", name), what, "keep one of them")
        silent = [name for name in known if name not in model.tables and name not in absent]
        if silent:
            remedy = "map them or list them in not_collected: with a note"
            self.problem(("tables",), f"no word about {', '.join(silent)}", remedy)

    def problem(self, place: Place, message: str, remedy: str = "") -> None:
        """Note a problem at a value."""
        line, column = self.mapping.locator(place)
        self.problems.append(Problem(self.mapping.file, line, column, message, remedy))

    def problem_at_key(self, place: Place, message: str, remedy: str = "") -> None:
        """Note a problem at a key."""
        line, column = self.mapping.locator.key(place)
        self.problems.append(Problem(self.mapping.file, line, column, message, remedy))

    def _table(self, table: Table, model: TableMapping) -> list[BlockPlan]:
        place: Place = ("tables", table.name)
        if not model.blocks:
            return [self._block(table, model, model, place, place, 0)]
        return [
            self._block(table, model, block, place, (*place, "blocks", number), number)
            for number, block in enumerate(model.blocks)
        ]

    def _block(
        self, table: Table, shared: TableMapping, block: Block, table_place: Place, place: Place, number: int
    ) -> BlockPlan:
        inputs = self.mapping.model.inputs
        name = block.input or shared.input or (next(iter(inputs)) if len(inputs) == 1 else "")
        if name not in inputs:
            what = f"unknown input {name!r}" if name else "which input?"
            self.problem(
                (*place, "input"), what, did_you_mean(name, inputs) or f"input: one of {', '.join(inputs)}"
            )
        places = {variable: (*table_place, "rules", variable) for variable in shared.rules}
        places |= {variable: (*place, "rules", variable) for variable in block.rules}
        rules = {**shared.rules, **block.rules}
        kinds = self._early_kinds(table, rules)
        where = self._where(block.where or shared.where, place)
        plans: dict[str, RulePlan] = {}
        for variable, rule in rules.items():
            if variable in table.variables and not table.variables[variable].schema.set_by:
                plans[variable] = self._rule(table.variables[variable], rule, places[variable], kinds, name)
            else:
                known = [one.name for one in table.variables.values() if not one.schema.set_by]
                self.problem_at_key(
                    places[variable],
                    f"{table.name} has no variable {variable!r}",
                    did_you_mean(variable, known),
                )
        self._absent(table, shared, block, place, plans)
        unpivot = block.unpivot or shared.unpivot
        distinct = block.distinct or shared.distinct
        if unpivot is not None:
            self._check_unpivot(unpivot, (*place, "unpivot"))
        return BlockPlan(table, name, number, where, distinct, unpivot, MappingProxyType(plans))

    def _check_unpivot(self, unpivot: Unpivot, place: Place) -> None:
        """Refuse a new column that hides a column that is read."""
        read = {column for one in unpivot.sources() for column in one.values()}
        for name in (unpivot.index, *unpivot.names()):
            if name in read:
                self.problem(
                    place, f"the new column {name!r} has the name of a column that is read", "rename it"
                )

    def _early_kinds(self, table: Table, rules: Names[str, Rule]) -> dict[str, Kind]:
        """Return the variables that value(...) may name: those whose rule uses no other variable."""
        return {
            name: _KINDS[table.variables[name].kind]
            for name, rule in rules.items()
            if name in table.variables and not _uses_others(rule) and not table.variables[name].schema.unit_by
        }

    def _where(self, text: str, place: Place) -> Expression | None:
        if not text:
            return None
        expression = self.expression(text, (*place, "where"), {})
        if expression is not None and expression.kind not in ("boolean", "any"):
            self.problem((*place, "where"), "where: is not a condition", "write for example FORM == '4100'")
        return expression

    def expression(self, text: str, place: Place, kinds: Names[str, Kind]) -> Expression | None:
        """Parse an expression; note a problem and return None when it cannot be."""
        try:
            return parse_expression(text, AnyColumn(), harmonized=kinds)
        except MappingError as error:
            self.problem(place, error.problem, error.remedy)
            return None

    def _rule(
        self, variable: Variable, rule: Rule, place: Place, kinds: Names[str, Kind], name: str
    ) -> RulePlan:
        if rule.status in ("impossible", "undetermined"):
            return RulePlan(variable, (), rule.status, rule.detail, rule.note, self.mapping.model.confirmed)
        parts: list[tuple[Rule, Place]] = [(rule, place)]
        if rule.coalesce:
            parts = [(_inherit(one, rule), (*place, "coalesce", i)) for i, one in enumerate(rule.coalesce)]
        comma = name in self.mapping.model.inputs and self.mapping.model.inputs[name].decimal == ","
        leaves = tuple(self._leaf(variable, one, where, kinds, comma) for one, where in parts)
        confirmed = rule.confirmed and self.mapping.model.confirmed
        return RulePlan(variable, leaves, rule.status, rule.detail, rule.note, confirmed)

    def _leaf(
        self, variable: Variable, rule: Rule, place: Place, kinds: Names[str, Kind], comma: bool
    ) -> Leaf:
        checker = RuleChecker(self.mapping.model, self.dictionary, variable, rule)
        derive = None if rule.derive is None else self.expression(rule.derive, (*place, "derive"), kinds)
        when = []
        for reason, text in rule.missing_when.items():
            condition = self.expression(text, (*place, "missing_when", reason), kinds)
            if condition is not None:
                when.append((reason, condition))
        leaf = Leaf(
            variable=variable,
            source=rule.source,
            constant=rule.constant,
            sequence=rule.sequence.by if rule.sequence else (),
            counting=self._counting(rule, place),
            derive=derive,
            recode=checker.recode(),
            missing=checker.missing(),
            when=tuple(when),
            dates=checker.patterns(rule.date, "date"),
            partial=checker.patterns(rule.partial, "partial"),
            since=bool(rule.since),
            unit=checker.unit(),
            rounding=rule.round,
            comma=rule.decimal == "," or (comma and rule.decimal != "."),
            limit=rule.limit,
        )
        checker.check(leaf)
        for where, message, remedy in checker.complaints:
            self.problem((*place, *where), f"{variable.name}: {message}", remedy)
        return leaf

    def _counting(self, rule: Rule, place: Place) -> Expression | None:
        if rule.sequence is None or not rule.sequence.counting:
            return None
        return self.expression(rule.sequence.counting, (*place, "sequence", "counting"), {})

    def _absent(
        self, table: Table, shared: Block, block: Block, place: Place, plans: dict[str, RulePlan]
    ) -> None:
        """Answer the variables without a rule from the lists of what cannot be given."""
        needed = [one.name for one in table.variables.values() if not one.schema.set_by]
        lists: list[tuple[Absent, Status]] = []
        for one in (block,) if shared is block else (block, shared):
            lists += [(entry, "impossible") for entry in one.impossible]
            lists += [(entry, "undetermined") for entry in one.undetermined]
        for entry, status in sorted(lists, key=lambda one: one[0].rest):
            for name in needed if entry.rest else entry.variables:
                if name not in table.variables:
                    what = f"{table.name} has no variable {name!r}"
                    self.problem((*place, status), what, did_you_mean(name, table.variables))
                elif name not in plans:
                    confirmed = self.mapping.model.confirmed
                    plans[name] = RulePlan(
                        table.variables[name], (), status, "unavailable", entry.note, confirmed
                    )
        for name in needed:
            if table.variables[name].schema.role == "order" and name not in plans:
                plans[name] = RulePlan(table.variables[name], (), "impossible", "unavailable", "not asked")
        silent = [name for name in needed if name not in plans]
        if silent:
            self.problem_at_key(
                place,
                f"{table.name}: no rule and no status for {', '.join(silent)}",
                "add rules, or impossible: {note: why, variables: [...]}",
            )
        keys = ("patient_id", "infusion_number")
        unusable = [name for name in keys if name in plans and not plans[name].leaves]
        if unusable:
            self.problem_at_key(
                place, f"{table.name}: {', '.join(unusable)} cannot be impossible", "give a rule"
            )

    def _check_not_used(self, blocks: list[BlockPlan]) -> None:
        """Refuse a column that is said not to be used, and is read or named twice."""
        inputs = self.mapping.model.inputs
        read = {(block.input, column) for block in blocks for column in block.columns}
        seen: set[tuple[str, str]] = set()
        for position, one in enumerate(self.mapping.model.not_used):
            place: Place = ("not_used", position)
            if one.input not in inputs and (one.input or len(inputs) > 1):
                remedy = did_you_mean(one.input, inputs) or f"input: one of {', '.join(inputs)}"
                self.problem(place, f"unknown input {one.input!r}" if one.input else "which input?", remedy)
                continue
            for number, column in enumerate(one.columns):
                key = (one.input or next(iter(inputs)), column)
                if key in read or key in seen:
                    what = "is read by a rule" if key in read else "stands in not_used a second time"
                    self.problem((*place, "columns", number), f"{column!r} {what}", "remove one of the two")
                seen.add(key)

    def _check_since(self, blocks: list[BlockPlan]) -> None:
        uses = [(b, r) for b in blocks for r in b.rules.values() if any(leaf.since for leaf in r.leaves)]
        dated = [b for b in blocks if b.table.name == "infusion" and b.rules.get("infusion_date") is not None]
        if uses and not any(block.rules["infusion_date"].leaves for block in dated):
            block, rule = uses[0]
            place = ("tables", block.table.name, "rules", rule.variable.name)
            self.problem(
                place, "since: infusion_date, but infusion.infusion_date has no rule", "map infusion_date"
            )


def _uses_others(rule: Rule) -> bool:
    """Whether a rule needs the infusion or ``value(...)``."""
    texts = [one.derive for one in (rule, *rule.coalesce) if one.derive is not None]
    texts += [text for one in (rule, *rule.coalesce) for text in one.missing_when.values()]
    if rule.since or any(one.since for one in rule.coalesce):
        return True
    for text in texts:
        try:
            if parse_expression(text, AnyColumn(), harmonized=AnyColumn()).harmonized:
                return True
        except MappingError:
            continue
    return False


def _inherit(part: Rule, whole: Rule) -> Rule:
    """Let the keys beside ``coalesce`` apply to each of its parts that does not say otherwise."""
    given = {name: getattr(whole, name) for name in _COMMON if name in whole.model_fields_set}
    own = {name: getattr(part, name) for name in part.model_fields_set}
    conditions = {**whole.missing_when, **part.missing_when}
    note = part.note or whole.note
    return part.model_copy(update={**given, **own, "missing_when": conditions, "note": note})
