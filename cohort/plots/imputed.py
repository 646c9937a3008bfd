"""Diagnostics of imputations: the course of the chains, and drawn beside observed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import readable, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
_OBSERVED, _DRAWN = palette.OKABE_ITO[0], palette.OKABE_ITO[1]
_KEY = (Swatch("Observed", _OBSERVED), Swatch("Imputed", _DRAWN))


def plot_chains(trace: pd.DataFrame, *, ax: Axes | None = None, width_mm: float = 100.0) -> Axes:
    """Draw the mean of the drawn values of one variable by iteration, a line per chain.

    Parameters
    ----------
    trace : DataFrame
        ``term, chain, iteration, mean`` of one variable.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm : float
        Width of a new figure.

    Returns
    -------
    Axes
        Chains are the ``ax.lines`` of gid ``chain``.
    """
    require_columns(trace, ["term", "chain", "iteration", "mean"], "the figure of chains")
    name = readable(str(trace["term"].iloc[0]))
    with style.theme():
        new_figure = ax is None
        ax = layout.own_axes(ax, width_mm, 60.0)
        for number, rows in trace.groupby("chain"):
            color = palette.OKABE_ITO[(int(str(number)) - 1) % len(palette.OKABE_ITO)]
            ax.plot(rows["iteration"], rows["mean"], color=color, linewidth=0.7, alpha=0.8, gid="chain")
        last = int(trace["iteration"].max())
        ax.set_xlim(1, max(last, 2))
        ax.set_xticks(sorted({1, *range(0, last + 1, max(1, last // 5))} - {0}))
        ax.set_xlabel("Iteration", labelpad=2)
        ax.set_ylabel(f"Mean of imputed {name}")
        layout.fit(ax)
        if new_figure:
            layout.fit_to_height(ax, 45.0)
    return ax


def plot_densities(
    observed: FloatArray,
    drawn: Sequence[FloatArray],
    *,
    label: str,
    ax: Axes | None = None,
    width_mm: float = 100.0,
) -> Axes:
    """Draw the density of the observed values, and of the values drawn in each completed data set.

    Parameters
    ----------
    observed : array of shape (n_observed,)
        Observed values.
    drawn : sequence of array of shape (n_missing,)
        Values drawn in each completed data set.
    label : str
        Name of the variable.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm : float
        Width of a new figure.

    Returns
    -------
    Axes
        Densities are the ``ax.lines`` of gid ``observed`` and ``imputed``; fewer than three distinct drawn
        values have no density and are marks on the axis.
    """
    with style.theme():
        new_figure = ax is None
        ax = layout.own_axes(ax, width_mm, 60.0)
        together = np.concatenate([observed, *drawn])
        margin = 0.08 * (together.max() - together.min())
        x = np.linspace(together.min() - margin, together.max() + margin, 256)
        for values in drawn:
            _density(ax, x, values, _DRAWN, 0.6, "imputed")
        _density(ax, x, observed, _OBSERVED, 1.6, "observed")
        ax.set_ylim(bottom=0)
        ax.set_xlim(x[0], x[-1])
        ax.set_yticks([])
        ax.set_ylabel("Density")
        _finish(ax, label, _KEY, new_figure)
    return ax


def _density(ax: Axes, x: FloatArray, values: FloatArray, color: str, width: float, gid: str) -> None:
    from scipy.stats import gaussian_kde

    if len(np.unique(values)) < 3:
        ax.plot(values, np.zeros(len(values)), "|", color=color, markersize=8, clip_on=False, gid=gid)
        return
    ax.plot(x, gaussian_kde(values)(x), color=color, linewidth=width, gid=gid)


def plot_shares(
    observed: FloatArray,
    drawn: Sequence[FloatArray],
    categories: Sequence[str],
    *,
    label: str,
    ax: Axes | None = None,
    width_mm: float = 100.0,
) -> Axes:
    """Draw the share of each category among the observed, and in each completed data set among the drawn.

    Parameters
    ----------
    observed : array of shape (n_observed,)
        Codes of the observed values.
    drawn : sequence of array of shape (n_missing,)
        Codes drawn in each completed data set.
    categories : sequence of str
        Name of each code.
    label : str
        Name of the variable.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm : float
        Width of a new figure.

    Returns
    -------
    Axes
        Bars of the observed are ``ax.patches``; marks of the drawn are the ``ax.lines`` of gid ``imputed``.
    """
    k = len(categories)
    with style.theme():
        new_figure = ax is None
        ax = layout.own_axes(ax, width_mm, 60.0)
        shares = np.bincount(observed.astype(np.int64), minlength=k) / len(observed)
        ax.bar(
            np.arange(k),
            100 * shares,
            width=0.6,
            color=palette.blend(_OBSERVED, "#FFFFFF", 0.35),
            gid="observed",
        )
        # each completed data set at its own place across the bar
        places = np.linspace(-0.22, 0.22, len(drawn))
        for place, codes in zip(places, drawn, strict=True):
            share = np.bincount(codes.astype(np.int64), minlength=k) / len(codes)
            ax.plot(
                np.arange(k) + place, 100 * share, "o", markersize=2.6, mfc=_DRAWN, mec="none", gid="imputed"
            )
        ax.set_xticks(range(k), [readable(c) for c in categories])
        ax.set_ylim(bottom=0)
        ax.set_ylabel("Percent")
        key = (
            Swatch("Observed", palette.blend(_OBSERVED, "#FFFFFF", 0.35)),
            Swatch("Imputed", _DRAWN, marker="o"),
        )
        _finish(ax, label, key, new_figure)
    return ax


def _finish(ax: Axes, label: str, key: Sequence[Swatch], new_figure: bool) -> None:
    """Name the variable, write the key above, and give a new figure its height."""
    ax.set_xlabel(readable(label), labelpad=2)
    layout.fit(ax)
    draw_key(ax, key, side="above")
    layout.fit(ax)
    if new_figure:
        layout.fit_to_height(ax, 45.0)
