"""Regression results side by side: reference rows, estimates with limits, and who is in each model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cohort.dictionary.derived import derived_facts
from cohort.errors import EstimationError
from cohort.format import EN_DASH, PStyle, grouped, interval, p_value, ratio
from cohort.models.result import Result
from cohort.tables.groups import reason_list
from cohort.tables.labels import SCALES, Labels, in_sentence, level_label, used_abbreviations, variable_label
from cohort.tables.table import Cell, Column, Row, Table

_MEASURES = {
    "finegray": "Subdistribution hazard ratio",
    "cox": "Hazard ratio",
    "ordinal": "Odds ratio of a higher grade",
    "oddsratio": "Odds ratio",
    "logistic": "Odds ratio",
}
_SINGULAR = {"years": "year", "months": "month", "weeks": "week", "days": "day", "hours": "hour"}
_PAIRS = {"yes": "yes vs no", "present": "present vs absent"}
Fits = Result | Sequence[Result]


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """How fits are read."""

    exponentiate: bool
    intercept: bool
    data: pd.DataFrame | None
    labels: Labels


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One column of the table: a fit, or several fits of the same kind that show different terms.

    Attributes
    ----------
    name : str
        Heading; empty when there is only one model.
    measure : str
        What the estimates are.
    tidy : DataFrame
        Estimates of all fits, in order.
    glance : tuple of DataFrame
        One row per fit.
    references : mapping of str to str
        Reference level by term, where the fits tell it.
    notes : tuple of str
        Guards overridden, penalty, who was left out.
    """

    name: str
    measure: str
    tidy: pd.DataFrame
    glance: tuple[pd.DataFrame, ...]
    references: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def conf_level(self) -> float:
        """Confidence level of the limits."""
        levels = [frame["conf_level"].iloc[0] for frame in self.glance if "conf_level" in frame]
        return float(levels[0]) if levels else 0.95


def regression_table(
    fits: Fits | Mapping[str, Fits],
    labels: Labels | None = None,
    exponentiate: bool = True,
    *,
    names: Sequence[str] | None = None,
    data: pd.DataFrame | None = None,
    intercept: bool = False,
    p_style: PStyle = "nejm",
    caption: str | None = None,
) -> Table:
    """Print regression results, one column per model.

    Every column is headed by what it estimates, so that a hazard ratio and a subdistribution hazard ratio are
    never read as the same thing. Reference levels have rows of their own; the last rows give the patients, the
    events, and how many patients were left out.

    Parameters
    ----------
    fits : result, sequence of results, or mapping
        Fits with ``tidy()`` and ``glance()``. A mapping gives the columns their names; a sequence inside it
        puts several fits into one column (one univariable fit per row).
    labels : mapping, optional
        Printed names by term, and of levels by ``(term, level)``.
    exponentiate : bool, default=True
        Whether ratios are printed rather than coefficients.
    names : sequence of str, optional
        Names of the columns when ``fits`` is a sequence; by default Model 1, Model 2, ...
    data : DataFrame, optional
        The patients, to find the reference level of a variable where a fit does not tell it.
    intercept : bool, default=False
        Whether the intercept, or the thresholds of an ordinal regression, are printed.
    p_style : {'nejm', 'lancet', 'jama', 'annals'}, default='nejm'
        Journal whose way of printing p-values is followed.
    caption : str, optional
        Title; by default one is made.

    Returns
    -------
    Table
        ``frame`` has the fits' tidy rows, unrounded, with the columns ``model`` and ``measure`` in front.

    Raises
    ------
    EstimationError
        When no fit is given, an object is not a regression, one column mixes measures, or two of its fits
        estimate the same term.
    """
    texts = labels or {}
    models = _models(fits, names, _Reading(exponentiate, intercept, data, texts))
    rows = (*_term_rows(models, texts, p_style, exponentiate), _patients_row(models))
    title = caption if caption is not None else _title(models)
    columns = _columns(models)
    notes = tuple(note for model in models for note in _named(model, model.notes))
    heads = [text for column in columns for text in (column.text, *(child.text for child in column.children))]
    lines = [row.label.text for top in rows for _, row in top.lines()]
    return Table(
        columns=columns,
        rows=rows,
        stub="",
        caption=title,
        source_notes=notes,
        abbreviations=used_abbreviations([title, *heads, *notes, *lines, *_cell_texts(rows)]),
        data=_frame(models),
    )


