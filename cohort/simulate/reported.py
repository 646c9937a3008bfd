"""What a registry is told about a toxicity: one record per reporting period, with mild episodes often lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.simulate import calibration as cal
from cohort.simulate.courses import BoolArray, IntArray
from cohort.simulate.world import World


@dataclass(frozen=True, slots=True)
class Told:
    """A toxicity as told to a registry, for a choice of patients.

    Attributes
    ----------
    grade : array of shape (m,)
        Highest grade told; 0 for none.
    genuine : array of shape (m,)
        Whether the episode told really happened (otherwise a few healthy patients are told as grade 1).
    onset, end : array of shape (m,)
        First and last day told; NaN for none.
    """

    grade: IntArray
    genuine: BoolArray
    onset: NDArray[np.float64]
    end: NDArray[np.float64]


def tell(grade: IntArray, rng: np.random.Generator) -> Told:
    """Turn daily grades into what the registry is told.

    Parameters
    ----------
    grade : array of shape (m, days)
        Daily grades as noted at the bedside.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Told
        Grades 1 and 2 are lost with probability 0.3, higher ones with 0.05; 2% of the healthy are told as grade 1.
    """
    peak = grade.max(axis=1)
    u = rng.random(len(peak))
    kept = np.where(peak >= 3, u < cal.REGISTRY_SENSITIVITY_SEVERE, u < cal.REGISTRY_SENSITIVITY_LOW) & (
        peak > 0
    )
    invented = (peak == 0) & (u > cal.REGISTRY_SPECIFICITY)
    sick = grade > 0
    invented_onset = rng.integers(3, 12, len(peak)).astype(float)
    first, last = sick.argmax(axis=1), grade.shape[1] - 1 - sick[:, ::-1].argmax(axis=1)
    onset = np.where(kept, first, np.where(invented, invented_onset, np.nan))
    end = np.where(kept, last, np.where(invented, invented_onset + 1, np.nan))
    return Told(np.where(kept, peak, np.where(invented, 1, 0)), kept, onset, end)


def second_infusions(world: World, rows: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """Choose patients who are infused again after relapse: ``row`` and ``day`` since the first infusion.

    Parameters
    ----------
    world : World
        From `simulate_world`.
    rows : array of shape (m,)
        Positions of the patients to choose from.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per second infusion.
    """
    p = world.patients.iloc[rows]
    day = p["relapse_day"].to_numpy(dtype=float) + 30.0 + rng.integers(0, 60, len(p))
    again = (rng.random(len(p)) < 0.12) & (day <= p["last_contact_day"].to_numpy(dtype=float))
    return pd.DataFrame({"row": rows[again], "day": day[again].astype(np.int64)})
