"""Mappings for layouts that this package declares: read from files, brought together, and never taken for confirmed."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

import cohort as co
from cohort.cli import app
from cohort.errors import MappingError, SourceError

DECLARED = ("cibmtr_baseline", "ebmt_cell_therapy")


def in_layout(source, name, *rows):
    """Return rows in the declared layout; columns left out are blank."""
    layout = co.mapping_layout(source)
    columns = layout.loc[layout["input"] == name, "column"]
    known = pd.DataFrame(list(rows), dtype=object)
    assert set(known) <= set(columns), set(known) - set(columns)
    return known.reindex(columns=columns).fillna("")


@pytest.mark.parametrize("source", DECLARED)
def test_what_is_not_confirmed_says_so_everywhere(source):
    layout = co.mapping_layout(source)
    frames = {name: pd.DataFrame(columns=part["column"]) for name, part in layout.groupby("input")}
    read = co.read_source(frames, source=source)
    assert "not those of the registry" in read.notes[0]
    assert "not confirmed" in repr(read)
    registry = co.harmonize(read)
    assert (registry.audit["item"] == "note").sum() == 1
    mapped = registry.rules[registry.rules["status"].isin(["complete", "partial"])]
    assert not mapped["confirmed"].any()


def test_the_form_4100_marks_only_the_columns_whose_names_are_ours():
    form = co.mapping_layout("cibmtr_form_4100_r4")
    frame = pd.DataFrame(columns=form["column"])
    rules = co.harmonize(co.read_source(frame, source="cibmtr_form_4100_r4")).rules
    ours = set(rules.loc[~rules["confirmed"], "variable"])
    assert ours == {
        "infusion_number",
        "infusion_date",
        "infusion_year",
        "reporting_period",
        "period_start_day",
    }


def test_baseline_and_follow_up_of_the_cibmtr_come_together():
    """Two sources, one patient: follow-up from form 4100, the rest from the forms before."""
    key = {"INFSEQ": "1", "INFDT": "2019-05-06", "CCN": "00417", "Q1": "axicabtagene_ciloleucel_yescarta"}
    visits = pd.DataFrame(
        [
            {
                "CRID": "7",
                **key,
                "VISIT": "100_day",
                "Q2": "2019-08-12",
                "Q3": "alive",
                "Q12": "no",
                "Q99": "no",
            },
            {
                "CRID": "7",
                **key,
                "VISIT": "6_months",
                "Q2": "2019-11-04",
                "Q3": "dead",
                "Q12": "no",
                "Q99": "no",
            },
        ]
    )
    columns = co.mapping_layout("cibmtr_form_4100_r4")["column"]
    form = co.read_source(visits.reindex(columns=columns).fillna(""), source="cibmtr_form_4100_r4")
    before = {
        "crid": "7",
        "infusion_sequence": "1",
        "infusion_date": "2019-05-06",
        "karnofsky": "90",
        "hct_ci": "3",
    }
    baseline = co.read_source(in_layout("cibmtr_baseline", "baseline", before), source="cibmtr_baseline")
    registry = co.resolve_conflicts(
        co.harmonize([form, baseline]), ["cibmtr_form_4100_r4", "cibmtr_baseline"]
    )
    (row,) = registry.infusion.to_dict("records")
    assert (row["source"], row["ecog"], row["hct_ci"], row["product"]) == (
        "cibmtr_form_4100_r4",
        0,
        3,
        "axi-cel",
    )
    # 6 May to 4 November is 182 days.
    assert (row["vital_status"], row["death_day"], row["relapsed"]) == ("dead", 182, "no")
    data = co.Study(registry).link()
    survival = co.endpoint("overall_survival", data)
    assert survival.n_event == 1


def test_three_files_of_the_ebmt_are_one_registry(tmp_path):
    key = {"patient_id": "E1", "infusion_number": "1", "cic": "602", "infusion_date": "2021-02-01"}
    source = "ebmt_cell_therapy"
    day_0 = in_layout(source, "day_0", {**key, "product": "Kymriah", "diagnosis": "ALL", "age_years": "17"})
    day_100 = {"contact_date": "2021-05-12", "vital_status": "alive", "relapse_or_progression": "no"}
    tox = {"icans": "yes", "icans_highest_grade": "4", "icans_onset_date": "2021-02-05", "crs": "no"}
    later = {
        "visit": "annual",
        "contact_date": "2022-02-01",
        "vital_status": "alive",
        "relapse_or_progression": "no",
    }
    late = {"icans": "yes", "icans_onset_date": "2021-12-01", "crs": "no"}
    frames = {
        "day_0": day_0,
        "day_100": in_layout(source, "day_100", {**key, **day_100, **tox}),
        "follow_up": in_layout(source, "follow_up", {**key, **later, **late}),
    }
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"centre_{name}.csv", index=False)
    registry = co.harmonize(co.read_source(tmp_path, source=source))
    assert registry.unmapped.empty
    assert registry.infusion["last_contact_day"].tolist() == [365]
    assert registry.infusion["relapsed"].tolist() == ["no"]
    assert registry.neuro_assessment["reporting_period"].tolist() == ["day_100", "annual"]
    assert registry.neuro_assessment["reported_icans_grade"].tolist() == [4, pd.NA]
    assert registry.event["event_type"].tolist() == ["other_neurotoxicity"]
    assert registry.event["event_day"].tolist() == [303]  # 1 February to 1 December
    episodes = co.icans_episodes(co.grade_icans(registry.neuro_assessment))
    data = co.Study(registry).link(episodes)
    assert data["late_neurotoxicity_day"].tolist() == [303]


def test_a_column_that_is_not_in_the_extract_is_named():
    frame = in_layout("cibmtr_baseline", "baseline").drop(columns="karnofsky")
    with pytest.raises(SourceError, match="'karnofsky'"):
        co.read_source(frame, source="cibmtr_baseline")


def test_the_layout_tells_what_every_column_may_hold(tmp_path):
    layout = co.mapping_layout("ebmt_cell_therapy").set_index(["input", "column"])
    assert layout.index.is_unique
    assert layout.loc[("day_100", "icans"), "holds"] == "no | yes"
    assert layout.loc[("day_0", "crp"), "unit"] == "as crp_unit says"
    assert layout.loc[("day_0", "crp_unit"), "holds"] == "mg/dL | mg/L"
    assert layout.loc[("day_0", "infusion_date"), "holds"] == "yyyy-mm-dd | yyyy-mm | yyyy"
    assert layout.loc[("day_0", "product"), "missing"].startswith(
        "investigational = unknown; unknown = unknown"
    )
    assert "event (where)" in layout.loc[("follow_up", "vital_status"), "variables"]
    lab = co.mapping_layout("cibmtr_form_4100_r4").set_index("column")
    assert lab.loc["Q186", "unit"] == "il6 in pg/mL, ferritin in ng/mL, crp in mg/dL"
    done = CliRunner().invoke(
        app, ["mapping", "layout", "cibmtr_baseline", "--out", str(tmp_path / "layout.csv")]
    )
    assert done.exit_code == 0
    written = pd.read_csv(tmp_path / "layout.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(written, co.mapping_layout("cibmtr_baseline"))


def test_only_what_the_layout_lists_is_read_without_a_remark():
    """Every code of the layout is known to the mapping: no value of it is without a rule."""
    layout = co.mapping_layout("cibmtr_baseline")
    coded = layout[layout["holds"].str.contains(" | ", regex=False) & ~layout["holds"].str.contains("yyyy")]
    rows = [
        {"crid": f"{number}-{position}", "infusion_sequence": "1", column: code}
        for number, (column, holds) in enumerate(coded[["column", "holds"]].itertuples(index=False))
        for position, code in enumerate(holds.split(" | "))
    ]
    frame = in_layout("cibmtr_baseline", "baseline", *rows)
    registry = co.harmonize(co.read_source(frame, source="cibmtr_baseline"))
    assert registry.unmapped.empty
    assert len(rows) > 90


def test_confirmed_false_needs_its_note(tmp_path):
    text = (co.read_dictionary().sources["cibmtr_baseline"]).read_text(encoding="utf-8")
    start, end = text.index("note: >-"), text.index("reviewed:")
    (tmp_path / "silent.yaml").write_text(text[:start] + text[end:], encoding="utf-8")
    with pytest.raises(MappingError, match="confirmed: false needs a note"):
        co.mapping_layout(tmp_path / "silent.yaml")