def _models(fits: Fits | Mapping[str, Fits], names: Sequence[str] | None, reading: _Reading) -> list[Model]:
    """Arrange the fits as columns."""
    if isinstance(fits, Mapping):
        columns = [(str(name), one) for name, one in fits.items()]
    else:
        several = list(fits) if isinstance(fits, Sequence) else [fits]
        named = list(names) if names is not None else [f"Model {k}" for k in range(1, len(several) + 1)]
        if len(named) != len(several):
            raise EstimationError(
                "names do not match the fits",
                evidence=f"{len(named)} names, {len(several)} fits",
                remedy="give one name per fit",
            )
        single = len(several) == 1 and names is None
        columns = [("" if single else name, one) for name, one in zip(named, several, strict=True)]
    if not columns:
        raise EstimationError("no fit was given", remedy="regression_table([fit1, fit2])")
    return [_model(name, one, reading) for name, one in columns]


def _model(name: str, fits: Fits, reading: _Reading) -> Model:
    """Read one column's fits."""
    group = tuple(fits) if isinstance(fits, Sequence) else (fits,)
    measures = sorted({_measure(fit) for fit in group})
    if len(measures) != 1:
        raise EstimationError(
            f"column {name!r} mixes measures",
            evidence=", ".join(measures) or "no fit",
            remedy="give each measure a column of its own",
        )
    tidy = pd.concat([_tidy(fit, reading) for fit in group], ignore_index=True)
    double = tidy.duplicated(["term", "level"])
    if double.any():
        raise EstimationError(
            f"column {name!r} has two estimates of one term",
            evidence=f"terms {', '.join(sorted(set(tidy.loc[double, 'term'].astype(str))))}",
            remedy="put adjusted and unadjusted fits into columns of their own",
        )
    references = _references_from(reading.data, tidy)
    for fit in group:
        told = getattr(fit, "references", {})
        references.update({str(term): str(level) for term, level in dict(told).items()})
    glances = tuple(fit.glance() for fit in group)
    notes = tuple(dict.fromkeys(note for fit in group for note in _notes(fit)))
    notes += tuple(_left_out(group[0], reading.labels)) if len(group) == 1 else ()
    measure = measures[0] if reading.exponentiate else f"Log {measures[0][0].lower()}{measures[0][1:]}"
    return Model(name, measure, tidy, glances, references, notes)


def _measure(fit: Result) -> str:
    """Name what a fit estimates: as it says itself, or by its kind."""
    said = getattr(fit, "measure", "")
    if isinstance(said, str) and said:
        return said[0].upper() + said[1:]
    kind = type(fit).__name__.lower()
    for key, measure in _MEASURES.items():
        if key in kind:
            return measure
    raise EstimationError(
        f"{type(fit).__name__} is not a regression",
        evidence="it has no measure",
        remedy="give results of cox, fine_gray, odds_ratio or ordinal",
    )


def _references_from(data: pd.DataFrame | None, tidy: pd.DataFrame) -> dict[str, str]:
    """Find the level of each variable that the data have and the estimates lack."""
    found: dict[str, str] = {}
    for term, lines in tidy[tidy["level"] != ""].groupby("term", sort=False):
        if data is None or term not in data.columns:
            continue
        others = {str(value) for value in data[term].dropna().unique()} - set(lines["level"])
        if len(others) == 1:
            found[str(term)] = others.pop()
    return found


def _tidy(fit: Result, reading: _Reading) -> pd.DataFrame:
    """Tidy rows of a fit with text in ``term`` and ``level``."""
    frame = fit.tidy(exponentiate=reading.exponentiate)
    if not reading.intercept:
        frame = frame[~frame["term"].isin(["Intercept", *getattr(fit, "thresholds", ())])]
    level = frame["level"] if "level" in frame else pd.Series("", index=frame.index)
    return frame.assign(term=frame["term"].astype(str), level=level.astype(object).fillna("").astype(str))


