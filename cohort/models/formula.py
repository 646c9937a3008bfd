"""Formula strings: what they name, checked before anything evaluates them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from cohort.errors import EstimationError

TRANSFORMS = frozenset(
    {"C", "I", "bs", "center", "cr", "exp", "log", "log2", "log10", "poly", "scale", "sqrt"}
)
CONTRASTS = frozenset({"treatment", "sum", "helmert", "poly", "diff", "SAS"})
_QUOTED = re.compile(r"'[^'\"`{}]*'|\"[^'\"`{}]*\"|`[^'\"`{}]*`")
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_OPERATORS = (*_ARITHMETIC, ast.MatMult, ast.BitXor)
_MAX_LENGTH = 20_000


@dataclass(frozen=True, slots=True)
class ParsedFormula:
    """A formula that is safe to hand to formulaic.

    Attributes
    ----------
    text : str
        The formula as written.
    left, right : str
        The sides; ``left`` is empty for a one-sided formula.
    response : str
        Column on the left side, empty for none.
    columns : tuple of str
        Columns on the right side, in order of first use.
    plain : bool
        Whether the right side is a sum of columns and nothing else.
    """

    text: str
    left: str
    right: str
    response: str
    columns: tuple[str, ...]
    plain: bool


def parse_formula(formula: str) -> ParsedFormula:
    """Read a formula and refuse whatever is not a column, an operator or a known transformation.

    Parameters
    ----------
    formula : str
        Wilkinson notation, one-sided (``age_years + product``) or two-sided (``severe_icans ~ age_years``).
        Names with spaces stand in backticks.

    Returns
    -------
    ParsedFormula
        The sides and the columns they use.

    Raises
    ------
    EstimationError
        When the formula is empty, malformed, or contains anything but columns, operators and the
        transformations of `TRANSFORMS`.

    Examples
    --------
    >>> parsed = parse_formula("severe_icans ~ log2(ferritin_ng_ml) + C(product)")
    >>> parsed.response, parsed.columns, parsed.plain
    ('severe_icans', ('ferritin_ng_ml', 'product'), False)
    """
    if not isinstance(formula, str):
        raise EstimationError(
            "the formula is not text",
            evidence=f"got {type(formula).__name__}",
            remedy='write the formula as a string, such as "age_years + product"',
        )
    left, right = _sides(formula)
    response = ""
    if left:
        body, names = _unquote(left, formula)
        node = _parse(body, formula)
        if not isinstance(node, ast.Name):
            raise _refusal(formula, "the left side is not one column", "name one column before the tilde")
        response = names.get(node.id, node.id)
    body, names = _unquote(right, formula)
    reader = _Reader(formula)
    reader.formula_level(_parse(body, formula))
    columns = tuple(dict.fromkeys(names.get(name, name) for name in reader.columns))
    if not columns:
        raise _refusal(formula, "the formula names no column", "write at least one column")
    return ParsedFormula(formula, left, right, response, columns, reader.plain)


def _refusal(formula: str, evidence: str, remedy: str) -> EstimationError:
    return EstimationError(f"the formula {formula[:200]!r} cannot be used", evidence=evidence, remedy=remedy)


def _sides(formula: str) -> tuple[str, str]:
    pieces = [piece.strip() for piece in " ".join(formula.split()).split("~")]
    if len(formula) > _MAX_LENGTH:
        raise _refusal(formula, f"it has {len(formula)} characters", f"keep it under {_MAX_LENGTH}")
    if len(pieces) > 2:
        raise _refusal(formula, "it has more than one tilde", "write one tilde at most")
    if not pieces[-1]:
        raise _refusal(formula, "its right side is empty", 'name columns, such as "age_years + product"')
    return (pieces[0], pieces[1]) if len(pieces) == 2 else ("", pieces[0])


def _unquote(side: str, formula: str) -> tuple[str, dict[str, str]]:
    """Put placeholders for names in backticks and an operator of Python for the colon."""
    prefix = "quoted"
    while prefix in side:
        prefix += "_"
    names: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        text = match.group()
        if not text.startswith("`"):
            return "''"
        names[f"{prefix}{len(names)}"] = text[1:-1]
        return f"{prefix}{len(names) - 1}"

    body = _QUOTED.sub(replace, side)
    stray = sorted(
        set(re.findall(r"[`{}\\#;\"@]", body)) | ({"'"} if "'" in body.replace("''", "") else set())
    )
    if stray:
        raise _refusal(formula, f"it contains {' '.join(stray)}", _allowed())
    return body.replace(":", "@"), names


def _parse(body: str, formula: str) -> ast.expr:
    try:
        return ast.parse(body, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refusal(formula, "it is malformed", "check its parentheses and operators") from None


def _allowed() -> str:
    return (
        "use columns, + - * : / ** and the transformations "
        f"{', '.join(sorted(TRANSFORMS))}; compute anything else as a column first"
    )


class _Reader:
    """Walk the syntax tree of one side, collect its columns, and refuse everything unknown."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.columns: list[str] = []
        self.plain = True

    def formula_level(self, node: ast.expr) -> None:
        """Check terms and the operators between them."""
        if isinstance(node, ast.Name):
            self._column(node)
        elif isinstance(node, ast.Call):
            self.plain = False
            self._call(node)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
            self.plain = self.plain and isinstance(node.op, ast.Add)
            self.formula_level(node.left)
            if isinstance(node.op, ast.Pow | ast.BitXor):
                self._exponent(node.right)
            elif isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Constant):
                self._intercept(ast.UnaryOp(ast.USub(), node.right))
            else:
                self.formula_level(node.right)
        elif isinstance(node, ast.UnaryOp | ast.Constant):
            self._intercept(node)
        else:
            self._refuse(node)

    def _intercept(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and node.value == 1 and not isinstance(node.value, bool):
            self.plain = False
            return
        raise _refusal(
            self.formula,
            "it changes the intercept or contains a bare number",
            "leave the intercept alone; choose the reference category with C(x, contr.treatment('level'))",
        )

    def _exponent(self, node: ast.expr) -> None:
        if not (isinstance(node, ast.Constant) and node.value in (1, 2, 3, 4, 5)):
            raise _refusal(
                self.formula, "a power of terms is not a number from 1 to 5", "write I(x ** 2) for squares"
            )

    def _column(self, node: ast.Name) -> None:
        if node.id.startswith("__"):
            self._refuse(node)
        self.columns.append(node.id)

    def _call(self, node: ast.Call) -> None:
        if not (isinstance(node.func, ast.Name) and node.func.id in TRANSFORMS):
            self._refuse(node)
        for argument in node.args:
            self._value(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                self._refuse(node)
            self._value(keyword.value)

    def _value(self, node: ast.expr) -> None:
        """Check an argument: arithmetic of columns and constants, a list of constants, or a contrast."""
        if isinstance(node, ast.Name):
            self._column(node)
        elif isinstance(node, ast.Constant):
            self._constant(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            self._value(node.operand)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, _ARITHMETIC):
            self._arithmetic(node)
        elif isinstance(node, ast.List | ast.Tuple):
            for item in node.elts:
                self._value(item)
        elif isinstance(node, ast.Call):
            self._contrast(node) if isinstance(node.func, ast.Attribute) else self._call(node)
        else:
            self._refuse(node)

    def _arithmetic(self, node: ast.BinOp) -> None:
        self._value(node.left)
        if isinstance(node.op, ast.Pow):
            power = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
            small = (
                isinstance(power, ast.Constant) and isinstance(power.value, int | float) and power.value <= 10
            )
            if not small or isinstance(node.left, ast.Constant):
                raise _refusal(self.formula, "a power is not a number of at most 10", "write x ** 2")
        self._value(node.right)

    def _constant(self, node: ast.Constant) -> None:
        if not (node.value is None or isinstance(node.value, bool | int | float | str)):
            self._refuse(node)

    def _contrast(self, node: ast.Call) -> None:
        func = node.func
        known = (
            isinstance(func, ast.Attribute)
            and isinstance(func.value, ast.Name)
            and func.value.id == "contr"
            and func.attr in CONTRASTS
        )
        values = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg is not None)]
        if not known or len(values) != len(node.args) + len(node.keywords):
            self._refuse(node)
        for value in values:
            if not isinstance(value, ast.Constant):
                self._refuse(value)
            else:
                self._constant(value)

    def _refuse(self, node: ast.expr) -> None:
        kind = {
            ast.Attribute: "an attribute",
            ast.Subscript: "a subscript",
            ast.Call: "a function it may not call",
        }
        what = kind.get(type(node), type(node).__name__.lower())
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            what = f"the function {node.func.id}"
        raise _refusal(self.formula, f"it contains {what}", _allowed())
