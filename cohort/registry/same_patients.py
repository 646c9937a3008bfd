"""Who may be the same patient in two sources: equal date of infusion and sex, near age, no contradicting product."""

from __future__ import annotations

import pandas as pd

from cohort.registry.registry import Registry

COLUMNS = (
    *("source_first", "patient_id_first", "source_second", "patient_id_second"),
    *("agree", "differ", "not_known", "same_identifier", "n_candidates"),
)
_COMPARED = ("product", "disease", "prior_lines", "ecog", "death_day", "relapse_day")


def same_patients(registry: Registry, max_age_difference: float = 1.0) -> pd.DataFrame:
    """List pairs of patients of two sources who may be one, by exact keys; nothing is merged.

    Candidates have the same exact date of infusion and the same sex, and ages that differ by no more than a year where
    both are known. A contradicting product ends a pair. What else is known is compared and counted, so that a person
    can decide. Give the second source the identifier of the first in a copy of its frame, then use `resolve_conflicts`.

    Parameters
    ----------
    registry : Registry
        From `harmonize`.
    max_age_difference : float, default=1.0
        Years.

    Returns
    -------
    DataFrame
        One row per pair: ``source_first, patient_id_first, source_second, patient_id_second``, how many of the other
        variables (product, disease, prior lines, ECOG, days of death and relapse) ``agree``, ``differ`` or are
        ``not_known``, whether the identifiers are the same already, and ``n_candidates``, the most pairs that either of
        the two is in: above 1 the pair is not unique. Pairs that agree most come first.

    Notes
    -----
    Exact keys miss patients with a wrong date or sex in one source, and those whom a source lists without an exact
    date of infusion.

    Examples
    --------
    >>> import cohort as co
    >>> made = co.simulate_registries(n=30, seed=1)
    >>> registry = co.harmonize([co.read_source(p, source=n) for n, p in made.sources.items()])
    >>> list(same_patients(registry).columns)[:4]
    ['source_first', 'patient_id_first', 'source_second', 'patient_id_second']
    """
    infusion = registry.infusion.dropna(subset=["infusion_date", "sex"])
    infusion = infusion.drop_duplicates(["source", "patient_id", "infusion_date"]).reset_index(drop=True)
    order = {name: i for i, name in enumerate(registry.sources)}
    infusion = infusion.assign(_order=infusion["source"].map(order).astype(int))
    pairs = infusion.merge(infusion, on=["infusion_date", "sex"], suffixes=("_first", "_second"))
    pairs = pairs[pairs["_order_first"] < pairs["_order_second"]].reset_index(drop=True)
    apart = (pairs["age_years_first"] - pairs["age_years_second"]).abs() > max_age_difference
    compared = pd.DataFrame({name: _compared(pairs, name) for name in _COMPARED})
    keep = ~(apart | (compared["product"] == "differ")).to_numpy(dtype=bool)
    pairs, compared = pairs[keep], compared[keep]
    counts = pd.DataFrame(
        {name: (compared == name).sum(axis=1) for name in ("agree", "differ", "not_known")}, index=pairs.index
    )
    names = pairs[["source_first", "patient_id_first", "source_second", "patient_id_second"]]
    same = (pairs["patient_id_first"] == pairs["patient_id_second"]).astype(bool)
    found = pd.concat([names, counts], axis=1).assign(same_identifier=same)
    found = found.drop_duplicates(list(names.columns))
    keys = [[f"source_{side}", f"patient_id_{side}"] for side in ("first", "second")]
    sides = [found.groupby(one)["agree"].transform("size") for one in keys]
    found = found.assign(n_candidates=pd.concat(sides, axis=1).max(axis=1).astype(int))
    ranked = found.sort_values(
        ["agree", "differ", *names.columns], ascending=[False, True, *[True] * 4], kind="stable"
    )
    return ranked[list(COLUMNS)].reset_index(drop=True)


def _compared(pairs: pd.DataFrame, name: str) -> pd.Series:
    """Return whether a variable agrees, differs, or is not known of one of the two."""
    first, second = (pairs[f"{name}_{side}"].astype("string") for side in ("first", "second"))
    same = (first == second).fillna(False).to_numpy(dtype=bool)
    known = (first.notna() & second.notna()).to_numpy(dtype=bool)
    return pd.Series(same, index=pairs.index).map({True: "agree", False: "differ"}).where(known, "not_known")
