"""Bootstrap of a Cox model: resampled patients as counts, so that sorting and scaling are done once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import CoxProblem, Ties, tied_events
from cohort.estimators.partial_likelihood import climb, evaluate, information, maximize
from cohort.estimators.risk_sets import total_by_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def bootstrap_coefficients(
    problem: CoxProblem,
    replicates: int,
    rng: np.random.Generator,
    group: IntArray | None = None,
    ties: Ties = "efron",
) -> FloatArray:
    """Refit a Cox model to samples of its rows, or of groups of rows, drawn with replacement.

    Each replicate is the estimate from the sample written out with its repeats (repeats of one event tie), found
    without sorting or scaling again.

    Parameters
    ----------
    problem : CoxProblem
        Data without case weights.
    replicates : int
        Number of samples.
    rng : Generator
        Source of randomness.
    group : array of shape (n,) or None
        Codes from 0 of what is drawn as a whole (a patient's or a center's rows), for the caller's rows; None draws
        rows.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for ties, which the repeats of an event are too.

    Returns
    -------
    array of shape (replicates, p)
        Log hazard ratios; NaN where a sample has no estimate (monotone likelihood, a column constant, no event).
    """
    n = problem.sets.n_rows
    code = np.arange(n) if group is None else group
    n_group = n if group is None else int(group.max()) + 1
    code = code[problem.sets.rows]
    out = np.full((replicates, problem.Z.shape[1]), np.nan)
    whole = maximize(problem)
    for k in range(replicates):
        count = np.bincount(rng.integers(0, n_group, n_group), minlength=n_group)[code]
        if not count[problem.sets.death].any():
            continue
        sample = counted(problem, count, ties)
        state = evaluate(sample, whole.state.b)
        try:
            top, _, _ = climb(sample, state, information(sample, state), whole.information)
            out[k] = top.b / problem.scale
        except (EstimationError, np.linalg.LinAlgError):
            continue
    return out


def counted(problem: CoxProblem, count: IntArray, ties: Ties) -> CoxProblem:
    """Return the problem in which each row stands there ``count`` times; shape of ``count`` (n,)."""
    sets = problem.sets
    deaths = count[sets.death].astype(float)
    n_death = total_by_group(sets.death_group, deaths, sets.n_times)
    return replace(
        problem,
        weight=count.astype(float),
        dead_weight=n_death,
        observed=deaths @ problem.Z[sets.death],
        tied=tied_events(n_death.astype(np.intp), n_death) if ties == "efron" else None,
    )
