"""Guards: refuse the known mistakes of the field, with the evidence and the remedy in code.

Every check returns notes for the result's repr (guards that were overridden, columns whose timing nobody
declared) or raises a child of :class:`cohort.errors.GuardError`. No message holds a patient's value.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import derived_facts
from cohort.dictionary.facts import ColumnFacts, declared_facts
from cohort.errors import BadControlError, ImmortalTimeError, IncorporationError, MixedScalesError, StudyError
from cohort.study.endpoints import Endpoint

GUARDS = (
    "immortal_time",
    "bad_control",
    "incorporation",
    "selective_imaging",
    "mixed_scales",
    "competing_risk",
    "sparse_data",
    "window",
    "units",
    "small_cells",
)


def acknowledged_guards(acknowledge: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of the guards to override, checked against the guards that exist.

    Parameters
    ----------
    acknowledge : str or iterable of str
        Names, as ``"immortal_time"``.

    Returns
    -------
    tuple of str
        The names, each once, in the order given.

    Raises
    ------
    StudyError
        When a name is not a guard.

    Examples
    --------
    >>> acknowledged_guards("immortal_time")
    ('immortal_time',)
    """
    names = (acknowledge,) if isinstance(acknowledge, str) else tuple(dict.fromkeys(acknowledge))
    names = tuple(name for name in names if name)
    for name in names:
        if name not in GUARDS:
            close = difflib.get_close_matches(str(name), GUARDS, n=1)
            raise StudyError(
                f"acknowledge= names {name!r}, which is not a guard.",
                evidence=f"guards: {', '.join(GUARDS)}",
                remedy=f'acknowledge="{close[0]}"' if close else "Use one of the names above.",
            )
    return names


def resolve_facts(
    columns: Iterable[str], endpoint: Endpoint | None, frame: pd.DataFrame | None
) -> dict[str, ColumnFacts]:
    """Find what is known about columns: in the endpoint, else in the frame, else in the dictionary.

    Parameters
    ----------
    columns : iterable of str
        Columns an analysis uses.
    endpoint : Endpoint or None
        The endpoint of the analysis.
    frame : DataFrame or None
        The data of the analysis.

    Returns
    -------
    dict of str to ColumnFacts
        Facts of the columns that have any.
    """
    from_endpoint = {} if endpoint is None else endpoint.facts
    from_frame = {} if frame is None else declared_facts(frame)
    from_dictionary = derived_facts()
    found = {}
    for column in columns:
        for known in (from_endpoint, from_frame, from_dictionary):
            if column in known:
                found[column] = known[column]
                break
    return found


def check_immortal_time(
    columns: Iterable[str],
    endpoint: Endpoint,
    facts: Mapping[str, ColumnFacts],
    acknowledge: str | Iterable[str] = (),
) -> tuple[str, ...]:
    """Refuse columns that become known only after the endpoint's clock has started.

    Parameters
    ----------
    columns : iterable of str
        Columns used as covariates, strata or groups.
    endpoint : Endpoint
        The endpoint; its time-dependent columns are valid by construction.
    facts : mapping of str to ColumnFacts
        What is known about the columns, from :func:`resolve_facts`.
    acknowledge : str or iterable of str, default=()
        Guards to override.

    Returns
    -------
    tuple of str
        Notes to print with the result.

    Raises
    ------
    ImmortalTimeError
        When a column becomes known after the origin, unless acknowledged.
    """
    overridden = acknowledged_guards(acknowledge)
    used = [c for c in dict.fromkeys(columns) if c not in endpoint.exposures]
    late = {
        c: _known_day(facts[c]) for c in used if c in facts and _known_day(facts[c]) > endpoint.origin_day
    }
    undeclared = [c for c in used if c not in facts or math.isnan(_known_day(facts[c]))]
    notes = (f"timing not declared: {', '.join(undeclared)}",) if undeclared else ()
    if not late:
        return notes
    if ImmortalTimeError.guard in overridden:
        return (*notes, f"acknowledged immortal_time: {', '.join(late)}")
    raise ImmortalTimeError(
        f"Immortal time: {', '.join(repr(c) for c in late)} became known after the clock of {endpoint.name} "
        "started, so patients had to survive to be classified by it.",
        evidence=_immortal_evidence(late, endpoint, facts),
        remedy=_immortal_remedy(late, endpoint, facts),
    )


