"""Readings of imaging findings by several readers, as one frame of raters per finding, region or site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from cohort.dictionary.derived import finding_taxonomy
from cohort.errors import EstimationError

By = Literal["finding", "region", "site"]
EXAM_KEY = ("source", "patient_id", "infusion_number", "exam_id")
STATES = ("absent", "not_assessable", "indeterminate", "present")  # in order of what a region takes over


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Readings, one frame of raters for each finding, region or site.

    Attributes
    ----------
    frames : mapping of str to DataFrame
        One row per examination, one column per reader, texts absent, present, ...; missing without a reading.
    cluster : mapping of str to array or None
        Cluster of each row of a frame.
    n_exams, n_read_twice, n_patients : int
        Examinations, those that two readers or more read, and patients (0 when not known).
    left_out : tuple of (str, str, int)
        Rows that cannot be used.
    """

    frames: Mapping[str, pd.DataFrame]
    n_exams: int
    n_read_twice: int
    n_patients: int
    left_out: tuple[tuple[str, str, int], ...]


def arrange_readings(readings: pd.DataFrame, by: By, cluster: str | None) -> Readings:
    """Arrange rows of examination, finding and reader.

    Parameters
    ----------
    readings : DataFrame
        Rows of ``mri_finding``: ``exam_id`` with the columns that identify an examination, ``finding_code``,
        ``reader_id``, ``presence``; ``sites`` for ``by="site"``.
    by : {'finding', 'region', 'site'}
        What is judged.
    cluster : str or None
        Column that goes with every frame.

    Returns
    -------
    Readings
        Frames in the order of the dictionary.

    Raises
    ------
    EstimationError
        For missing columns, unknown states, repeated readings, or fewer than two readers.
    """
    if by not in ("finding", "region", "site"):
        raise EstimationError(f"by={by!r} is not known", remedy='by="finding", "region" or "site"')
    key = [name for name in EXAM_KEY if name in readings.columns]
    _check_columns(readings, by, cluster)
    rows, left_out = _usable(readings, key)
    _refuse_repeats(rows, [*key, "finding_code", "reader_id"])
    exam = rows.groupby(key, sort=True, observed=True).ngroup().to_numpy()
    rows = rows.assign(exam=exam)
    judged = _sites(rows) if by == "site" else _regions(rows) if by == "region" else _findings(rows)
    readers = rows.groupby("exam")["reader_id"].nunique()
    return Readings(
        frames={name: _wide(part, rows, cluster) for name, part in judged.items()},
        n_exams=len(readers),
        n_read_twice=int((readers >= 2).sum()),
        n_patients=_patients(rows, key),
        left_out=left_out,
    )


def _check_columns(readings: pd.DataFrame, by: By, cluster: str | None) -> None:
    needed = ["exam_id", "finding_code", "reader_id", "presence"]
    needed += ["sites"] if by == "site" else []
    needed += [cluster] if cluster else []
    absent = [name for name in needed if name not in readings.columns]
    if absent:
        raise EstimationError(
            f"the readings have no column {', '.join(absent)}",
            evidence=f"{readings.shape[1]} columns, {len(readings)} rows",
            remedy="pass registry.mri_finding, one row per examination, finding and reader",
        )


def _usable(readings: pd.DataFrame, key: list[str]) -> tuple[pd.DataFrame, tuple[tuple[str, str, int], ...]]:
    """Leave out rows without a reader, finding or presence; they are counted once."""
    keep = np.ones(len(readings), dtype=bool)
    left_out = []
    for name in (*key, "finding_code", "reader_id", "presence"):
        bad = readings[name].isna().to_numpy() & keep
        if bad.any():
            left_out.append((name, "missing", int(bad.sum())))
        keep &= ~bad
    rows = readings[keep].reset_index(drop=True)
    texts = rows["presence"].astype(str)
    unknown = int((~texts.isin(STATES)).sum())
    if unknown:
        raise EstimationError(
            "presence has values that are not states of a reading",
            evidence=f"{unknown} of {len(rows)} rows",
            remedy=f"use {', '.join(sorted(STATES))}, or missing",
        )
    codes = rows["finding_code"].astype(str)
    return rows.assign(presence=texts, finding_code=codes, reader_id=rows["reader_id"].astype(str)), tuple(
        left_out
    )


