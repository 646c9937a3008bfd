"""The fits of one analysis on every completed data set, with the fit on the complete cases beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import pandas as pd

from cohort.errors import CohortError, EstimationError

if TYPE_CHECKING:
    from cohort.models.imputations import Imputations

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fits(Generic[T]):
    """Results of one function on m completed data sets.

    Attributes
    ----------
    results : tuple
        What the function returned for each completed data set.
    complete_case : object or None
        What it returned for the data as observed; None when it could not be estimated there.
    complete_case_reason : str
        Why there is no complete-case result; empty when there is one.
    n : int
        Rows of each completed data set.
    """

    results: tuple[T, ...]
    complete_case: T | None
    complete_case_reason: str
    n: int

    def __iter__(self) -> Iterator[T]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, position: int) -> T:
        return self.results[position]

    def __repr__(self) -> str:
        beside = self.complete_case_reason or "complete cases beside them"
        return (
            f"{len(self)} fits of completed data ({type(self[0]).__name__}), {beside}; co.pool() pools them"
        )


def fit_each(imputations: Imputations, function: Callable[[pd.DataFrame], T]) -> Fits[T]:
    """Call a function with every completed data set, and with the data as observed.

    Parameters
    ----------
    imputations : Imputations
        The completed data sets.
    function : callable
        Takes a frame, returns a result of this package or a frame with ``estimate`` and ``std_error``.

    Returns
    -------
    Fits
        The results.

    Raises
    ------
    EstimationError
        When a completed data set cannot be fitted: leaving it out would bias the pooled estimate.
    """
    results = []
    for number, frame in enumerate(imputations, start=1):
        try:
            results.append(function(frame))
        except CohortError as error:
            raise EstimationError(
                f"completed data set {number} of {len(imputations)} cannot be fitted: {error.problem}",
                evidence=error.evidence,
                remedy=error.remedy or "simplify the model; leaving out this data set would bias the result",
            ) from error
    complete, reason = None, ""
    try:
        complete = function(imputations.observed)
    except CohortError as error:
        reason = f"complete cases cannot be fitted: {error.problem}"
    return Fits(tuple(results), complete, reason, len(imputations.observed))
