"""From a formula and a frame to a numeric design matrix, with every row left out accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.closest import closest_names
from cohort.dictionary.states import binary_states, is_three_state, without_blanks, without_not_known
from cohort.errors import EstimationError
from cohort.models.coding import binary_reasons
from cohort.models.formula import ParsedFormula, parse_formula
from cohort.models.matrix import build_matrix, categories_of, check_columns, reference_levels

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
ResponseKind = Literal["binary", "numeric"]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A design matrix and where it came from.

    Attributes
    ----------
    X : array of shape (n, p)
        Design matrix of the rows kept.
    names : tuple of str
        formulaic's column names, such as ``product[T.axi-cel]``.
    terms, levels : tuple of str
        For each column the term as written and the category (empty for a number).
    references : Mapping of str to str
        Reference category of each categorical term that is coded against its first category.
    rows : array of shape (n,)
        Positions of the rows kept, in the endpoint when there is one and in the frame otherwise.
    index : Index
        Labels of the rows kept.
    columns : tuple of str
        Columns used on the right side, for the guards.
    response : array of shape (n,) or None
        Left side of a two-sided formula.
    response_name : str
        Its column, empty for none.
    extra : Mapping of str to Series
        Further columns asked for (strata, cluster, weights), rows kept only.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out; every row is counted once, at its first reason.
    n_total : int
        Rows before any was left out.
    categories : Mapping of str to tuple of str
        Categories by column, the reference first; empty for a number.
    spec : object
        formulaic's record of the coding; None for a sum of columns.
    """

    X: FloatArray
    names: tuple[str, ...]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: Mapping[str, str]
    rows: NDArray[np.intp]
    index: pd.Index
    columns: tuple[str, ...]
    response: FloatArray | None
    response_name: str
    extra: Mapping[str, pd.Series]
    left_out: tuple[tuple[str, str, int], ...]
    n_total: int
    categories: Mapping[str, tuple[str, ...]]
    spec: Any

    @property
    def n_missing(self) -> int:
        """Rows left out."""
        return sum(n for _, _, n in self.left_out)


def build_design(
    formula: str,
    data: pd.DataFrame | None,
    endpoint: Endpoint | None = None,
    *,
    intercept: bool = True,
    response: ResponseKind = "binary",
    extra: Sequence[str] = (),
    check: bool = True,
) -> Design:
    """Build the design matrix of a formula, aligned to an endpoint by index label.

    A row is used when every column it needs has a usable value: a finding counts as present against
    absent, and not imaged, indeterminate or not assessable are left out with their reason.

    Parameters
    ----------
    formula : str
        One-sided, or two-sided when there is no endpoint.
    data : DataFrame or None
        Columns of the formula; None takes the frame of the endpoint. Columns it lacks come from there too.
    endpoint : Endpoint or None, default=None
        Endpoint whose rows the design follows.
    intercept : bool, default=True
        Whether the matrix has an intercept column (dropped for the Cox family; categories are coded
        against their first level either way).
    response : {'binary', 'numeric'}, default='binary'
        How the left side is coded.
    extra : sequence of str, default=()
        Further columns that must not be missing.
    check : bool, default=True
        Whether constant and collinear columns are refused.

    Returns
    -------
    Design
        The matrix, its names, and who was left out.

    Raises
    ------
    EstimationError
        For an unknown column, a duplicated index, a formula that is not allowed, a column that is constant,
        collinear, infinite or not usable as a covariate, or when no row is left.
    """
    parsed = parse_formula(formula)
    if endpoint is not None and parsed.response:
        raise EstimationError(
            "the formula has a left side although an endpoint is given",
            evidence=f"left side {parsed.response}",
            remedy=f"write only the right side: {parsed.right!r}",
        )
    wanted = list(dict.fromkeys([*([parsed.response] if parsed.response else []), *parsed.columns, *extra]))
    frame, present = align_columns(wanted, data, endpoint)
    keep, left_out, usable = _usable_rows(frame, wanted, present, parsed, response)
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise EstimationError(
            "no row is left after leaving out missing values",
            evidence=_left_out_text(left_out) or "the frame has no rows",
            remedy="leave the column with the most missing values out of the formula",
        )
    whole = len(rows) == len(frame)
    columns = {name: usable[name] if whole else usable[name].iloc[rows] for name in parsed.columns}
    X, names, terms, levels, spec = build_matrix(parsed, columns)
    if check:
        check_columns(X, names)
    if intercept:
        X = np.column_stack([np.ones(len(rows)), X])
        names, terms, levels = ("Intercept", *names), ("Intercept", *terms), ("", *levels)
    return Design(
        X=X,
        names=names,
        terms=terms,
        levels=levels,
        references=reference_levels(columns, terms),
        rows=rows,
        index=frame.index[rows],
        columns=parsed.columns,
        response=usable[parsed.response].to_numpy(dtype=float)[rows] if parsed.response else None,
        response_name=parsed.response,
        extra={name: _further(frame[name]).iloc[rows] for name in extra},
        left_out=left_out,
        n_total=len(frame),
        categories=categories_of(columns),
        spec=spec,
    )


