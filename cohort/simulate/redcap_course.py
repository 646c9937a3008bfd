"""Forms of the REDCap project on treatment, late events and cognition."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.courses import IntArray
from cohort.simulate.redcap_daily import form_keys
from cohort.simulate.world import World

DRUGS = {"tocilizumab": "1", "dexamethasone": "3", "anakinra": "2", "levetiracetam": "5"}
EVENTS = {
    "movement_disorder": "1",
    "cranial_nerve_palsy": "2",
    "stroke": "3",
    "peripheral_neuropathy": "4",
    "infection": "5",
    "second_malignancy": "6",
}
EVENT_TEXTS = {
    "movement_disorder": "Bradykinesia, shuffling gait",
    "cranial_nerve_palsy": "Bell’s palsy",
    "peripheral_neuropathy": "Guillain–Barré excluded",
}


def treatment(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per drug given.

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
    t = world.treatments[np.isin(world.treatments["row"].to_numpy(), mine)]
    rows = t["row"].to_numpy()
    start = world.patients["infusion_date"].to_numpy()[rows]
    return pd.DataFrame(
        form_keys(world, rows, "tx")
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


def event(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per late event; the free text holds accents.

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
    e = world.events[np.isin(world.events["row"].to_numpy(), mine)]
    rows = e["row"].to_numpy()
    return pd.DataFrame(
        form_keys(world, rows, "ev")
        | {
            "ev_type": cells.coded(e["event_type"], EVENTS),
            "ev_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], e["event_day"]),
            "ev_grade": cells.number(e["event_grade"]),
            "ev_related": cells.coded(e["relatedness"], {"related": "1", "indeterminate": "2"}),
            "ev_text": cells.coded(
                e["event_type"], EVENT_TEXTS | dict.fromkeys(set(EVENTS) - set(EVENT_TEXTS), "")
            ),
        }
    )


def cognition(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per cognitive visit.

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
    c = world.cognition[np.isin(world.cognition["row"].to_numpy(), mine)]
    rows = c["row"].to_numpy()
    visits = {"baseline": "1", "day_30": "2", "day_90": "3", "month_6": "4", "month_12": "5"}
    return pd.DataFrame(
        form_keys(world, rows, "cg")
        | {
            "cg_visit": cells.coded(c["visit"], visits),
            "cg_date": cells.iso_dates(world.patients["infusion_date"].to_numpy()[rows], c["visit_day"]),
            "cg_moca": cells.number(c["moca_total"]),
            "cg_mmse": cells.number(c["mmse_total"]),
            "cg_promis": cells.number(c["promis_t"], 1),
        }
    )