def _notes(fit: Result) -> list[str]:
    """Sentences about a fit: penalty, guards overridden, variance."""
    glance = fit.glance()
    values = {str(name): glance[name].iloc[0] for name in glance.columns}
    notes = []
    if _said(values.get("penalty")):
        notes.append(f"Penalized likelihood ({str(values['penalty']).capitalize()}).")
    if _said(values.get("acknowledged")):
        notes.append(f"Acknowledged: {values['acknowledged']}.")
    clusters = values.get("n_cluster")
    if clusters is not None and not pd.isna(clusters) and clusters:
        notes.append(f"Cluster-robust variance over {int(clusters)} clusters.")
    return notes


def _left_out(fit: Result, labels: Labels) -> list[str]:
    """Sentence about the patients a fit left out, by column and reason."""
    columns: dict[str, dict[str, int]] = {}
    for column, reason, n in getattr(fit, "left_out", ()):
        columns.setdefault(str(column), {})[str(reason)] = int(n)
    parts = [
        f"{in_sentence(_term_label(column, labels, number=False)) or 'endpoint'} ({reason_list(reasons)})"
        for column, reasons in columns.items()
    ]
    return [f"Left out because not known: {'; '.join(parts)}."] if parts else []


def _said(value: object) -> bool:
    """Whether a glance column holds a text."""
    return isinstance(value, str) and bool(value)


def _term_rows(models: Sequence[Model], labels: Labels, p_style: PStyle, exponentiate: bool) -> list[Row]:
    """Rows of the terms, in the order in which the models first show them."""
    terms: dict[str, dict[str, None]] = {}
    for model in models:
        for term, level in zip(model.tidy["term"], model.tidy["level"], strict=True):
            terms.setdefault(term, {}).setdefault(level)
    return [
        _term_row(term, list(levels), models, labels, p_style, exponentiate) for term, levels in terms.items()
    ]


def _term_row(
    term: str, levels: list[str], models: Sequence[Model], labels: Labels, p_style: PStyle, exponentiate: bool
) -> Row:
    """Row of a term: one line for a number or a yes/no variable, else a heading with a line per level."""
    reference = next((model.references[term] for model in models if term in model.references), "")
    label = _term_label(term, labels, number=levels == [""])
    if levels == [""]:
        return Row(Cell(label), _cells(term, "", models, p_style, exponentiate))
    pair = _PAIRS.get(levels[0], "") if len(levels) == 1 and (term, levels[0]) not in labels else ""
    if pair and reference in ("no", "absent", ""):
        return Row(Cell(f"{label}, {pair}"), _cells(term, levels[0], models, p_style, exponentiate))
    children = [
        Row(Cell(level_label(term, level, labels)), _cells(term, level, models, p_style, exponentiate))
        for level in levels
    ]
    if reference:
        cells = tuple(
            cell for model in models for cell in (Cell("Reference" if _shows(model, term) else ""), Cell())
        )
        children.insert(0, Row(Cell(level_label(term, reference, labels)), cells))
    return Row(Cell(label), (), tuple(children))


def _shows(model: Model, term: str) -> bool:
    """Whether a model has the term."""
    return bool((model.tidy["term"] == term).any())


def _term_label(term: str, labels: Labels, *, number: bool) -> str:
    """Label of a term; numbers say per how much."""
    if term in labels:
        return labels[term]
    call = re.fullmatch(r"(\w+)\((\w+)\)", term)
    if call and call.group(1) == "C":
        return _term_label(call.group(2), labels, number=False)
    if call and call.group(1) in SCALES:
        return f"{_term_label(call.group(2), labels, number=False)}, {SCALES[call.group(1)]}"
    if not term.isidentifier():
        return term
    label, unit = variable_label(term, labels, derived_facts())
    return f"{label}, per {_SINGULAR.get(unit, f'1 {unit}')}" if number and unit else label