def align_columns(
    wanted: Sequence[str], data: pd.DataFrame | None, endpoint: Endpoint | None
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Collect columns in the endpoint's row order, aligned by index label; empty texts are missing.

    Parameters
    ----------
    wanted : sequence of str
        Columns.
    data : DataFrame or None
        Where they are; columns it lacks come from the endpoint's frame.
    endpoint : Endpoint or None
        Endpoint whose rows are followed; None keeps the rows of ``data``.

    Returns
    -------
    frame : DataFrame
        The columns.
    present : array of shape (n,)
        Whether ``data`` has the row.

    Raises
    ------
    EstimationError
        For an unknown column, a duplicated index label, or no label in common.
    """
    if endpoint is None:
        if data is None:
            raise EstimationError(
                "no data was given", remedy="pass data=, the frame with the columns of the formula"
            )
        _require_columns(wanted, [data])
        return _blanks_missing(data[list(wanted)]), np.ones(len(data), dtype=bool)
    own = endpoint.frame
    if data is None or data is own:
        _require_columns(wanted, [own])
        return _blanks_missing(own[list(wanted)]), np.ones(len(own), dtype=bool)
    _require_columns(wanted, [data, own])
    for name, index in (("data", data.index), ("the endpoint", endpoint.index)):
        if not index.is_unique and not (endpoint.counting and name == "the endpoint"):
            raise EstimationError(
                f"{name} cannot be aligned because its index has duplicated labels",
                evidence=f"{int(index.duplicated().sum())} of {len(index)} labels are repeats",
                remedy="call reset_index(drop=True) on the frame before making the endpoint from it",
            )
    position = data.index.get_indexer(endpoint.index)
    present = position >= 0
    if not present.any():
        raise EstimationError(
            "data shares no index label with the endpoint",
            evidence=f"{len(data)} rows of data, {len(endpoint.index)} rows of the endpoint",
            remedy="keep the index of the frame the endpoint was made from",
        )
    series = {
        name: data[name].take(np.where(present, position, 0)).set_axis(own.index)
        if name in data.columns
        and name not in endpoint.exposures  # those change with time: the endpoint's own
        else own[name]
        for name in wanted
    }
    return _blanks_missing(pd.DataFrame(series, index=own.index, columns=list(wanted))), present


def _blanks_missing(frame: pd.DataFrame) -> pd.DataFrame:
    changed = {}
    for name, column in frame.items():
        cleaned = without_blanks(column)
        if cleaned is not column:
            changed[str(name)] = cleaned
    return frame.assign(**changed) if changed else frame


def _require_columns(wanted: Sequence[str], frames: Sequence[pd.DataFrame]) -> None:
    known = [str(name) for frame in frames for name in frame.columns]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        close = {name: closest_names(name, known, n=3) for name in unknown}
        hints = [f"{name}: did you mean {' or '.join(found)}?" for name, found in close.items() if found]
        raise EstimationError(
            f"unknown column {', '.join(unknown)}",
            evidence=f"the frame has {len(set(known))} columns",
            remedy="; ".join(hints) or "pass data= with this column, or correct the name",
        )
    doubled = [name for name in wanted if any((frame.columns == name).sum() > 1 for frame in frames)]
    if doubled:
        raise EstimationError(
            f"the frame has column {doubled[0]} twice", remedy="give every column its own name"
        )


def _usable_rows(
    frame: pd.DataFrame,
    wanted: Sequence[str],
    present: NDArray[np.bool_],
    parsed: ParsedFormula,
    response: ResponseKind,
) -> tuple[NDArray[np.bool_], tuple[tuple[str, str, int], ...], dict[str, pd.Series]]:
    """Code every column, and count each unusable row once, at its first column and reason."""
    keep = present.copy()
    left_out = [("", "no row in data", int((~present).sum()))] if not present.all() else []
    usable: dict[str, pd.Series] = {}
    for name in wanted:
        column = frame[name]
        if name == parsed.response:
            usable[name] = _response(column, response)
        elif name in parsed.columns:
            usable[name] = _covariate(column)
        else:
            usable[name] = _further(column)
        bad = usable[name].isna().to_numpy() & keep
        if bad.any():
            reasons = binary_reasons(column.iloc[np.flatnonzero(bad)])
            left_out.extend((name, reason, n) for reason, n in reasons.items())
            keep &= ~bad
    return keep, tuple(left_out), usable


def _further(column: pd.Series) -> pd.Series:
    """Make kinds of not known missing in an ordered category, such as a grade: they are no level of it."""
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and bool(column.cat.ordered)
    return without_not_known(column) if ordered else column


def _response(column: pd.Series, kind: ResponseKind) -> pd.Series:
    if kind == "binary":
        try:
            return pd.Series(binary_states(column)[0], index=column.index)
        except (ValueError, TypeError):
            raise EstimationError(
                f"outcome {column.name} is not a yes/no variable",
                evidence=f"dtype {column.dtype}, {column.nunique()} distinct values",
                remedy="use a column of absent/present, no/yes, boolean or 0/1",
            ) from None
    coded = _covariate(column)
    if isinstance(coded.dtype, pd.CategoricalDtype):
        return pd.Series(coded.cat.codes.to_numpy(dtype=float), index=column.index).replace(-1.0, np.nan)
    return coded


def _covariate(column: pd.Series) -> pd.Series:
    """Code a column as float64 with NaN, or as a category; kinds of not known become missing."""
    if is_three_state(column):
        coded = binary_states(column)[0]
        labels = (
            column.cat.categories
            if isinstance(column.dtype, pd.CategoricalDtype)
            else column.dropna().unique()
        )
        pair = ["absent", "present"] if {"absent", "present"} & set(labels) else ["no", "yes"]
        codes = np.where(np.isnan(coded), -1, coded).astype(np.int8)
        return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(pair)), index=column.index)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    if pd.api.types.is_object_dtype(column.dtype):
        column = column.infer_objects().convert_dtypes()
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        return _finite(column)
    if pd.api.types.is_string_dtype(column.dtype):
        known = column.dropna().unique()
        if not all(isinstance(label, str) for label in known):
            raise EstimationError(
                f"column {column.name} holds texts among numbers",
                evidence=f"dtype {column.dtype}, {len(known)} distinct values",
                remedy=f'pd.to_numeric(data["{column.name}"], errors="coerce"), or make it a category',
            )
        levels = sorted(known)
        return pd.Series(pd.Categorical(column, categories=levels), index=column.index)
    raise EstimationError(
        f"column {column.name} cannot be a covariate",
        evidence=f"dtype {column.dtype}",
        remedy="turn dates into days since infusion, and everything else into numbers or categories",
    )


def _finite(column: pd.Series) -> pd.Series:
    values = column.to_numpy(dtype=float, na_value=np.nan)
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        raise EstimationError(
            f"column {column.name} has infinite values",
            evidence=f"{n_infinite} of {len(values)} values are infinite",
            remedy="set them to missing, or to the limit of detection",
        )
    return pd.Series(values, index=column.index)


def _left_out_text(left_out: Sequence[tuple[str, str, int]]) -> str:
    return ", ".join(f"{n} {column} {reason}".replace("  ", " ") for column, reason, n in left_out)
