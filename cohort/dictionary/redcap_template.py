"""A REDCap project that collects what the canonical tables hold: its data dictionary, and the mapping that reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pandas as pd

from cohort.dictionary.derived import printed_unit
from cohort.dictionary.read import Dictionary, Table, Variable

COLUMNS = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
RECORD = "record_id"
PREFIX: Mapping[str, str] = MappingProxyType(
    {
        "infusion": "",
        "neuro_assessment": "na_",
        "crs_assessment": "cr_",
        "mri_exam": "ex_",
        "mri_finding": "fi_",
        "lab": "lb_",
        "treatment": "tx_",
        "event": "ev_",
        "cognition": "cg_",
    }
)
MISSING = (("-99", "Unknown", "unknown"), ("-88", "Not done", "not_done"))
_KEYS = ("source", "patient_id", "infusion_number")
_DAILY = "the template records daily assessments; episodes and maxima are derived from them"
_LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "record_number",
                "reporting_period",
                "period_start_day",
                "period_end_day",
                "reported_icans_grade_raw",
            ),
            _DAILY,
        ),
        **dict.fromkeys(
            ("icans_occurred", "icans_onset_day", "icans_resolved", "icans_resolved_day"), _DAILY
        ),
        **dict.fromkeys(("crs_occurred", "crs_onset_day", "crs_resolved", "crs_resolved_day"), _DAILY),
        **dict.fromkeys(("cartox10_score", "cartox10_band"), "ICE is asked instead of CARTOX-10"),
    }
)
# Variable to (variable that decides, its categories): shown only there, so that a blank elsewhere is "not applicable".
_SHOWN_IF: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "death_day": ("vital_status", ("dead",)),
        "cause_of_death": ("vital_status", ("dead",)),
        "relapse_day": ("relapsed", ("yes",)),
        "edema_with_hemorrhage": ("edema_imaging", ("focal", "diffuse")),
        "oxygen_flow_l_min": ("oxygen", ("low_flow", "high_flow")),
        "not_done_reason": ("exam_status", ("not_done",)),
        **dict.fromkeys(
            ("sites", "laterality", "symmetric", "extent", "lesion_count", "diffusion", "enhancement"),
            ("presence", ("present",)),
        ),
        **dict.fromkeys(("hemorrhage_type", "swelling", "relatedness"), ("presence", ("present",))),
    }
)


def template_fields(dictionary: Dictionary) -> pd.DataFrame:
    """Return the data dictionary of the template in REDCap's 18 columns, ready to be imported.

    One form per canonical table; ``infusion`` once per record, the others as repeating instruments. A record is a
    patient's first CAR-T infusion. Days are asked as dates, categories are numbered in the order of the
    dictionary, and every choice has "unknown" and "not done" beside it.

    Parameters
    ----------
    dictionary : Dictionary
        The canonical tables.

    Returns
    -------
    DataFrame
        Text.
    """
    rows = [_row(RECORD, "infusion", "text", "Record: a patient's first CAR-T infusion", required=True)]
    for table in dictionary.tables.values():
        rows += [_field(table, variable, dictionary) for variable in asked(table)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def asked(table: Table) -> Iterator[Variable]:
    """Yield the variables that a center fills in."""
    for variable in table.variables.values():
        by_rule = variable.name in ("center_id", "infusion_year", "assessment_type")
        left_out = variable.name in _LEFT_OUT and table.name in ("neuro_assessment", "crs_assessment")
        if not (variable.schema.set_by or variable.name in _KEYS or by_rule or left_out):
            yield variable


def field_name(table: Table, variable: Variable) -> str:
    """Return the name of a variable's field; days are asked as dates."""
    stem = f"{variable.name.removesuffix('_day')}_date" if is_day(variable) else variable.name
    return f"{PREFIX[table.name]}{stem}"


def is_day(variable: Variable) -> bool:
    """Whether a variable is a day since infusion."""
    return variable.name.endswith("_day") and variable.schema.unit == "d"


def _row(
    name: str,
    form: str,
    kind: str,
    label: str,
    *,
    choices: str = "",
    note: str = "",
    validation: str = "",
    low: str = "",
    high: str = "",
    identifier: bool = False,
    logic: str = "",
    required: bool = False,
) -> tuple[str, ...]:
    marks = ("y" if identifier else "", logic, "y" if required else "")
    return (name, form, "", kind, label, choices, note, validation, low, high, *marks, "", "", "", "", "")


def _field(table: Table, variable: Variable, dictionary: Dictionary) -> tuple[str, ...]:
    limits = variable.schema.constraints
    kind, choices, validation, low, high = "text", "", "", "", ""
    if variable.kind == "coded":
        kind = "dropdown" if len(variable.categories) > 6 else "radio"
        choices = " | ".join(f"{code}, {label}" for code, label in _choices(variable, dictionary))
    elif is_day(variable) or variable.kind == "date":
        validation = "date_ymd"
    elif variable.kind in ("integer", "number"):
        validation = variable.kind
        low, high = (_plain(one) for one in (limits.minimum, limits.maximum))
    elif limits.pattern and ":" in limits.pattern:
        validation = "time"
    unit = printed_unit(variable.schema.unit) if variable.schema.unit and not is_day(variable) else ""
    return _row(
        field_name(table, variable),
        table.name,
        kind,
        f"{_asked_as(variable)}{f' ({unit})' if unit else ''}",
        choices=choices,
        note="words of anatomy.yaml, separated by semicolons" if variable.name == "sites" else "",
        validation=validation,
        low=low,
        high=high,
        identifier=variable.schema.role in ("id", "free_text"),
        logic=_logic(table, variable),
        required=variable.name in (*table.primary_key, "infusion_date"),
    )


