"""Laboratory values per patient: peak, first or last in a window, and the peak before ICANS began."""

from __future__ import annotations

import pandas as pd

from cohort.errors import StudyError
from cohort.study.summaries import Take, summarize


def lab_value(
    data: pd.DataFrame,
    lab: pd.DataFrame,
    analyte: str,
    *,
    take: Take = "max",
    window: tuple[float, float] = (0, 30),
    before: str | None = None,
    name: str = "",
) -> pd.DataFrame:
    """Add one laboratory value per patient.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient, as ``Study.link`` makes it.
    lab : DataFrame of shape (n_values, n_columns)
        ``registry.lab``: ``patient_id``, ``lab_day``, ``analyte``, ``value``, ``unit``.
    analyte : str
        Analyte, as ``crp`` or ``ferritin``.
    take : {'max', 'min', 'first', 'last', 'count'}, default='max'
        What to take.
    window : tuple of float, default=(0, 30)
        First and last day since infusion.
    before : str, optional
        Column of ``data`` with a day; only earlier days count.
    name : str, default=''
        Name of the new column; made from the analyte when empty, as ``crp_max``.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns + 1)
        The data with the new column and its facts.

    Raises
    ------
    StudyError
        When the analyte is not in the table.

    See Also
    --------
    peak_before : The peak before onset, with its caution.
    """
    known = lab["analyte"].astype("string")
    names = set(known.dropna())
    if isinstance(lab["analyte"].dtype, pd.CategoricalDtype):
        names |= set(lab["analyte"].cat.categories)
    if analyte not in names:
        raise StudyError(
            f"No row of the table holds the analyte {analyte!r}.",
            evidence=f"analytes: {', '.join(sorted(names))}",
            remedy="Name one of them.",
        )
    rows = lab[(known == analyte).fillna(False)]
    return summarize(
        data,
        rows,
        name=name or f"{analyte}_{take}",
        take=take,
        window=window,
        before=before,
        label=f"{_TAKEN[take]} {analyte.upper() if len(analyte) <= 3 else analyte}".strip(),
    )


_TAKEN = {"max": "peak", "min": "lowest", "first": "first", "last": "last", "count": "number of values of"}


def peak_before(
    data: pd.DataFrame,
    lab: pd.DataFrame,
    analyte: str,
    *,
    before: str = "icans_onset_day",
    window: tuple[float, float] = (0, 30),
) -> pd.DataFrame:
    """Add the highest value before a patient's own day, such as the onset of ICANS.

    Values on the day itself and later are not used, so the outcome cannot have raised them. Who has no such
    day is observed to the end of the window, which is longer: their peak has had more days to be high, and a
    difference between the groups is drawn towards lower values before onset. Read it beside the peak in a
    short window that everyone completed, ``lab_value(data, lab, analyte, window=(0, 3))`` among patients
    without onset by day 3; the median days observed are in ``attrs["cohort_summaries"]``.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient, as ``Study.link`` makes it.
    lab : DataFrame of shape (n_values, n_columns)
        ``registry.lab``.
    analyte : str
        Analyte.
    before : str, default='icans_onset_day'
        Column with the day.
    window : tuple of float, default=(0, 30)
        First and last day since infusion.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns + 1)
        The data with ``<analyte>_peak_before_onset``, known at the end of the window.

    See Also
    --------
    lab_value : Any other value in a window.

    Examples
    --------
    >>> data = pd.DataFrame({"patient_id": ["a", "b"], "icans_onset_day": [3, None]})
    >>> lab = pd.DataFrame({"patient_id": ["a", "a", "b"], "lab_day": [1, 4, 9], "analyte": "crp",
    ...                     "value": [5.0, 80.0, 12.0], "unit": "mg/dL"})
    >>> found = peak_before(data, lab, "crp")
    >>> found["crp_peak_before_onset"].tolist()
    [5.0, 12.0]
    >>> found.attrs["cohort_summaries"]["crp_peak_before_onset"]["median_days_without_day"]
    31.0
    """
    return lab_value(data, lab, analyte, window=window, before=before, name=f"{analyte}_peak_before_onset")
