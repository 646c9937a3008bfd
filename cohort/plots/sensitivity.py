"""An estimate against the shift of imputed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import readable, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_sensitivity(
    frame: pd.DataFrame,
    *,
    variable: str,
    measure: str = "estimate",
    ratio: bool = False,
    tipping: Sequence[float] = (),
    conf_level: float = 0.95,
    ax: Axes | None = None,
    width_mm: float = 100.0,
) -> Axes:
    """Draw an estimate with its limits against delta.

    Parameters
    ----------
    frame : DataFrame
        ``delta, estimate, conf_low, conf_high, complete_case``.
    variable : str
        Variable that is shifted.
    measure : str, default='estimate'
        Name of the estimate.
    ratio : bool, default=False
        Whether the axis is logarithmic, with no effect at 1.
    tipping : sequence of float, default=()
        Shifts at which the conclusion changes: vertical lines.
    conf_level : float, default=0.95
        Level of the limits.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm : float
        Width of a new figure.

    Returns
    -------
    Axes
        The estimates are the line of gid ``estimate``, tipping points lines of gid ``tipping``.
    """
    require_columns(
        frame, ["delta", "estimate", "conf_low", "conf_high"], "the figure of a sensitivity analysis"
    )
    color = palette.OKABE_ITO[0]
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, 70.0)
        ax.fill_between(frame["delta"], frame["conf_low"], frame["conf_high"], color=color, alpha=0.18, lw=0)
        ax.plot(
            frame["delta"], frame["estimate"], "o-", color=color, linewidth=1.2, markersize=3, gid="estimate"
        )
        ax.axhline(1 if ratio else 0, color=style.AXIS_COLOR, linewidth=0.6, gid="null")
        key = [Swatch(f"Multiple imputation, {100 * conf_level:g}% CI", color)]
        if "complete_case" in frame and np.isfinite(frame["complete_case"]).all():
            ax.plot(
                [0],
                frame["complete_case"].iloc[:1],
                "s",
                mfc="#FFFFFF",
                mec=style.MUTED_COLOR,
                gid="complete_case",
            )
            key.append(Swatch("Complete cases", "#FFFFFF", style.MUTED_COLOR, marker="s"))
        for value in tipping:
            ax.axvline(value, color=palette.OKABE_ITO[1], linewidth=0.9, linestyle="--", gid="tipping")
        if tipping:
            key.append(Swatch("Tipping point", palette.OKABE_ITO[1]))
        if ratio:
            _ratio_axis(ax, frame)
        ax.set_xlabel(f"Delta added to imputed {readable(variable)}", labelpad=2)
        ax.set_ylabel(f"{measure[:1].upper()}{measure[1:]}", labelpad=3)
        layout.fit(ax)
        draw_key(ax, key, side="above")
        layout.fit(ax)
        if new_figure:
            layout.fit_to_height(ax, 50.0)
    return ax


def _ratio_axis(ax: Axes, frame: pd.DataFrame) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    low, high = min(float(frame["conf_low"].min()), 1.0), max(float(frame["conf_high"].max()), 1.0)
    ax.set_ylim(max(low / 1.1, 1e-3), min(high * 1.1, 1e3))
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
