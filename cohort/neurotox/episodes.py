"""Episodes of ICANS: onset, peak, resolution, duration and recurrence from graded assessments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import declare_derived
from cohort.errors import RangeError, StudyError
from cohort.neurotox.columns import (
    NO_YES,
    Flags,
    Numbers,
    category,
    group_codes,
    int64,
    key_columns,
    read_levels,
)
from cohort.neurotox.days import (
    ICANS,
    bound_values,
    daily_maxima,
    day_numbers,
    is_period,
    onset_interval,
    require_graded,
    run_starts,
    says_something,
    take_keys,
    worst_per,
)
from cohort.neurotox.icans import GRADING_KEY


@dataclass(frozen=True, slots=True)
class _Episodes:
    """Episodes as arrays, one entry each; NaN where unknown."""

    group: NDArray[np.int64]
    onset_lower: Numbers
    onset: Numbers
    onset_upper: Numbers
    peak_day: Numbers
    last_day: Numbers
    resolved: Flags
    bounds: dict[str, Numbers]
    reported: bool


def icans_episodes(graded: pd.DataFrame, gap_days: int = 3) -> pd.DataFrame:
    """Summarize graded assessments as episodes of ICANS.

    A day's grade is the worst of its assessments. An episode starts on the first day known to have ICANS
    (lower bound of at least 1). It ends when at least ``gap_days`` days known to be grade 0 pass before the
    next day with ICANS, which then starts a new episode. Days not assessed, and days whose grade is open from
    0, neither start an episode nor end one. Registries that report a maximum per period give their episode
    from the reported onset and resolution, where no daily row of the patient shows one.

    Parameters
    ----------
    graded : DataFrame of shape (n_assessments, n_columns)
        Output of `grade_icans`, with ``assessment_day`` for daily rows.
    gap_days : int, default=3
        Days known to be grade 0 that separate two episodes, at least 1.

    Returns
    -------
    DataFrame of shape (n_episodes, n_columns)
        Keys, ``episode_number`` (1, 2, ... per infusion), ``icans_onset_day`` (first day known with ICANS)
        with ``_lower`` (the day after the last one known without, not before the infusion) and ``_upper``;
        ``icans_grade`` at the peak with bounds, and imaging-blind; ``icans_peak_day`` (first day of the
        highest lower bound); ``icans_last_day`` (last day known with ICANS); ``icans_resolved_day`` (the same
        when a day known without ICANS follows, else missing); ``icans_duration_days`` (resolved - onset + 1);
        ``icans_ongoing`` at the last assessment; ``icans_recurrent`` (a later episode than the first);
        ``icans_episode_source`` (daily, period_maximum). Patients without ICANS have no row.

    Raises
    ------
    StudyError
        When the frame was not graded, or ``gap_days`` is below 1.
    RangeError
        When a reported onset precedes the infusion, or a resolution its onset; with counts.

    See Also
    --------
    grade_icans : Grades the assessments.

    Notes
    -----
    A reported onset that is only partly known (``icans_onset_day__from``, ``__to``), or known only as its reporting
    period, has that interval as ``_lower`` and ``_upper`` and no ``icans_onset_day``.

    ``icans_duration_days`` counts the days from the first to the last with ICANS, both included. It is
    missing (censored) when ICANS was ongoing at the last assessment, or at death. ``attrs["cohort_grading"]``
    keeps the options of the grading beside ``gap_days`` and the number of rows without a day.

    Examples
    --------
    >>> import pandas as pd
    >>> from cohort.neurotox.icans import grade_icans
    >>> days = pd.DataFrame({"patient_id": "A", "assessment_day": [3, 4, 5, 6], "grading_system": "ASTCT2019",
    ...                      "reported_icans_grade": [0, 1, 2, 0]})
    >>> icans_episodes(grade_icans(days))[["icans_onset_day", "icans_grade", "icans_duration_days"]]
       icans_onset_day  icans_grade  icans_duration_days
    0                4            2                    2
    """
    require_graded(graded, ICANS, "icans_episodes")
    if gap_days < 1:
        raise StudyError(
            "gap_days must be at least 1", evidence=f"gap_days={gap_days}", remedy="use gap_days=3"
        )
    names = key_columns(graded)
    group, keys = group_codes(graded, names)
    period = is_period(graded)
    keep = ~period & says_something(graded)
    daily = _daily_episodes(graded, group, keep, gap_days)
    registry = _period_episodes(graded, group, period & ~np.isin(group, daily.group))
    parts = [_as_frame(part, keys, names) for part in (daily, registry) if part.group.size]
    frame = pd.concat(parts, ignore_index=True) if parts else _as_frame(daily, keys, names)
    frame = frame.sort_values(["_group", "icans_onset_day"], kind="stable", ignore_index=True)
    frame.insert(len(names), "episode_number", (frame.groupby("_group").cumcount() + 1).astype("Int64"))
    later = (frame["episode_number"] > 1).to_numpy(dtype=bool)
    frame["icans_recurrent"] = category(later, ("no", "yes"))
    frame = frame.drop(columns="_group")
    undated = int((keep & np.isnan(day_numbers(graded, "assessment_day"))).sum())
    frame.attrs = {
        **graded.attrs,
        GRADING_KEY: {
            **graded.attrs.get(GRADING_KEY, {}),
            "gap_days": int(gap_days),
            "n_assessments_without_day": undated,
        },
    }
    latest = frame["icans_last_day"].max() if len(frame) else pd.NA
    return declare_derived(frame, window_end=None if pd.isna(latest) else max(30.0, float(latest)))


def _daily_episodes(graded: pd.DataFrame, group: NDArray[np.int64], keep: Flags, gap_days: int) -> _Episodes:
    """Cut the patient-days with ICANS into episodes wherever enough days at grade 0 lie between them."""
    patient, day, bounds = daily_maxima(graded, ICANS, group, keep)
    with_icans, without = bounds["icans_grade_lower"] >= 1, bounds["icans_grade_upper"] == 0
    n_without = np.cumsum(without)
    rows = np.flatnonzero(with_icans)
    new = np.r_[True, (np.diff(patient[rows]) != 0) | (np.diff(n_without[rows]) >= gap_days)][: rows.size]
    starts = np.flatnonzero(new)
    peak = worst_per(starts, {name: values[rows] for name, values in bounds.items()})
    ends = np.r_[starts[1:], rows.size][: starts.size] - 1
    first, last = rows[starts], rows[ends]
    before, after = _nearest_without(patient, without, first, last)
    starts_known, ends_known = before >= 0, after < day.size
    return _Episodes(
        group=patient[first],
        onset_lower=np.where(
            starts_known, day[before] + 1 if first.size else 0.0, np.minimum(0.0, day[first])
        ),
        onset=day[first],
        onset_upper=day[first],
        peak_day=_first_peak(day[rows], bounds["icans_grade_lower"][rows], starts, peak["icans_grade_lower"]),
        last_day=day[last],
        resolved=ends_known,
        bounds={**peak, **_worst_possible(patient, bounds, first, last, before, after)},
        reported=False,
    )


def _nearest_without(
    patient: NDArray[np.int64], without: Flags, first: NDArray[np.intp], last: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the same patient known at grade 0 next before and after each episode.

    Where there is none the row before is -1 and the one after is the number of rows.
    """
    size = without.size
    if not first.size:
        return first, last
    position = np.arange(size)
    before = np.maximum.accumulate(np.where(without, position, -1))[first]
    after = np.minimum.accumulate(np.where(without, position, size)[::-1])[::-1][last]
    before = np.where(patient[before] == patient[first], before, -1)
    after = np.where(patient[np.minimum(after, size - 1)] == patient[last], after, size)
    return before, after


