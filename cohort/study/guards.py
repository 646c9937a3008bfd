"""Guards: refuse the known mistakes of the field, with the evidence and the remedy in code.

Every check returns notes for the result's repr (guards that were overridden, columns whose timing nobody
declared) or raises a child of :class:`cohort.errors.GuardError`. No message holds a patient's value.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping

import pandas as pd

from cohort.dictionary.facts import ColumnFacts, declared_facts
from cohort.errors import GuardError, ImmortalTimeError, IncorporationError, StudyError
from cohort.study.endpoints import Endpoint

GUARDS = (
    "immortal_time",
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
    from_dictionary = _dictionary_facts()
    found = {}
    for column in columns:
        for known in (from_endpoint, from_frame, from_dictionary):
            if column in known:
                found[column] = known[column]
                break
    return found


def _dictionary_facts() -> Mapping[str, ColumnFacts]:
    return {}


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
        remedy=_immortal_remedy(late, endpoint),
    )


def _known_day(fact: ColumnFacts) -> float:
    """Return the day by which the column is known; NaN when nobody declared it."""
    if fact.known_day is not None:
        return float(fact.known_day)
    return 0.0 if fact.known == "baseline" else math.inf if fact.known is not None else math.nan


def _immortal_evidence(
    late: Mapping[str, float], endpoint: Endpoint, facts: Mapping[str, ColumnFacts]
) -> str:
    last = endpoint.stop + endpoint.origin_day
    parts = []
    for column, day in late.items():
        kind = f" ({facts[column].known})" if facts[column].known else ""
        when = f"on day {day:g}" if math.isfinite(day) else "only at the end of follow-up"
        ended = last < day
        n = int(ended.sum()) if endpoint.subject is None else _last_rows_ended(endpoint, day)
        concerned = (
            f"{n} of {endpoint.n_subjects} patients left before that day" if math.isfinite(day) else ""
        )
        clock = f"the clock starts on day {endpoint.origin_day:g}"
        parts.append("; ".join(p for p in (f"{column} is known {when}{kind}", clock, concerned) if p))
    return ". ".join(parts)


def _last_rows_ended(endpoint: Endpoint, day: float) -> int:
    """Count subjects whose last interval ended before the day."""
    assert endpoint.subject is not None
    last = pd.Series(endpoint.stop + endpoint.origin_day).groupby(endpoint.subject).max()
    return int((last < day).sum())


def _immortal_remedy(late: Mapping[str, float], endpoint: Endpoint) -> str:
    first = next(iter(late))
    finite = [day for day in late.values() if math.isfinite(day)]
    ways = [f'co.counting_process(endpoint, exposures={{"{first}": "{first}_first_day"}})']
    if len(finite) == len(late):
        ways.append(
            f'co.endpoint("{endpoint.name}", data, landmark_day={max(finite):g}) for a landmark analysis'
        )
    ways.append('acknowledge="immortal_time" to keep it as written; it will be printed with the result')
    return "; or ".join(ways)


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


def acknowledged_note(error: type[GuardError], what: str) -> str:
    """Return the note that says which guard was overridden for what."""
    return f"acknowledged {error.guard}: {what}"


__all__ = [
    "GUARDS",
    "acknowledged_guards",
    "acknowledged_note",
    "check_immortal_time",
    "check_incorporation",
    "resolve_facts",
]
