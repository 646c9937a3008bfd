"""States over time as bands and lines."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from numpy.testing import assert_allclose

from cohort import style
from cohort.plots.state_occupation import plot_states


def states() -> pd.DataFrame:
    time = np.array([0.0, 5, 12, 30])
    parts = {"infused": [1, 0.7, 0.4, 0.3], "icans": [0, 0.3, 0.35, 0.1], "dead": [0, 0.0, 0.25, 0.6]}
    return pd.concat(
        [pd.DataFrame({"outcome": k, "time": time, "estimate": v}) for k, v in parts.items()],
        ignore_index=True,
    )


def test_bands_are_the_probabilities() -> None:
    ax = plot_states(states())
    (band,) = [c for c in ax.collections if isinstance(c, PolyCollection) and c.get_gid() == "state icans"]
    corners = band.get_paths()[0].vertices
    inside = np.unique(corners[corners[:, 0] == 12][:, 1])
    assert_allclose(inside, [0.4, 0.7, 0.75, 1.0])  # before: 0.7 to 1; from day 12 on: 0.4 to 0.75
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []
    assert [t.get_text() for t in ax.texts] == ["infused", "ICANS", "dead"]


@pytest.mark.parametrize("width", [85.0, 170.0])
def test_groups_are_lines(width: float) -> None:
    frame = pd.concat([states().assign(strata=arm) for arm in ("axi-cel", "tisa-cel")])
    ax = plot_states(frame, width_mm=width)
    lines = [line for line in ax.lines if line.get_gid() == "curve"]
    assert len(lines) == 6
    assert_allclose(np.asarray(lines[0].get_ydata())[:4], [1, 0.7, 0.4, 0.3])
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []
