"""Checks one rule against its variable: recodings, units, dates, constants, expressions."""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass, field

from cohort.dictionary.dates import DatePattern, ambiguous_pair, date_pattern
from cohort.dictionary.mapping_model import MappingModel, Rule, UnitRule
from cohort.dictionary.read import Dictionary, Variable
from cohort.dictionary.strict_yaml import did_you_mean
from cohort.dictionary.table_model import Category
from cohort.dictionary.units import Linear
from cohort.errors import MappingError
from cohort.registry.plan import Leaf, Place, UnitPlan

_WANTED = {
    "string": ("text",),
    "coded": ("text",),
    "integer": ("number",),
    "number": ("number",),
    "date": ("date",),
}


@dataclass
class RuleChecker:
    """Resolves the parts of a rule and notes complaints as (place, message, remedy)."""

    model: MappingModel
    dictionary: Dictionary
    variable: Variable
    rule: Rule
    complaints: list[tuple[Place, str, str]] = field(default_factory=list)

    def complain(self, place: Place, message: str, remedy: str) -> None:
        """Note what is wrong."""
        self.complaints.append((place, message, remedy))

    def recode(self) -> Names[str, str] | None:
        """Return the recoding, by name or as written; targets must fit the variable."""
        written = self.rule.recode
        if isinstance(written, str):
            if written not in self.model.recodes:
                remedy = did_you_mean(written, self.model.recodes) or "add it to recodes:"
                self.complain(("recode",), f"unknown recoding {written!r}", remedy)
                return {}
            written = self.model.recodes[written]
        if written is None:
            if self.variable.kind != "coded":
                return None
            return {value: value for value in self.variable.codes}
        for code, target in written.items():
            if not self._fits(target):
                place = ("recode", code) if isinstance(self.rule.recode, dict) else ("recode",)
                remedy = did_you_mean(target, self.variable.codes) or f"a value of type {self.variable.kind}"
                self.complain(place, f"{target!r} is not a category", remedy)
        return written

    def _fits(self, target: str) -> bool:
        if self.variable.kind == "coded":
            return target in self.variable.codes
        if self.variable.kind in ("integer", "number"):
            try:
                number = float(target)
            except ValueError:
                return False
            return self.variable.kind == "number" or number == int(number)
        return self.variable.kind == "string"

    def missing(self) -> Names[str, str]:
        """Return all missing codes of the rule; a code that is also recoded in the same rule is a mistake."""
        codes = self.rule.recode if isinstance(self.rule.recode, dict) else {}
        for code in self.rule.missing:
            if code in codes:
                self.complain(("missing", code), f"the code {code!r} is also in recode", "keep one of them")
        shared = {code: reason for code, reason in self.model.missing_codes.items() if code not in codes}
        return {**shared, **self.rule.missing}

    def patterns(self, texts: tuple[str, ...], key: str) -> tuple[DatePattern, ...]:
        """Return the date formats."""
        found = []
        for text in texts:
            try:
                pattern = date_pattern(text)
            except MappingError as error:
                self.complain((key,), error.problem, error.remedy)
                continue
            if (pattern.precision == "day") != (key == "date"):
                self.complain(
                    (key,), f"{text!r} belongs to {'partial' if key == 'date' else 'date'}:", "move it"
                )
            found.append(pattern)
        pair = ambiguous_pair(found)
        if pair is not None:
            self.complain(
                (key,), f"{pair[0]!r} and {pair[1]!r} read the same text as different days", "keep one"
            )
        return tuple(found)

    def unit(self) -> UnitPlan | None:
        """Return the conversions; a variable with a unit needs one."""
        rule, target, by = self.rule.unit, self.variable.schema.unit, self.variable.schema.unit_by
        if rule is None:
            exempt = self.rule.since or self.rule.constant is not None or target == "d" or not (target or by)
            if not exempt and not (self.rule.recode and not by):
                self.complain(
                    (), "the unit of the source is not said", f"add unit: {target or '{by: analyte, ...}'}"
                )
            return None
        if not target and not by:
            self.complain(("unit",), "the variable has no unit", "remove unit:")
            return None
        if rule.by and rule.by != by:
            self.complain(("unit", "by"), "only values by analyte take by:", "remove by:")
            return None
        choices = self._choices(rule)
        return UnitPlan(rule.column, choices, rule.blank)

    def _choices(self, rule: UnitRule) -> dict[str, dict[str, Linear]]:
        if rule.units:
            known = self.dictionary.analytes
            for analyte in rule.units:
                if analyte not in known:
                    self.complain(
                        ("unit", "units", analyte),
                        f"unknown analyte {analyte!r}",
                        did_you_mean(analyte, known),
                    )
            given = {name: unit for name, unit in rule.units.items() if name in known}
            found = {
                name: self._one(unit, known[name], ("unit", "units", name)) for name, unit in given.items()
            }
            return {"": {name: one for name, one in found.items() if one is not None}}
        codes = {"": rule.constant} if rule.constant else dict(rule.recode)
        if rule.blank:
            codes.setdefault(rule.blank, rule.blank)
        return {code: self._targets(code, unit) for code, unit in codes.items()}

    def _targets(self, code: str, unit: str) -> dict[str, Linear]:
        place: Place = ("unit", "recode", code) if code else ("unit",)
        if not self.variable.schema.unit_by:
            analyte = self.dictionary.analytes.get(self.variable.schema.analyte)
            one = self._one(unit, analyte, place)
            return {} if one is None else {"": one}
        if not self._known(unit, place):
            return {}
        analytes = self.dictionary.analytes
        found = {
            name: self.dictionary.units.conversion(unit, one.unit, one) for name, one in analytes.items()
        }
        usable = {name: one for name, one in found.items() if one is not None}
        if not usable:
            self.complain(place, f"no analyte is measured in {unit!r}", "correct the unit")
        return usable

    def _known(self, unit: str, place: Place) -> bool:
        if unit in self.dictionary.units.factors:
            return True
        remedy = did_you_mean(unit, self.dictionary.units.factors) or "see codelists/units.yaml"
        self.complain(place, f"unknown unit {unit!r}", remedy)
        return False

    def _one(self, unit: str, analyte: Category | None, place: Place) -> Linear | None:
        if not self._known(unit, place):
            return None
        target = self.variable.schema.unit or (analyte.unit if analyte else "")
        conversion = self.dictionary.units.conversion(unit, target, analyte)
        if conversion is None:
            self.complain(
                place,
                f"{unit!r} cannot become {target!r}",
                "correct the unit, or add a cited conversion to codelists/analyte.yaml",
            )
        return conversion

    def check(self, leaf: Leaf) -> None:
        """Check what needs the resolved parts."""
        self._check_dates()
        if self.rule.sequence and self.variable.kind != "integer":
            self.complain(("sequence",), "only whole-number variables number rows", "remove sequence:")
        self._check_constant(leaf)
        self._check_kinds(leaf)
        if self.rule.round and self.variable.kind != "integer":
            self.complain(("round",), "only whole-number variables are rounded", "remove round:")
        if self.rule.limit and self.variable.kind not in ("integer", "number"):
            self.complain(("limit",), "only numbers have a limit", "remove limit:")

    def _check_dates(self) -> None:
        is_day = self.variable.kind == "integer" and self.variable.name.endswith("_day")
        if self.rule.since and not is_day:
            self.complain(("since",), "only variables that end in _day count days", "remove since:")
        elif self.rule.date and self.variable.kind != "date" and not self.rule.since:
            self.complain(
                ("date",),
                "the variable is not a date",
                "add since: infusion_date" if is_day else "remove date:",
            )
        elif self.variable.kind == "date" and self.rule.source is not None and not self.rule.date:
            self.complain((), "the date format is not said", "add date: yyyy-mm-dd")

    def _check_constant(self, leaf: Leaf) -> None:
        text = self.rule.constant
        if text is None:
            return
        if self.variable.kind == "coded" and text not in (leaf.recode or {}):
            remedy = did_you_mean(text, self.variable.codes)
            self.complain(("constant",), f"{text!r} is not a category", remedy)
        elif self.variable.kind in ("integer", "number") and not self._fits(text):
            self.complain(("constant",), "the constant is not a number", "write a number")
        elif self.variable.kind == "date":
            self.complain(("constant",), "a date cannot be constant", "derive it: date('2020-01-31')")

    def _check_kinds(self, leaf: Leaf) -> None:
        if leaf.derive is None:
            return
        kind = leaf.derive.kind
        wanted: tuple[str, ...] = ("date",) if leaf.since else _WANTED[self.variable.kind]
        if self.variable.codes == ("no", "yes"):
            wanted = (*wanted, "boolean")
        if leaf.recode is not None and self.rule.recode is not None:
            wanted = ("text",)
        if kind not in (*wanted, "any"):
            remedies = {
                "text": "wrap it in text(...)",
                "number": "wrap it in number(...)",
                "date": "wrap it in date(...)",
            }
            self.complain(("derive",), f"gives a {kind}, not a {wanted[0]}", remedies.get(wanted[0], ""))
