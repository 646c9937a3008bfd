"""Lesion load: in how many regions, how many lesions, and how extensive, per patient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.anatomy import regions
from cohort.dictionary.derived import finding_taxonomy
from cohort.errors import RangeError, StudyError
from cohort.neurotox.columns import Flags, category, int64, read_levels, require_columns
from cohort.neurotox.mri_exams import check_window, read_exams
from cohort.neurotox.mri_patients import imaging_status, number_patients, positions

EXTENT = ("punctate", "focal", "multifocal", "confluent", "diffuse")
LESIONS = {"1": (1, 1), "2-4": (2, 4), "5-9": (5, 9), "10_or_more": (10, None)}
PRESENT = "present"


def lesion_load(
    mri_exam: pd.DataFrame,
    mri_finding: pd.DataFrame,
    window: tuple[float, float] = (0, 30),
    findings: list[str] | None = None,
    patients: pd.DataFrame | pd.Series | None = None,
) -> pd.DataFrame:
    """Count, per imaged patient, the regions and lesions of the findings seen in a window.

    The load is that of the examination with the most regions (ties: the earliest day). Of several readers of
    an examination, a site counts when any of them named it. Regions are those of ``anatomy.yaml``: a site
    and its side count once. Where a finding is present and no reader named a site, its regions are not
    known: the count of regions is a lower bound and ``load_sites_missing`` says in how many findings.

    Parameters
    ----------
    mri_exam : DataFrame of shape (n_exams, n_columns)
        Examinations, as for `mri_findings`.
    mri_finding : DataFrame of shape (n_readings, n_columns)
        Readings with ``sites`` (words separated by semicolons), ``lesion_count`` and ``extent``, each where
        it exists.
    window : tuple of two floats, default=(0, 30)
        First and last day since infusion.
    findings : list of str, optional
        Findings that count; all of the dictionary by default.
    patients : DataFrame or Series, optional
        Keys of the patients to have a row; those in ``mri_exam`` by default.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        Keys, ``mri_status``; ``load_n_regions`` and one 0/1 column ``load_<region>`` per region;
        ``load_n_findings``; ``load_n_lesions_lower`` and ``load_n_lesions_upper`` (sums over findings of the
        counted categories; the upper bound is missing from "10 or more" on, or where a count was not given);
        ``load_extent``, the largest; ``load_sites_missing``. 0 where nothing was found
        in an examination that was read as normal, declared complete, or has a finding recorded as absent;
        missing where nobody was imaged or nothing was recorded. Indeterminate findings do not count.

    Raises
    ------
    RangeError
        When a site, lesion count or extent is not a word of the dictionary.
    StudyError
        When a key column is missing or a finding is unknown.

    See Also
    --------
    mri_findings : Presence of each finding, with every kind of not knowing.

    Examples
    --------
    >>> exams = pd.DataFrame({"patient_id": ["A", "B", "C"], "exam_id": ["1", "2", "3"], "exam_day": [5, 6, 45],
    ...     "overall_result": [None, "normal", "normal"]})
    >>> readings = pd.DataFrame({"patient_id": ["A"], "exam_id": ["1"], "finding_code": ["flair_deep"],
    ...     "presence": ["present"], "sites": ["thalamus; pons"], "lesion_count": ["2-4"]})
    >>> lesion_load(exams, readings)[["patient_id", "mri_status", "load_n_regions", "load_n_lesions_upper"]]
      patient_id  mri_status  load_n_regions  load_n_lesions_upper
    0          A      imaged               2                     4
    1          B      imaged               0                     0
    2          C  not_imaged            <NA>                  <NA>
    """
    check_window(window)
    require_columns(mri_exam, ["patient_id", "exam_id"], "mri_exam")
    require_columns(mri_finding, ["patient_id", "exam_id", "finding_code", "presence"], "mri_finding")
    wanted = _wanted(findings)
    exams = read_exams(mri_exam, window)
    who = number_patients(mri_exam, patients)
    used = exams.in_window & (who.of_exam >= 0)
    keys = [key for key in (*who.keys.columns, "exam_id") if key in mri_finding.columns]
    counted = _unique_readings(mri_finding, keys, wanted)
    of_reading = positions(counted[keys], mri_exam[keys])
    per_exam = _per_exam(counted, of_reading, len(mri_exam))
    looked = exams.complete | _has_reading(mri_exam, mri_finding, keys, wanted)
    chosen = _most_regions(per_exam, used & looked, exams.day, who.of_exam, who.n)
    status = imaging_status(mri_exam, exams, who)["mri_status"]
    return pd.DataFrame(
        {
            **{name: who.keys[name].reset_index(drop=True) for name in who.keys.columns},
            "mri_status": status,
            **_columns(per_exam, chosen),
        }
    )


def _wanted(findings: list[str] | None) -> tuple[str, ...]:
    codes = finding_taxonomy().codes
    unknown = [name for name in findings or () if name not in codes]
    if unknown:
        raise StudyError(
            "findings= names what is not a finding",
            evidence=", ".join(unknown),
            remedy=f"use codes of the dictionary, as {', '.join(codes[:3])}",
        )
    return codes if findings is None else tuple(findings)


def _unique_readings(mri_finding: pd.DataFrame, keys: list[str], wanted: tuple[str, ...]) -> pd.DataFrame:
    """Return the present findings, one row per examination and finding, joined over readers."""
    text = mri_finding["presence"].astype("string")
    here = ((text == PRESENT) & mri_finding["finding_code"].astype("string").isin(wanted)).fillna(False)
    rows = mri_finding[here.to_numpy(dtype=bool)]
    site = _sites(rows)
    extent = read_levels(rows, "extent", {name: i for i, name in enumerate(EXTENT)})
    count = read_levels(rows, "lesion_count", {name: i for i, name in enumerate(LESIONS)})
    frame = rows[[*keys, "finding_code"]].astype(object).reset_index(drop=True)
    frame = pd.concat([frame, site.reset_index(drop=True)], axis=1).assign(extent=extent, count=count)
    groups = frame.groupby([*keys, "finding_code"], sort=True, dropna=False)
    return groups.max().reset_index()


def _has_reading(
    mri_exam: pd.DataFrame, mri_finding: pd.DataFrame, keys: list[str], wanted: tuple[str, ...]
) -> Flags:
    """Whether somebody recorded one of the findings as present or absent in an examination."""
    said = mri_finding["presence"].astype("string").isin([PRESENT, "absent"])
    said &= mri_finding["finding_code"].astype("string").isin(wanted)
    of = positions(mri_finding.loc[said.fillna(False).to_numpy(dtype=bool), keys], mri_exam[keys])
    out = np.zeros(len(mri_exam), dtype=bool)
    out[of[of >= 0]] = True
    return out


def _sites(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one 0/1 column per region; refuse words that are not sites."""
    known = {site: region.value for region in regions() for site in region.sites}
    out = pd.DataFrame(0, index=rows.index, columns=[region.value for region in regions()], dtype=np.int8)
    if "sites" not in rows.columns:
        return out
    words = rows["sites"].dropna().astype("string").str.split(";").explode().astype("string").str.strip()
    words = words[words != ""]
    unknown = ~words.isin(list(known))
    if unknown.any():
        raise RangeError(
            "column 'sites' holds words that are not sites",
            evidence=f"sites: {int(unknown.sum())} of {len(words)} words",
            remedy="use the words of data_dictionary/anatomy.yaml, separated by semicolons",
        )
    named = pd.crosstab(words.index, words.map(known).to_numpy()).clip(upper=1)
    out.loc[named.index, named.columns] = named.to_numpy(dtype=np.int8)
    return out


