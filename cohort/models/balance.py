"""How alike the groups of an exposure are in their covariates, before and after weighting."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.balance import compare
from cohort.estimators.balancing_weights import effective_sample_size
from cohort.models.balance_result import BalanceTable, Compared
from cohort.models.design import Design, align_columns
from cohort.models.exposure_groups import exposure_groups, require_one_row_each
from cohort.models.formula import parse_formula
from cohort.models.given_weights import GivenWeights, weights_of_rows
from cohort.models.result import check_conf_level
from cohort.models.weighting import ESTIMANDS, prepare
from cohort.models.weights_result import InverseProbabilityWeights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
EVERYBODY = "everybody"


def balance(
    formula: str,
    data: pd.DataFrame,
    weights: GivenWeights | None = None,
    *,
    threshold: float = 0.1,
    conf_level: float = 0.95,
) -> BalanceTable:
    """Compare covariates between the groups of an exposure, without and with weights.

    Balance is a property of these patients, not a hypothesis: no p-values. A small sample differs by chance
    too, which the limits of the standardized differences show. Balance of what was measured says nothing about
    what was not. Patients whose group or covariate is missing are left out and counted by reason.

    Parameters
    ----------
    formula : str
        ``exposure ~ covariates``. Every category of a covariate with three or more has its own row; write
        ``I(age_years ** 2)`` to compare squares, and ``a:b`` products.
    data : DataFrame
        One row per patient, unique index.
    weights : str, Series or InverseProbabilityWeights, optional
        Column of weights, weights by row label, or the result of ``inverse_probability_weights``. With its
        estimand ``imaged`` those imaged are compared with everybody whose imaging status is known.
    threshold : float, default=0.1
        Absolute standardized difference that is still called balance.
    conf_level : float, default=0.95
        Confidence level of the standardized differences.

    Returns
    -------
    BalanceTable
        Standardized differences, variance ratios, Kolmogorov-Smirnov distances and means, with ``tidy()``,
        ``glance()``, ``plot()`` (Love plot) and ``text()``.

    Raises
    ------
    EstimationError
        For a single group, repeated rows, or weights that are negative, not numbers, or belong to nobody; the
        message says which.

    See Also
    --------
    cohort.models.inverse_probability_weights.inverse_probability_weights : Makes the weights.

    Notes
    -----
    The difference of means is divided by the same standard deviation before and after weighting, from the
    patients as they are: the root of the mean variance of the two groups, of the focal group for ``att``, of
    everybody for ``imaged`` [1]_. Yes/no columns have variance p(1 - p). Weighted variances have the factor
    W^2 / (W^2 - sum of squared weights). The standard error is that of a standardized difference with effective
    sample sizes in place of the numbers of patients, an approximation.

    References
    ----------
    .. [1] Austin PC, Stuart EA (2015). Moving towards best practice when using inverse probability of treatment
       weighting. Stat Med 34:3661-3679. doi:10.1002/sim.6607

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"flair": ["no", "no", "yes", "no", "yes", "yes"], "old": [0, 0, 0, 1, 1, 1]})
    >>> balance("flair ~ old", data, pd.Series([1.5, 1.5, 3, 3, 1.5, 1.5])).text("old")
    'standardized difference 0.71 unweighted, 0.00 weighted'
    """
    if not threshold > 0:
        raise EstimationError("the threshold is not positive", remedy="threshold=0.1")
    parsed = parse_formula(formula)
    if not parsed.response:
        raise EstimationError("the formula has no exposure", remedy='write "exposure ~ covariates"')
    exposure = align_columns([parsed.response], data, None)[0][parsed.response]
    require_one_row_each(data)
    groups = exposure_groups(exposure, imaged=True)
    design, code, left_out = prepare(parsed, data, groups, check=False)
    w = None if weights is None else _weights_of_design(weights, data, design)
    imaged = isinstance(weights, InverseProbabilityWeights) and weights.estimand == "imaged"
    focal = -1
    if isinstance(weights, InverseProbabilityWeights):
        focal = _same_groups(weights, groups.levels) if weights.estimand == "att" else -1
    rows = [
        row for column in _columns(design) for row in _compared(column, code, groups.levels, w, imaged, focal)
    ]
    sizes = np.bincount(code, minlength=len(groups.levels)).tolist()
    return BalanceTable(
        formula=formula,
        groups=tuple(zip(groups.levels, sizes, strict=True)),
        target=_target(weights),
        rows=tuple(sorted(rows, key=lambda row: row.method)),
        threshold=float(threshold),
        effective_n=np.nan if w is None else effective_sample_size(w),
        conf_level=check_conf_level(conf_level),
        left_out=left_out,
        notes=_notes(w),
    )


def _weights_of_design(weights: GivenWeights, data: pd.DataFrame, design: Design) -> FloatArray:
    """Return the weights of the rows used, 0 for none."""
    found: pd.Series = pd.Series(weights_of_rows(weights, data), index=data.index).reindex(design.index)
    return np.asarray(np.nan_to_num(found.to_numpy(dtype=float)), dtype=np.float64)


def _same_groups(weights: InverseProbabilityWeights, levels: tuple[str, ...]) -> int:
    if weights.groups != levels:
        raise EstimationError(
            "the weights belong to other groups",
            evidence=f"weights of {', '.join(weights.groups)}; formula with {', '.join(levels)}",
            remedy="write the same exposure in both formulas",
        )
    return weights.focal


def _target(weights: GivenWeights | None) -> str:
    if isinstance(weights, InverseProbabilityWeights):
        return ESTIMANDS[weights.estimand].format(weights.groups[weights.focal])
    return ""


def _notes(w: FloatArray | None) -> tuple[str, ...]:
    none = 0 if w is None else int((w == 0).sum())
    return (f"{none} patients used without weights have no weight",) if none else ()


def _columns(design: Design) -> Iterator[tuple[str, str, FloatArray]]:
    """Give each column with its term and category, and the reference category where there are three or more."""
    for term in dict.fromkeys(design.terms[1:]):
        at = [j for j, name in enumerate(design.terms) if name == term]
        if len(at) > 1 and term in design.references:
            yield term, design.references[term], 1 - design.X[:, at].sum(axis=1)
        for j in at:
            yield term, design.levels[j], design.X[:, j]


def _compared(
    column: tuple[str, str, FloatArray],
    code: IntArray,
    levels: tuple[str, ...],
    w: FloatArray | None,
    imaged: bool,
    focal: int,
) -> Iterator[Compared]:
    term, level, x = column
    binary = bool(np.isin(x, (0.0, 1.0)).all())
    whole = np.ones(len(x))
    samples = [(levels[k], (code == k).astype(float)) for k in range(len(levels))]
    pairs = list(combinations(samples, 2))
    if imaged:
        pairs = [((EVERYBODY, whole), samples[1])]
    for (first, in_first), (second, in_second) in pairs:
        spread = [_variance(x[inside > 0], binary) for inside in (in_first, in_second)]
        if imaged:
            spread = spread[:1]
        elif focal >= 0:
            spread = [_variance(x[code == focal], binary)]
        scale = float(np.sqrt(np.mean(spread)))
        for method, weight in (("unweighted", whole), ("weighted", w)):
            if weight is None:
                continue
            a, b = (in_first if imaged else in_first * weight), in_second * weight
            found = compare(x, a, b, scale)
            error = np.nan if imaged else _std_error(found.difference, a, b)
            n = int(((a > 0) | (b > 0)).sum())
            yield Compared(term, level, first, second, method, binary, found, error, n)


def _variance(x: FloatArray, binary: bool) -> float:
    if binary:
        return float(x.mean() * (1 - x.mean()))
    return float(x.var(ddof=1)) if len(x) > 1 else 0.0


def _std_error(difference: float, first: FloatArray, second: FloatArray) -> float:
    """Hedges and Olkin's large-sample standard error, with effective sample sizes."""
    a, b = effective_sample_size(first), effective_sample_size(second)
    if min(a, b) <= 0:
        return float("nan")
    return float(np.sqrt(1 / a + 1 / b + difference**2 / (2 * (a + b))))