def _asked_as(variable: Variable) -> str:
    title = variable.title
    return (
        title.replace("Day of", "Date of").replace("First day", "First date").replace("Last day", "Last date")
    )


def _choices(variable: Variable, dictionary: Dictionary) -> list[tuple[str, str]]:
    """Return code and label of every choice; commas and bars would end them."""
    units = dictionary.analyte_units if variable.name == "analyte" else {}
    own = [
        (str(number), one.label + (f" ({printed_unit(units[one.value])})" if one.value in units else ""))
        for number, one in enumerate(variable.categories, start=1)
    ]
    return [(code, label.replace("|", "/")) for code, label in [*own, *((c, t) for c, t, _ in MISSING)]]


def _plain(limit: float | str | None) -> str:
    return "" if limit is None else f"{float(limit):g}"


def _logic(table: Table, variable: Variable) -> str:
    if variable.name not in _SHOWN_IF or _SHOWN_IF[variable.name][0] not in table.variables:
        return ""
    other, values = _SHOWN_IF[variable.name]
    decides = table.variables[other]
    name = field_name(table, decides)
    return " or ".join(f"[{name}] = '{decides.codes.index(value) + 1}'" for value in values)


def template_mapping(dictionary: Dictionary) -> str:
    """Return the mapping that reads an export of the template, as YAML.

    Parameters
    ----------
    dictionary : Dictionary
        The canonical tables.

    Returns
    -------
    str
        Every variable has a rule, or says why the template cannot give it.
    """
    lines = [
        "source: redcap_template",
        "title: REDCap project made from the template of this package, raw export",
        'version: "1"',
        "note: Written by cohort dictionary to-redcap; a test holds it equal to the dictionary.",
        "inputs:",
    ]
    lines += [
        f"  {name}: {{file: data.csv, dictionary: dictionary.csv, instrument: {name}}}"
        for name in dictionary.tables
    ]
    lines.append("missing: {" + ", ".join(f'"{code}": {reason}' for code, _, reason in MISSING) + "}")
    lines.append("tables:")
    for table in dictionary.tables.values():
        lines += _table_lines(table, dictionary)
    return "\n".join([*lines, *_EXAMPLES, ""])


def _table_lines(table: Table, dictionary: Dictionary) -> list[str]:
    lines = [f"  {table.name}:", f"    input: {table.name}", "    rules:", f"      patient_id: {RECORD}"]
    lines.append("      infusion_number: {constant: 1}")
    if "center_id" in table.variables:
        lines.append("      center_id: redcap_data_access_group")
    if "infusion_year" in table.variables:
        lines.append('      infusion_year: {derive: "year(date(infusion_date))"}')
    if "assessment_type" in table.variables:
        lines.append("      assessment_type: {constant: daily}")
    lines += [f"      {one.name}: {_rule(table, one, dictionary)}" for one in asked(table)]
    absent = [
        one.name
        for one in table.variables.values()
        if one.name in _LEFT_OUT and table.name in ("neuro_assessment", "crs_assessment")
    ]
    if absent:
        lines.append("    impossible:")
        for note in dict.fromkeys(_LEFT_OUT[name] for name in absent):
            names = ", ".join(name for name in absent if _LEFT_OUT[name] == note)
            lines.append(f"      - {{note: {json.dumps(note)}, variables: [{names}]}}")
    return lines


def _rule(table: Table, variable: Variable, dictionary: Dictionary) -> str:
    name = field_name(table, variable)
    if variable.kind == "coded":
        codes = ", ".join(f'"{i}": {json.dumps(code)}' for i, code in enumerate(variable.codes, start=1))
        return f"{{from: {name}, recode: {{{codes}}}}}"
    if is_day(variable):
        partial = ", partial: [yyyy-mm, yyyy]" if variable.schema.interval else ""
        return f"{{from: {name}, date: yyyy-mm-dd{partial}, since: infusion_date}}"
    if variable.kind == "date":
        return f"{{from: {name}, date: yyyy-mm-dd, partial: [yyyy-mm, yyyy]}}"
    if variable.schema.unit_by:
        units = ", ".join(f"{one}: {json.dumps(unit)}" for one, unit in dictionary.analyte_units.items())
        return f"{{from: {name}, unit: {{by: {variable.schema.unit_by}, units: {{{units}}}}}}}"
    if variable.schema.unit:
        return f"{{from: {name}, unit: {json.dumps(variable.schema.unit)}}}"
    return name


_EXAMPLES = (
    "examples:",
    "  - table: infusion",
    "    note: a living patient; the date of death was never asked",
    "    given:",
    "      infusion:",
    '        - {record_id: "7", redcap_data_access_group: north, infusion_date: "2024-03-05", sex: "2",',
    '           vital_status: "1", death_date: "[hidden by branching logic]", last_contact_date: "2024-05",',
    '           ecog: "-99"}',
    "    expect:",
    '      - {patient_id: "7", center_id: north, sex: male, vital_status: alive, infusion_year: "2024",',
    "         death_day__status: missing:not_applicable, last_contact_day__status: partial,",
    "         ecog__status: missing:unknown}",
    "  - table: neuro_assessment",
    "    given:",
    "      infusion:",
    '        - {record_id: "7", infusion_date: "2024-03-05"}',
    "      neuro_assessment:",
    '        - {record_id: "7", na_assessment_date: "2024-03-09", na_ice_naming: "3", na_consciousness: "2",',
    '           na_seizure: "-88"}',
    "    expect:",
    '      - {patient_id: "7", assessment_day: "4", ice_naming: "3", consciousness: spontaneous,',
    "         seizure__status: missing:not_done}",
)
