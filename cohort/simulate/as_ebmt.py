"""Write patients as the EBMT would send them: a workbook with words for codes, European dates and SI units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.courses import IntArray
from cohort.simulate.imaging import CODES
from cohort.simulate.reported import second_infusions, tell
from cohort.simulate.traps import TrappedFile
from cohort.simulate.truth_tables import exam_numbers
from cohort.simulate.world import World

SOURCE = "sim_ebmt"
PRODUCTS = {
    "axi-cel": "Yescarta", "tisa-cel": "Kymriah", "liso-cel": "Breyanzi", "brexu-cel": "Tecartus",
    "ide-cel": "Abecma", "cilta-cel": "Carvykti",
}  # fmt: skip
DISEASES = {"LBCL": "DLBCL", "FL": "FL", "MCL": "MCL", "CLL": "CLL", "B-ALL": "ALL", "MM": "PCM"}
CAUSES = {
    "disease": "Relapse/progression", "crs": "CRS", "neurotoxicity": "Neurotoxicity", "iec_hs": "HLH/MAS",
    "infection": "Infection", "organ_failure": "Organ failure", "second_malignancy": "Secondary malignancy", "": "",
}  # fmt: skip
TICKS = {"present": "J", "absent": "N", "indeterminate": "?", "not_assessable": "NB"}
HEADERS = {code: f"BEF_{code.upper()}" for code in CODES}
CITIES = ("Zürich", "København", "Málaga", "Kraków", "Besançon", "Göteborg")
N_CENTERS_WITH_MRI = 3
LATE = {"movement_disorder": "Parkinsonism", "cranial_nerve_palsy": "Facial palsy", "peripheral_neuropathy": "PNP",
        "stroke": "Stroke"}  # fmt: skip


def write_ebmt(world: World) -> tuple[dict[str, pd.DataFrame], list[TrappedFile]]:
    """Write the sheets of the workbook.

    Parameters
    ----------
    world : World
        From `simulate_world`; patients whose source is ``sim_ebmt`` are written.

    Returns
    -------
    frames : dict of str to DataFrame
        ``Day 0``, ``Day 100``, ``Follow-up`` and ``MRI``, all text.
    traps : list of TrappedFile
        The faults set, by sheet.
    """
    rng = world.rng[SOURCE]
    mine = np.flatnonzero((world.patients["source"] == SOURCE).to_numpy())
    sheets = {
        "Day 0": TrappedFile(_day_0(world, mine, rng), SOURCE, "Day 0", rng),
        "Day 100": TrappedFile(_day_100(world, mine, rng), SOURCE, "Day 100", rng),
        "Follow-up": TrappedFile(_follow_up(world, mine, rng), SOURCE, "Follow-up", rng),
        "MRI": TrappedFile(_mri(world, mine, rng), SOURCE, "MRI", rng),
    }
    _trap_day_0(sheets["Day 0"])
    _trap_day_100(sheets["Day 100"])
    sheets["MRI"].write("undeclared_code", "mri_finding", HEADERS["pres"], ["X"], "unmapped", n=2)
    return {name: sheet.frame for name, sheet in sheets.items()}, list(sheets.values())


def _keys(world: World, rows: IntArray) -> dict[str, np.ndarray]:
    """Return the columns that identify the patient on every sheet."""
    p = world.patients.iloc[rows]
    return {
        "CIC": p["center_id"].to_numpy(dtype=object),
        "PATIENT": p["patient_id"].to_numpy(dtype=object),
        "INF_NR": np.full(len(rows), "1", dtype=object),
    }


def _letters(values: object) -> np.ndarray:
    """Write yes and no as letters."""
    return cells.yes_no(np.asarray(values), "Y", "N")


def _day_0(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per infusion: registration, day 0 form, status at the last follow-up."""
    again = second_infusions(world, mine, rng)
    rows = np.concatenate([mine, again["row"].to_numpy()])
    shift = np.concatenate([np.zeros(len(mine)), again["day"].to_numpy()])
    p = world.patients.iloc[rows]
    start, second = p["infusion_date"].to_numpy(), shift > 0
    relapse = np.where(second, np.nan, p["relapse_day"].to_numpy(dtype=float))
    unknown = rng.random((4, len(rows))) < 0.05
    city = np.array(CITIES, dtype=object)[p["center_row"].to_numpy() % len(CITIES)]
    columns = _keys(world, rows) | {
        "INF_NR": np.where(second, "2", "1").astype(object),
        "CENTRE_CITY": city,
        "INF_DATE": cells.european_dates(start, shift),
        "PRODUCT": cells.coded(p["product"], PRODUCTS),
        "DIAGNOSIS": cells.coded(p["disease"], DISEASES),
        "AGE": cells.number(p["age_years"].to_numpy(dtype=float) + shift / 365.25, 1),
        "SEX": cells.coded(p["sex"], {"male": "M", "female": "F"}),
        "ECOG": cells.blank_where(cells.number(p["ecog"]), unknown[0], "U"),
        "LINES": cells.number(p["lines_prior"].to_numpy() + second),
        "PRIOR_HCT": cells.blank_where(_letters(p["prior_hct"]), unknown[1], "U"),
        "CNS": cells.blank_where(_letters(p["prior_cns_disease"]), unknown[2], "U"),
        "BRIDGING": _letters(p["bridging"] != "none"),
        "LD": cells.coded(p["ld_regimen"], {"flu_cy": "FC", "bendamustine": "BENDA"}),
        "DOSE": cells.number(p["dose_10e6_cells"], 1),
        "LDH_UL": cells.number(p["ldh_u_l"]),
        "CREA_UMOLL": cells.number(p["creatinine_mg_dl"] * 88.4017, 1),
        "PLT_GL": cells.number(p["platelets_10e9_l"]),
        "CRP_MGL": cells.blank_where(cells.number(p["crp_mg_dl"] * 10.0, 1), unknown[3], "NA"),
        "FERRITIN_UGL": cells.number(p["ferritin_ng_ml"]),
        "HB_GL": cells.number(p["hemoglobin_g_dl"] * 10.0),
        "ANC_GL": cells.number(p["anc_per_ul"] / 1000.0, 2),
        "LAST_DATE": cells.european_dates(start, p["last_contact_day"]),
        "STATUS": cells.coded(p["vital_status"], {"alive": "A", "dead": "D"}),
        "DEATH_DATE": cells.european_dates(start, p["death_day"]),
        "CAUSE": cells.coded(p["cause_of_death"], CAUSES),
        "RELAPSE": cells.blank_where(_letters(p["relapse_day"].notna()), second, "U"),
        "RELAPSE_DATE": cells.european_dates(start, relapse),
    }
    return pd.DataFrame(columns)


