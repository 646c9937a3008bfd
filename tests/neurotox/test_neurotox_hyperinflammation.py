"""Hyperinflammation: each criterion at its cut, three states, verdicts that stay open, units."""

from __future__ import annotations

import itertools
import warnings

import pandas as pd
import pytest

import cohort as co
from cohort.errors import RangeError, StudyError, UnconfirmedRuleWarning, UnitsError

# HLH-2004 in eight items: (columns that meet it, columns that do not).
HLH_ITEMS = {
    "fever": ({"temperature_c": 38.5}, {"temperature_c": 38.4}),
    "splenomegaly": ({"splenomegaly": "yes"}, {"splenomegaly": "no"}),
    "cytopenias": (
        {"hemoglobin_g_dl": 8.9, "platelets_10e9_l": 99, "anc_per_ul": 1000},
        {"hemoglobin_g_dl": 9.0, "platelets_10e9_l": 99, "anc_per_ul": 1000},
    ),
    "triglycerides_or_fibrinogen": (
        {"triglycerides_mmol_l": 2.9, "fibrinogen_g_l": 1.5},
        {"triglycerides_mmol_l": 2.9, "fibrinogen_g_l": 1.6},
    ),
    "hemophagocytosis": ({"hemophagocytosis": "yes"}, {"hemophagocytosis": "no"}),
    "low_nk_activity": ({"low_nk_activity": "yes"}, {"low_nk_activity": "no"}),
    "ferritin": ({"ferritin_ng_ml": 500}, {"ferritin_ng_ml": 499}),
    "scd25": ({"scd25_u_ml": 2400}, {"scd25_u_ml": 2399}),
}


def one(row, definition="HLH-2004", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnconfirmedRuleWarning)
        return co.hyperinflammation_criteria(pd.DataFrame([row]), definition, **options).iloc[0]


def test_every_item_of_hlh_2004_at_its_cut():
    for name, (met, not_met) in HLH_ITEMS.items():
        assert one(met)[f"hlh_2004_{name}"] == "yes"
        assert one(not_met)[f"hlh_2004_{name}"] == "no"
        assert pd.isna(one({"x": 1})[f"hlh_2004_{name}"])


@pytest.mark.parametrize("states", list(itertools.combinations_with_replacement((0, 1, 2), 8)))
def test_five_of_eight_with_unknown_items(states):
    # 0 not met, 1 met, 2 not assessed.
    row = {}
    for (met, not_met), state in zip(HLH_ITEMS.values(), states, strict=True):
        row |= {0: not_met, 1: met, 2: {}}[state]
    out = one(row or {"x": 1})
    fewest, most = states.count(1), states.count(1) + states.count(2)
    assert (out["hlh_2004_items_lower"], out["hlh_2004_items_upper"]) == (fewest, most)
    if fewest >= 5:
        assert out["hlh_2004_met"] == "yes"
    elif most < 5:
        assert out["hlh_2004_met"] == "no"
    else:
        assert pd.isna(out["hlh_2004_met"])


def test_one_of_two_decides_where_the_other_is_missing():
    assert one({"triglycerides_mmol_l": 3.0})["hlh_2004_triglycerides_or_fibrinogen"] == "yes"
    assert pd.isna(one({"triglycerides_mmol_l": 2.0})["hlh_2004_triglycerides_or_fibrinogen"])
    two = {"hemoglobin_g_dl": 8.0, "platelets_10e9_l": 50}
    assert one(two)["hlh_2004_cytopenias"] == "yes"
    assert pd.isna(one({"hemoglobin_g_dl": 8.0})["hlh_2004_cytopenias"])
    assert one({"hemoglobin_g_dl": 11.0, "platelets_10e9_l": 150})["hlh_2004_cytopenias"] == "no"


@pytest.mark.parametrize(
    ("row", "met"),
    [
        ({"ferritin_ng_ml": 10_001, "liver_grade": 3, "renal_grade": 3}, "yes"),
        ({"ferritin_ng_ml": 10_000, "liver_grade": 3, "renal_grade": 3}, "no"),
        ({"ferritin_ng_ml": 20_000, "liver_grade": 3, "renal_grade": 2}, None),
        (
            {
                "ferritin_ng_ml": 20_000,
                "liver_grade": 2,
                "renal_grade": 2,
                "pulmonary_edema_grade": 4,
                "hemophagocytosis": "no",
            },
            "no",
        ),
        ({"liver_grade": 3, "hemophagocytosis": "yes"}, None),
    ],
)
def test_car_hlh(row, met):
    found = one(row, "carHLH")["car_hlh_met"]
    assert (None if pd.isna(found) else found) == met


def test_iec_hs_has_counts_and_no_verdict_and_leaves_neurotoxicity_out():
    row = {
        "ferritin_ng_ml": 1300,
        "ferritin_reference_ng_ml": 600,
        "ast_u_l": 250,
        "ast_reference_u_l": 50,  # exactly 5 times: not above
        "fibrinogen_g_l": 1.4,
        "hemophagocytosis": "no",
        "fever": "yes",
        "neurotoxicity": "yes",
    }
    out = one(row, "IEC-HS")
    assert out["iec_hs_required"] == "yes"
    # ALT is missing, so transaminases stay open; grade 4 cytopenia as well.
    assert (out["iec_hs_common_lower"], out["iec_hs_common_upper"]) == (1, 3)
    assert (out["iec_hs_other_lower"], out["iec_hs_other_upper"]) == (1, 8)
    assert "iec_hs_met" not in out
    with_it = one(row, "IEC-HS", neurotoxicity=True)
    assert (with_it["iec_hs_other_lower"], with_it["iec_hs_other_upper"]) == (2, 9)
    assert (
        one({"ferritin_ng_ml": 1200, "ferritin_reference_ng_ml": 600, "rapid_ferritin_rise": "no"}, "IEC-HS")[
            "iec_hs_required"
        ]
        == "no"
    )


def test_input_is_not_changed_and_the_index_stays():
    rows = pd.DataFrame({"ferritin_ng_ml": [100.0, 900.0]}, index=["x", "y"])
    before = rows.copy(deep=True)
    out = co.hyperinflammation_criteria(rows)
    pd.testing.assert_frame_equal(rows, before)
    assert out["hlh_2004_ferritin"].to_dict() == {"x": "no", "y": "yes"}


def test_unconfirmed_definitions_warn():
    rows = pd.DataFrame({"ferritin_ng_ml": [100.0]})
    for definition in ("carHLH", "IEC-HS"):
        with pytest.warns(UnconfirmedRuleWarning, match=definition):
            co.hyperinflammation_criteria(rows, definition)


@pytest.mark.parametrize(
    ("row", "definition", "error", "says"),
    [
        ({"ferritin_ng_ml": 5}, "HLH", StudyError, "HLH-2004, carHLH, IEC-HS"),
        ({"fibrinogen_g_l": 150}, "HLH-2004", UnitsError, "mg/dL / 100"),
        ({"temperature_c": 101.3}, "HLH-2004", UnitsError, "°F"),
        ({"splenomegaly": "large"}, "HLH-2004", RangeError, "no, yes"),
        ({"liver_grade": 7}, "carHLH", RangeError, "allowed 0 to 5"),
    ],
)
def test_refusals_name_the_remedy(row, definition, error, says):
    with pytest.raises(error, match=says):
        one(row, definition)