def _refuse_repeats(rows: pd.DataFrame, key: list[str]) -> None:
    repeats = int(rows.duplicated(key).sum())
    if repeats:
        raise EstimationError(
            "a reader judged a finding of an examination more than once",
            evidence=f"{repeats} of {len(rows)} rows are repeats of {', '.join(key)}",
            remedy="keep one reading per examination, finding and reader",
        )
    n_readers = rows["reader_id"].nunique()
    if n_readers < 2:
        raise EstimationError(
            "agreement needs at least two readers",
            evidence=f"{n_readers} readers in {len(rows)} rows",
            remedy="pass the readings of every reader, not one per examination",
        )


def _patients(rows: pd.DataFrame, key: list[str]) -> int:
    names = [name for name in key if name in ("source", "patient_id")]
    return int(rows.groupby(names, observed=True).ngroups) if "patient_id" in names else 0


def _findings(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    order = {code: i for i, code in enumerate(finding_taxonomy().codes)}
    found = sorted(rows["finding_code"].unique(), key=lambda code: (order.get(code, len(order)), code))
    return {code: rows[rows["finding_code"] == code] for code in found}


def _regions(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Take over the most telling state of a region's findings: present, else indeterminate, else not known."""
    taxonomy = finding_taxonomy()
    group = {finding.value: finding.group for finding in taxonomy.findings}
    region = rows["finding_code"].map(group)
    if region.isna().any():
        raise EstimationError(
            "some findings belong to no region of the dictionary",
            evidence=f"{rows.loc[region.isna(), 'finding_code'].nunique()} finding codes",
            remedy='by="finding"',
        )
    rank = rows["presence"].map({state: i for i, state in enumerate(STATES)})
    top = (
        rows.assign(region=region, rank=rank)
        .groupby(["region", "exam", "reader_id"], as_index=False)["rank"]
        .max()
    )
    top["presence"] = np.array(STATES, dtype=object)[top["rank"].to_numpy(dtype=int)]
    return {
        one.value: top[top["region"] == one.value]
        for one in taxonomy.groups
        if (top["region"] == one.value).any()
    }


def _sites(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Judge each site that any reader named: absent for a reader who judged the scan and did not name it."""
    read = rows[rows["presence"].isin(["absent", "present"])]
    seen = read[read["presence"] == "present"]
    listed = seen["sites"].astype("string").str.split(";").explode().str.strip()
    listed = listed[listed.notna() & (listed != "")]
    named = seen.loc[listed.index, ["exam", "reader_id"]].assign(site=listed.to_numpy()).drop_duplicates()
    # present somewhere, but nobody wrote where: the other sites are not known
    blank = seen["sites"].astype("string").fillna("").str.strip() == ""
    vague = seen.loc[blank, ["exam", "reader_id"]].drop_duplicates().assign(vague=True)
    base = read[["exam", "reader_id"]].drop_duplicates().merge(vague, how="left", on=["exam", "reader_id"])
    out = {}
    for site in sorted(named["site"].unique()):
        here = named.loc[named["site"] == site, ["exam", "reader_id"]].assign(here=True)
        part = base.merge(here, how="left", on=["exam", "reader_id"])
        states = np.where(part["vague"].notna(), "not_assessable", "absent")
        out[str(site)] = part.assign(presence=np.where(part["here"].notna(), "present", states))
    if not out:
        raise EstimationError(
            "no site is named in any reading", remedy='by="finding", or fill the column sites'
        )
    return out


def _wide(part: pd.DataFrame, rows: pd.DataFrame, cluster: str | None) -> pd.DataFrame:
    wide = part.pivot_table(index="exam", columns="reader_id", values="presence", aggfunc="first")
    wide.columns.name = wide.index.name = None
    wide = wide.astype(pd.CategoricalDtype(list(STATES)))
    if cluster:
        groups = rows.drop_duplicates("exam").set_index("exam")[cluster]
        wide[cluster] = groups.reindex(wide.index)
    return wide
