"""Scores: worked examples, every cut-off, units that are refused, and what comes back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cohort.errors import RangeError, StudyError, UnconfirmedRuleWarning, UnitsError
from cohort.neurotox.scores import car_hematotox, easix, hscore, m_easix, s_easix

PATIENT = {
    "immunosuppressed": "yes",
    "temperature_c": 39.0,
    "organomegaly": "none",
    "cytopenia_lineages": 3,
    "ferritin_ng_ml": 12_000,
    "triglycerides_mmol_l": 3.0,
    "fibrinogen_g_l": 1.8,
    "ast_u_l": 120,
    "hemophagocytosis": "no",
}


def test_ratio_scores_by_hand():
    assert easix(ldh_u_l=300, creatinine_mg_dl=0.9, platelets_10e9_l=120) == 2.25  # 300 x 0.9 / 120
    assert m_easix(ldh_u_l=300, crp_mg_dl=2.5, platelets_10e9_l=120) == 6.25
    assert s_easix(ldh_u_l=300, platelets_10e9_l=120) == 2.5
    assert np.log2(2.25) == pytest.approx(1.169925001442312, abs=1e-12)


def test_what_goes_in_comes_out():
    index = ["x", "y", "z"]
    frame = pd.DataFrame(
        {"ldh": pd.array([300, None, 300], dtype="Int64"), "platelets": [120.0, 100.0, 0.0]}, index=index
    )
    series = s_easix(frame["ldh"], frame["platelets"])
    assert series.name == "s_easix"
    assert series.index.tolist() == index
    assert series.iloc[0] == 2.5
    assert series.iloc[1:].isna().all()  # LDH missing; no ratio at 0 platelets
    array = s_easix(np.array([300.0, 600.0]), 120)
    assert isinstance(array, np.ndarray)
    assert array.tolist() == [2.5, 5.0]
    assert isinstance(s_easix(300, 120), float)
    assert np.isnan(s_easix(None, 120))


def test_inputs_that_do_not_fit_together():
    with pytest.raises(StudyError, match="different indexes"):
        s_easix(pd.Series([300.0]), pd.Series([120.0], index=[5]))
    with pytest.raises(StudyError, match="different lengths"):
        s_easix(np.array([300.0, 200.0]), np.array([1.0, 2.0, 3.0]))
    with pytest.raises(RangeError, match="not numeric"):
        s_easix("high", 120)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda **k: m_easix(300, 80, 120, **k), "mg/L / 10"),
        (lambda **k: easix(300, 80, 120, **k), "88.4"),
        (lambda **k: easix(5.0, 0.9, 120, **k), "µkat/L"),
        (lambda **k: s_easix(300, 120_000, **k), "/µL / 1000"),
    ],
)
def test_implausible_units_are_refused_unless_acknowledged(call, hint):
    with pytest.raises(UnitsError, match="1 of 1 values") as caught:
        call()
    assert hint in str(caught.value)
    assert caught.value.guard == "units"
    assert call(acknowledge="units") > 0


def test_impossible_values_are_refused_even_when_acknowledged():
    for bad in (-1, np.inf):
        with pytest.raises(RangeError, match="negative or infinite"):
            s_easix(bad, 120, acknowledge="units")


def test_hscore_by_hand():
    # 18 + 33 (39.0) + 0 + 34 (3 lineages) + 50 (ferritin) + 44 (3.0) + 30 (1.8) + 19 (AST) + 0
    assert hscore(**PATIENT) == 228
    everything = {
        **PATIENT,
        "temperature_c": 40,
        "organomegaly": "both",
        "triglycerides_mmol_l": 5,
        "hemophagocytosis": True,
    }
    assert hscore(**everything) == 337
    nothing = hscore("no", 36.5, "none", 0, 100, 1.0, 3.0, 20, "no")
    assert nothing == 0


@pytest.mark.parametrize(
    ("item", "value", "points"),
    [
        ("temperature_c", 38.3, 0), ("temperature_c", 38.4, 33), ("temperature_c", 39.4, 33),
        ("temperature_c", 39.5, 49),
        ("organomegaly", "liver_or_spleen", 23), ("organomegaly", "both", 38),
        ("cytopenia_lineages", 1, 0), ("cytopenia_lineages", 2, 24), ("cytopenia_lineages", 3, 34),
        ("ferritin_ng_ml", 1999, 0), ("ferritin_ng_ml", 2000, 35), ("ferritin_ng_ml", 6000, 35),
        ("ferritin_ng_ml", 6001, 50),
        ("triglycerides_mmol_l", 1.4, 0), ("triglycerides_mmol_l", 1.5, 44), ("triglycerides_mmol_l", 4, 44),
        ("triglycerides_mmol_l", 4.1, 64), ("fibrinogen_g_l", 2.5, 30), ("fibrinogen_g_l", 2.6, 0),
        ("ast_u_l", 29, 0), ("ast_u_l", 30, 19), ("hemophagocytosis", "yes", 35), ("immunosuppressed", "yes", 18),
    ],
)  # fmt: skip
def test_hscore_cut_offs(item, value, points):
    nothing = dict(zip(PATIENT, ["no", 36.5, "none", 0, 100, 1.0, 3.0, 20, "no"], strict=True))
    assert hscore(**{**nothing, item: value}) == points


def test_a_missing_item_gives_no_score_or_its_bounds():
    without = {**PATIENT, "ferritin_ng_ml": None, "hemophagocytosis": None}
    assert np.isnan(hscore(**without))
    assert hscore(**without, missing="lower") == 228 - 50
    assert hscore(**without, missing="upper") == 228 + 35


def test_hscore_refuses_labels_and_counts_of_lineages():
    with pytest.raises(RangeError, match="none, liver_or_spleen, both"):
        hscore(**{**PATIENT, "organomegaly": "liver"})
    with pytest.raises(RangeError, match="0 to 3"):
        hscore(**{**PATIENT, "cytopenia_lineages": 4})
    with pytest.raises(UnitsError, match=r"88\.57"):
        hscore(**{**PATIENT, "triglycerides_mmol_l": 250})


@pytest.mark.parametrize(
    ("platelets", "anc", "hemoglobin", "crp", "ferritin", "points"),
    [
        (200, 2000, 12, 1, 100, 0),
        (175, 2000, 12, 1, 100, 1),
        (75, 2000, 12, 1, 100, 1),
        (74, 2000, 12, 1, 100, 2),
        (200, 1199, 12, 1, 100, 1),
        (200, 1200, 12, 1, 100, 0),
        (200, 2000, 8.9, 1, 100, 1),
        (200, 2000, 12, 3.1, 100, 1),
        (200, 2000, 12, 3.0, 100, 0),
        (200, 2000, 12, 1, 650, 1),
        (200, 2000, 12, 1, 2000, 1),
        (200, 2000, 12, 1, 2001, 2),
        (20, 100, 7, 10, 5000, 7),
    ],
)
def test_car_hematotox_warns_that_it_is_unconfirmed(platelets, anc, hemoglobin, crp, ferritin, points):
    with pytest.warns(UnconfirmedRuleWarning, match="confirmed: false"):
        assert car_hematotox(platelets, anc, hemoglobin, crp, ferritin) == points


def test_car_hematotox_units():
    with pytest.warns(UnconfirmedRuleWarning), pytest.raises(UnitsError, match="× 1000 = /µL"):
        car_hematotox(200, 1.2, 12, 1, 100)
