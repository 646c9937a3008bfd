"""Write patients as a hospital's REDCap project exports them: one flat file with repeating instruments."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.courses import IntArray
from cohort.simulate.redcap_course import cognition, event, treatment
from cohort.simulate.redcap_daily import NOT_DONE, crs_daily, form_keys, lab_daily, neuro_daily
from cohort.simulate.redcap_imaging import mri_exam, mri_finding
from cohort.simulate.traps import TrappedFile
from cohort.simulate.world import World

SOURCE = "sim_redcap"
UNKNOWN = "-99"
PRODUCTS = {name: str(k) for k, name in enumerate(
    ("axi-cel", "tisa-cel", "liso-cel", "brexu-cel", "ide-cel", "cilta-cel"), start=1)}  # fmt: skip
DISEASES = {name: str(k) for k, name in enumerate(("LBCL", "FL", "MCL", "CLL", "B-ALL", "MM"), start=1)}
_CAUSE_NAMES = (
    "disease",
    "crs",
    "neurotoxicity",
    "iec_hs",
    "infection",
    "second_malignancy",
    "organ_failure",
)
CAUSES = {name: str(k) for k, name in enumerate(_CAUSE_NAMES, start=1)}


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
        "neuro_daily": neuro_daily,
        "crs_daily": crs_daily,
        "lab_daily": lab_daily,
        "mri_exam": mri_exam,
        "mri_finding": mri_finding,
        "treatment": treatment,
        "event": event,
        "cognition": cognition,
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


def _base(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient: baseline and follow-up."""
    p = world.patients.iloc[mine]
    start = p["infusion_date"].to_numpy()
    in_mg_l = rng.random(len(p)) < 0.6
    crp = np.where(in_mg_l, 10.0, 1.0) * p["crp_mg_dl"].to_numpy(dtype=float)
    frame = pd.DataFrame(
        form_keys(world, mine, "")
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


def _trap_base(file: TrappedFile) -> None:
    """Set undeclared codes and units at baseline, and ages that differ from what the registry was told."""
    file.write("undeclared_code", "infusion", "disease", ["17"], "unmapped", n=2)
    file.write("unit_blank", "infusion", "bl_crp_unit", [""], "no_unit", n=2)
    also = file.frame["crid"].ne("").to_numpy()
    chosen = file.choose(also, 3)
    ages = file.frame["age"].to_numpy(dtype=object)[chosen].astype(float)
    file.put("age", chosen, cells.number(ages + 2.0, 1))
    file.note("conflict_between_sources", "infusion", "age", len(chosen), "conflicts")


def _trap_neuro(file: TrappedFile) -> None:
    """Set an ICE of 11, an undeclared level of consciousness, duplicated forms."""
    asked = (file.frame["nd_ice_done"] == "1").to_numpy()
    file.write("ice_of_eleven", "neuro_assessment", "nd_ice_total", ["11"], "out_of_range", n=2, where=asked)
    file.write("undeclared_code", "neuro_assessment", "nd_loc", ["7"], "unmapped", where=asked)
    file.duplicate("neuro_assessment", "nd_loc", {"0": "1", "1": "2", "2": "3"})


def _trap_labs(file: TrappedFile) -> None:
    """Set wrong units, values out of range, text among numbers."""
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
    """Set totals above the maximum of the test."""
    file.write("score_out_of_range", "cognition", "cg_moca", ["35"], "out_of_range", n=2)


_SET_TRAPS = {
    "": _trap_base,
    "neuro_daily": _trap_neuro,
    "lab_daily": _trap_labs,
    "cognition": _trap_cognition,
}
