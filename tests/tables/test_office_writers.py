"""Word and Excel: same bytes every time, three lines, real indents, text that stays text."""

from __future__ import annotations

import re
import zipfile

import docx
import pytest
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn
from example_table import example
from openpyxl import load_workbook

from cohort.tables.docx_parts import heading_text, join_dashes, unbroken
from cohort.tables.table import Cell, Column, Row, Table
from cohort.tables.write_docx import append_table, new_document, save_document


def wide() -> Table:
    columns = tuple(Column(f"Group {k}\n(N = 100)") for k in range(10))
    return Table(columns, (Row(Cell("A variable with a name"), (Cell("123 (45.6%)"),) * 10),), caption="Wide")


@pytest.fixture
def written(tmp_path):
    return docx.Document(str(example().to_docx(tmp_path / "t.docx", number=3)))


@pytest.mark.parametrize("suffix", ["docx", "xlsx"])
def test_the_same_table_gives_the_same_bytes(tmp_path, suffix):
    first, second = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}"
    for path in (first, second):
        getattr(example(), f"to_{suffix}")(path)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core)) == {"2000-01-01T00:00:00Z"}


def test_docx_caption_is_numbered_by_a_field_with_a_bookmark(written):
    caption = written.paragraphs[0]._p
    field = caption.find(qn("w:fldSimple"))
    assert field.get(qn("w:instr")).split() == ["SEQ", "Table", r"\*", "ARABIC"]
    assert caption.find(qn("w:bookmarkStart")).get(qn("w:name")) == "table_3"
    texts = "".join(node.text for node in caption.iter(qn("w:t")))
    assert texts == "Table\N{NO-BREAK SPACE}3. Patients by severe ICANS"


def test_docx_table_has_three_lines_and_one_under_the_spanner(written):
    rows = written.tables[0]._tbl.tr_lst
    sizes = {
        (line, side): {
            int(edge.get(qn("w:sz"))) for edge in row.iter(qn(f"w:{side}")) if edge.get(qn("w:val"))
        }
        for line, row in enumerate(rows)
        for side in ("top", "bottom")
    }
    assert sizes[0, "top"] == {12}
    assert 4 in sizes[0, "bottom"]  # under "Severe ICANS"
    assert sizes[1, "bottom"] == {6}
    assert sizes[len(rows) - 1, "bottom"] == {12}
    inner = {line for line, side in sizes if sizes[line, side]}
    assert inner == {0, 1, len(rows) - 1}


def test_docx_heading_repeats_and_rows_do_not_split(written):
    rows = written.tables[0]._tbl.tr_lst
    heading = [row.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None for row in rows]
    whole = [row.find(f"{qn('w:trPr')}/{qn('w:cantSplit')}") is not None for row in rows]
    assert heading == [True, True, False, False, False, False]
    assert all(whole)


def test_docx_indents_are_indents_and_letters_are_raised(written):
    rows = written.tables[0].rows
    first = [row.cells[0].paragraphs[0] for row in rows[2:]]
    indents = [p.paragraph_format.left_indent.pt for p in first]
    assert indents[2] - indents[0] == 9.0
    assert not any(p.text.startswith(" ") for p in first)
    raised = [run.text for p in first for run in p.runs if run.font.superscript]
    assert raised == ["c"]


def test_docx_cells_do_not_break(written):
    text = written.tables[0].rows[2].cells[1].text
    assert text == "61\N{NO-BREAK SPACE}(52\N{WORD JOINER}–\N{WORD JOINER}68)"
    assert unbroken("12 (3–4)").count(" ") == 0
    assert join_dashes("ICANS 0–2, a – b, 3/12") == (
        "ICANS 0\N{WORD JOINER}–\N{WORD JOINER}2, a – b, 3\N{WORD JOINER}/\N{WORD JOINER}12"
    )


def test_docx_headings_break_between_words_only():
    found = heading_text("Severe ICANS, imaging-blind\n(N = 80)")
    assert found == "Severe ICANS, imaging-blind\n(N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}80)"


def test_docx_notes_stand_below(written):
    notes = [paragraph.text for paragraph in written.paragraphs[1:] if paragraph.text]
    assert notes[0] == "Values are n (%)."
    assert notes[-1] == "dOdd."


def test_wide_tables_get_a_landscape_section_and_the_next_ones_do_not(tmp_path):
    document = new_document()
    document.add_paragraph("Before")
    append_table(document, wide(), number=1)
    append_table(document, example(), number=2)
    path = save_document(document, tmp_path / "r.docx")
    sections = docx.Document(str(path)).sections
    assert [section.orientation for section in sections] == [
        WD_ORIENT.PORTRAIT,
        WD_ORIENT.LANDSCAPE,
        WD_ORIENT.PORTRAIT,
    ]
    names = [
        node.get(qn("w:name")) for node in docx.Document(str(path)).element.body.iter(qn("w:bookmarkStart"))
    ]
    identifiers = {
        node.get(qn("w:id")) for node in docx.Document(str(path)).element.body.iter(qn("w:bookmarkStart"))
    }
    assert names == ["table_1", "table_2"]
    assert len(identifiers) == 2


def test_a_template_gives_its_page(tmp_path):
    document = docx.Document()
    document.add_paragraph("Template")
    document.save(str(tmp_path / "template.docx"))
    path = example().to_docx(tmp_path / "t.docx", template=tmp_path / "template.docx")
    assert docx.Document(str(path)).paragraphs[0].text == "Template"


def test_xlsx_cells_are_text_and_nothing_is_a_formula(tmp_path):
    book = load_workbook(example().to_xlsx(tmp_path / "t.xlsx"))
    sheet = book["Table"]
    cells = [cell for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    values = {str(cell.value) for cell in cells}
    assert {"3-4", "=SUM(A1)|<b> & 5_%", "+1", "-2"} <= values
    assert [str(area) for area in sheet.merged_cells.ranges if area.max_col > area.min_col] == ["C3:D3"]
    assert sheet["A7"].alignment.indent == 1


def test_xlsx_numbers_are_unrounded(tmp_path):
    sheet = load_workbook(example().to_xlsx(tmp_path / "t.xlsx"))["Numbers"]
    lines = [[cell.value for cell in line] for line in sheet.iter_rows()]
    assert lines == [["variable", "n", "value"], ["age", 120, 1 / 3], ["=band", None, -2.5], [None, 3, None]]
    assert sheet["A3"].data_type == "s"
