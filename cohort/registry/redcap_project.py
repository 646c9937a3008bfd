"""A REDCap export as one frame per instrument, with fields that were never shown told apart from those left blank."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.mapping_model import HIDDEN, Input
from cohort.errors import SourceError
from cohort.registry.files import read_table
from cohort.registry.redcap_branching import decide
from cohort.registry.redcap_dictionary import RedcapDictionary, RedcapField, parse_redcap_dictionary

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
SYSTEM = (EVENT, INSTRUMENT, INSTANCE, "redcap_data_access_group", "redcap_survey_identifier")
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class RedcapProject:
    """A project as exported.

    Attributes
    ----------
    dictionary : RedcapDictionary
        Its fields.
    export : DataFrame of text
        All rows, as they came.
    instruments : mapping of str to DataFrame
        By form: its rows and columns with the record, event, repeat and group columns before them. Cells of fields
        that branching logic did not show hold ``[hidden by branching logic]``.
    unopened : mapping of str to int
        By form: rows of the export that hold nothing of it but unticked checkboxes and "incomplete".
    """

    dictionary: RedcapDictionary = field(repr=False)
    export: pd.DataFrame = field(repr=False)
    instruments: Mapping[str, pd.DataFrame] = field(repr=False)
    unopened: Mapping[str, int] = field(repr=False)

    @property
    def fields(self) -> pd.DataFrame:
        """One row per field: name, form, type, label, choices, logic and how many cells are filled, blank, hidden."""
        rows = []
        for one in self.dictionary.fields:
            frame = self.instruments[one.form]
            cells = frame[[c for c in one.columns if c in frame.columns]]
            hidden = (cells == HIDDEN).to_numpy(dtype=bool, na_value=False)
            blank = cells.isna().to_numpy(dtype=bool) | (cells == "").to_numpy(dtype=bool, na_value=False)
            rows.append(
                (
                    *(one.name, one.form, one.kind, one.label, "; ".join(f"{c} {t}" for c, t in one.choices)),
                    *(one.logic_text, int((~hidden & ~blank).sum()), int(blank.sum()), int(hidden.sum())),
                )
            )
        names = [
            "field",
            "form",
            "type",
            "label",
            "choices",
            "branching_logic",
            "n_filled",
            "n_blank",
            "n_hidden",
        ]
        return pd.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        """Name the instruments and their rows."""
        lines = [
            f"REDCap project of {len(self.dictionary.fields)} fields, {len(self.export):,} rows exported"
        ]
        return "\n".join(
            [*lines, *(f"  {form}: {len(frame):,} rows" for form, frame in self.instruments.items())]
        )


def read_redcap(
    data: str | Path | pd.DataFrame,
    dictionary: str | Path | pd.DataFrame,
    missing: Collection[str] = (),
) -> RedcapProject:
    """Read a REDCap project: its export (raw, not labels) and its data dictionary.

    Classic and longitudinal projects, repeating instruments and repeating events, checkboxes, and data access groups.
    A blank cell means two things in REDCap: nobody filled it in, or branching logic never showed the field. The
    logic is parsed and decided row by row: where it certainly does not hold the cell becomes
    ``[hidden by branching logic]``, which a mapping reads as not applicable. Where its inputs are themselves blank or
    missing, or the logic cannot be read, the cell stays blank.

    Parameters
    ----------
    data : str, Path or DataFrame
        The export, or its folder's ``data.csv``.
    dictionary : str, Path or DataFrame
        The data dictionary of 18 columns.
    missing : collection of str, default=()
        Missing-data codes of the project, which decide no logic.

    Returns
    -------
    RedcapProject
        ``.instruments`` (a frame per form), ``.fields`` (what was asked, filled, blank and hidden).

    Raises
    ------
    SourceError
        When a file cannot be read, the record field is absent, or columns belong to no field.

    Examples
    --------
    >>> fields = pd.DataFrame({"field_name": ["id", "dead", "cause"], "form_name": "follow_up",
    ...     "section_header": "", "field_type": ["text", "yesno", "text"],
    ...     "branching_logic": ["", "", "[dead] = '1'"]})
    >>> project = read_redcap(pd.DataFrame({"id": ["a", "b"], "dead": ["0", "1"], "cause": ["", ""]}), fields)
    >>> project.instruments["follow_up"]["cause"].tolist()
    ['[hidden by branching logic]', '']
    """
    export = data if isinstance(data, pd.DataFrame) else read_table(Path(data), Input())[0]
    table = dictionary if isinstance(dictionary, pd.DataFrame) else read_table(Path(dictionary), Input())[0]
    known = parse_redcap_dictionary(
        table, "dictionary" if isinstance(dictionary, pd.DataFrame) else Path(dictionary).name
    )
    export = export.astype("string").reset_index(drop=True)
    if known.record_id not in export.columns:
        raise SourceError(
            "The export lacks the field that names the record.",
            evidence=f"{known.record_id}; columns: {', '.join(map(str, export.columns[:8]))}",
            remedy="export raw data with the record identifier, and give the dictionary of the same project",
        )
    _check_columns(export, known)
    answers = _without_unopened_boxes(export, known)
    frames, unopened = {}, {}
    for form in known.forms:
        keep = _rows_of(export, known, form)
        unopened[form] = int((_written(export, known, form) & ~keep).sum())
        frames[form] = _instrument(answers, known, form, keep, frozenset(missing))
    return RedcapProject(known, export, MappingProxyType(frames), MappingProxyType(unopened))


def _check_columns(export: pd.DataFrame, known: RedcapDictionary) -> None:
    own = {column for one in known.fields for column in one.columns}
    own |= {f"{form}_{end}" for form in known.forms for end in ("complete", "timestamp", "return_code")}
    stray = [
        str(c) for c in export.columns if c not in own and c not in SYSTEM and not _is_extra(str(c), known)
    ]
    if stray:
        raise SourceError(
            "The export has columns of no field of the data dictionary.",
            evidence=", ".join(stray[:8]) + (" ..." if len(stray) > 8 else ""),
            remedy="export raw data (not labels) and the dictionary on the same day",
        )


def _is_extra(column: str, known: RedcapDictionary) -> bool:
    """Whether a column is one that REDCap adds to a checkbox: a missing-data code or a choice since removed."""
    name = column.partition("___")[0]
    return "___" in column and any(one.name == name and one.kind == "checkbox" for one in known.fields)


def _columns_of(export: pd.DataFrame, known: RedcapDictionary, form: str) -> tuple[list[str], list[str]]:
    """Return the columns of a form in an export: those of its fields, and those that REDCap adds."""
    fields = known.of_form(form)
    names = {one.name for one in fields if one.kind == "checkbox"}
    own = {column for one in fields for column in one.columns}
    mine = [c for c in export.columns if c in own or str(c).partition("___")[0] in names]
    ends = ("complete", "timestamp", "return_code")
    return [c for c in mine if c != known.record_id], [
        f"{form}_{end}" for end in ends if f"{form}_{end}" in export.columns
    ]


def _instrument(
    export: pd.DataFrame, known: RedcapDictionary, form: str, keep: Flags, missing: frozenset[str]
) -> pd.DataFrame:
    """Return the rows of a form that are to keep, with what branching logic hides marked."""
    cells, added = _columns_of(export, known, form)
    system = [c for c in SYSTEM if c in export.columns]
    frame = export.loc[keep, [known.record_id, *system, *cells, *added]].copy()
    for one in known.of_form(form):
        if one.logic is not None:
            _hide(frame, one, export, known, missing)
    return frame.reset_index(drop=True)


def _rows_of(export: pd.DataFrame, known: RedcapDictionary, form: str) -> Flags:
    """Return which rows of an export are a form's: opened, repeats of it, or a record's first row."""
    cells, added = _columns_of(export, known, form)
    keep = _opened(export[[*cells, *added]])
    repeats = _texts(export, INSTRUMENT)
    if (repeats == form).any():
        return keep | (repeats == form).to_numpy(dtype=bool)
    if form == known.forms[0]:
        return keep | ((repeats == "").to_numpy(dtype=bool) & _first_of_record(export, known))
    return keep


def _written(export: pd.DataFrame, known: RedcapDictionary, form: str) -> Flags:
    """Return in which rows anything stands in the columns of a form, be it written by REDCap alone."""
    cells, added = _columns_of(export, known, form)
    own = export[[*cells, *added]]
    return (own.notna() & (own != "").fillna(False)).any(axis=1).to_numpy(dtype=bool)


def _opened(own: pd.DataFrame) -> Flags:
    """Return in which rows a form holds more than what REDCap writes by itself: 0 in every box, and "incomplete"."""
    filled = own.notna() & (own != "").fillna(False)
    silent = [c for c in own.columns if "___" in c or c.endswith("_complete")]
    filled[silent] &= (own[silent] != "0").fillna(False)
    return filled.any(axis=1).to_numpy(dtype=bool)


def _without_unopened_boxes(export: pd.DataFrame, known: RedcapDictionary) -> pd.DataFrame:
    """Blank the boxes of forms that nobody opened, where 0 does not mean that the box was left unticked."""
    out = export.copy()
    for form in known.forms:
        cells, added = _columns_of(export, known, form)
        boxes = [c for c in cells if "___" in c]
        if boxes:
            opened = _opened(export[[*cells, *added]])
            out[boxes] = out[boxes].where(np.repeat(opened[:, None], len(boxes), axis=1))
    return out


def _texts(export: pd.DataFrame, column: str) -> pd.Series:
    """Return a column that REDCap may leave out, blank where it does."""
    if column not in export.columns:
        return pd.Series("", index=export.index, dtype="string")
    return export[column].fillna("")


def _first_of_record(export: pd.DataFrame, known: RedcapDictionary) -> Flags:
    """Whether a row is the first of its record, or the project is not longitudinal."""
    if EVENT not in export.columns:
        return np.ones(len(export), dtype=bool)
    return ~export[known.record_id].duplicated().to_numpy(dtype=bool)


def _hide(
    frame: pd.DataFrame,
    one: RedcapField,
    export: pd.DataFrame,
    known: RedcapDictionary,
    missing: frozenset[str],
) -> None:
    """Mark cells of a field that its branching logic did not show; what is filled in all the same stays."""
    assert one.logic is not None

    def column(name: str, event: str) -> pd.Series | None:
        return _looked_up(frame, name, event, export, known, missing)

    hidden = decide(one.logic, column, len(frame)) == 0
    for name in one.columns:
        if name in frame.columns:
            empty = frame[name].isna() | (frame[name] == "")
            if one.kind == "checkbox":  # REDCap exports 0 for every box that was never shown
                empty |= frame[name] == "0"
            frame[name] = frame[name].mask(hidden & empty.fillna(True).to_numpy(dtype=bool), HIDDEN)


def _looked_up(
    frame: pd.DataFrame,
    name: str,
    event: str,
    export: pd.DataFrame,
    known: RedcapDictionary,
    missing: frozenset[str],
) -> pd.Series | None:
    """Return a field's texts for the rows of an instrument: of the row itself, or of the record's plain row."""
    if name not in export.columns:
        return None
    if name in frame.columns and not event:
        values = export.loc[frame.index, name]
    elif event and EVENT not in export.columns:
        return None
    else:
        plain = export[(_texts(export, INSTRUMENT) == "").to_numpy(dtype=bool)]
        keys = [known.record_id, *([EVENT] if EVENT in export.columns and not event else [])]
        if event:
            plain = plain[(plain[EVENT] == event).fillna(False).to_numpy(dtype=bool)]
        plain = plain[(plain[name].fillna("") != "").to_numpy(dtype=bool)].drop_duplicates(keys)
        values = frame[keys].merge(plain[[*keys, name]], on=keys, how="left")[name].set_axis(frame.index)
    known_values: pd.Series = values.astype("string")
    return known_values.mask((known_values == "") | known_values.isin(list(missing)))