def _cells(
    term: str, level: str, models: Sequence[Model], p_style: PStyle, exponentiate: bool
) -> tuple[Cell, ...]:
    """Estimate and p-value of every model."""
    cells = []
    for model in models:
        tidy = model.tidy
        found = tidy[(tidy["term"] == term) & (tidy["level"] == level)]
        cells += (
            [_estimate_cell(found, exponentiate), _p_cell(found, p_style)] if len(found) else [Cell(), Cell()]
        )
    return tuple(cells)


def _estimate_cell(found: pd.DataFrame, exponentiate: bool) -> Cell:
    """Estimate with its limits, or why there is none."""
    names = ("estimate", "conf_low", "conf_high")
    estimate, low, high = (float(found[name].iloc[0]) for name in names)
    numbers = tuple(zip(names, (estimate, low, high), strict=True))
    if math.isnan(estimate):
        reason = str(found["reason"].iloc[0]) if "reason" in found and _said(found["reason"].iloc[0]) else ""
        return Cell("NE", (f"Not estimable: {reason}.",) if reason else (), numbers)
    if exponentiate:
        return Cell(f"{ratio(estimate)} ({interval(low, high, None)})", (), numbers)
    return Cell(f"{ratio(estimate)} ({interval(low, high, 2)})", (), numbers)


def _p_cell(found: pd.DataFrame, p_style: PStyle) -> Cell:
    """p-value as the journal prints it."""
    value = float(found["p_value"].iloc[0]) if "p_value" in found else math.nan
    text = p_value(value, p_style).removeprefix("=")
    return Cell(text, (), (("p_value", value),))


def _patients_row(models: Sequence[Model]) -> Row:
    """Rows that say how many patients and events are behind each model, and how many were left out."""
    names = {"n": "Patients", "n_event": "Events", "n_missing": "Left out, a value not known"}
    children = []
    for name, label in names.items():
        if not any(name in frame for model in models for frame in model.glance):
            continue
        cells = tuple(cell for model in models for cell in (_range_cell(model, name), Cell()))
        children.append(Row(Cell(label), cells))
    return Row(Cell("Number of"), (), tuple(children)) if children else Row(Cell(""), ())


def _range_cell(model: Model, name: str) -> Cell:
    """Count of a model; a range when its fits differ."""
    values = sorted({int(frame[name].iloc[0]) for frame in model.glance if name in frame})
    if not values:
        return Cell()
    text = grouped(values[0]) if len(values) == 1 else f"{grouped(values[0])}{EN_DASH}{grouped(values[-1])}"
    return Cell(text, (), ((name, float(values[0])),))


def _columns(models: Sequence[Model]) -> tuple[Column, ...]:
    """Headings: per model its name over what it estimates, and P."""
    columns = []
    for model in models:
        inside = (Column(f"{model.measure}\n({model.conf_level:.0%} CI)"), Column("P value"))
        columns += [Column(model.name, inside)] if model.name else list(inside)
    return tuple(columns)


def _named(model: Model, notes: Sequence[str]) -> list[str]:
    """Put the model's name before its notes."""
    return [f"{model.name}: {note[0].lower()}{note[1:]}" if model.name else note for note in notes]


def _cell_texts(rows: Sequence[Row]) -> list[str]:
    """All texts of the cells."""
    return [cell.text for top in rows for _, row in top.lines() for cell in row.cells]


def _title(models: Sequence[Model]) -> str:
    """Caption from the measures."""
    measures = list(dict.fromkeys(model.measure for model in models))
    return f"{measures[0]}s" if len(measures) == 1 and measures[0].endswith("ratio") else "Regression models"


def _frame(models: Sequence[Model]) -> pd.DataFrame:
    """Tidy rows of all models below each other."""
    frames = [model.tidy.assign(model=model.name, measure=model.measure) for model in models]
    out = pd.concat(frames, ignore_index=True)
    front = ["model", "measure", "term", "level"]
    return out[[*front, *(name for name in out.columns if name not in front)]]
