"""Looks at a file and proposes a mapping for a person to decide: counts, likely variables, codes, dates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import pandas as pd

from cohort.dictionary.dates import date_pattern
from cohort.dictionary.mapping_model import Input
from cohort.dictionary.read import Dictionary, Variable, read_dictionary
from cohort.errors import MappingError
from cohort.registry.files import read_file

DATE_FORMATS = ("yyyy-mm-dd", "dd/mm/yyyy", "mm/dd/yyyy", "dd.mm.yyyy", "yyyymmdd")
MISSING = {
    **dict.fromkeys(
        ("-99", "-999", "-9", "99", "999", "9999", "unknown", "unk", "u", "?", "na", "n/a", "."), "unknown"
    ),
    **dict.fromkeys(("-88", "not done", "nd"), "not_done"),
    **dict.fromkeys(("-77", "not applicable"), "not_applicable"),
}
MAX_CODES, MIN_LIKENESS, MOST = 30, 0.62, 12
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class ScannedColumn:
    """What a column of a file looks like.

    Attributes
    ----------
    name : str
        Its header.
    n, n_blank, n_distinct : int
        Rows, blank cells, different texts.
    looks : {'blank', 'identifier', 'date', 'number', 'code', 'text'}
        What it seems to be.
    dates : tuple of str
        Date formats that fit nearly all cells; two when day and month cannot be told apart.
    texts : tuple of (str, int)
        Most frequent texts with their counts; none of identifiers, dates and free text.
    label : str
        Value labels that the file itself carries, as text.
    likely : tuple of (str, str, float)
        Table, variable and likeness, the likeliest first.
    """

    name: str
    n: int
    n_blank: int
    n_distinct: int
    looks: str
    dates: tuple[str, ...]
    texts: tuple[tuple[str, int], ...]
    label: str
    likely: tuple[tuple[str, str, float], ...]


def scan_source(path: str | Path, dictionary: Dictionary | None = None) -> pd.DataFrame:
    """Describe every column of a file, and the variables that it may be.

    Parameters
    ----------
    path : str or Path
        A file of any kind that sources are read from.
    dictionary : Dictionary, optional
        The packaged one by default.

    Returns
    -------
    DataFrame
        One row per column: ``column, n, n_blank, n_distinct, looks, dates, values, labels, table, variable, likeness``.
        Texts of what looks like an identifier, a date or free text are not shown.

    Raises
    ------
    SourceError
        When the file cannot be read.

    See Also
    --------
    propose_mapping : The same as a mapping to be edited.

    Examples
    --------
    >>> scan_source("no_such.csv")
    Traceback (most recent call last):
    ...
    cohort.errors.SourceError: A source file cannot be read...
    """
    columns = scan_columns(Path(path), dictionary or read_dictionary())
    rows = []
    for one in columns:
        best = one.likely[0] if one.likely else ("", "", float("nan"))
        values = "; ".join(f"{value} {count}" for value, count in one.texts)
        rows.append(
            (
                one.name,
                one.n,
                one.n_blank,
                one.n_distinct,
                one.looks,
                "; ".join(one.dates),
                values,
                one.label,
                *best,
            )
        )
    names = [
        "column",
        "n",
        "n_blank",
        "n_distinct",
        "looks",
        "dates",
        "values",
        "labels",
        "table",
        "variable",
        "likeness",
    ]
    return pd.DataFrame(rows, columns=names)


def scan_columns(path: Path, dictionary: Dictionary) -> list[ScannedColumn]:
    """Return what every column of a file looks like."""
    read = read_file(path, Input())
    return [_scanned(str(name), read.frame[name], read.labels, dictionary) for name in read.frame.columns]


def _scanned(name: str, column: pd.Series, labels: pd.DataFrame, dictionary: Dictionary) -> ScannedColumn:
    text = column.astype("string").str.strip()
    filled = text[(text.fillna("") != "").to_numpy(dtype=bool)]
    counts = filled.value_counts(sort=True)
    counts = counts.sort_index().sort_values(ascending=False, kind="stable")
    dates = _dates(filled)
    looks = _looks(filled, counts, dates)
    shown = looks == "code" or (looks == "number" and len(counts) <= MAX_CODES)
    values = tuple((str(v), int(n)) for v, n in counts.head(MOST).items()) if shown else ()
    own = labels[labels["column"] == name]
    said = "; ".join(
        f"{v} {t}{' (missing)' if m else ''}"
        for v, t, m in own[["value", "label", "is_missing"]].to_numpy().tolist()
    )
    likely = tuple(_likely(name, looks, [str(v) for v in counts.index[:MAX_CODES]], dictionary))
    return ScannedColumn(
        name, len(text), len(text) - len(filled), len(counts), looks, dates, values, said, likely
    )


def _dates(filled: pd.Series) -> tuple[str, ...]:
    """Return the formats that fit 95 in 100 cells; a format whose days are never over 12 fits its mirror too."""
    if filled.empty:
        return ()
    counts = filled.value_counts()
    fitting = []
    for pattern in DATE_FORMATS:
        compiled = date_pattern(pattern)
        held = sum(int(n) for text, n in counts.items() if compiled.read(str(text)) is not None)
        if held >= 0.95 * len(filled):
            fitting.append(pattern)
    return tuple(fitting)


def _looks(filled: pd.Series, counts: pd.Series, dates: Sequence[str]) -> str:
    if filled.empty:
        return "blank"
    if dates:
        return "date"
    if float(filled.str.len().mean()) > 20:
        return "text"
    if len(counts) <= MAX_CODES and (len(counts) < 0.5 * len(filled) or len(filled) < 10):
        return "code"
    if filled.str.fullmatch(_NUMBER).fillna(False).mean() >= 0.9:
        return "identifier" if _counts_rows(filled, counts) else "number"
    long = float(filled.str.len().mean())
    return (
        "text"
        if long > 20 or filled.str.contains(" ", regex=False).fillna(False).mean() > 0.3
        else "identifier"
    )


def _counts_rows(filled: pd.Series, counts: pd.Series) -> bool:
    """Whether whole numbers of four digits or more are all different, as record numbers are."""
    whole = bool(filled.str.fullmatch("[0-9]{4,}").fillna(False).all())
    return whole and len(counts) == len(filled) and len(filled) >= 10


def _likely(
    name: str, looks: str, texts: Sequence[str], dictionary: Dictionary
) -> Iterator[tuple[str, str, float]]:
    found = []
    for table in dictionary.tables.values():
        for variable in table.variables.values():
            if variable.schema.set_by:
                continue
            likeness = max(_alike(name, variable.name), _alike(name, variable.title))
            if variable.kind == "coded" and looks == "code" and texts:
                likeness = max(likeness, _overlap(texts, variable))
            if likeness >= MIN_LIKENESS:
                found.append((table.name, variable.name, round(likeness, 2)))
    yield from sorted(found, key=lambda one: -one[2])[:3]


def _alike(first: str, second: str) -> float:
    """Return how alike two names are, words in any order."""
    a, b = (
        sorted(re.findall(r"[a-z]+|[0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", one).lower()))
        for one in (first, second)
    )
    if not a or not b:
        return 0.0
    shared = len(set(a) & set(b)) / max(len(set(a)), 1)
    return max(
        SequenceMatcher(None, "".join(a), "".join(b)).ratio(), 0.9 * shared if shared == 1 else 0.7 * shared
    )


def _overlap(texts: Sequence[str], variable: Variable) -> float:
    """Return the share of the texts that are values or labels of a coded variable."""
    known = {word.lower() for one in variable.categories for word in (one.value, one.label)}
    return sum(text.lower() in known for text in texts) / len(texts) if len(texts) > 1 else 0.0


def propose_mapping(
    path: str | Path, source: str = "new_source", table: str = "", dictionary: Dictionary | None = None
) -> str:
    """Propose a mapping of a file as YAML text, in which nothing is decided yet.

    The mapping compiles as it stands: the patient identifier is proposed, every other variable is undetermined, and the
    proposals stand beside as comments, with the counts of every column. A person takes a proposal by uncommenting it.

    Parameters
    ----------
    path : str or Path
        The file.
    source : str, default='new_source'
        Name of the source.
    table : str, default=''
        Canonical table that the rows are of; by default the one that most columns look like.
    dictionary : Dictionary, optional
        The packaged one by default.

    Returns
    -------
    str
        YAML.

    Raises
    ------
    SourceError, MappingError
        When the file cannot be read, has no column, or the table is unknown.

    Examples
    --------
    >>> propose_mapping("no_such.csv")
    Traceback (most recent call last):
    ...
    cohort.errors.SourceError: A source file cannot be read...
    """
    known = dictionary or read_dictionary()
    columns = scan_columns(Path(path), known)
    if table and table not in known.tables:
        raise MappingError(f"There is no table {table!r}.", evidence=f"tables: {', '.join(known.tables)}")
    if not columns:
        raise MappingError(
            "The file has no column.", evidence=Path(path).name, remedy="give a file with a header"
        )
    chosen = table or _table_of(columns)
    codes = _missing_codes(columns)
    lines = [
        f"# Proposed from {Path(path).name}: {columns[0].n:,} rows, {len(columns)} columns. Nothing is decided:",
        "# read it, uncomment what is right, correct the rest, and say in note: why a variable is impossible.",
        "# Then: cohort mapping check",
        f"source: {source}",
        f"title: {json.dumps(f'Columns of {Path(path).name}')}",
        'version: "1"',
        f"inputs: {{data: {{file: {json.dumps(Path(path).name)}}}}}",
    ]
    if codes:
        listed = ", ".join(f"{json.dumps(code)}: {reason}" for code, reason in codes.items())
        lines.append(f"# missing: {{{listed}}}    # proposed, seen in the columns below")
    lines += ["tables:", f"  {chosen}:", "    input: data", "    rules:"]
    lines.append(f"      patient_id: {{from: {json.dumps(_identifier(columns))}}}    # proposed")
    lines.append("      infusion_number: {constant: 1}    # proposed")
    for one in columns:
        lines += _comment(one, chosen, known)
    lines.append("    undetermined: {note: nobody has decided yet, rest: true}")
    others = ", ".join(name for name in known.tables if name != chosen)
    lines += ["not_collected:", "  note: nobody has looked for them yet", f"  tables: [{others}]", ""]
    return "\n".join(lines)


def _table_of(columns: Sequence[ScannedColumn]) -> str:
    votes: dict[str, float] = {}
    for one in columns:
        for name, _, likeness in one.likely[:1]:
            votes[name] = votes.get(name, 0.0) + likeness
    return max(votes, key=lambda name: votes[name]) if votes else "infusion"


def _identifier(columns: Sequence[ScannedColumn]) -> str:
    named = [one for one in columns if any(variable == "patient_id" for _, variable, _ in one.likely)]
    like = [
        one
        for one in columns
        if re.search(r"(?i)(patient|record|subject|person|crid|^id$|_id$|^sid$)", one.name)
    ]
    looks = [one for one in columns if one.looks == "identifier"]
    return (like or named or looks or list(columns))[0].name


def _missing_codes(columns: Sequence[ScannedColumn]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in columns:
        for value, _ in one.texts:
            low = value.lower()
            if low in MISSING and not (one.looks == "number" and low in ("99", "999", "9999", "-9")):
                found[value] = MISSING[low]
    return found


def _comment(one: ScannedColumn, table: str, dictionary: Dictionary) -> list[str]:
    shown = f"; {', '.join(f'{_one_line(value)} ({n})' for value, n in one.texts)}" if one.texts else ""
    what = f"{one.looks}{f' {chr(32).join(one.dates)}' if one.dates else ''}"
    lines = [
        f"      # {one.name!r}: {what}, {one.n - one.n_blank:,} of {one.n:,} filled, "
        f"{one.n_distinct:,} different{shown}"
    ]
    if one.label:
        lines.append(f"      #   labels in the file: {_one_line(one.label)}")
    mine = [(name, likeness) for own, name, likeness in one.likely if own == table and name != "patient_id"]
    for name, likeness in mine[:2]:
        lines.append(
            f"      #   {name}: {_rule(one, dictionary.tables[table].variables[name])}    # likeness {likeness}"
        )
    return lines


def _one_line(text: str) -> str:
    """Return the text without line breaks, which would end a comment."""
    return " ".join(text.split())


def _rule(one: ScannedColumn, variable: Variable) -> str:
    """Write the rule that a variable would have."""
    start = f"{{from: {json.dumps(one.name)}"
    if variable.kind == "coded":
        by_word = {word.lower(): c.value for c in variable.categories for word in (c.value, c.label)}
        pairs = [
            (value, by_word.get(value.lower(), "?")) for value, _ in one.texts if value.lower() not in MISSING
        ]
        return f"{start}, recode: {{{', '.join(f'{json.dumps(v)}: {json.dumps(t)}' for v, t in pairs)}}}}}"
    if one.dates and (variable.kind == "date" or variable.name.endswith("_day")):
        since = ", since: infusion_date" if variable.kind != "date" else ""
        listed = one.dates[0] if len(one.dates) == 1 else f"[{', '.join(one.dates)}]"
        return f"{start}, date: {listed}{since}}}"
    if variable.schema.unit:  # the unit of the file is for a person to say; "?" does not compile
        own = variable.schema.unit if variable.schema.unit in ("a", "d") else "?"
        return f"{start}, unit: {json.dumps(own)}}}"
    return f"{start}}}"
