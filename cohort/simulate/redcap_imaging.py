"""Forms of the REDCap project on imaging."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.courses import IntArray
from cohort.simulate.imaging import SEQUENCES
from cohort.simulate.redcap_daily import form_keys
from cohort.simulate.truth_tables import exam_numbers
from cohort.simulate.world import World

PRESENCE = {"absent": "0", "present": "1", "indeterminate": "2", "not_assessable": "3"}
CHANGE = {"no_prior": "0", "new": "1", "unchanged": "2", "resolved": "3", "": ""}
NOT_DONE_REASONS = ("1", "2", "3")
"""Not indicated, unstable, contraindicated."""


def mri_exam(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per examination, and one per patient with ICANS who was not examined, with the reason.

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
    chosen = np.isin(world.exams["row"].to_numpy(), mine)
    e, numbers = world.exams[chosen], exam_numbers(world.exams)[chosen]
    rows = e["row"].to_numpy()
    columns = form_keys(world, rows, "me") | {
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
    missed = form_keys(world, unseen, "me") | {
        "me_no": cells.number(done_before + 1),
        "me_done": np.full(len(unseen), "0", dtype=object),
        "me_reason": reasons.astype(object),
    }
    out = pd.concat([pd.DataFrame(columns), pd.DataFrame(missed)], ignore_index=True).fillna("")
    return out.sort_values(["record_id", "me_no"], kind="stable", ignore_index=True)


def mri_finding(world: World, mine: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row per examination, finding and reader.

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
    reads = world.reads[np.isin(world.reads["row"].to_numpy(), mine)]
    rows = reads["row"].to_numpy()
    number = exam_numbers(world.exams).to_numpy()[reads["exam"].to_numpy()]
    return pd.DataFrame(
        form_keys(world, rows, "mf")
        | {
            "mf_exam": cells.number(number),
            "mf_code": cells.number(reads["code"].to_numpy() + 1),
            "mf_reader": cells.coded(reads["reader"], {1: "A", 2: "B"}),
            "mf_presence": cells.coded(reads["presence"], PRESENCE),
            "mf_change": cells.coded(reads["change"], CHANGE),
        }
    )
