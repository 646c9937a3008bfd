"""REDCap's data dictionary of 18 columns: fields, forms, choices, branching logic."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cohort.dictionary.redcap_template import COLUMNS
from cohort.errors import SourceError
from cohort.registry.redcap_branching import Logic, parse_logic

_API = (
    *("field_name", "form_name", "section_header", "field_type", "field_label"),
    *("select_choices_or_calculations", "field_note", "text_validation_type_or_show_slider_number"),
    *("text_validation_min", "text_validation_max", "identifier", "branching_logic", "required_field"),
    *("custom_alignment", "question_number", "matrix_group_name", "matrix_ranking", "field_annotation"),
)
_WITH_CHOICES = ("radio", "dropdown", "checkbox")
_NO_VALUES = ("descriptive",)


@dataclass(frozen=True, slots=True)
class RedcapField:
    """One field of a project.

    Attributes
    ----------
    name, form, kind, label : str
        Field name, form, field type and label.
    choices : tuple of (str, str)
        Code and label, in order.
    validation, minimum, maximum : str
        Text validation.
    identifier, required : bool
        As marked.
    logic : Logic or None
        Branching logic; None when the field is always shown.
    logic_text : str
        The same as written.
    """

    name: str
    form: str
    kind: str
    label: str
    choices: tuple[tuple[str, str], ...]
    validation: str
    minimum: str
    maximum: str
    identifier: bool
    required: bool
    logic: Logic | None
    logic_text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the field in an export; a checkbox has one for each choice."""
        if self.kind == "checkbox":
            return tuple(f"{self.name}___{code.lower().replace('-', '_')}" for code, _ in self.choices)
        return () if self.kind in _NO_VALUES else (self.name,)


@dataclass(frozen=True, slots=True)
class RedcapDictionary:
    """The fields of a project, in order."""

    fields: tuple[RedcapField, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        """Forms, in order."""
        return tuple(dict.fromkeys(one.form for one in self.fields))

    @property
    def record_id(self) -> str:
        """The first field names the record."""
        return self.fields[0].name

    def of_form(self, form: str) -> tuple[RedcapField, ...]:
        """Return the fields of a form."""
        return tuple(one for one in self.fields if one.form == form)


def parse_redcap_dictionary(frame: pd.DataFrame, file: str = "dictionary") -> RedcapDictionary:
    """Read the 18 columns, under REDCap's own or its API's names.

    Parameters
    ----------
    frame : DataFrame of text
        The data dictionary.
    file : str
        Name for messages.

    Returns
    -------
    RedcapDictionary
        Its fields.

    Raises
    ------
    SourceError
        When a needed column is absent, the dictionary is empty, or a field stands twice.

    Examples
    --------
    >>> frame = pd.DataFrame([["id", "base", "", "text"], ["a", "base", "", "checkbox"]], columns=COLUMNS[:4])
    >>> frame = frame.assign(**{COLUMNS[5]: ["", "1, Yes | 2, No, never"]})
    >>> parse_redcap_dictionary(frame).fields[1].columns
    ('a___1', 'a___2')
    """
    named = frame.rename(columns=dict(zip(_API, COLUMNS, strict=True)))
    named.columns = [str(name).strip() for name in named.columns]
    absent = [name for name in COLUMNS[:4] if name not in named.columns]
    if absent or named.empty:
        raise SourceError(
            f"{file} is not a REDCap data dictionary." if absent else f"{file} has no fields.",
            evidence=f"lacks {', '.join(absent)}" if absent else "",
            remedy="export it from REDCap: Project Setup, Data Dictionary, Download",
        )
    text = named.reindex(columns=list(COLUMNS)).astype("string").fillna("")
    text = text.apply(lambda column: column.str.strip())
    repeated = sorted(set(text.loc[text[COLUMNS[0]].duplicated(), COLUMNS[0]]))
    if repeated:
        raise SourceError(
            f"{file} names a field twice.", evidence=", ".join(repeated), remedy="export it again"
        )
    return RedcapDictionary(tuple(_field(*row) for row in text.to_numpy(dtype=object).tolist()))


def _field(
    name: str, form: str, _header: str, kind: str, label: str, choices: str, *rest: str
) -> RedcapField:
    _note, validation, minimum, maximum, identifier, logic, required = rest[:7]
    return RedcapField(
        name=name,
        form=form,
        kind=kind,
        label=label,
        choices=_choices(choices, kind),
        validation=validation,
        minimum=minimum,
        maximum=maximum,
        identifier=identifier.lower() == "y",
        required=required.lower() == "y",
        logic=parse_logic(logic) if logic else None,
        logic_text=logic,
    )


def _choices(text: str, kind: str) -> tuple[tuple[str, str], ...]:
    if kind == "yesno":
        return (("1", "Yes"), ("0", "No"))
    if kind == "truefalse":
        return (("1", "True"), ("0", "False"))
    if kind not in _WITH_CHOICES:
        return ()
    parts = [part.partition(",") for part in text.split("|") if part.strip()]
    return tuple((code.strip(), label.strip()) for code, _, label in parts)
