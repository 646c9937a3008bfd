"""Forms of the REDCap project that are filled day by day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.courses import SIGNS, IntArray
from cohort.simulate.world import World

NOT_DONE = "-88"


def form_keys(world: World, rows: IntArray, prefix: str) -> dict[str, cells.Text]:
    """Return the columns that identify the patient; ``crid`` is piped into every repeating form.

    Parameters
    ----------
    world : World
        From `simulate_world`.
    rows : array of shape (m,)
        Position of the patient of each row.
    prefix : str
        Prefix of the form, empty for the base form.

    Returns
    -------
    dict of str to array
        Columns by name.
    """
    part = world.patients.iloc[rows]
    crid = np.where(part["also_in"].ne(""), part["patient_id"], "")
    return {
        "record_id": part["record_id"].to_numpy(dtype=object),
        "redcap_data_access_group": np.array(
            [f"site_{c.lstrip('0')}" for c in part["center_id"]], dtype=object
        ),
        f"{prefix}_crid" if prefix else "crid": crid.astype(object),
    }


def _days(active: np.ndarray, alive: np.ndarray, at_least: int) -> np.ndarray:
    """Return which days have a form: up to a day, and two days beyond the last active one."""
    day = np.arange(active.shape[1])
    last = np.where(active.any(axis=1), day[-1] - active[:, ::-1].argmax(axis=1) + 2, 0)
    return np.asarray(alive & (day[None, :] <= np.maximum(last, at_least)[:, None]))


def neuro_daily(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient and day with a neurological assessment.

    Parameters
    ----------
    world : World
        From `simulate_world`.
    mine : array of shape (m,)
        Positions of the patients of the project.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per form, all text.
    """
    sick = world.grade(world.edema)[mine] > 0
    filled = _days(sick, world.alive[mine], 10) & (rng.random(sick.shape) >= 0.02)
    where, days = np.nonzero(filled)
    rows = mine[where]
    at = (rows, days)
    signs = {name: values[at] for name, values in world.signs.items()}
    sedated, asked = world.sedated[at], world.ice_done[at] & ~world.sedated[at]
    items = _ice_items(signs["ice_score"], rng)
    known = world.edema_known[at]
    columns = form_keys(world, rows, "nd") | {
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


def crs_daily(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient and day with a CRS assessment.

    Parameters
    ----------
    world : World
        From `simulate_world`.
    mine : array of shape (m,)
        Positions of the patients of the project.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per form, all text.
    """
    filled = _days(world.crs.grade[mine] > 0, world.alive[mine], 10)
    where, days = np.nonzero(filled)
    rows = mine[where]
    at = (rows, days)
    signs = {name: values[at] for name, values in world.crs_signs.items()}
    flow = np.where(signs["oxygen_flow_l_min"] < 0, np.nan, signs["oxygen_flow_l_min"])
    return pd.DataFrame(
        form_keys(world, rows, "cd")
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


def lab_daily(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per patient and day with laboratory values; the unit of CRP is written beside it.

    Parameters
    ----------
    world : World
        From `simulate_world`.
    mine : array of shape (m,)
        Positions of the patients of the project.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per form, all text.
    """
    last = 15
    alive = world.alive[mine][:, :last]
    where, days = np.nonzero(alive & (rng.random(alive.shape) < 0.9))
    rows = mine[where]
    in_mg_l = world.patients["center_row"].to_numpy()[rows] % 2 == 0
    in_mg_l = np.where(rng.random(len(rows)) < 0.03, ~in_mg_l, in_mg_l)
    crp = np.where(in_mg_l, 10.0, 1.0) * world.labs["crp"][rows, days]
    return pd.DataFrame(
        form_keys(world, rows, "lb")
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