def _first_peak(day: Numbers, lower: Numbers, starts: NDArray[np.intp], peak: Numbers) -> Numbers:
    """Return the first day on which each episode reaches its highest lower bound."""
    lengths = np.diff(np.r_[starts, lower.size])
    at_peak = np.where(lower == np.repeat(peak, lengths), day, np.inf)
    return np.minimum.reduceat(at_peak, starts) if starts.size else np.empty(0)


def _worst_possible(
    patient: NDArray[np.int64],
    bounds: dict[str, Numbers],
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    before: NDArray[np.intp],
    after: NDArray[np.intp],
) -> dict[str, Numbers]:
    """Return the upper bounds of each peak, over every day that may belong to the episode.

    These are the days between the known ones at grade 0 on either side: a day of open grade next to the
    episode, or within it, may have been its worst.
    """
    if not first.size:
        return {}
    size = patient.size
    starts_of_patient = run_starts(patient)
    ends_of_patient = np.r_[starts_of_patient[1:], size]
    own = np.searchsorted(starts_of_patient, first, side="right") - 1
    begin = np.maximum(before + 1, starts_of_patient[own])
    end = np.minimum(after, ends_of_patient[own])
    edges = np.empty(2 * first.size, dtype=np.intp)
    edges[0::2], edges[1::2] = begin, np.minimum(end, size - 1)
    return {
        name: np.maximum(np.maximum.reduceat(values, edges)[0::2], values[end - 1])
        for name, values in bounds.items()
        if "upper" in name
    }


