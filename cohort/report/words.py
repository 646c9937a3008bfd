"""Words for columns, events and those left out, as a report prints them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from cohort.dictionary.facts import declared_facts
from cohort.tables.labels import SCALES, in_sentence, level_label, variable_label

EVENTS = {
    "nrm": "non-relapse mortality",
    "icans": "ICANS",
    "overall_survival": "overall survival",
    "progression_free_survival": "progression-free survival",
    "late_neurotoxicity": "late neurotoxicity",
}
REASONS = {
    "not_imaged": "not imaged",
    "not_assessable": "not assessable",
    "missing": "not known",
}


def column_words(data: pd.DataFrame, column: str) -> str:
    """Return the label of a column without its unit."""
    return variable_label(column, {}, declared_facts(data))[0]


def column_with_unit(data: pd.DataFrame, column: str) -> str:
    """Return the label of a column with its unit."""
    label, unit = variable_label(column, {}, declared_facts(data))
    return f"{label}, {unit}" if unit else label


def event_words(name: str) -> str:
    """Return an endpoint or event in words, as inside a sentence."""
    return EVENTS.get(name, name.replace("_", " "))


def headline(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]


def term_words(data: pd.DataFrame, term: str) -> str:
    """Return a term of a formula in words, such as ``ferritin, per doubling`` for ``log2(ferritin_ng_ml)``."""
    scaled = re.fullmatch(r"(log2|log10|log|scale)\((\w+)\)", term)
    if scaled is None:
        return column_words(data, term)
    return f"{column_words(data, scaled[2])}, {SCALES[scaled[1]]}"


def row_words(data: pd.DataFrame, term: str, level: str) -> str:
    """Return a regression row in words: the variable, and its level when it has one."""
    label = term_words(data, term)
    return f"{label}, {in_sentence(level_label(term, level, {}))}" if level else label


def forest_labels(data: pd.DataFrame, tidy: pd.DataFrame) -> Mapping[str, str]:
    """Return the printed text of every term and level of a regression."""
    labels = {str(term): term_words(data, str(term)) for term in tidy["term"]}
    pairs = zip(tidy["term"], tidy["level"], strict=True)
    return labels | {str(level): level_label(str(term), str(level), {}) for term, level in pairs if level}


def left_out_sentence(data: pd.DataFrame, left_out: Iterable[tuple[str, str, int]]) -> tuple[str, ...]:
    """Return who was left out and why, as a sentence; nothing when nobody was."""
    rows = [(column, reason, n) for column, reason, n in left_out if n]
    if not rows:
        return ()
    parts = []
    for column, reason, n in rows:
        words = REASONS.get(reason, reason.replace("_", " "))
        parts.append(f"{n} {in_sentence(column_words(data, column))} {words}" if column else f"{n} {words}")
    return (f"Left out: {sum(n for _, _, n in rows)} patients ({'; '.join(parts)}).",)