def _known_day(fact: ColumnFacts) -> float:
    """Return the day by which the column is known; NaN when nobody declared it."""
    if fact.known_day is not None:
        return float(fact.known_day)
    return 0.0 if fact.known == "baseline" else math.inf if fact.known is not None else math.nan


def _immortal_evidence(
    late: Mapping[str, float], endpoint: Endpoint, facts: Mapping[str, ColumnFacts]
) -> str:
    last = _last_days(endpoint)
    parts = []
    for column, day in late.items():
        kind = f" ({facts[column].known})" if facts[column].known else ""
        when = f"on day {day:g}" if math.isfinite(day) else "only at the end of follow-up"
        n = int((last < day).sum())
        concerned = (
            f"{n} of {endpoint.n_subjects} patients left before that day" if math.isfinite(day) else ""
        )
        clock = f"the clock starts on day {endpoint.origin_day:g}"
        parts.append("; ".join(p for p in (f"{column} is known {when}{kind}", clock, concerned) if p))
    return ". ".join(parts)


def _last_days(endpoint: Endpoint) -> NDArray[np.float64]:
    """Return the last day of follow-up of each subject, counted from infusion."""
    last = pd.Series(endpoint.stop + endpoint.origin_day)
    if endpoint.subject is not None:
        last = last.groupby(endpoint.subject).max()
    return np.asarray(last, dtype=np.float64)


def _immortal_remedy(late: Mapping[str, float], endpoint: Endpoint, facts: Mapping[str, ColumnFacts]) -> str:
    first = next(iter(late))
    finite = [day for day in late.values() if math.isfinite(day)]
    ways = [
        f'co.counting_process(endpoint, exposures={{"{first}": {_first_day_of(first, endpoint, facts)}}})'
    ]
    if len(finite) == len(late):
        ways.append(
            f'co.endpoint("{endpoint.name}", data, landmark_day={max(finite):g}) for a landmark analysis'
        )
    ways.append('acknowledge="immortal_time" to keep it as written; it will be printed with the result')
    return "; or ".join(ways)


def _first_day_of(column: str, endpoint: Endpoint, facts: Mapping[str, ColumnFacts]) -> str:
    """Return how to write the first day of a column: a column of the frame, or a Series to be made."""
    measured = {"icans_grade", "icans_grade_imaging_blind"} & set(facts[column].measures)
    for name in (f"{column}_first_day", "icans_onset_day" if measured else ""):
        if name in endpoint.frame.columns:
            return f'"{name}"'
    return f"first_day_of_{column}"


def check_bad_control(
    covariates: Iterable[str],
    exposure: str,
    facts: Mapping[str, ColumnFacts],
    acknowledge: str | Iterable[str] = (),
) -> tuple[str, ...]:
    """Refuse covariates that become known only after the exposure: they may be its consequence.

    Parameters
    ----------
    covariates : iterable of str
        Columns that are meant to remove confounding.
    exposure : str
        The exposure.
    facts : mapping of str to ColumnFacts
        What is known about the columns, from :func:`resolve_facts`.
    acknowledge : str or iterable of str, default=()
        Guards to override.

    Returns
    -------
    tuple of str
        Notes to print with the result.

    Raises
    ------
    BadControlError
        When a covariate becomes known after the exposure, or at no fixed day although the exposure has one or
        is not known at baseline, unless acknowledged.

    Notes
    -----
    A value of which only the end of follow-up is certain (day infinity) cannot be shown to precede any
    exposure, so it is refused whatever the exposure.
    """
    overridden = acknowledged_guards(acknowledge)
    used = [c for c in dict.fromkeys(covariates) if c != exposure]
    of_exposure = _known_day(facts[exposure]) if exposure in facts else math.nan
    days = {c: _known_day(facts[c]) for c in used if c in facts}
    late = [c for c, day in days.items() if math.isinf(day) or day > of_exposure]
    undeclared = [c for c in (exposure, *used) if c not in facts or math.isnan(_known_day(facts[c]))]
    notes = (f"timing not declared: {', '.join(undeclared)}",) if undeclared else ()
    if not late:
        return notes
    if BadControlError.guard in overridden:
        return (*notes, f"acknowledged bad_control: {', '.join(late)}")
    raise BadControlError(
        f"Bad control: {', '.join(repr(c) for c in late)} became known after the exposure {exposure!r} or at no "
        "fixed day, so it may be a consequence of the exposure; adjusting for it removes part of the effect or "
        "adds bias.",
        evidence="; ".join(f"{c} is known {_when(days[c])}" for c in late)
        + ("" if math.isnan(of_exposure) else f"; {exposure} is known {_when(of_exposure)}"),
        remedy="leave it out and use its value before the exposure; or "
        'acknowledge="bad_control" to keep it as written; it will be printed with the result',
    )


