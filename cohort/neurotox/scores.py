"""Laboratory scores before and after CAR-T infusion: explicit units, no guessing, missing stays missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import UnconfirmedRuleWarning
from cohort.neurotox.columns import Numbers
from cohort.neurotox.score_inputs import Inputs, Labels, Values, labels_as_codes, read_inputs

Missing = Literal["nan", "lower", "upper"]
Score: TypeAlias = "float | NDArray[np.float64] | pd.Series"

_ORGANOMEGALY = ("none", "liver_or_spleen", "both")


def easix(
    ldh_u_l: Values,
    creatinine_mg_dl: Values,
    platelets_10e9_l: Values,
    *,
    acknowledge: str | Iterable[str] = (),
) -> Score:
    """Compute EASIX, LDH × creatinine / platelets.

    Parameters
    ----------
    ldh_u_l : float, array or Series of shape (n,)
        Lactate dehydrogenase, U/L.
    creatinine_mg_dl : float, array or Series of shape (n,)
        Creatinine, mg/dL.
    platelets_10e9_l : float, array or Series of shape (n,)
        Platelets, 10⁹/L; no ratio exists at 0.
    acknowledge : str or iterable of str, default=()
        ``"units"`` to use values that look as if they were in another unit.

    Returns
    -------
    float, array or Series of shape (n,)
        EASIX, unitless; NaN where a component is missing. Often analyzed as log2.

    Raises
    ------
    RangeError
        When a value is negative or infinite.
    UnitsError
        When a value is implausible in its unit; with counts.

    References
    ----------
    .. [1] Pennisi M et al. (2021). Blood Adv 5:3397-3406.

    Examples
    --------
    >>> easix(ldh_u_l=300, creatinine_mg_dl=0.9, platelets_10e9_l=120)
    2.25
    """
    given = read_inputs(
        acknowledge, ldh_u_l=ldh_u_l, creatinine_mg_dl=creatinine_mg_dl, platelets_10e9_l=platelets_10e9_l
    )
    return given.wrap(
        given["ldh_u_l"] * given["creatinine_mg_dl"] / _positive(given["platelets_10e9_l"]), "easix"
    )


def m_easix(
    ldh_u_l: Values, crp_mg_dl: Values, platelets_10e9_l: Values, *, acknowledge: str | Iterable[str] = ()
) -> Score:
    """Compute modified EASIX, LDH × CRP / platelets.

    Parameters
    ----------
    ldh_u_l : float, array or Series of shape (n,)
        Lactate dehydrogenase, U/L.
    crp_mg_dl : float, array or Series of shape (n,)
        C-reactive protein, mg/dL (mg/L would inflate the score tenfold; above 50 is refused).
    platelets_10e9_l : float, array or Series of shape (n,)
        Platelets, 10⁹/L; no ratio exists at 0.
    acknowledge : str or iterable of str, default=()
        ``"units"`` to use values that look as if they were in another unit.

    Returns
    -------
    float, array or Series of shape (n,)
        The m-EASIX, unitless; NaN where a component is missing.

    Raises
    ------
    RangeError
        When a value is negative or infinite.
    UnitsError
        When a value is implausible in its unit; with counts.

    References
    ----------
    .. [1] Pennisi M et al. (2021). Blood Adv 5:3397-3406.

    Examples
    --------
    >>> m_easix(ldh_u_l=300, crp_mg_dl=2.5, platelets_10e9_l=120)
    6.25
    """
    given = read_inputs(acknowledge, ldh_u_l=ldh_u_l, crp_mg_dl=crp_mg_dl, platelets_10e9_l=platelets_10e9_l)
    return given.wrap(given["ldh_u_l"] * given["crp_mg_dl"] / _positive(given["platelets_10e9_l"]), "m_easix")


def s_easix(ldh_u_l: Values, platelets_10e9_l: Values, *, acknowledge: str | Iterable[str] = ()) -> Score:
    """Compute simplified EASIX, LDH / platelets.

    Parameters
    ----------
    ldh_u_l : float, array or Series of shape (n,)
        Lactate dehydrogenase, U/L.
    platelets_10e9_l : float, array or Series of shape (n,)
        Platelets, 10⁹/L; no ratio exists at 0.
    acknowledge : str or iterable of str, default=()
        ``"units"`` to use values that look as if they were in another unit.

    Returns
    -------
    float, array or Series of shape (n,)
        The s-EASIX, unitless; NaN where a component is missing.

    Raises
    ------
    RangeError
        When a value is negative or infinite.
    UnitsError
        When a value is implausible in its unit; with counts.

    Examples
    --------
    >>> s_easix(ldh_u_l=300, platelets_10e9_l=120)
    2.5
    """
    given = read_inputs(acknowledge, ldh_u_l=ldh_u_l, platelets_10e9_l=platelets_10e9_l)
    return given.wrap(given["ldh_u_l"] / _positive(given["platelets_10e9_l"]), "s_easix")


def hscore(
    immunosuppressed: Labels,
    temperature_c: Values,
    organomegaly: Labels,
    cytopenia_lineages: Values,
    ferritin_ng_ml: Values,
    triglycerides_mmol_l: Values,
    fibrinogen_g_l: Values,
    ast_u_l: Values,
    hemophagocytosis: Labels,
    *,
    missing: Missing = "nan",
    acknowledge: str | Iterable[str] = (),
) -> Score:
    """Compute the HScore for hemophagocytic syndrome, 0 to 337 points.

    Almost every patient with CAR-T cells scores the points for immunosuppression and low counts from
    lymphodepletion; the published cut-off of 169 was made for other patients.

    Parameters
    ----------
    immunosuppressed : label, array or Series of shape (n,)
        Known immunosuppression, no/yes or boolean.
    temperature_c : float, array or Series of shape (n,)
        Highest temperature, °C.
    organomegaly : label, array or Series of shape (n,)
        ``none``, ``liver_or_spleen`` or ``both``.
    cytopenia_lineages : float, array or Series of shape (n,)
        Lineages (0 to 3) with hemoglobin <= 9.2 g/dL, white cells <= 5 × 10⁹/L, platelets <= 110 × 10⁹/L.
    ferritin_ng_ml : float, array or Series of shape (n,)
        Ferritin, ng/mL.
    triglycerides_mmol_l : float, array or Series of shape (n,)
        Triglycerides, mmol/L.
    fibrinogen_g_l : float, array or Series of shape (n,)
        Fibrinogen, g/L.
    ast_u_l : float, array or Series of shape (n,)
        Aspartate aminotransferase, U/L.
    hemophagocytosis : label, array or Series of shape (n,)
        Hemophagocytosis on marrow aspirate, no/yes or boolean.
    missing : {'nan', 'lower', 'upper'}, default='nan'
        What a missing item gives: a missing score, or the fewest or most points it could have.
    acknowledge : str or iterable of str, default=()
        ``"units"`` to use values that look as if they were in another unit.

    Returns
    -------
    float, array or Series of shape (n,)
        Points.

    Raises
    ------
    RangeError
        When a value is impossible or a label unknown.
    UnitsError
        When a value is implausible in its unit; with counts.

    References
    ----------
    .. [1] Fardet L et al. (2014). Arthritis Rheumatol 66:2613-2620.

    Examples
    --------
    >>> hscore("yes", 39.0, "none", 3, 12000, 3.0, 1.8, 120, "no")
    228.0
    """
    given = read_inputs(
        acknowledge,
        labels={
            "immunosuppressed": labels_as_codes("immunosuppressed", immunosuppressed, ("no", "yes")),
            "organomegaly": labels_as_codes("organomegaly", organomegaly, _ORGANOMEGALY),
            "hemophagocytosis": labels_as_codes("hemophagocytosis", hemophagocytosis, ("no", "yes")),
        },
        temperature_c=temperature_c,
        cytopenia_lineages=cytopenia_lineages,
        ferritin_ng_ml=ferritin_ng_ml,
        triglycerides_mmol_l=triglycerides_mmol_l,
        fibrinogen_g_l=fibrinogen_g_l,
        ast_u_l=ast_u_l,
    )
    fibrinogen = given["fibrinogen_g_l"]
    parts = [
        _steps(given["immunosuppressed"], [(1, True)], (0, 18)),
        _steps(given["temperature_c"], [(38.4, True), (39.4, False)], (0, 33, 49)),
        _steps(given["organomegaly"], [(1, True), (2, True)], (0, 23, 38)),
        _steps(given["cytopenia_lineages"], [(2, True), (3, True)], (0, 24, 34)),
        _steps(given["ferritin_ng_ml"], [(2000, True), (6000, False)], (0, 35, 50)),
        _steps(given["triglycerides_mmol_l"], [(1.5, True), (4, False)], (0, 44, 64)),
        _steps(fibrinogen, [(2.5, False)], (30, 0)),
        _steps(given["ast_u_l"], [(30, True)], (0, 19)),
        _steps(given["hemophagocytosis"], [(1, True)], (0, 35)),
    ]
    return _total(given, parts, (18, 49, 38, 34, 50, 64, 30, 19, 35), missing, "hscore")


def car_hematotox(
    platelets_10e9_l: Values,
    anc_per_ul: Values,
    hemoglobin_g_dl: Values,
    crp_mg_dl: Values,
    ferritin_ng_ml: Values,
    *,
    missing: Missing = "nan",
    acknowledge: str | Iterable[str] = (),
) -> Score:
    """Compute CAR-HEMATOTOX before lymphodepletion, 0 to 7 points; 2 or more is high risk.

    The cut-offs are ``confirmed: false``: they have not been checked against the primary publication, and
    every call warns so. A value exactly on a cut-off that the table leaves open gets the fewer points.

    Parameters
    ----------
    platelets_10e9_l : float, array or Series of shape (n,)
        Platelets, 10⁹/L: above 175, 75 to 175, below 75 give 0, 1, 2.
    anc_per_ul : float, array or Series of shape (n,)
        Absolute neutrophil count, /µL: below 1200 gives 1.
    hemoglobin_g_dl : float, array or Series of shape (n,)
        Hemoglobin, g/dL: below 9.0 gives 1.
    crp_mg_dl : float, array or Series of shape (n,)
        C-reactive protein, mg/dL: above 3.0 gives 1.
    ferritin_ng_ml : float, array or Series of shape (n,)
        Ferritin, ng/mL: below 650, 650 to 2000, above 2000 give 0, 1, 2.
    missing : {'nan', 'lower', 'upper'}, default='nan'
        What a missing item gives: a missing score, or the fewest or most points it could have.
    acknowledge : str or iterable of str, default=()
        ``"units"`` to use values that look as if they were in another unit.

    Returns
    -------
    float, array or Series of shape (n,)
        Points.

    Raises
    ------
    RangeError
        When a value is negative or infinite.
    UnitsError
        When a value is implausible in its unit; with counts.

    Warns
    -----
    UnconfirmedRuleWarning
        Always; see above.

    References
    ----------
    .. [1] Rejeski K et al. (2021). Blood 138:2499-2513.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     car_hematotox(100, 900, 8.5, 2.0, 700)
    4.0
    """
    warnings.warn(
        "the cut-offs of CAR-HEMATOTOX are not confirmed against the primary publication (confirmed: false)",
        UnconfirmedRuleWarning,
        stacklevel=2,
    )
    given = read_inputs(
        acknowledge,
        platelets_10e9_l=platelets_10e9_l,
        anc_per_ul=anc_per_ul,
        hemoglobin_g_dl=hemoglobin_g_dl,
        crp_mg_dl=crp_mg_dl,
        ferritin_ng_ml=ferritin_ng_ml,
    )
    parts = [
        _steps(given["platelets_10e9_l"], [(75, True), (175, False)], (2, 1, 0)),
        _steps(given["anc_per_ul"], [(1200, True)], (1, 0)),
        _steps(given["hemoglobin_g_dl"], [(9.0, True)], (1, 0)),
        _steps(given["crp_mg_dl"], [(3.0, False)], (0, 1)),
        _steps(given["ferritin_ng_ml"], [(650, True), (2000, False)], (0, 1, 2)),
    ]
    return _total(given, parts, (2, 1, 1, 1, 2), missing, "car_hematotox")


def _positive(values: Numbers) -> Numbers:
    """Return the divisor; NaN at 0, where there is no ratio."""
    return np.where(values == 0, np.nan, values)


def _steps(values: Numbers, cuts: list[tuple[float, bool]], points: tuple[int, ...]) -> Numbers:
    """Return the points of each value; a cut that is True belongs to the step above it."""
    step = np.zeros(values.shape, dtype=np.intp)
    for cut, belongs_above in cuts:
        step += (values >= cut) if belongs_above else (values > cut)
    return np.where(np.isnan(values), np.nan, np.array(points, dtype=float)[step])


def _total(given: Inputs, parts: list[Numbers], most: tuple[int, ...], missing: Missing, name: str) -> Score:
    """Sum the items; a missing one gives NaN, no points, or the most points it can."""
    fill = {
        "nan": [np.nan] * len(most),
        "lower": [0.0] * len(most),
        "upper": [float(points) for points in most],
    }
    items = [
        np.where(np.isnan(part), instead, part) for part, instead in zip(parts, fill[missing], strict=True)
    ]
    return given.wrap(np.sum(items, axis=0), name)
