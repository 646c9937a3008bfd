"""Criteria of hyperinflammation after CAR-T infusion: each item in three states, their number as bounds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from cohort.errors import StudyError, UnconfirmedRuleWarning
from cohort.neurotox.columns import (
    NO_YES,
    UNASSESSED,
    Flags,
    Levels,
    Numbers,
    int64,
    no_yes,
    read_levels,
    read_numbers,
)
from cohort.neurotox.score_inputs import PLAUSIBLE, check_units

Definition = Literal["HLH-2004", "carHLH", "IEC-HS"]

DEFINITIONS = ("HLH-2004", "carHLH", "IEC-HS")
HLH_2004_LEAST = 5
CAR_HLH_FERRITIN_NG_ML = 10_000
CAR_HLH_LEAST = 2
FERRITIN_RISE = 2
TRANSAMINASE_RISE = 5


def hyperinflammation_criteria(
    frame: pd.DataFrame,
    definition: Definition = "HLH-2004",
    *,
    neurotoxicity: bool = False,
    acknowledge: str | Iterable[str] = (),
) -> pd.DataFrame:
    """Count the criteria of a hyperinflammatory syndrome, and say whether they are met, not met or open.

    An item nobody measured is not negative: the number of items met is an interval, and a verdict is missing
    while it depends on what is unknown.

    Parameters
    ----------
    frame : DataFrame of shape (n, n_columns)
        Any of the columns below, missing where not assessed.
    definition : {'HLH-2004', 'carHLH', 'IEC-HS'}, default='HLH-2004'
        HLH-2004 needs 5 of 8 items; carHLH ferritin above 10,000 ng/mL and 2 of 4 items. IEC-HS requires a
        raised ferritin beside manifestations whose number its authors do not fix, so it gets no verdict.
    neurotoxicity : bool, default=False
        Whether IEC-HS counts ``neurotoxicity`` among its other manifestations. Then it contains what it may
        be compared with.
    acknowledge : str or iterable of str, default=()
        ``"units"`` to use values that look as if they were in another unit.

    Returns
    -------
    DataFrame of shape (n, n_columns + n_items + 3)
        The input with ``<name>_<item>`` (no, yes, missing), ``<name>_items_lower``, ``<name>_items_upper``
        and ``<name>_met``, where ``<name>`` is ``hlh_2004`` or ``car_hlh``; for IEC-HS ``iec_hs_required`` and
        the bounds of ``iec_hs_common`` and ``iec_hs_other`` in place of a verdict.

    Raises
    ------
    StudyError
        When the definition does not exist.
    RangeError
        When a value is impossible or a label unknown.
    UnitsError
        When a value is implausible in its unit; with counts.

    Warns
    -----
    UnconfirmedRuleWarning
        For carHLH and IEC-HS, whose criteria were not checked against their publications.

    See Also
    --------
    hscore : The same syndrome as a score.
    grade_by_scale : The severity of IEC-HS.

    Notes
    -----
    Columns are ``temperature_c``, ``hemoglobin_g_dl``, ``platelets_10e9_l``, ``anc_per_ul``,
    ``triglycerides_mmol_l``, ``fibrinogen_g_l``, ``ferritin_ng_ml``, ``scd25_u_ml``, ``ast_u_l``, ``alt_u_l``;
    no/yes ``splenomegaly``, ``hemophagocytosis``, ``low_nk_activity``, ``rapid_ferritin_rise``,
    ``cytopenia_grade_4``, ``ldh_raised``, ``coagulation_prolonged``, ``direct_bilirubin_raised``,
    ``new_splenomegaly``, ``fever``, ``neurotoxicity``, ``pulmonary``, ``renal``; CTCAE grades ``liver_grade``,
    ``renal_grade``, ``pulmonary_edema_grade``; and for IEC-HS the references ``ferritin_reference_ng_ml``,
    ``ast_reference_u_l``, ``alt_reference_u_l`` (upper limit of normal, or the patient's own raised baseline).

    References
    ----------
    .. [1] Henter JI et al. (2007). Pediatr Blood Cancer 48:124-131 (HLH-2004).
    .. [2] Neelapu SS et al. (2018). Nat Rev Clin Oncol 15:47-62 (carHLH).
    .. [3] Hines MR et al. (2023). Transplant Cell Ther (IEC-HS).

    Examples
    --------
    >>> import pandas as pd
    >>> row = pd.DataFrame({"temperature_c": [39.0], "ferritin_ng_ml": [9000], "fibrinogen_g_l": [1.1],
    ...                     "hemoglobin_g_dl": [8.0], "platelets_10e9_l": [20], "splenomegaly": ["no"]})
    >>> out = hyperinflammation_criteria(row)
    >>> out[["hlh_2004_items_lower", "hlh_2004_items_upper"]].iloc[0].tolist(), bool(out["hlh_2004_met"].isna().all())
    ([4, 7], True)
    """
    if definition not in DEFINITIONS:
        raise StudyError(
            "definition= has no such option",
            evidence=repr(definition),
            remedy=f"use one of {', '.join(DEFINITIONS)}",
        )
    if definition != "HLH-2004":
        warnings.warn(
            f"the criteria of {definition} are not confirmed against their publication (confirmed: false)",
            UnconfirmedRuleWarning,
            stacklevel=2,
        )
    accepted = (acknowledge,) if isinstance(acknowledge, str) else tuple(acknowledge)
    read = _Reader(frame, "units" in accepted)
    if definition == "IEC-HS":
        added = _iec_hs(read, neurotoxicity)
    else:
        added = _hlh_2004(read) if definition == "HLH-2004" else _car_hlh(read)
    out = frame.assign(**{name: values.set_axis(frame.index) for name, values in added.items()})
    out.attrs = dict(frame.attrs)
    return out


class _Reader:
    """Reads items of a frame as 1 met, 0 not met, -1 unknown."""

    def __init__(self, frame: pd.DataFrame, acknowledged: bool) -> None:
        self.frame = frame
        self.acknowledged = acknowledged

    def number(self, column: str) -> Numbers:
        """Return a laboratory value or temperature in its declared unit."""
        values = read_numbers(self.frame, column, -np.inf, np.inf, step=None)
        plausible = column.replace("_reference", "")
        if plausible in PLAUSIBLE:
            check_units(plausible, values, self.acknowledged)
        return values

    def flag(self, column: str) -> Levels:
        """Return a no/yes column."""
        return read_levels(self.frame, column, NO_YES)

    def at_least(self, column: str, cut: float) -> Levels:
        """Return whether a value reaches the cut."""
        values = self.number(column)
        return _state(values, values >= cut)

    def above(self, column: str, cut: float) -> Levels:
        """Return whether a value exceeds the cut."""
        values = self.number(column)
        return _state(values, values > cut)

    def at_most(self, column: str, cut: float) -> Levels:
        """Return whether a value does not exceed the cut."""
        values = self.number(column)
        return _state(values, values <= cut)

    def below(self, column: str, cut: float) -> Levels:
        """Return whether a value lies below the cut."""
        values = self.number(column)
        return _state(values, values < cut)

    def grade_3(self, column: str) -> Levels:
        """Return whether a CTCAE grade is 3 or more."""
        values = read_numbers(self.frame, column, 0, 5)
        return _state(values, values >= 3)

    def times_reference(self, column: str, reference: str, times: float) -> Levels:
        """Return whether a value exceeds a multiple of its reference."""
        values, reference_values = self.number(column), self.number(reference)
        return _state(values + reference_values, values > times * reference_values)


def _state(values: Numbers, met: Flags) -> Levels:
    """Return 1 or 0 by whether the item is met, -1 where the value is missing."""
    return np.where(np.isnan(values), UNASSESSED, met).astype(np.int8)


def _any(*items: Levels) -> Levels:
    """Return 1 where any item is met, 0 where all are known and none is, else -1."""
    return _reaches(items, 1)


def _count(items: Iterable[Levels]) -> tuple[Levels, Levels]:
    """Return the fewest and the most items that may be met."""
    table = np.stack(list(items))
    return (table == 1).sum(axis=0).astype(np.int8), (table != 0).sum(axis=0).astype(np.int8)


def _reaches(items: Iterable[Levels], least: int) -> Levels:
    """Return whether at least so many items are met; -1 while that is open."""
    lower, upper = _count(items)
    return np.where(lower >= least, 1, np.where(upper < least, 0, UNASSESSED)).astype(np.int8)


def _all(*items: Levels) -> Levels:
    """Return 1 where all items are met, 0 where one is known not to be, else -1."""
    return _reaches(items, len(items))


def _hlh_2004(read: _Reader) -> dict[str, pd.Series]:
    """Return the eight items of HLH-2004 and its verdict."""
    cytopenia = (
        read.below("hemoglobin_g_dl", 9.0),
        read.below("platelets_10e9_l", 100),
        read.below("anc_per_ul", 1000),
    )
    items = {
        "fever": read.at_least("temperature_c", 38.5),
        "splenomegaly": read.flag("splenomegaly"),
        "cytopenias": _reaches(cytopenia, 2),
        "triglycerides_or_fibrinogen": _any(
            read.at_least("triglycerides_mmol_l", 3.0), read.at_most("fibrinogen_g_l", 1.5)
        ),
        "hemophagocytosis": read.flag("hemophagocytosis"),
        "low_nk_activity": read.flag("low_nk_activity"),
        "ferritin": read.at_least("ferritin_ng_ml", 500),
        "scd25": read.at_least("scd25_u_ml", 2400),
    }
    return _columns("hlh_2004", items, _reaches(items.values(), HLH_2004_LEAST))


def _car_hlh(read: _Reader) -> dict[str, pd.Series]:
    """Return ferritin, the four items of carHLH and its verdict."""
    ferritin = read.above("ferritin_ng_ml", CAR_HLH_FERRITIN_NG_ML)
    items = {
        "liver": read.grade_3("liver_grade"),
        "renal": read.grade_3("renal_grade"),
        "pulmonary_edema": read.grade_3("pulmonary_edema_grade"),
        "hemophagocytosis": read.flag("hemophagocytosis"),
    }
    met = _all(ferritin, _reaches(items.values(), CAR_HLH_LEAST))
    return {"car_hlh_ferritin": _words(ferritin), **_columns("car_hlh", items, met)}


def _iec_hs(read: _Reader, neurotoxicity: bool) -> dict[str, pd.Series]:
    """Return what IEC-HS requires, and the bounds of its common and other manifestations."""
    required = _any(
        read.times_reference("ferritin_ng_ml", "ferritin_reference_ng_ml", FERRITIN_RISE),
        read.flag("rapid_ferritin_rise"),
    )
    transaminases = _any(
        read.times_reference("ast_u_l", "ast_reference_u_l", TRANSAMINASE_RISE),
        read.times_reference("alt_u_l", "alt_reference_u_l", TRANSAMINASE_RISE),
    )
    common = {
        "transaminases": transaminases,
        "fibrinogen": read.below("fibrinogen_g_l", 1.5),
        "hemophagocytosis": read.flag("hemophagocytosis"),
        "cytopenia": read.flag("cytopenia_grade_4"),
    }
    names = ["ldh_raised", "coagulation_prolonged", "direct_bilirubin_raised", "new_splenomegaly", "fever"]
    names += ["neurotoxicity"] * neurotoxicity + ["pulmonary", "renal"]
    other = {name: read.flag(name) for name in names} | {
        "triglycerides": read.above("triglycerides_mmol_l", 3.0)
    }
    out = {"iec_hs_required": _words(required)}
    for kind, items in (("common", common), ("other", other)):
        lower, upper = _count(items.values())
        out |= {f"iec_hs_{kind}_lower": int64(lower), f"iec_hs_{kind}_upper": int64(upper)}
    return out


def _columns(name: str, items: Mapping[str, Levels], met: Levels) -> dict[str, pd.Series]:
    """Return each item, the bounds of their number, and the verdict."""
    lower, upper = _count(items.values())
    return {
        **{f"{name}_{item}": _words(state) for item, state in items.items()},
        f"{name}_items_lower": int64(lower),
        f"{name}_items_upper": int64(upper),
        f"{name}_met": _words(met),
    }


def _words(state: Levels) -> pd.Series:
    """Return no, yes or missing."""
    return no_yes(state == 1, state == 0)
