"""Units converted exactly, and dates read as written."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohort.dictionary.dates import ambiguous_pair, date_pattern
from cohort.dictionary.read import read_dictionary
from cohort.errors import MappingError


@pytest.mark.parametrize(
    ("value", "source", "target", "analyte", "expected"),
    [
        (25.0, "mg/L", "mg/dL", "crp", 2.5),
        (98.6, "[degF]", "Cel", "", 37.0),  # (98.6 - 32) * 5 / 9
        (-40.0, "[degF]", "Cel", "", -40.0),
        (310.15, "K", "Cel", "", 37.0),
        (18.0, "mo", "a", "", 1.5),
        (3.0, "wk", "d", "", 21.0),
        (1.5, "10*9/L", "/uL", "anc", 1500.0),
        (5.0, "ukat/L", "U/L", "ldh", 300.0),
        (88.4, "umol/L", "mg/dL", "creatinine", 0.99999848),  # 88.4 x 0.0113122
        (2.0, "ug/mL", "ng/mL", "ferritin", 2000.0),
    ],
)
def test_conversions_by_hand(value, source, target, analyte, expected):
    dictionary = read_dictionary()
    conversion = dictionary.units.conversion(source, target, dictionary.analytes.get(analyte))
    assert conversion(value) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("source", "target", "analyte"),
    [
        ("mg/L", "U/L", ""),
        ("umol/L", "mg/dL", ""),
        ("mmol/L", "mg/dL", "crp"),
        ("lb", "kg", ""),
        ("d", "mg", ""),
    ],
)
def test_units_that_do_not_meet(source, target, analyte):
    dictionary = read_dictionary()
    assert dictionary.units.conversion(source, target, dictionary.analytes.get(analyte)) is None


FORMATS = [
    "yyyy-mm-dd",
    "dd/mm/yyyy",
    "m/d/yyyy",
    "dd.mm.yyyy",
    "dd-mon-yyyy",
    "yyyymmdd",
    "dd/mm/yyyy hh:mi",
    "iso",
    "excel",
]


@given(day=st.dates(date(1960, 1, 1), date(2090, 12, 31)), text=st.sampled_from(FORMATS))
def test_what_is_written_in_a_format_is_read_in_it(day, text):
    pattern = date_pattern(text)
    assert pattern.read(pattern.write(day)) == (day, day)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-mm-dd", "2023-02-29"),
        ("yyyy-mm-dd", "2023-2-9"),
        ("yyyy-mm-dd", "2023-02-09 "),
        ("dd/mm/yyyy", "31/04/2024"),
        ("dd/mm/yyyy", "13/13/2024"),
        ("dd-mon-yyyy", "01-Foo-2024"),
        ("excel", "61"),
        ("yyyy-mm-dd", "0024-01-01"),
        ("yyyy-mm", "2024-13"),
    ],
)
def test_what_is_no_day_is_not_read(pattern, text):
    assert date_pattern(pattern).read(text) is None


def test_partial_dates_and_literal_parts():
    assert date_pattern("yyyy").read("2024") == (date(2024, 1, 1), date(2024, 12, 31))
    assert date_pattern("UN/mm/yyyy").read("UN/02/2023") == (date(2023, 2, 1), date(2023, 2, 28))
    assert date_pattern("excel").read("45352.5") == (date(2024, 3, 1), date(2024, 3, 1))


@pytest.mark.parametrize("text", ["dd/mm/yy", "dd/mm", "yyyy-dd", "yyyy-mm-mm-dd", "", "%Y-%m-%d"])
def test_formats_that_are_none(text):
    with pytest.raises(MappingError):
        date_pattern(text)


def test_ambiguous_formats_are_found():
    assert ambiguous_pair([date_pattern("dd/mm/yyyy"), date_pattern("mm/dd/yyyy")]) is not None
    assert (
        ambiguous_pair([date_pattern("dd/mm/yyyy"), date_pattern("yyyy-mm-dd"), date_pattern("iso")]) is None
    )