def _when(day: float) -> str:
    return f"on day {day:g}" if math.isfinite(day) else "only at the end of follow-up"


def check_incorporation(
    exposures: Iterable[str],
    outcomes: Iterable[str],
    facts: Mapping[str, ColumnFacts],
    acknowledge: str | Iterable[str] = (),
) -> tuple[str, ...]:
    """Refuse to relate a variable to a grade that contains it, in either direction.

    Parameters
    ----------
    exposures : iterable of str
        Columns on the right of the formula.
    outcomes : iterable of str
        Columns on the left.
    facts : mapping of str to ColumnFacts
        What is known about the columns, from :func:`resolve_facts`.
    acknowledge : str or iterable of str, default=()
        Guards to override.

    Returns
    -------
    tuple of str
        Notes to print with the result.

    Raises
    ------
    IncorporationError
        When a column is part of a grade that another column measures, unless acknowledged.
    """
    overridden = acknowledged_guards(acknowledge)
    left, right = list(dict.fromkeys(outcomes)), list(dict.fromkeys(exposures))
    pairs = [(e, o) for e in right for o in left] + [(o, e) for e in right for o in left]
    circular = {
        (part, whole): sorted(set(facts[part].part_of) & set(facts[whole].measures))
        for part, whole in pairs
        if part in facts and whole in facts and set(facts[part].part_of) & set(facts[whole].measures)
    }
    if not circular:
        return ()
    named = [f"{part} in {whole}" for part, whole in circular]
    if IncorporationError.guard in overridden:
        return (f"acknowledged incorporation: {', '.join(named)}",)
    part, whole = next(iter(circular))
    evidence = "; ".join(
        f"{p!r} is part of {', '.join(grades)}, which {w!r} measures" for (p, w), grades in circular.items()
    )
    raise IncorporationError(
        f"Incorporation: {part!r} is tested against {whole!r}, which contains it; the association is partly "
        "true by definition.",
        evidence=evidence,
        remedy=_incorporation_remedy(whole),
    )


def _incorporation_remedy(whole: str) -> str:
    ways = []
    if not whole.endswith("_imaging_blind"):
        ways.append(f'use "{whole}_imaging_blind", the grade without its imaging part')
    ways.append('acknowledge="incorporation" to keep it as written; it will be printed with the result')
    return "; or ".join(ways)


def check_mixed_scales(
    grades: Iterable[str], systems: Iterable[str], acknowledge: str | Iterable[str] = ()
) -> tuple[str, ...]:
    """Refuse to pool grades as recorded when they come from different grading systems.

    Parameters
    ----------
    grades : iterable of str
        Columns with grades as recorded.
    systems : iterable of str
        Grading systems of the rows they come from.
    acknowledge : str or iterable of str, default=()
        Guards to override.

    Returns
    -------
    tuple of str
        Notes to print with the result.

    Raises
    ------
    MixedScalesError
        When there is more than one system, unless acknowledged.
    """
    overridden = acknowledged_guards(acknowledge)
    named, found = list(dict.fromkeys(grades)), sorted(set(systems))
    if not named or len(found) < 2:
        return ()
    if MixedScalesError.guard in overridden:
        return (f"acknowledged mixed_scales: {', '.join(named)} of {', '.join(found)}",)
    raise MixedScalesError(
        f"Mixed scales: {', '.join(repr(g) for g in named)} would pool grades of different systems, of which only "
        "about half agree.",
        evidence=f"grading systems: {', '.join(found)}",
        remedy="co.grade_icans(registry.neuro_assessment), which regrades from the domains and turns other systems "
        "into bounds; or take one system: where=\"grading_system == 'ASTCT2019'\"; "
        'or acknowledge="mixed_scales" to keep it as written',
    )
