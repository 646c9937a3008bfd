"""Write patients as a hospital's REDCap project exports them: one flat file with repeating instruments."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.courses import SIGNS
from cohort.simulate.imaging import SEQUENCES
from cohort.simulate.traps import TrappedFile
from cohort.simulate.truth_tables import exam_numbers
from cohort.simulate.world import World

SOURCE = "sim_redcap"
UNKNOWN, NOT_DONE = "-99", "-88"
PRODUCTS = {name: str(k) for k, name in enumerate(
    ("axi-cel", "tisa-cel", "liso-cel", "brexu-cel", "ide-cel", "cilta-cel"), start=1)}  # fmt: skip
DISEASES = {name: str(k) for k, name in enumerate(("LBCL", "FL", "MCL", "CLL", "B-ALL", "MM"), start=1)}
CAUSES = {name: str(k) for k, name in enumerate(
    ("disease", "crs", "neurotoxicity", "iec_hs", "infection", "second_malignancy", "organ_failure"), start=1)}  # fmt: skip
DRUGS = {"tocilizumab": "1", "dexamethasone": "3", "anakinra": "2", "levetiracetam": "5"}
EVENTS = {
    "movement_disorder": "1",
    "cranial_nerve_palsy": "2",
    "stroke": "3",
    "peripheral_neuropathy": "4",
    "infection": "5",
    "second_malignancy": "6",
}
PRESENCE = {"absent": "0", "present": "1", "indeterminate": "2", "not_assessable": "3"}
CHANGE = {"no_prior": "0", "new": "1", "unchanged": "2", "resolved": "3", "": ""}
NOT_DONE_REASONS = ("1", "2", "3")
"""Not indicated, unstable, contraindicated."""

Block = dict[str, np.ndarray]


def write_redcap(world: World) -> tuple[dict[str, pd.DataFrame], list[TrappedFile]]:
    """Write the REDCap export.

    Parameters
    ----------
    world : World
        From `simulate_world`; patients whose source is ``sim_redcap`` are written.

    Returns
    -------
    frames : dict of str to DataFrame
        ``data``: the flat export, all text; each instrument's rows follow the base rows.
    traps : list of TrappedFile
        The faults set, by instrument.
    """
    rng = world.rng[SOURCE]
    mine = np.flatnonzero((world.patients["source"] == SOURCE).to_numpy())
    builders = {
        "": _base,
        "neuro_daily": _neuro,
        "crs_daily": _crs,
        "lab_daily": _labs,
        "mri_exam": _exams,
        "mri_finding": _findings,
        "treatment": _treatments,
        "event": _events,
        "cognition": _cognition,
    }
    frames, traps = [], []
    for instrument, build in builders.items():
        frame = build(world, mine, rng)
        trapped = TrappedFile(frame, SOURCE, instrument or "baseline", rng)
        _SET_TRAPS.get(instrument, lambda _: None)(trapped)
        traps.append(trapped)
        frames.append(_as_instrument(trapped.frame, instrument))
    data = pd.concat(frames, ignore_index=True).fillna("")
    first = ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "redcap_data_access_group"]
    return {"data": data[[*first, *[c for c in data.columns if c not in first]]]}, traps


def _as_instrument(frame: pd.DataFrame, instrument: str) -> pd.DataFrame:
    """Add the columns that REDCap puts on every row, and the completion status of the form."""
    out = frame.copy()
    out["redcap_repeat_instrument"] = instrument
    instance = out.groupby("record_id").cumcount() + 1
    out["redcap_repeat_instance"] = instance.astype(str) if instrument else ""
    out[f"{instrument or 'baseline'}_complete"] = "2"
    return out


def _keys(world: World, rows: np.ndarray, prefix: str) -> Block:
    """Return the columns that identify the patient; ``crid`` is piped into every repeating form."""
    part = world.patients.iloc[rows]
    crid = np.where(part["also_in"].ne(""), part["patient_id"], "")
    return {
        "record_id": part["record_id"].to_numpy(dtype=object),
        "redcap_data_access_group": np.array(
            [f"site_{c.lstrip('0')}" for c in part["center_id"]], dtype=object
        ),
        f"{prefix}_crid" if prefix else "crid": crid.astype(object),
    }


def _base(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient: baseline and follow-up."""
    p = world.patients.iloc[mine]
    start = p["infusion_date"].to_numpy()
    in_mg_l = rng.random(len(p)) < 0.6
    crp = np.where(in_mg_l, 10.0, 1.0) * p["crp_mg_dl"].to_numpy(dtype=float)
    frame = pd.DataFrame(
        _keys(world, mine, "")
        | {
            "inf_date": cells.iso_dates(start, np.zeros(len(p))),
            "product": cells.coded(p["product"], PRODUCTS),
            "disease": cells.coded(p["disease"], DISEASES),
            "dose": cells.number(p["dose_10e6_cells"], 1),
            "age": cells.number(p["age_years"], 1),
            "sex": cells.coded(p["sex"], {"male": "1", "female": "2"}),
            "ecog": cells.blank_where(cells.number(p["ecog"]), rng.random(len(p)) < 0.05, UNKNOWN),
            "n_lines": cells.number(p["lines_prior"]),
            "prior_hct": cells.blank_where(
                cells.yes_no(p["prior_hct"], "1", "0"), rng.random(len(p)) < 0.03, UNKNOWN
            ),
            "cns_prior": cells.yes_no(p["prior_cns_disease"], "1", "0"),
            "bridging": cells.coded(p["bridging"], {"none": "0", "systemic": "1", "radiation": "2"}),
            "ld": cells.coded(p["ld_regimen"], {"flu_cy": "1", "bendamustine": "2"}),
            "bl_ldh": cells.number(p["ldh_u_l"]),
            "bl_creat": cells.number(p["creatinine_mg_dl"], 2),
            "bl_plt": cells.number(p["platelets_10e9_l"]),
            "bl_crp": cells.number(crp, 2),
            "bl_crp_unit": cells.yes_no(in_mg_l, "1", "2"),
            "bl_ferritin": cells.blank_where(
                cells.number(p["ferritin_ng_ml"]), rng.random(len(p)) < 0.06, NOT_DONE
            ),
            "bl_anc": cells.number(p["anc_per_ul"]),
            "bl_hb": cells.number(p["hemoglobin_g_dl"], 1),
            "bl_mri": cells.yes_no(np.isin(mine, _baseline_rows(world)), "1", "0"),
            "fu_date": cells.iso_dates(start, p["last_contact_day"]),
            "fu_status": cells.coded(p["vital_status"], {"alive": "1", "dead": "2"}),
            "fu_death_date": cells.iso_dates(start, p["death_day"]),
            "fu_cod": cells.coded(p["cause_of_death"], {**CAUSES, "": ""}),
            "fu_relapse": cells.yes_no(p["relapse_day"].notna(), "1", "0"),
            "fu_relapse_date": cells.iso_dates(start, p["relapse_day"]),
        }
    )
    return frame