def _period_episodes(graded: pd.DataFrame, group: NDArray[np.int64], keep: Flags) -> _Episodes:
    """Take the episode of each period maximum with ICANS from the reported onset and resolution."""
    onset, resolved = day_numbers(graded, "icans_onset_day"), day_numbers(graded, "icans_resolved_day")
    earliest, latest_onset = onset_interval(graded, ICANS)
    lower = graded["icans_grade_lower"].to_numpy(dtype=np.float64, na_value=np.nan)
    rows = np.flatnonzero(keep & (lower >= 1))
    _check_order(onset[rows], resolved[rows])
    rows = rows[np.lexsort((onset[rows], group[rows]))]
    starts = run_starts(group[rows], np.where(np.isnan(onset[rows]), np.inf, onset[rows]))
    latest = {"resolved": np.where(np.isnan(resolved[rows]), -np.inf, resolved[rows])}
    maxima = worst_per(starts, bound_values(graded, ICANS, rows) | latest)
    first = rows[starts]
    last = np.where(np.isinf(maxima["resolved"]), np.nan, maxima["resolved"])
    return _Episodes(
        group=group[first],
        onset_lower=np.maximum(earliest[first], 0.0),
        onset=onset[first],
        onset_upper=latest_onset[first],
        peak_day=np.full(first.size, np.nan),
        last_day=last,
        resolved=~np.isnan(last) | _said_resolved(graded, first),
        bounds={name: maxima[name] for name in ICANS.bounds},
        reported=True,
    )


def _said_resolved(graded: pd.DataFrame, rows: NDArray[np.intp]) -> Flags:
    """Whether the registry says resolved without saying when."""
    return np.asarray(read_levels(graded, "icans_resolved", NO_YES)[rows] == 1, dtype=bool)


def _check_order(onset: Numbers, resolved: Numbers) -> None:
    """Refuse an onset before the infusion and a resolution before its onset."""
    before, reversed_ = int((onset < 0).sum()), int((resolved < onset).sum())
    if before or reversed_:
        raise RangeError(
            "reported ICANS dates are out of order",
            evidence=f"onset before the infusion: {before} rows; resolution before onset: {reversed_} rows",
            remedy="set the wrong day to missing; harmonize() marks what the dictionary orders",
        )


def _as_frame(episodes: _Episodes, keys: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Lay out the episodes with their keys, in the order of the contract."""
    lower, upper = episodes.bounds["icans_grade_lower"], episodes.bounds["icans_grade_upper"]
    blind_lower = episodes.bounds["icans_grade_lower_imaging_blind"]
    blind_upper = episodes.bounds["icans_grade_upper_imaging_blind"]
    resolved_day = np.where(episodes.resolved, episodes.last_day, np.nan)
    kind = "period_maximum" if episodes.reported else "daily"
    return pd.DataFrame(
        {
            **take_keys(keys, names, episodes.group),
            "icans_onset_day": int64(episodes.onset),
            "icans_onset_day_lower": int64(episodes.onset_lower),
            "icans_onset_day_upper": int64(episodes.onset_upper),
            "icans_grade": int64(lower, lower != upper),
            "icans_grade_lower": int64(lower),
            "icans_grade_upper": int64(upper),
            "icans_grade_imaging_blind": int64(blind_lower, blind_lower != blind_upper),
            "icans_grade_lower_imaging_blind": int64(blind_lower),
            "icans_grade_upper_imaging_blind": int64(blind_upper),
            "icans_peak_day": int64(episodes.peak_day),
            "icans_last_day": int64(episodes.last_day),
            "icans_resolved_day": int64(resolved_day),
            "icans_duration_days": int64(resolved_day - episodes.onset + 1),
            "icans_ongoing": category(~episodes.resolved, ("no", "yes")),
            "icans_episode_source": pd.Categorical(
                [kind] * lower.size, categories=["daily", "period_maximum"]
            ),
            "_group": episodes.group,
        }
    )
