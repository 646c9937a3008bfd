"""The theme, exact sizes, equal bytes, and the layout check."""

from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cohort import style
from cohort.errors import CohortError


def small_figure() -> Figure:
    with style.theme():
        fig = Figure(figsize=(80 * style.MM, 50 * style.MM))
        ax = fig.add_subplot(position=(0.2, 0.2, 0.7, 0.7))
        ax.plot([0, 1], [0, 1])
        ax.set_xlabel("Größe β ≥ 1")
    return fig


def test_theme_leaves_no_trace() -> None:
    before = dict(matplotlib.rcParams)
    with style.theme():
        assert matplotlib.rcParams["font.size"] == 7.0
    assert dict(matplotlib.rcParams) == before


def test_fonts_are_installed_and_never_empty() -> None:
    fonts = style.available_fonts()
    assert fonts
    assert [f for f in style.FONT_ORDER if f in fonts] == fonts


@pytest.mark.parametrize("extension", ["pdf", "svg", "png", "tiff"])
def test_same_figure_same_bytes(tmp_path: Path, extension: str) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        style.save_figure(small_figure(), tmp_path / folder / "fig", formats=(extension,), alt="A line")
    first, second = ((tmp_path / folder / f"fig.{extension}").read_bytes() for folder in ("a", "b"))
    assert first == second


def test_files_have_no_date_and_real_text(tmp_path: Path) -> None:
    style.save_figure(small_figure(), tmp_path / "fig", alt="A line")
    svg = (tmp_path / "fig.svg").read_text(encoding="utf-8")
    assert "Größe β ≥ 1" in svg
    assert "<dc:date>" not in svg
    assert "A line" in svg
    pdf = (tmp_path / "fig.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf  # type 42, not outlines (type 3)
    assert b"/Type3" not in pdf


def test_raster_has_exact_size_and_tiff_is_flat_rgb(tmp_path: Path) -> None:
    saved = style.save_figure(small_figure(), tmp_path / "fig", formats=("png", "tiff"), dpi=600)
    assert saved.problems == ()
    for path in saved.paths:
        with Image.open(path) as image:
            assert image.size == (int(80 / 25.4 * 600), int(50 / 25.4 * 600))
    with Image.open(saved.paths[1]) as image:
        assert image.mode == "RGB"
        assert image.info["compression"] == "tiff_lzw"


def test_a_dot_in_the_stem_is_kept(tmp_path: Path) -> None:
    saved = style.save_figure(small_figure(), tmp_path / "os.by_product", formats=("png",))
    assert saved.paths == (tmp_path / "os.by_product.png",)


def test_the_folder_is_made(tmp_path: Path) -> None:
    saved = style.save_figure(small_figure(), tmp_path / "figures" / "new" / "fig", formats=("png",))
    assert saved.paths[0].is_file()


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="use pdf, svg, png or tiff"):
        style.save_figure(small_figure(), tmp_path / "fig", formats=("gif",))


def test_unknown_journal_names_the_known() -> None:
    with pytest.raises(CohortError, match=r"blood 1\.5"):
        style.journal_width("nature")


def test_unverified_widths_say_so() -> None:
    assert all(row.source and row.read_on for row in style.JOURNAL_WIDTHS)
    assert {row.journal for row in style.JOURNAL_WIDTHS if row.unverified} == {"lancet"}


def test_check_layout_finds_clipped_and_overlapping_text() -> None:
    fig = small_figure()
    assert style.check_layout(fig) == []
    fig.text(0.98, 0.5, "beyond the edge")
    fig.text(0.5, 0.52, "one label")
    fig.text(0.51, 0.525, "another label")
    problems = style.check_layout(fig)
    assert problems == ["clipped at the edge: 'beyond the edge'", "overlap: 'one label' and 'another label'"]


def test_check_layout_ignores_what_is_not_drawn() -> None:
    fig = small_figure()
    ax = fig.axes[0]
    ax.set_xticks([0, 1, 50], ["0", "1", "far"])
    ax.set_xlim(0, 1)
    fig.text(0.99, 0.5, "hidden", visible=False)
    hidden = fig.add_subplot(position=(0.2, 0.2, 0.7, 0.7))
    hidden.set_visible(False)
    assert style.check_layout(fig) == []


def test_notes_are_collected_once_in_panel_order() -> None:
    fig = Figure()
    first, second = fig.subplots(1, 2)
    style.add_notes(second, ["B", "A"])
    style.add_notes(first, ["A"])
    assert style.figure_notes(fig) == ("A", "B")