def _baseline_rows(world: World) -> np.ndarray:
    """Return the patients with a scan before infusion."""
    return world.exams.loc[world.exams["indication"] == "baseline", "row"].to_numpy()


def _days(active: np.ndarray, alive: np.ndarray, at_least: int) -> np.ndarray:
    """Return which days have a form: up to a day, and two days beyond the last active one."""
    day = np.arange(active.shape[1])
    last = np.where(active.any(axis=1), day[-1] - active[:, ::-1].argmax(axis=1) + 2, 0)
    return np.asarray(alive & (day[None, :] <= np.maximum(last, at_least)[:, None]))


def _neuro(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient and day with a neurological assessment."""
    sick = world.grade(world.edema)[mine] > 0
    filled = _days(sick, world.alive[mine], 10) & (rng.random(sick.shape) >= 0.02)
    where, days = np.nonzero(filled)
    rows = mine[where]
    at = (rows, days)
    signs = {name: values[at] for name, values in world.signs.items()}
    sedated, asked = world.sedated[at], world.ice_done[at] & ~world.sedated[at]
    items = _ice_items(signs["ice_score"], rng)
    known = world.edema_known[at]
    columns = _keys(world, rows, "nd") | {
        "nd_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], days),
        "nd_sedated": cells.yes_no(sedated, "1", "0"),
        "nd_ice_done": cells.yes_no(asked, "1", "0"),
    }
    for name, points in items.items():
        columns[f"nd_ice_{name}"] = cells.blank_where(cells.number(points), ~asked)
    columns |= {
        "nd_ice_total": cells.blank_where(cells.number(signs["ice_score"]), ~asked),
        "nd_loc": cells.blank_where(cells.number(signs["consciousness"]), sedated, NOT_DONE),
        "nd_seizure": cells.number(signs["seizure"]),
        "nd_motor": cells.number(signs["motor_deficit"]),
        "nd_edema": cells.blank_where(cells.number(world.edema[at]), ~known, NOT_DONE),
        "nd_icp_done": np.full(len(rows), "1", dtype=object),
    }
    for k, name in enumerate(SIGNS, start=1):
        columns[f"nd_icp___{k}"] = cells.number(signs[name])
    for name in ("tremor", "headache", "facial_palsy", "hallucinations"):
        columns[f"nd_{name}"] = cells.number(signs[name])
    return pd.DataFrame(columns)


def _ice_items(total: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Split ICE totals into items at random within the points that each item can give."""
    order = rng.random((len(total), 10)).argsort(axis=1).argsort(axis=1)
    scored = order < total[:, None]
    slices = {
        "ori": slice(0, 4),
        "nam": slice(4, 7),
        "cmd": slice(7, 8),
        "wri": slice(8, 9),
        "att": slice(9, 10),
    }
    return {name: scored[:, part].sum(axis=1) for name, part in slices.items()}


def _crs(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient and day with a CRS assessment."""
    filled = _days(world.crs.grade[mine] > 0, world.alive[mine], 10)
    where, days = np.nonzero(filled)
    rows = mine[where]
    at = (rows, days)
    signs = {name: values[at] for name, values in world.crs_signs.items()}
    flow = np.where(signs["oxygen_flow_l_min"] < 0, np.nan, signs["oxygen_flow_l_min"])
    return pd.DataFrame(
        _keys(world, rows, "cd")
        | {
            "cd_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], days),
            "cd_temp": cells.number(signs["temperature_c"], 1),
            "cd_anticytokine": cells.number(signs["antipyretic_or_anticytokine"]),
            "cd_hypotension": cells.number(signs["hypotension"]),
            "cd_pressor": cells.number(signs["vasopressors"]),
            "cd_oxygen": cells.number(signs["oxygen"]),
            "cd_flow": cells.number(flow),
        }
    )


def _labs(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient and day with laboratory values; the unit of CRP is written beside it."""
    last = 15
    alive = world.alive[mine][:, :last]
    where, days = np.nonzero(alive & (rng.random(alive.shape) < 0.9))
    rows = mine[where]
    in_mg_l = world.patients["center_row"].to_numpy()[rows] % 2 == 0
    in_mg_l = np.where(rng.random(len(rows)) < 0.03, ~in_mg_l, in_mg_l)
    crp = np.where(in_mg_l, 10.0, 1.0) * world.labs["crp"][rows, days]
    return pd.DataFrame(
        _keys(world, rows, "lb")
        | {
            "lb_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], days),
            "lb_crp": cells.number(crp, 2),
            "lb_crp_unit": cells.yes_no(in_mg_l, "1", "2"),
            "lb_ferritin": cells.blank_where(
                cells.number(world.labs["ferritin"][rows, days]), rng.random(len(rows)) < 0.25, NOT_DONE
            ),
            "lb_ldh": cells.number(world.labs["ldh"][rows, days]),
            "lb_creat": cells.number(world.labs["creatinine"][rows, days], 2),
            "lb_plt": cells.number(world.labs["platelets"][rows, days]),
        }
    )


def _exams(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per examination, and one per patient with ICANS who was not examined, with the reason."""
    chosen = np.isin(world.exams["row"].to_numpy(), mine)
    e, numbers = world.exams[chosen], exam_numbers(world.exams)[chosen]
    rows = e["row"].to_numpy()
    columns = _keys(world, rows, "me") | {
        "me_no": cells.number(numbers),
        "me_done": np.full(len(e), "1", dtype=object),
        "me_reason": np.full(len(e), "", dtype=object),
        "me_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], e["exam_day"]),
        "me_field": e["field_strength_t"].to_numpy(dtype=object),
        "me_contrast": cells.yes_no(e["contrast"], "1", "0"),
        "me_indication": cells.coded(
            e["indication"], {"baseline": "1", "symptom_driven": "2", "scheduled": "3"}
        ),
        "me_blinded": cells.yes_no(e["blinded"], "1", "0"),
        "me_quality": cells.coded(e["quality"], {"diagnostic": "1", "limited": "2"}),
    }
    for k, name in enumerate(SEQUENCES, start=1):
        columns[f"me_seq___{k}"] = cells.yes_no(e[name], "1", "0")
    acute = world.exams.loc[world.exams["indication"] == "symptom_driven", "row"].to_numpy()
    unseen = mine[(world.icans.peak[mine] > 0) & ~np.isin(mine, acute)]
    unseen = unseen[rng.random(len(unseen)) < 0.85]
    reasons = rng.choice(NOT_DONE_REASONS, size=len(unseen), p=[0.7, 0.2, 0.1])
    done_before = pd.Series(world.exams["row"]).value_counts().reindex(unseen, fill_value=0).to_numpy()
    missed = _keys(world, unseen, "me") | {
        "me_no": cells.number(done_before + 1),
        "me_done": np.full(len(unseen), "0", dtype=object),
        "me_reason": reasons.astype(object),
    }
    out = pd.concat([pd.DataFrame(columns), pd.DataFrame(missed)], ignore_index=True).fillna("")
    return out.sort_values(["record_id", "me_no"], kind="stable", ignore_index=True)


def _findings(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per examination, finding and reader."""
    reads = world.reads[np.isin(world.reads["row"].to_numpy(), mine)]
    rows = reads["row"].to_numpy()
    number = exam_numbers(world.exams).to_numpy()[reads["exam"].to_numpy()]
    return pd.DataFrame(
        _keys(world, rows, "mf")
        | {
            "mf_exam": cells.number(number),
            "mf_code": cells.number(reads["code"].to_numpy() + 1),
            "mf_reader": cells.coded(reads["reader"], {1: "A", 2: "B"}),
            "mf_presence": cells.coded(reads["presence"], PRESENCE),
            "mf_change": cells.coded(reads["change"], CHANGE),
        }
    )


def _treatments(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per drug given."""
    t = world.treatments[np.isin(world.treatments["row"].to_numpy(), mine)]
    rows = t["row"].to_numpy()
    start = world.patients["infusion_date"].to_numpy()[rows]
    return pd.DataFrame(
        _keys(world, rows, "tx")
        | {
            "tx_drug": cells.coded(t["drug"], DRUGS),
            "tx_start": cells.iso_dates(start, t["start_day"]),
            "tx_stop": cells.iso_dates(start, t["stop_day"]),
            "tx_dose_mg": cells.number(t["dose_mg"]),
            "tx_route": cells.coded(t["route"], {"oral": "1", "intravenous": "2", "subcutaneous": "3"}),
            "tx_intent": cells.coded(t["intent"], {"prophylaxis": "1", "therapy": "2"}),
            "tx_indication": cells.coded(t["indication"], {"crs": "1", "icans": "2", "seizure": "3"}),
        }
    )


def _events(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per late event; the free text holds accents."""
    e = world.events[np.isin(world.events["row"].to_numpy(), mine)]
    rows = e["row"].to_numpy()
    return pd.DataFrame(
        _keys(world, rows, "ev")
        | {
            "ev_type": cells.coded(e["event_type"], EVENTS),
            "ev_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], e["event_day"]),
            "ev_grade": cells.number(e["event_grade"]),
            "ev_related": cells.coded(e["relatedness"], {"related": "1", "indeterminate": "2"}),
            "ev_text": cells.coded(e["event_type"], {
                "movement_disorder": "Bradykinesia, shuffling gait", "cranial_nerve_palsy": "Bell’s palsy", "stroke": "",
                "peripheral_neuropathy": "Guillain–Barré excluded", "infection": "", "second_malignancy": "",
            }),
        }
    )  # fmt: skip


def _cognition(world: World, mine: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per cognitive visit."""
    c = world.cognition[np.isin(world.cognition["row"].to_numpy(), mine)]
    rows = c["row"].to_numpy()
    visits = {"baseline": "1", "day_30": "2", "day_90": "3", "month_6": "4", "month_12": "5"}
    return pd.DataFrame(
        _keys(world, rows, "cg")
        | {
            "cg_visit": cells.coded(c["visit"], visits),
            "cg_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], c["visit_day"]),
            "cg_moca": cells.number(c["moca_total"]),
            "cg_mmse": cells.number(c["mmse_total"]),
            "cg_promis": cells.number(c["promis_t"], 1),
        }
    )


def _trap_base(file: TrappedFile) -> None:
    """Undeclared codes and units at baseline, and ages that differ from what the registry was told."""
    file.write("undeclared_code", "infusion", "disease", ["17"], "unmapped", n=2)
    file.write("unit_blank", "infusion", "bl_crp_unit", [""], "no_unit", n=2)
    also = file.frame["crid"].ne("").to_numpy()
    chosen = file.choose(also, 3)
    column = file.frame.columns.get_loc("age")
    file.frame.iloc[chosen, column] = [f"{float(a) + 2:.1f}" for a in file.frame.iloc[chosen, column]]
    file.note("conflict_between_sources", "infusion", "age", len(chosen), "conflicts")


def _trap_neuro(file: TrappedFile) -> None:
    """ICE of 11, an undeclared level of consciousness, duplicated forms."""
    asked = (file.frame["nd_ice_done"] == "1").to_numpy()
    file.write("ice_of_eleven", "neuro_assessment", "nd_ice_total", ["11"], "out_of_range", n=2, where=asked)
    file.write("undeclared_code", "neuro_assessment", "nd_loc", ["7"], "unmapped", where=asked)
    file.duplicate("neuro_assessment", "nd_loc", {"0": "1", "1": "2", "2": "3"})


def _trap_labs(file: TrappedFile) -> None:
    """Wrong units, values out of range, text among numbers."""
    milligrams = (file.frame["lb_crp_unit"] == "1").to_numpy() & (_floats(file.frame["lb_crp"]) > 85.0)
    file.write("unit_mixed_up", "lab", "lb_crp_unit", ["2"], "out_of_range", where=milligrams)
    file.write("unit_blank", "lab", "lb_crp_unit", [""], "no_unit", n=4)
    file.write("unit_undeclared", "lab", "lb_crp_unit", ["5"], "no_unit", n=2)
    file.write("lab_out_of_range", "lab", "lb_ferritin", ["9999999"], "out_of_range", n=2)
    file.write("lab_not_a_number", "lab", "lb_ldh", ["hemolyzed"], "unparsed", n=2)


def _floats(text: pd.Series) -> np.ndarray:
    """Read a column of text as numbers; what is none is NaN."""
    return pd.to_numeric(text, errors="coerce").to_numpy(dtype=float)


def _trap_cognition(file: TrappedFile) -> None:
    """A MoCA above its maximum."""
    file.write("score_out_of_range", "cognition", "cg_moca", ["35"], "out_of_range", n=2)


_SET_TRAPS = {
    "": _trap_base,
    "neuro_daily": _trap_neuro,
    "lab_daily": _trap_labs,
    "cognition": _trap_cognition,
}
