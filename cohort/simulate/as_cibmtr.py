"""Write patients as the CIBMTR would send them: an infusion file, and one form 4100 per reporting period."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.courses import IntArray
from cohort.simulate.reported import Told, second_infusions, tell
from cohort.simulate.traps import TrappedFile
from cohort.simulate.world import World

SOURCE = "sim_cibmtr"
YES, NO, UNKNOWN = "1", "2", "-9"
PRODUCTS = {
    "axi-cel": "11", "tisa-cel": "12", "liso-cel": "13", "brexu-cel": "14", "ide-cel": "21", "cilta-cel": "22",
}  # fmt: skip
DISEASES = {"LBCL": "100", "FL": "110", "MCL": "120", "CLL": "130", "B-ALL": "20", "MM": "170"}
CAUSES = {
    "disease": "1", "crs": "20", "neurotoxicity": "21", "iec_hs": "22", "infection": "30", "organ_failure": "40",
    "second_malignancy": "50",
}  # fmt: skip
PERIODS = (
    ("1", 0, 100),
    ("2", 101, 182),
    ("3", 183, 365),
    ("4", 366, 730),
    ("5", 731, 1095),
    ("6", 1096, 1460),
)
ICE_BANDS = {10: "1", 7: "2", 3: "3", 0: "4"}
NAMES = ("Hôpital Saint-Aubin", "Universitätsklinik Nordheim", "Clínica Peñalara", "Lakeside Medical Center")
"""Names of hospitals that do not exist; the accents are why the file is cp1252."""


def write_cibmtr(world: World) -> tuple[dict[str, pd.DataFrame], list[TrappedFile]]:
    """Write the infusion file and the follow-up file.

    Parameters
    ----------
    world : World
        From `simulate_world`; patients of ``sim_cibmtr`` and the REDCap patients reported here as well.

    Returns
    -------
    frames : dict of str to DataFrame
        ``infusion`` and ``followup``, all text.
    traps : list of TrappedFile
        The faults set.
    """
    rng = world.rng[SOURCE]
    known = (world.patients["source"] == SOURCE) | (world.patients["also_in"] == SOURCE)
    mine = np.flatnonzero(known.to_numpy())
    icans = tell(world.noted_grade()[mine], rng)
    crs = tell(world.crs.grade[mine], rng)
    infusion = TrappedFile(_infusion(world, mine, rng), SOURCE, "infusion", rng)
    followup = TrappedFile(_followup(world, mine, icans, crs, rng), SOURCE, "followup", rng)
    _trap_infusion(infusion)
    _trap_followup(followup)
    return {"infusion": infusion.frame, "followup": followup.frame}, [infusion, followup]


def _infusion(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per infusion: recipient, product, values before infusion, last known outcome."""
    again = second_infusions(world, mine, rng)
    rows = np.concatenate([mine, again["row"].to_numpy()])
    shift = np.concatenate([np.zeros(len(mine)), again["day"].to_numpy()])
    p = world.patients.iloc[rows]
    start = p["infusion_date"].to_numpy()
    second = shift > 0
    relapse = np.where(second, np.nan, p["relapse_day"].to_numpy(dtype=float))
    blank = rng.random(len(rows))
    columns = {
        "CRID": p["patient_id"].to_numpy(dtype=object),
        "CCN": p["center_id"].to_numpy(dtype=object),
        "CCNNAME": np.array(NAMES, dtype=object)[p["center_row"].to_numpy() % len(NAMES)],
        "INFSEQ": np.where(second, "2", "1").astype(object),
        "INFDT": cells.iso_dates(start, shift),
        "PRODUCT": cells.coded(p["product"], PRODUCTS),
        "DISEASE": cells.coded(p["disease"], DISEASES),
        "AGE": cells.number(p["age_years"].to_numpy(dtype=float) + shift / 365.25, 1),
        "SEX": cells.coded(p["sex"], {"male": "1", "female": "2"}),
        "KPS": cells.blank_where(
            cells.coded(p["ecog"], {0: "100", 1: "80", 2: "60", 3: "40"}), blank < 0.05, UNKNOWN
        ),
        "LINES": cells.number(p["lines_prior"].to_numpy() + second),
        "PRIORHCT": cells.blank_where(cells.yes_no(p["prior_hct"], YES, NO), blank > 0.96, UNKNOWN),
        "CNSDIS": cells.yes_no(p["prior_cns_disease"], YES, NO),
        "BRIDGE": cells.blank_where(cells.yes_no(p["bridging"] != "none", YES, NO), blank > 0.93, ""),
        "LDREG": cells.coded(p["ld_regimen"], {"flu_cy": "1", "bendamustine": "2"}),
        "DOSE": cells.number(p["dose_10e6_cells"], 1),
        "LDH": cells.number(p["ldh_u_l"]),
        "CREAT": cells.number(p["creatinine_mg_dl"], 2),
        "PLT": cells.number(p["platelets_10e9_l"]),
        "CRP": cells.blank_where(cells.number(p["crp_mg_dl"], 2), rng.random(len(rows)) < 0.12, UNKNOWN),
        "FERR": cells.blank_where(cells.number(p["ferritin_ng_ml"]), rng.random(len(rows)) < 0.10, UNKNOWN),
        "HGB": cells.number(p["hemoglobin_g_dl"], 1),
        "LASTDT": cells.iso_dates(start, p["last_contact_day"]),
        "VITAL": cells.coded(p["vital_status"], {"alive": "1", "dead": "2"}),
        "DEATHDT": cells.iso_dates(start, p["death_day"]),
        "COD": cells.coded(p["cause_of_death"], {**CAUSES, "": ""}),
        "RELAPSE": cells.blank_where(cells.yes_no(p["relapse_day"].notna(), YES, NO), second, UNKNOWN),
        "RELDT": cells.iso_dates(start, relapse),
    }
    return pd.DataFrame(columns)


