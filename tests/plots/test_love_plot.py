"""Love plot: absolute differences on their rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from plot_frames import LONG_NAMES

from cohort import style
from cohort.errors import CohortError
from cohort.plots.love import plot_love


def balance(names: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frames = [
        pd.DataFrame({"variable": names, "sample": sample, "estimate": rng.normal(0, size, len(names))})
        for sample, size in (("unweighted", 0.3), ("weighted", 0.05))
    ]
    return pd.concat(frames, ignore_index=True)


def test_marks_are_the_absolute_differences() -> None:
    frame = balance(["age_years", "ecog", "ldh"])
    ax = plot_love(frame)
    before, after = [line for line in ax.lines if line.get_gid() == "difference"]
    assert_array_equal(before.get_xdata(), frame["estimate"].abs()[:3])
    assert_array_equal(after.get_xdata(), frame["estimate"].abs()[3:])
    assert_array_equal(after.get_ydata(), [0, 1, 2])
    assert ax.get_xlim()[1] > frame["estimate"].abs().max()


def test_long_names_fit() -> None:
    ax = plot_love(balance(LONG_NAMES), width_mm=115)
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []


def test_two_rows_for_one_mark_are_refused() -> None:
    frame = balance(["age_years"])
    with pytest.raises(CohortError, match="4 rows"):
        plot_love(pd.concat([frame, frame]))
