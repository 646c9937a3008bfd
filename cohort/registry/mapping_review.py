"""What changed between two versions of a mapping: rules, and with data also counts."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from cohort.dictionary.mapping import Mapping, read_mapping
from cohort.dictionary.mapping_model import Rule
from cohort.dictionary.read import Dictionary, read_dictionary
from cohort.registry.harmonize import harmonize
from cohort.registry.source import read_source


def review_mapping(
    old: str | Path, new: str | Path, data: str | Path | None = None, dictionary: Dictionary | None = None
) -> pd.DataFrame:
    """Compare two versions of a mapping, for the person who signs it.

    Parameters
    ----------
    old, new : str or Path
        Names of packaged mappings, or paths.
    data : str or Path, optional
        The source's files: both mappings are run on them, and counts that differ are listed.
    dictionary : Dictionary, optional
        The packaged one by default.

    Returns
    -------
    DataFrame
        One row per difference: ``what`` (rule, missing code, not used, input, count), ``table``, ``variable``,
        ``detail`` (the status or value, for counts), ``old``, ``new``. Empty when nothing differs.

    Raises
    ------
    MappingError, SourceError
        When a mapping cannot be read, or the data do not fit it.

    Examples
    --------
    >>> review_mapping("sim_ebmt", "sim_ebmt").empty
    True
    """
    known = dictionary or read_dictionary()
    before, after = (read_mapping(one, known) for one in (old, new))
    rows = [
        *_differences("input", _inputs(before), _inputs(after)),
        *_differences("not used", _aside(before), _aside(after)),
        *_differences("missing code", _codes(before), _codes(after)),
        *_differences("rule", _rules(before), _rules(after)),
    ]
    if data is not None:
        counts = [_counts(one, data, known) for one in (old, new)]
        rows += _differences("count", *counts)
    return pd.DataFrame(rows, columns=["what", "table", "variable", "detail", "old", "new"])


Keyed = dict[tuple[str, str, str], str]


def _differences(what: str, before: Keyed, after: Keyed) -> list[tuple[str, ...]]:
    keys = dict.fromkeys([*before, *after])
    return [
        (what, *key, before.get(key, ""), after.get(key, ""))
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _inputs(mapping: Mapping) -> Keyed:
    return {
        ("", "", name): _text(one.model_dump(exclude_defaults=True))
        for name, one in mapping.model.inputs.items()
    }


def _aside(mapping: Mapping) -> Keyed:
    return {
        ("", "", f"{one.input} {name}".strip()): one.note
        for one in mapping.model.not_used
        for name in one.columns
    }


def _codes(mapping: Mapping) -> Keyed:
    return {("", "", code): reason for code, reason in mapping.model.missing.items()}


def _rules(mapping: Mapping) -> Keyed:
    """Return every rule as text, shared recodes written out, with block filters and what the source cannot give."""
    found: Keyed = {}
    for note in mapping.model.not_collected:
        found |= {(table, "", "not collected"): note.note for table in note.tables}
    for table, shared in mapping.model.tables.items():
        if shared.merge is not None:
            found[table, "", "merge"] = _text(shared.merge.model_dump(exclude_defaults=True))
        for number, block in enumerate(shared.blocks or (shared,)):
            where = f"block {number + 1}" if shared.blocks else ""
            frame = {"input": block.input, "where": block.where, "distinct": block.distinct}
            if block.unpivot is not None:
                frame["unpivot"] = block.unpivot.model_dump(exclude_defaults=True)
            found[table, "", where or "rows"] = _text({key: one for key, one in frame.items() if one})
            for name, rule in {**shared.rules, **block.rules}.items():
                found[table, name, where] = _text(_written(rule, mapping))
            for kind in ("impossible", "undetermined"):
                for one in (*getattr(shared, kind), *getattr(block, kind)):
                    names = one.variables or ("rest",)
                    found |= {(table, name, where): f"{kind}: {one.note}" for name in names}
    return found


def _written(rule: Rule, mapping: Mapping) -> dict[str, object]:
    written = rule.model_dump(exclude_defaults=True, by_alias=True)
    if isinstance(rule.recode, str):
        written["recode"] = dict(mapping.model.recodes.get(rule.recode, {}))
    return written


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _counts(mapping: str | Path, data: str | Path, dictionary: Dictionary) -> Keyed:
    """Return rows of every table, statuses of every variable, and values of coded ones."""
    registry = harmonize(read_source(data, source=mapping, dictionary=dictionary), dictionary)
    found: Keyed = {}
    for table, frame in registry.tables.items():
        found[table, "", "rows"] = str(len(frame))
        for variable in dictionary.tables[table].variables.values():
            status = f"{variable.name}__status"
            if status in frame.columns:
                counts = frame[status].value_counts()
                found |= {(table, variable.name, str(one)): str(n) for one, n in counts.items() if n}
            if variable.kind == "coded" and variable.name in frame.columns:
                counts = frame[variable.name].value_counts()
                found |= {(table, variable.name, f"= {one}"): str(n) for one, n in counts.items() if n}
    return found
