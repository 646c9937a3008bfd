"""Guard of unequal windows: a maximum over more days is larger without any cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cohort.dictionary.facts import ColumnFacts
from cohort.errors import WindowError
from cohort.study.guards import acknowledged_guards


def check_windows(
    columns: Iterable[str], facts: Mapping[str, ColumnFacts], acknowledge: str | Iterable[str] = ()
) -> tuple[str, ...]:
    """Refuse to compare peaks (or lowest values, or counts) that were taken over windows of unequal length.

    A peak "before onset" is taken over the days to onset in patients with ICANS and over the whole window in
    those without: the more days, the higher the peak, whatever the disease does. `summarize` records which
    columns were taken so.

    Parameters
    ----------
    columns : iterable of str
        Columns that an analysis compares.
    facts : mapping of str to ColumnFacts
        What is known about the columns, from `resolve_facts`.
    acknowledge : str or iterable of str, default=()
        Guards to override.

    Returns
    -------
    tuple of str
        Notes to print with the result.

    Raises
    ------
    WindowError
        When a column was taken over unequal windows, unless acknowledged.

    Examples
    --------
    >>> facts = {"peak_crp": ColumnFacts(unequal_window="4 days (median) with an icans_onset_day, 31 without")}
    >>> check_windows(["peak_crp", "age_years"], facts, acknowledge="window")
    ('acknowledged window: peak_crp (4 days (median) with an icans_onset_day, 31 without)',)
    """
    overridden = acknowledged_guards(acknowledge)
    unequal = {
        name: facts[name].unequal_window
        for name in dict.fromkeys(columns)
        if name in facts and facts[name].unequal_window
    }
    if not unequal:
        return ()
    listed = "; ".join(f"{name}: {text}" for name, text in unequal.items())
    if WindowError.guard in overridden:
        said = ", ".join(f"{name} ({text})" for name, text in unequal.items())
        return (f"acknowledged window: {said}",)
    raise WindowError(
        f"Unequal windows: {', '.join(repr(name) for name in unequal)} was taken over more days in some patients than "
        "in others, and a peak over more days is higher without any cause.",
        evidence=listed,
        remedy="take it over days that everyone has in full, window=(0, 3), and leave out patients whose day falls in "
        'them; or acknowledge="window" to keep it as written; it will be printed with the result',
    )
