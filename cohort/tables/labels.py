"""Names for tables: of variables, units and levels, from the caller, the data's facts, or the name itself."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from functools import lru_cache

from cohort.dictionary.derived import printed_unit
from cohort.dictionary.facts import ColumnFacts
from cohort.dictionary.read import read_dictionary
from cohort.format import MINUS

Labels = Mapping[Hashable, str]

# units as names carry them, longest first
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

SCALES = {
    "log2": "per doubling",
    "log10": "per tenfold increase",
    "log": "natural logarithm",
    "scale": "per SD",
}
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
        said = fact.label.startswith("Day ") or (unit != "" and fact.label.endswith(unit))
        return fact.label, "" if said else unit
    return _pretty(stem), unit


def level_label(variable: str, level: str, labels: Labels) -> str:
    """Name a level: as the caller says under ``(variable, level)``, else from the value itself.

    Examples
    --------
    >>> level_label("product", "axi-cel", {}), level_label("arm", "standard_care", {})
    ('Axicabtagene ciloleucel', 'Standard care')
    """
    if (variable, level) in labels:
        return labels[(variable, level)]
    known = _dictionary_levels().get(variable.removeprefix("mri_"), {})
    if level in known:
        return known[level]
    if re.fullmatch(r"-\d+(\.\d+)?", level):
        return level.replace("-", MINUS)
    return _pretty(level) if re.fullmatch(r"[a-z][a-z0-9_]*", level) else level


@lru_cache(maxsize=1)
def _dictionary_levels() -> Mapping[str, Mapping[str, str]]:
    """Labels of the coded values of every variable in the packaged dictionary."""
    found: dict[str, Mapping[str, str]] = {}
    for table in read_dictionary().tables.values():
        for name, variable in table.variables.items():
            if variable.categories:
                found.setdefault(name, {one.value: one.label for one in variable.categories})
    return found


def in_sentence(label: str) -> str:
    """Write a label inside a sentence: its first letter small unless an acronym begins it.

    Examples
    --------
    >>> in_sentence("Severe ICANS"), in_sentence("MRI findings"), in_sentence("T2/FLAIR change")
    ('severe ICANS', 'MRI findings', 'T2/FLAIR change')
    """
    second = label[1:2]
    return label if not second or second.isupper() or second.isdigit() else label[0].lower() + label[1:]


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
