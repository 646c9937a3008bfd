"""What a screen needs before it starts: columns, scores, strata, families, the rule, and pairs that guards refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cohort.dictionary.facts import ColumnFacts
from cohort.errors import EstimationError, IncorporationError, WindowError
from cohort.models.design import align_columns
from cohort.models.one_row_each import check_one_row_each
from cohort.models.screen_columns import ScreenColumn, screen_column
from cohort.models.screen_pairs import FITTING, PairRule, pair_rule
from cohort.study.guards import check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.study.window_guard import check_windows

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScreenInputs:
    """What a screen works on.

    Attributes
    ----------
    exposures, outcomes : tuple of ScreenColumn
        Columns in the order given.
    X, Y : array of shape (n, p) and (n, q)
        Their scores for the linear statistics: 0/1 and mid-ranks, NaN for unknown.
    stratum : array of shape (n,) or None
        Codes of the strata.
    family : mapping
        Family of each pair of names.
    refused : mapping
        Why a guard refuses a pair.
    rule : callable
        Method of a pair.
    notes : tuple of str
        What a reader should be told.
    """

    exposures: tuple[ScreenColumn, ...]
    outcomes: tuple[ScreenColumn, ...]
    X: FloatArray
    Y: FloatArray
    stratum: NDArray[np.intp] | None
    family: Mapping[tuple[str, str], str]
    refused: Mapping[tuple[str, str], str]
    rule: PairRule
    notes: tuple[str, ...]


def prepare_screen(
    exposures: Sequence[str],
    outcomes: Sequence[str],
    data: pd.DataFrame,
    families: str | Mapping[str, Sequence[str]],
    by: str | None,
    rule: PairRule | Mapping[str, str] | None,
    acknowledged: tuple[str, ...],
) -> ScreenInputs:
    """Check the call and score the columns.

    Parameters
    ----------
    exposures, outcomes, data, families, by, rule, acknowledged : object
        As in :func:`cohort.models.association_screen.association_screen`.

    Returns
    -------
    ScreenInputs
        What the screen works on.

    Raises
    ------
    EstimationError
        As there.
    """
    left, right = _names(exposures, "exposures"), _names(outcomes, "outcomes")
    if data.empty:
        raise EstimationError("the frame has no rows", remedy="pass data=, one row per patient")
    check_one_row_each(data, "a screen")
    wanted = list(dict.fromkeys((*left, *right, *((by,) if by else ()))))
    frame, _ = align_columns(wanted, data, None)
    facts = resolve_facts([*left, *right], None, data)
    columns = {name: screen_column(frame[name], facts.get(name)) for name in (*left, *right)}
    refused, notes = _refused(left, right, facts, acknowledged)
    notes += check_selective_imaging([*left, *right], data, acknowledged)
    stratum = None
    if by:
        stratum, said = _strata(frame[by], by)
        notes = (*notes, *said)
    said_levels = tuple(column.note for column in columns.values() if column.note)
    return ScreenInputs(
        exposures=tuple(columns[name] for name in left),
        outcomes=tuple(columns[name] for name in right),
        X=_scores([columns[name] for name in left]),
        Y=_scores([columns[name] for name in right]),
        stratum=stratum,
        family=_families(left, right, families),
        refused=refused,
        rule=_rule(rule),
        notes=(*notes, *said_levels),
    )


def _names(names: Sequence[str], what: str) -> list[str]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise EstimationError(f"{what} is not a list of columns", remedy=f'{what}=["cerebral_edema", ...]')
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if not len(names) or repeated:
        raise EstimationError(
            f"{what} names a column twice" if repeated else f"{what} names no column",
            evidence=", ".join(repeated),
            remedy=f'{what}=["cerebral_edema", ...], each column once',
        )
    return list(names)


def _refused(
    left: Sequence[str], right: Sequence[str], facts: Mapping[str, ColumnFacts], acknowledged: tuple[str, ...]
) -> tuple[dict[tuple[str, str], str], tuple[str, ...]]:
    """Ask the guards about each pair alone, so that one circle, or one unequal window, does not end the screen."""
    refused: dict[tuple[str, str], str] = {}
    notes: list[str] = []
    for exposure in left:
        for outcome in right:
            try:
                notes += check_incorporation([exposure], [outcome], facts, acknowledged)
                notes += check_windows([exposure, outcome], facts, acknowledged)
            except (IncorporationError, WindowError) as error:
                refused[exposure, outcome] = f"refused, {error.guard.replace('_', ' ')}: {error.evidence}"
    return refused, tuple(dict.fromkeys(notes))


def _strata(values: pd.Series, by: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    missing = int(values.isna().sum())
    if missing:
        raise EstimationError(
            f"the stratum {by} is missing in some rows",
            evidence=f"{missing} of {len(values)} rows",
            remedy=f'data[data["{by}"].notna()], or give the missing a level of their own',
        )
    codes = np.asarray(pd.factorize(values)[0], dtype=np.intp)
    alone = int((np.bincount(codes) == 1).sum())
    said = f"estimates and limits are crude; only P values are within {by}"
    return codes, (said, *((f"{alone} strata of one patient say nothing",) if alone else ()))


def _scores(columns: Sequence[ScreenColumn]) -> FloatArray:
    return np.column_stack([_score(column) for column in columns])


def _score(column: ScreenColumn) -> FloatArray:
    if column.kind in ("binary", "unusable"):
        return column.scores
    known = ~np.isnan(column.scores)
    out = np.full(len(known), np.nan)
    out[known] = rankdata(column.scores[known])
    return out


def _families(
    left: Sequence[str], right: Sequence[str], families: str | Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], str]:
    if isinstance(families, str):
        if families not in ("all", "outcome", "exposure"):
            raise EstimationError(
                f"families {families!r} is not known",
                remedy='families="all", "outcome" or "exposure", or {"imaging": ["cerebral_edema", ...]}',
            )
        return {(x, y): {"all": "all", "outcome": y, "exposure": x}[families] for x in left for y in right}
    unknown = sorted({name for names in families.values() for name in names} - {*left, *right})
    held = {
        (x, y): [family for family, names in families.items() if x in names or y in names]
        for x in left
        for y in right
    }
    wrong = [f"{x} ~ {y} in {len(found)}" for (x, y), found in held.items() if len(found) != 1]
    if unknown or wrong:
        raise EstimationError(
            "the families name a column that is not screened"
            if unknown
            else "a pair is not in exactly one family",
            evidence=", ".join(unknown or wrong[:8]),
            remedy="put every exposure, or every outcome, into one family",
        )
    return {pair: found[0] for pair, found in held.items()}


def _rule(rule: PairRule | Mapping[str, str] | None) -> PairRule:
    if rule is None:
        return pair_rule
    if not isinstance(rule, Mapping):
        return rule
    unknown = [key for key in rule if key not in FITTING]
    if unknown:
        raise EstimationError(
            f"the rule names an unknown kind of pair {unknown[0]!r}",
            evidence=f"kinds: {', '.join(FITTING)}",
            remedy='rule={"binary x binary": "mid_p"}',
        )

    def named(exposure: str, outcome: str, smallest: float, n: int) -> str:
        binaries = (exposure == "binary") + (outcome == "binary")
        key = ("ranked x ranked", "binary x ranked", "binary x binary")[binaries]
        return rule[key] if key in rule else pair_rule(exposure, outcome, smallest, n)

    return named