def _day_100(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient: highest grades, onset and resolution, treatments ticked."""
    icans, crs = tell(world.noted_grade()[mine], rng), tell(world.crs.grade[mine], rng)
    start = world.patients["infusion_date"].to_numpy()[mine]
    drugs = world.treatments
    given = {
        name: np.isin(mine, drugs.loc[drugs["drug"] == drug, "row"])
        for name, drug in {"TOCI": "tocilizumab", "STEROID": "dexamethasone", "ANAKINRA": "anakinra"}.items()
    }
    columns = _keys(world, mine)
    for name, told in {"CRS": crs, "ICANS": icans}.items():
        asked = rng.random(len(mine)) >= 0.04
        columns[name] = cells.blank_where(_letters(told.grade > 0), ~asked, "U")
        hidden = ~asked | (told.grade == 0)
        columns[f"{name}_GRADE"] = cells.blank_where(cells.number(told.grade), hidden)
        columns[f"{name}_ONSET"] = cells.blank_where(cells.european_dates(start, told.onset), hidden)
        columns[f"{name}_RESOLVED"] = cells.blank_where(cells.european_dates(start, told.end + 1), hidden)
    for name, ticked in given.items():
        columns[name] = _letters(ticked)
    return pd.DataFrame(columns)


def _follow_up(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per late event; dates of late neurotoxicity are often known to the month only."""
    late = world.events[np.isin(world.events["row"].to_numpy(), mine)]
    rows = late["row"].to_numpy()
    dates = cells.european_dates(world.patients["infusion_date"].to_numpy()[rows], late["event_day"])
    partial = late["event_type"].isin(list(LATE)).to_numpy() & (rng.random(len(late)) < 0.5)
    words = {**LATE, "infection": "Infection", "second_malignancy": "SPM"}
    return pd.DataFrame(
        _keys(world, rows)
        | {
            "EVENT": cells.coded(late["event_type"], words),
            "EVENT_DATE": np.where(partial, cells.without_day(dates), dates).astype(object),
            "EVENT_GRADE": cells.number(late["event_grade"]),
        }
    )


def _mri(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per examination with one column per finding, from the centers that send it."""
    codes = world.centers.loc[world.centers["source"] == SOURCE, "center_id"].to_numpy()[:N_CENTERS_WITH_MRI]
    sending = mine[np.isin(world.patients["center_id"].to_numpy()[mine], codes)]
    chosen = np.flatnonzero(np.isin(world.exams["row"].to_numpy(), sending))
    e, rows = world.exams.iloc[chosen], world.exams["row"].to_numpy()[chosen]
    reads = world.reads[(world.reads["reader"] == 1) & world.reads["exam"].isin(chosen)]
    columns = _keys(world, rows) | {
        "EXAM_NR": cells.number(exam_numbers(world.exams).to_numpy()[chosen]),
        "EXAM_DATE": cells.european_dates(world.patients["infusion_date"].to_numpy()[rows], e["exam_day"]),
        "DONE": np.full(len(e), "Y", dtype=object),
        "INDICATION": cells.coded(
            e["indication"], {"baseline": "B", "symptom_driven": "S", "scheduled": "P"}
        ),
        "CONTRAST": _letters(e["contrast"]),
        "DWI": _letters(e["dwi"]),
        "SWI": _letters(e["swi"]),
    }
    for code in CODES:
        ticks = reads[reads["finding_code"] == code].set_index("exam")["presence"].reindex(chosen)
        columns[HEADERS[code]] = cells.coded(ticks, TICKS)
    acute = world.exams.loc[world.exams["indication"] == "symptom_driven", "row"].to_numpy()
    unseen = sending[~np.isin(sending, acute)]
    before = world.exams["row"].value_counts().reindex(unseen, fill_value=0).to_numpy()
    missed = _keys(world, unseen) | {
        "EXAM_NR": cells.number(before + 1),
        "DONE": np.full(len(unseen), "N", dtype=object),
    }
    out = pd.concat([pd.DataFrame(columns), pd.DataFrame(missed)], ignore_index=True).fillna("")
    return out.sort_values(["PATIENT", "EXAM_NR"], kind="stable", ignore_index=True)


def _trap_day_0(file: TrappedFile) -> None:
    """Set partial and impossible dates, values out of range, undeclared words, duplicated rows."""
    first = (file.frame["INF_NR"] == "1").to_numpy()
    relapsed = (file.frame["RELAPSE_DATE"] != "").to_numpy()
    chosen = file.choose(first & relapsed, 5)
    dates = file.frame["RELAPSE_DATE"].to_numpy(dtype=object)[chosen]
    file.put("RELAPSE_DATE", chosen, cells.without_day(dates))
    file.note("partial_date", "infusion", "RELAPSE_DATE", len(chosen), "partial")
    file.write(
        "impossible_date", "infusion", "RELAPSE_DATE", ["31/02/2022"], "unparsed", n=2, where=first & relapsed
    )
    file.write("lab_out_of_range", "infusion", "CREA_UMOLL", ["9999"], "out_of_range", n=2)
    file.write("undeclared_code", "infusion", "DIAGNOSIS", ["PMBCL", "tFL"], "unmapped", n=2)
    file.duplicate("infusion", "LD", {"FC": "BENDA"}, n=2)


def _trap_day_100(file: TrappedFile) -> None:
    """Set an impossible date, grades that are not grades, a word where a date belongs."""
    file.write("impossible_date", "neuro_assessment", "ICANS_ONSET", ["31/02/2021"], "unparsed", n=2)
    file.write("grade_out_of_range", "neuro_assessment", "ICANS_GRADE", ["7"], "out_of_range", n=1)
    file.write("not_a_date", "neuro_assessment", "ICANS_RESOLVED", ["ongoing"], "unparsed", n=2)
    file.write("grade_out_of_range", "crs_assessment", "CRS_GRADE", ["6"], "out_of_range", n=2)
