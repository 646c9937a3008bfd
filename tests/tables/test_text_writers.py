"""HTML, LaTeX, Markdown and CSV: structure, escaping, and nothing that leaves the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from example_table import example

from cohort.format import formula_safe
from cohort.tables.table import Cell, Column, Row, Table
from cohort.tables.write_latex import escape_latex


class Reader(HTMLParser):
    """Collect tags with their attributes, and check that they close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_html_is_well_formed_and_headings_have_a_scope():
    seen = read(example().to_html()).seen
    headings = [attributes for tag, attributes in seen if tag == "th"]
    assert all(attributes.get("scope") in {"col", "colgroup", "row", "rowgroup"} for attributes in headings)
    assert [a["colspan"] for a in headings if a["scope"] == "colgroup"] == ["2"]
    assert [a["rowspan"] for a in headings if "rowspan" in a] == ["2", "2", "2"]
    assert sum(tag == "caption" for tag, _ in seen) == 1


def test_html_has_no_scripts_or_addresses_and_escapes():
    html = example().to_html()
    assert "<script" not in html
    assert not re.search(r"https?:|//|url\(|@import", html)
    assert "=SUM(A1)|&lt;b&gt; &amp; 5_%" in html
    assert "<sup>c,d</sup>" in html
    assert "@media print" in html


def test_html_without_style_for_pages_that_have_it():
    assert "<style>" not in example().to_html(style=False)


def test_html_page_is_complete(tmp_path):
    fragment = example().to_html(tmp_path / "table.html")
    page = (tmp_path / "table.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert fragment in page
    assert example()._repr_html_() == fragment


def test_latex_has_rules_and_notes():
    source = example().to_latex(label="tab:one")
    for part in (
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\multicolumn{2}{c}{Severe ICANS\textsuperscript{a}}",
        r"\cmidrule(lr){3-4}",
        r"\item[c] As reported.",
        r"\label{tab:one}",
        r"61 (52--68)",
        r"=SUM(A1)|\textless{}b\textgreater{} \& 5\_\%",
        r"@x\textsuperscript{c,d}",
    ):
        assert part in source
    assert source.count(r"\begin{") == source.count(r"\end{")


def test_latex_lines_have_as_many_cells_as_columns():
    body = example().to_latex().split(r"\midrule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.strip().splitlines() if line.endswith((r"\\", r"\\*"))]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in lines] == [4, 4, 4, 4]
    assert [line.startswith(r"\hspace*{1em}") for line in lines] == [False, False, True, True]
    # a heading stays on the page of its first level
    assert lines[1].endswith(r"\\*")


def test_latex_labels_that_begin_with_a_bracket_are_no_argument():
    table = Table((Column("A"),), (Row(Cell("x"), (Cell("1"),)), Row(Cell("[2pt]"), (Cell("*"),))))
    assert "\n{}[2pt] & * \\\\" in table.to_latex()


def test_long_latex_repeats_the_heading():
    source = example().to_latex(long=True)
    assert source.count("Characteristic") == 2
    assert r"\endhead" in source
    assert "threeparttable" not in source


def test_latex_escapes():
    assert escape_latex("a_b & 5% ≥3 −1 <x> {y} ~ ^ \\") == (
        r"a\_b \& 5\% $\geq$3 $-$1 \textless{}x\textgreater{} \{y\} \textasciitilde{} \textasciicircum{} "
        r"\textbackslash{}"
    )


def test_markdown_is_a_pipe_table_with_notes_as_a_list():
    lines = example().to_markdown().splitlines()
    assert lines[0] == "**Patients by severe ICANS**"
    assert lines[2] == (
        "| Characteristic | Overall (N = 120) | Severe ICANS: No (N = 80)<sup>a</sup> | Severe ICANS: Yes (N = 40) "
        "| SMD<sup>b</sup> |"
    )
    assert lines[3] == "| :--- | :---: | :---: | :---: | :---: |"
    assert lines[7] == (r"| &nbsp;&nbsp;&nbsp;=SUM(A1)\|\<b\> & 5\_% | +1 | -2 | @x<sup>c,d</sup> |  |")
    assert lines[-1] == "- <sup>d</sup> Odd."
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines[2:8]}) == 1


def test_csv_holds_raw_numbers_at_full_precision():
    lines = example().to_csv().splitlines()
    assert lines == ["variable,n,value", "age,120,0.3333333333333333", "'=band,,-2.5", ",3,"]


def test_printed_csv_runs_no_formula(tmp_path):
    text = example().to_csv(tmp_path / "t.csv", printed=True)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == text
    last = text.splitlines()[-1]
    assert last == "  =SUM(A1)|<b> & 5_%,'+1,'-2,'@x,"


def test_formulas_are_defused_and_ranges_kept():
    assert [formula_safe(text) for text in ("=1", "+1", "-1", "@a", "3-4", "−1")] == [
        "'=1",
        "'+1",
        "'-1",
        "'@a",
        "3-4",
        "−1",
    ]


def test_writers_agree_on_every_cell():
    table = Table((Column("A"), Column("B")), (Row(Cell("r"), (Cell("12"), Cell("34\n5–6"))),), caption="c")
    for text in (table.to_html(), table.to_markdown(), table.to_csv(printed=True), repr(table)):
        assert "12" in text
        assert "34" in text


@pytest.mark.parametrize("ending", ["docx", "html", "latex", "markdown", "xlsx", "csv"])
def test_every_writer_makes_the_folder(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "tables" / "new" / f"table.{ending}"
    getattr(example(), f"to_{ending}")(file)
    assert file.stat().st_size > 0
