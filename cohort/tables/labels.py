"""Names for tables: of variables, units and levels, from the caller, the data's facts, or the name itself."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping

from cohort.dictionary.facts import ColumnFacts
from cohort.format import MINUS

Labels = Mapping[Hashable, str]

# units as names carry them, longest first, and as UCUM writes them
_NAME_UNITS = {
    "_10e9_l": "×10⁹/L",
    "_10e6": "×10⁶",
    "_per_ul": "/µL",
    "_mmol_l": "mmol/L",
    "_umol_l": "µmol/L",
    "_ng_ml": "ng/mL",
    "_pg_ml": "pg/mL",
    "_ug_l": "µg/L",
    "_mg_dl": "mg/dL",
    "_mg_l": "mg/L",
    "_g_dl": "g/dL",
    "_g_l": "g/L",
    "_u_l": "U/L",
    "_years": "years",
    "_months": "months",
    "_days": "days",
    "_hours": "hours",
    "_mg": "mg",
    "_c": "°C",
}
_UCUM = {
    "a": "years",
    "mo": "months",
    "wk": "weeks",
    "d": "days",
    "h": "hours",
    "Cel": "°C",
    "10*6": "×10⁶",
    "10*9/L": "×10⁹/L",
    "/uL": "/µL",
    "umol/L": "µmol/L",
    "ug/L": "µg/L",
    "1": "",
}
_ACRONYMS = frozenset(
    {"alt", "anc", "ast", "cart", "car", "clocc", "cns", "crp", "crs", "ct", "dti", "dwi", "easix", "ebmt"}
    | {
        "ecog",
        "eeg",
        "flair",
        "gbs",
        "hct",
        "hla",
        "hscore",
        "icans",
        "icaht",
        "ice",
        "icp",
        "il6",
        "ld",
        "ldh",
    }
    | {"mmse", "moca", "mri", "ms", "nrm", "os", "pet", "pfs", "pml", "pres", "sd", "uln", "wbc"}
)
_AS_WRITTEN = {"hscore": "HScore", "moca": "MoCA", "flair": "FLAIR", "cart": "CAR-T"}

ABBREVIATIONS = {
    "ALT": "alanine aminotransferase",
    "ANC": "absolute neutrophil count",
    "AST": "aspartate aminotransferase",
    "CAR": "chimeric antigen receptor",
    "CI": "confidence interval",
    "CNS": "central nervous system",
    "CRP": "C-reactive protein",
    "CRS": "cytokine release syndrome",
    "EASIX": "endothelial activation and stress index",
    "ECOG": "Eastern Cooperative Oncology Group",
    "FLAIR": "fluid-attenuated inversion recovery",
    "HCT": "hematopoietic cell transplant",
    "ICANS": "immune effector cell-associated neurotoxicity syndrome",
    "ICE": "immune effector cell-associated encephalopathy score",
    "LDH": "lactate dehydrogenase",
    "MRI": "magnetic resonance imaging",
    "NE": "not estimable",
    "PRES": "posterior reversible encephalopathy syndrome",
    "Q1": "first quartile",
    "Q3": "third quartile",
    "SD": "standard deviation",
    "SMD": "standardized mean difference",
}


def variable_label(name: str, labels: Labels, facts: Mapping[str, ColumnFacts]) -> tuple[str, str]:
    """Name a variable and its unit: as the caller says, else as the facts say, else from the name.

    Parameters
    ----------
    name : str
        Column name.
    labels : mapping
        The caller's labels, by column name.
    facts : mapping of str to ColumnFacts
        What is known about the columns.

    Returns
    -------
    label, unit : str
        Text and unit; the unit is empty when the variable has none or the caller named it.

    Examples
    --------
    >>> variable_label("ferritin_ng_ml", {}, {}), variable_label("severe_icans", {}, {})
    (('Ferritin', 'ng/mL'), ('Severe ICANS', ''))
    """
    if name in labels:
        return labels[name], ""
    fact = facts.get(name)
    stem, unit = _split_unit(name)
    if fact is not None and fact.unit:
        unit = printed_unit(fact.unit)
    if fact is not None and fact.label:
        return fact.label, "" if unit and fact.label.endswith(unit) else unit
    return _pretty(stem), unit


def level_label(variable: str, level: str, labels: Labels) -> str:
    """Name a level: as the caller says under ``(variable, level)``, else from the value itself.

    Examples
    --------
    >>> level_label("sex", "female", {}), level_label("product", "axi", {("product", "axi"): "Axi-cel"})
    ('Female', 'Axi-cel')
    """
    if (variable, level) in labels:
        return labels[(variable, level)]
    if re.fullmatch(r"-\d+(\.\d+)?", level):
        return level.replace("-", MINUS)
    return _pretty(level) if re.fullmatch(r"[a-z][a-z0-9_]*", level) else level


def printed_unit(unit: str) -> str:
    """Write a UCUM unit as tables print it.

    Examples
    --------
    >>> printed_unit("10*9/L"), printed_unit("mg/dL")
    ('×10⁹/L', 'mg/dL')
    """
    return _UCUM.get(unit, unit)


def used_abbreviations(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """Find the known abbreviations that occur in these texts, with what they stand for."""
    words = {word for text in texts for word in re.findall(r"[A-Z][A-Z0-9]+", text)}
    return tuple((short, ABBREVIATIONS[short]) for short in sorted(words & ABBREVIATIONS.keys()))


def _split_unit(name: str) -> tuple[str, str]:
    """Split ``ferritin_ng_ml`` into its stem and its printed unit."""
    for suffix, unit in _NAME_UNITS.items():
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix), unit
    return name, ""


def _pretty(name: str) -> str:
    """Turn a name into words: the first capitalized, acronyms in capitals."""
    words = [
        _AS_WRITTEN.get(word, word.upper()) if word in _ACRONYMS else word for word in name.split("_") if word
    ]
    text = " ".join(words).replace(" cel", "-cel") if words[-1:] == ["cel"] else " ".join(words)
    return text[:1].upper() + text[1:]
