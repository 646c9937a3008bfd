"""Flow diagram: what is drawn is what was counted, sums are checked, nothing is clipped or overlaps."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from matplotlib.figure import Figure
from small_registry import small_registry

from cohort.errors import StudyError
from cohort.study.flow_diagram import draw_flow
from cohort.study.link import imaging_counts
from cohort.study.population import Study
from cohort.style import check_layout

LONG = "treated at a center that reports every neurological assessment of the first month, in full and by day"


def study() -> Study:
    made = Study(small_registry())  # type: ignore[arg-type]
    return made.require("adult at infusion", "age_years >= 18").exclude(LONG, "infusion_number > 1")


def texts(made: Study, **arguments: object) -> list[str]:
    axes = made.plot(**arguments)  # type: ignore[arg-type]
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_every_box_shows_what_was_counted() -> None:
    drawn = texts(study())
    for line in (
        "CAR-T infusions in the registries",
        "n = 8 infusions, 6 patients",
        "Recorded again in the same source: 0",
        "Reported again by another source: 1",
        "Left out: 2",
        "not adult at infusion: 1",
        "not known: 1",
        "Adult at infusion",
        "n = 5 infusions, 4 patients",
        "n = 4 patients",
        "MRI on day 0–30: 1 patient",
        "No MRI on day 0–30: 2 patients",
        "not indicated: 1",
        "reason not recorded: 1",
        "MRI not recorded: 1 patient",
    ):
        assert line in drawn


def test_imaging_is_split_by_reason_and_adds_up() -> None:
    made = study()
    split = imaging_counts(made.registry, made.population, (0, 30))
    assert split is not None
    assert split.to_dict("split")["data"] == [
        ["imaged", "", 1],
        ["not_imaged", "not indicated".replace(" ", "_"), 1],
        ["not_imaged", "reason not recorded", 1],
        ["unknown", "", 1],
    ]
    assert split["n"].sum() == len(made.population)


def test_a_registry_without_imaging_has_no_split() -> None:
    made = Study(small_registry()).require("beta", "source == 'beta'")  # type: ignore[arg-type]
    assert imaging_counts(made.registry, made.population, (0, 30)) is None
    assert not [line for line in texts(made) if "MRI" in line]


def test_layout_is_clean_with_a_long_label_and_every_line_is_inside_its_box() -> None:
    axes = study().plot()
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    assert check_layout(figure) == []
    assert figure.get_size_inches()[0] == pytest.approx(150 / 25.4, rel=1e-12)
    boxes = [
        (p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height()) for p in axes.patches
    ]  # type: ignore[attr-defined]
    figure.canvas.draw()
    for text in (t for t in axes.texts if t.get_text()):
        extent = text.get_window_extent().transformed(axes.transData.inverted())
        assert any(
            x0 <= extent.x0 and extent.x1 <= x1 and y0 <= extent.y0 and extent.y1 <= y1
            for x0, y0, x1, y1 in boxes
        ), text.get_text()


def test_it_draws_on_given_axes() -> None:
    axes = Figure().add_subplot()
    assert study().plot(axes, imaging=False) is axes


@pytest.mark.parametrize("column", ["n_after", "n_excluded", "n_unknown", "n_before"])
def test_counts_that_do_not_add_up_are_refused(column: str) -> None:
    table = study().attrition
    table.loc[3, column] += 1
    with pytest.raises(StudyError, match="do not add up"):
        draw_flow(table)


def test_a_split_of_other_patients_is_refused() -> None:
    split = pd.DataFrame({"group": ["imaged"], "reason": [""], "n": [3]})
    with pytest.raises(StudyError) as caught:
        draw_flow(study().attrition, split)
    assert re.search("add up.*1 boxes.*Remedy", str(caught.value), flags=re.DOTALL)
