"""Who has a row in an imaging summary, and whether each was imaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import StudyError
from cohort.neurotox.columns import KEYS, Flags, category, int64, require_columns
from cohort.neurotox.mri_exams import Exams

STATUS = ("imaged", "not_imaged", "unknown")
REASONS = ("not_indicated", "contraindicated", "unstable", "declined", "not_available", "other")


@dataclass(frozen=True, slots=True)
class Patients:
    """The patients of a summary and the examinations that are theirs.

    Attributes
    ----------
    keys : DataFrame of shape (n, n_keys)
        One row per patient, in the order of the summary.
    of_exam : array of int of shape (n_exams,)
        Position of each examination's patient; -1 for patients without a row in the summary.
    """

    keys: pd.DataFrame
    of_exam: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.keys)


def number_patients(mri_exam: pd.DataFrame, patients: pd.DataFrame | pd.Series | None) -> Patients:
    """Return the patients to summarize: those given in their order, else those with examinations, sorted."""
    if isinstance(patients, pd.Series):
        patients = pd.DataFrame({"patient_id": patients.to_numpy()})
    if patients is None:
        names = [key for key in KEYS if key in mri_exam.columns]
        keys = mri_exam[names].drop_duplicates().sort_values(names, ignore_index=True)
    else:
        require_columns(patients, ["patient_id"], "patients=")
        names = [key for key in KEYS if key in mri_exam.columns and key in patients.columns]
        keys = patients[names].reset_index(drop=True)
        if keys.duplicated().any():
            raise StudyError(
                "patients= has several rows with the same keys",
                evidence=f"{int(keys.duplicated().sum())} repeated rows of {', '.join(names)}",
                remedy="keep one infusion per patient, or pass infusion_number as well",
            )
    return Patients(keys, positions(mri_exam[names], keys))


def positions(rows: pd.DataFrame, keys: pd.DataFrame) -> NDArray[np.int64]:
    """Return the position in ``keys`` of each row; -1 where it is not there."""
    names = list(keys.columns)
    both = pd.concat([keys.astype(object), rows[names].astype(object)], ignore_index=True)
    codes = both.groupby(names, sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64)
    where = np.full(int(codes.max(initial=-1)) + 1, -1, dtype=np.int64)
    where[codes[: len(keys)]] = np.arange(len(keys))
    return where[codes[len(keys) :]]


def imaging_status(mri_exam: pd.DataFrame, exams: Exams, who: Patients) -> dict[str, pd.Series]:
    """Return who was imaged in the window, why not, how often, when first, and who has a baseline."""
    imaged = _any(exams.in_window, who)
    not_done = _any(exams.not_done_here, who)
    undated = _any((exams.done & np.isnan(exams.day) & ~exams.baseline) | exams.status_unknown, who)
    followed = _any(exams.done & (~np.isnan(exams.day) | exams.baseline), who)
    not_imaged = ~imaged & ~undated & (not_done | followed)
    status = np.select([imaged, not_imaged], [0, 1], default=2)
    baseline, no_baseline = _any(exams.baseline, who), _any(exams.baseline_not_done, who)
    has_baseline = np.select([baseline, no_baseline | (followed & ~undated)], [1, 0], default=2)
    n_exams = _n_exams(mri_exam, exams, who)
    return {
        "mri_status": category(status, STATUS),
        "mri_not_done_reason": _reasons(mri_exam, exams, who, status == 1),
        "mri_n_exams": int64(n_exams, status == 2),
        "mri_first_day": int64(_first_day(exams, who)),
        "baseline_mri": category(has_baseline, ("no", "yes", "unknown")),
    }


def _any(flag: Flags, who: Patients) -> Flags:
    """Whether any of each patient's examinations has the flag."""
    out = np.zeros(who.n, dtype=bool)
    out[who.of_exam[flag & (who.of_exam >= 0)]] = True
    return out


def _n_exams(mri_exam: pd.DataFrame, exams: Exams, who: Patients) -> NDArray[np.float64]:
    """Count each patient's distinct examinations in the window."""
    rows = np.flatnonzero(exams.in_window & (who.of_exam >= 0))
    distinct = pd.DataFrame({"patient": who.of_exam[rows], "exam": mri_exam["exam_id"].to_numpy()[rows]})
    return np.bincount(distinct.drop_duplicates()["patient"], minlength=who.n).astype(float)


def _first_day(exams: Exams, who: Patients) -> NDArray[np.float64]:
    """Return the day of each patient's first examination in the window."""
    rows = exams.in_window & (who.of_exam >= 0)
    first = np.full(who.n, np.inf)
    np.minimum.at(first, who.of_exam[rows], exams.day[rows])
    return np.where(np.isinf(first), np.nan, first)


def _reasons(mri_exam: pd.DataFrame, exams: Exams, who: Patients, not_imaged: Flags) -> pd.Series:
    """Return why no examination was made; of several reasons the first in the order of the codelist."""
    given = (
        pd.Categorical(mri_exam["not_done_reason"], categories=list(REASONS)).codes.astype(np.int64)
        if "not_done_reason" in mri_exam.columns
        else np.full(len(mri_exam), -1)
    )
    rows = exams.not_done_here & (who.of_exam >= 0) & (given >= 0)
    code = np.full(who.n, len(REASONS))
    np.minimum.at(code, who.of_exam[rows], given[rows])
    code = np.where(not_imaged & (code < len(REASONS)), code, -1)
    return category(code, REASONS)
