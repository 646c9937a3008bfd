"""Completed data sets of multiple imputation, and how well the chains behaved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.estimators.chained_equations import Chain
from cohort.models.fits import Fits, fit_each
from cohort.models.imputation_variables import Column, decode
from cohort.models.summary import Summary, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
T = TypeVar("T")
Passive = Mapping[str, Callable[[pd.DataFrame], pd.Series]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Imputations:
    """Completed data sets: iterating gives DataFrames with the rows, columns and index of the data.

    Attributes
    ----------
    observed : DataFrame
        The data as observed (derived columns missing where a part of them was).
    columns : tuple of Column
        Variables of the imputation model.
    chains : tuple of Chain
        Drawn values of each completed data set, and their course.
    passive : mapping of str to callable
        Derived columns.
    seed : int
        Seed of the draws.
    iterations : int
        Sweeps of each chain.
    beside : tuple of str
        Outcome columns that predict without being in the frame, such as the cumulative hazard.
    notes : tuple of str
        What a reader should be told.
    """

    observed: pd.DataFrame
    columns: tuple[Column, ...]
    chains: tuple[Chain, ...]
    passive: Passive
    seed: int
    iterations: int
    beside: tuple[str, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.chains)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, position: int) -> pd.DataFrame:
        drawn = self.chains[position].imputed
        incomplete = [column for column in self.columns if column.variable.wanted.any()]
        completed = {
            column.variable.name: decode(column, values, self.observed[column.variable.name])
            for column, values in zip(incomplete, drawn, strict=True)
        }
        frame = self.observed.assign(**completed)
        for name, function in self.passive.items():
            frame = frame.assign(**{name: function(frame)})
        frame.attrs = dict(self.observed.attrs)
        return frame

    def fit(self, function: Callable[[pd.DataFrame], T]) -> Fits[T]:
        """Fit an analysis to every completed data set, and to the data as observed.

        Parameters
        ----------
        function : callable
            Takes a frame and returns a result, as ``lambda frame: co.odds_ratio("severe ~ age", frame)``.

        Returns
        -------
        Fits
            For ``co.pool``; the complete-case result is in it, so that it is reported beside the pooled one.

        Raises
        ------
        EstimationError
            When a completed data set cannot be fitted.
        """
        return fit_each(self, function)

    def variables(self) -> pd.DataFrame:
        """Return what was done with each variable.

        Returns
        -------
        DataFrame
            One row per variable: ``term``, ``kind``, ``method`` (empty when nothing was missing), ``n`` rows,
            ``n_missing`` imputed, ``n_left`` left as they are and ``reason`` (not imaged, not applicable).
        """
        rows = [
            (
                c.variable.name,
                c.variable.kind,
                c.variable.method,
                len(c.variable.wanted),
                int(c.variable.wanted.sum()),
                int((c.variable.state > 0).sum()),
                ", ".join(c.states),
            )
            for c in self.columns
        ]
        return pd.DataFrame(rows, columns=["term", "kind", "method", "n", "n_missing", "n_left", "reason"])

    def trace(self) -> pd.DataFrame:
        """Return the course of the chains.

        Returns
        -------
        DataFrame
            ``term, chain, iteration, mean, std`` of the drawn values (codes of categories).
        """
        names = [c.variable.name for c in self.columns if c.variable.wanted.any()]
        m, iterations = len(self.chains), self.iterations
        index = pd.MultiIndex.from_product(
            [range(1, m + 1), range(1, iterations + 1), names], names=["chain", "iteration", "term"]
        )
        mean = np.concatenate([chain.mean.ravel() for chain in self.chains])
        spread = np.concatenate([chain.spread.ravel() for chain in self.chains])
        frame = pd.DataFrame({"mean": mean, "std": spread}, index=index).reset_index()
        return frame[["term", "chain", "iteration", "mean", "std"]]

    def convergence(self) -> pd.DataFrame:
        """Compare the chains with each other over the second half of their iterations.

        Returns
        -------
        DataFrame
            ``term, r_hat`` of the mean of the drawn values (Gelman and Rubin 1992): above 1.2 more iterations
            are needed; with few iterations values up to that are usual. Missing for fewer than four iterations.
        """
        names = [c.variable.name for c in self.columns if c.variable.wanted.any()]
        values = np.stack([chain.mean for chain in self.chains])[:, self.iterations // 2 :]
        n = values.shape[1]
        if self.iterations < 4:
            return pd.DataFrame({"term": names, "r_hat": np.nan})
        between, within = n * values.mean(axis=1).var(axis=0, ddof=1), values.var(axis=1, ddof=1).mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            r_hat = np.sqrt(((n - 1) / n * within + between / n) / within)
        return pd.DataFrame({"term": names, "r_hat": np.where(within > 0, r_hat, np.nan)})

    def plot_chains(self, term: str, ax: Axes | None = None) -> Axes:
        """Draw the mean of the drawn values of one variable by iteration, a line per chain.

        Parameters
        ----------
        term : str
            Variable.
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes: free of trend and well mixed when the chains have converged.
        """
        from cohort.plots.imputed import plot_chains

        trace = self.trace()
        return plot_chains(trace[trace["term"] == self._incomplete(term).variable.name], ax=ax)

    def plot_densities(self, term: str, ax: Axes | None = None) -> Axes:
        """Draw observed values beside the values drawn in each completed data set.

        Parameters
        ----------
        term : str
            Variable: a density for a number, shares for categories.
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes. A difference is no fault by itself: under MAR those with missing values may differ.
        """
        from cohort.plots.imputed import plot_densities, plot_shares

        column = self._incomplete(term)
        names = [c.variable.name for c in self.columns if c.variable.wanted.any()]
        position = names.index(term)
        drawn = [chain.imputed[position] for chain in self.chains]
        codes = column.variable.values  # noqa: PD011
        known = codes[~np.isnan(codes)]
        if column.labels is None:
            return plot_densities(known, drawn, label=term, ax=ax)
        return plot_shares(known, drawn, [str(label) for label in column.labels], label=term, ax=ax)

    def _incomplete(self, term: str) -> Column:
        from cohort.errors import EstimationError

        found = [c for c in self.columns if c.variable.name == term and c.variable.wanted.any()]
        if not found:
            names = [c.variable.name for c in self.columns if c.variable.wanted.any()]
            raise EstimationError(
                f"nothing was imputed for {term!r}",
                evidence=f"imputed: {', '.join(names)}",
                remedy="write one of these names",
            )
        return found[0]

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.variables()
        imputed = frame[(frame["n_missing"] > 0) | (frame["n_left"] > 0)]
        complete = frame[(frame["n_missing"] == 0) & (frame["n_left"] == 0)]["term"]
        facts = (
            ("method", f"chained equations, {self.iterations} iterations, seed {self.seed}"),
            ("rows", f"{len(self.observed)} in each of {len(self)} completed data sets"),
            ("complete predictors", ", ".join([*complete, *self.beside]) or "none"),
            ("derived", ", ".join(self.passive)),
            ("notes", notes_text((), self.notes)),
        )
        left = [
            f"{n} {why}" if n else "" for n, why in zip(imputed["n_left"], imputed["reason"], strict=True)
        ]
        table = pd.DataFrame(
            {
                "variable": imputed["term"].tolist(),
                "method": imputed["method"].str.replace("_", " ").tolist(),
                "imputed": [f"{k}/{n}" for k, n in zip(imputed["n_missing"], imputed["n"], strict=True)],
                "left as they are": left,
            }
        )
        return Summary(f"{len(self)} imputations of missing values", facts, table)