def _followup(world: World, mine: IntArray, icans: Told, crs: Told, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient and reporting period; the periods do not overlap."""
    last = world.patients["last_contact_day"].to_numpy()[mine]
    frames = []
    for code, first, until in PERIODS:
        reached = last >= first
        contact = np.minimum(last, until + rng.integers(0, 9, len(mine)))[reached]
        frames.append(_period(world, mine, icans, crs, code, first, until, reached, contact))
    out = pd.concat(frames, ignore_index=True)
    return out.sort_values(["CRID", "RPTPER"], kind="stable", ignore_index=True)


def _period(
    world: World,
    mine: IntArray,
    icans: Told,
    crs: Told,
    code: str,
    first: int,
    until: int,
    reached: np.ndarray,
    contact: np.ndarray,
) -> pd.DataFrame:
    """Write the forms of one reporting period; a toxicity is told on the form of its onset."""
    rows = mine[reached]
    p = world.patients.iloc[rows]
    start = p["infusion_date"].to_numpy()
    events = world.events[(world.events["event_day"] >= first) & (world.events["event_day"] <= until)]
    stroke = events[events["event_type"] == "stroke"].drop_duplicates("row").set_index("row")["event_day"]
    infected = np.isin(rows, events.loc[events["event_type"] == "infection", "row"])
    columns = {
        "CRID": p["patient_id"].to_numpy(dtype=object),
        "CCN": p["center_id"].to_numpy(dtype=object),
        "INFSEQ": np.full(len(rows), "1", dtype=object),
        "RPTPER": np.full(len(rows), code, dtype=object),
        "RPTDT": cells.iso_dates(start, contact),
    }
    columns |= _crs_items(world, rows, _part(crs, reached, first, until), start)
    columns |= _neuro_items(world, rows, _part(icans, reached, first, until), start)
    stroke_day = stroke.reindex(rows).to_numpy(dtype=float)
    columns |= {
        "Q115": cells.yes_no(~np.isnan(stroke_day), YES, NO),
        "Q116": cells.iso_dates(start, stroke_day),
        "Q117": np.where(np.isnan(stroke_day), "", "2").astype(object),
        "Q188": cells.yes_no(infected, YES, NO),
    }
    return pd.DataFrame(columns)


def _part(told: Told, reached: np.ndarray, first: int, until: int) -> Told:
    """Keep what began in the period."""
    onset = told.onset[reached]
    here = (onset >= first) & (onset <= until)
    return Told(
        np.where(here, told.grade[reached], 0),
        told.genuine[reached] & here,
        np.where(here, onset, np.nan),
        np.where(here, told.end[reached], np.nan),
    )


def _asked(values: np.ndarray, occurred: np.ndarray) -> np.ndarray:
    """Leave an item blank where the question before it was answered with no."""
    return cells.blank_where(np.asarray(values, dtype=object), ~occurred)


def _crs_items(world: World, rows: IntArray, crs: Told, start: np.ndarray) -> dict[str, np.ndarray]:
    """Items on CRS of the period, worst values."""
    signs = {name: values[rows].max(axis=1) for name, values in world.crs_signs.items()}
    real, yes = crs.genuine, crs.grade > 0
    pressor, oxygen = signs["vasopressors"] * real, signs["oxygen"] * real
    drugs = world.treatments[world.treatments["drug"] == "tocilizumab"]
    low, high = (oxygen == 1), (oxygen >= 2)
    return {
        "Q76": cells.yes_no(yes, YES, NO),
        "Q77": cells.iso_dates(start, crs.onset),
        "Q79_TOCI": _asked(cells.yes_no(np.isin(rows, drugs["row"]), "1", "0"), yes),
        "Q81": _asked(cells.yes_no(np.ones(len(rows)), YES, NO), yes),
        "Q83": _asked(cells.yes_no(signs["hypotension"] * real > 0, YES, NO), yes),
        "Q86": _asked(cells.yes_no(pressor > 0, YES, NO), yes & (signs["hypotension"] * real > 0)),
        "Q87": _asked(np.where(pressor == 3, "2", "1"), yes & (pressor > 0)),
        "Q91": _asked(cells.yes_no(low | high, YES, NO), yes),
        "Q93": _asked(cells.yes_no(high, YES, NO), yes),
        "Q95": _asked(cells.yes_no(oxygen == 6, YES, NO), yes),
        "CRSGRADE": cells.number(crs.grade),
        "Q97": _asked(cells.yes_no(np.ones(len(rows)), YES, NO), yes),
        "Q98": cells.iso_dates(start, crs.end + 1),
    }


def _neuro_items(world: World, rows: IntArray, icans: Told, start: np.ndarray) -> dict[str, np.ndarray]:
    """Items on neurotoxicity of the period, worst values; edema only as far as a scan showed it."""
    alive = world.alive[rows]
    worst = {name: np.where(alive, values[rows], 0).max(axis=1) for name, values in world.signs.items()}
    lowest = np.where(alive, world.signs["ice_score"][rows], 10).min(axis=1)
    seen = np.maximum.accumulate(world.edema_known[rows], axis=1)
    edema = np.where(seen & alive, world.edema[rows], 0).max(axis=1)
    # every fifth form lacks one of the two items that take an examination at the bedside
    lacking = (rows * 7 + icans.grade) % 10
    icp = worst["posturing"] + worst["abducens_palsy"] + worst["papilledema"] + worst["cushing_triad"] > 0
    real, yes = icans.genuine, icans.grade > 0
    band = np.select([lowest == 10, lowest >= 7, lowest >= 3], ["1", "2", "3"], "4").astype(object)
    band = np.where(real, band, "2")
    seizure = worst["seizure"] * real
    level = np.where(real, worst["consciousness"], 0)
    brain = np.where(real & ((edema == 2) | icp), "4", np.where(real & (edema == 1), "3", "")).astype(object)
    drugs = world.treatments
    steroid = np.isin(rows, drugs.loc[drugs["drug"] == "dexamethasone", "row"])
    return {
        "Q99": cells.yes_no(yes, YES, NO),
        "Q100": cells.iso_dates(start, icans.onset),
        "Q101": _asked(np.where(lacking == 3, NO, YES), yes),
        "Q102": _asked(band, yes & (lacking != 3)),
        "Q103": _asked(np.where(lacking == 5, UNKNOWN, np.where(level > 0, YES, NO)), yes),
        "Q103_LEVEL": _asked(cells.number(level), yes & (level > 0) & (lacking != 5)),
        "Q106": _asked(cells.yes_no(seizure > 0, YES, NO), yes),
        "Q107": _asked(np.where(seizure == 2, "5", "2"), yes & (seizure > 0)),
        "Q109": _asked(np.where(seizure == 2, "4", "3"), yes & (seizure > 0)),
        "Q110": _asked(cells.yes_no(worst["motor_deficit"] * real > 0, YES, NO), yes),
        "Q111": _asked(cells.yes_no(brain != "", YES, NO), yes),
        "Q112": _asked(brain, yes),
        "Q113": _asked(cells.yes_no(worst["hallucinations"] * real > 0, YES, NO), yes),
        "Q114": _asked(cells.yes_no(worst["tremor"] * real > 0, YES, NO), yes),
        "NTGRADE": cells.number(icans.grade),
        "Q121": _asked(cells.yes_no(np.ones(len(rows)), YES, NO), yes),
        "Q122": cells.iso_dates(start, icans.end + 1),
        "Q123_STEROID": _asked(cells.yes_no(steroid, "1", "0"), yes),
    }


def _trap_infusion(file: TrappedFile) -> None:
    """Set undeclared codes, values out of range or with a sign, duplicated rows."""
    file.write("undeclared_code", "infusion", "PRODUCT", ["77"], "unmapped", n=2)
    file.write("undeclared_code", "infusion", "SEX", ["3"], "unmapped", n=2)
    file.write("lab_out_of_range", "infusion", "CRP", ["812"], "out_of_range", n=2)
    file.write("lab_with_sign", "infusion", "FERR", [">40000"], "unparsed", n=2)
    file.duplicate("infusion", "LINES", {"1": "2", "2": "3", "3": "4"}, n=2)


def _trap_followup(file: TrappedFile) -> None:
    """Set impossible dates of onset, undeclared answers, unknown resolution, duplicated forms."""
    file.write("impossible_date", "neuro_assessment", "Q100", ["2021-02-31"], "unparsed", n=2)
    file.write("undeclared_code", "neuro_assessment", "Q109", ["7"], "unmapped", n=1)
    file.write("undeclared_code", "crs_assessment", "Q83", ["5"], "unmapped", n=2)
    sick = (file.frame["Q99"] == YES).to_numpy()
    file.write("resolved_unknown", "neuro_assessment", "Q122", [UNKNOWN], "missing:unknown", n=3, where=sick)
    file.duplicate("neuro_assessment", "Q114", {NO: YES})