def _per_exam(counted: pd.DataFrame, of_reading: NDArray[np.int64], n_exams: int) -> dict[str, NDArray[Any]]:
    """Return, per examination, its regions, findings, lesions and extent."""
    mine = counted[of_reading >= 0]
    exam = of_reading[of_reading >= 0]
    names = [region.value for region in regions()]
    region = np.zeros((n_exams, len(names)), dtype=np.int8)
    site = mine[names].to_numpy(dtype=np.int8)
    np.maximum.at(region, exam, site)
    low = np.array(
        [*(one[0] for one in LESIONS.values()), 1], dtype=float
    )  # last: count not given, at least one
    high = np.array([*(np.nan if one[1] is None else one[1] for one in LESIONS.values()), np.nan])
    count = mine["count"].to_numpy(dtype=np.intp)
    extent = np.full(n_exams, -1, dtype=np.int8)
    np.maximum.at(extent, exam, mine["extent"].to_numpy(dtype=np.int8))
    return {
        "region": region,
        "n_findings": np.bincount(exam, minlength=n_exams),
        "lower": np.bincount(exam, low[count], minlength=n_exams),
        "upper": np.bincount(exam, high[count], minlength=n_exams),
        "extent": extent,
        "no_site": np.bincount(exam, (site.sum(axis=1) == 0).astype(float), minlength=n_exams),
    }


def _most_regions(
    per_exam: dict[str, NDArray[Any]],
    used: Flags,
    day: NDArray[np.float64],
    patient: NDArray[np.int64],
    n: int,
) -> NDArray[np.intp]:
    """Return each patient's examination with the most regions, then findings, then the earliest; -1 without."""
    rows = np.flatnonzero(used)
    order = np.lexsort(
        (day[rows], -per_exam["n_findings"][rows], -per_exam["region"][rows].sum(axis=1), patient[rows])
    )
    rows = rows[order]
    of, first = np.unique(patient[rows], return_index=True)
    out = np.full(n, -1, dtype=np.intp)
    out[of] = rows[first]
    return out


def _columns(per_exam: dict[str, NDArray[Any]], chosen: NDArray[np.intp]) -> dict[str, pd.Series]:
    def of(values: NDArray[Any]) -> pd.Series:
        return int64(np.append(values.astype(float), np.nan)[chosen])  # -1, no examination, takes the last

    region = per_exam["region"]
    columns = {"load_n_regions": of(region.sum(axis=1))}
    columns |= {f"load_{one.value}": of(region[:, i]) for i, one in enumerate(regions())}
    columns |= {
        "load_n_findings": of(per_exam["n_findings"]),
        "load_n_lesions_lower": of(per_exam["lower"]),
        "load_n_lesions_upper": of(per_exam["upper"]),
        "load_extent": category(np.append(per_exam["extent"], np.int8(-1))[chosen], EXTENT),
        "load_sites_missing": of(per_exam["no_site"]),
    }
    return columns
