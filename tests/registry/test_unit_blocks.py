"""Blocks of different units are told apart, and a block declared in the wrong unit is named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cohort.dictionary.read import read_dictionary
from cohort.registry.recodings import recodings, spellings
from cohort.registry.source import read_source
from cohort.registry.unit_blocks import unit_blocks

MAPPING = """\
source: ward
title: A ward's sheet
version: "1"
inputs:
  sheet: {file: "*.csv"}
tables:
  infusion:
    distinct: true
    rules: {patient_id: ID, infusion_number: {constant: 1}, sex: {from: SEX, recode: {M: male, m: male, F: female}}}
    impossible: {note: not in the sheet, rest: true}
  crs_assessment:
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      assessment_type: {constant: daily}
      assessment_day: DAY
    impossible: {note: not in the sheet, rest: true}
    blocks: BLOCKS
not_collected:
  note: not in the sheet
  tables: [neuro_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""
ONE = "[{input: sheet, rules: {temperature_c: {from: TEMP, unit: Cel}}}]"
TWO = """
      - {input: sheet, where: WARD == 'A', rules: {temperature_c: {from: TEMP, unit: Cel}}}
      - {input: sheet, where: WARD == 'B', rules: {temperature_c: {from: TEMP, unit: "[degF]"}}}"""


@pytest.fixture
def sheet() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ID": ["1", "1", "2", "2", "3", "3"],
            "SEX": ["M", "M", "m", "m", "F", "F"],
            "WARD": ["A", "A", "A", "B", "B", "B"],
            "DAY": ["0", "1", "0", "1", "0", "1"],
            "TEMP": ["36.6", "38.2", "37.0", "98.6", "101.3", "99.0"],
        }
    )


def described(tmp_path: Path, sheet: pd.DataFrame, blocks: str) -> pd.DataFrame:
    mapping = tmp_path / "ward.yaml"
    mapping.write_text(MAPPING.replace("BLOCKS", blocks), encoding="utf-8")
    return unit_blocks([read_source(sheet, source=mapping)], read_dictionary())


def test_a_block_in_another_unit_is_named_with_its_rows(tmp_path: Path, sheet: pd.DataFrame) -> None:
    found = described(tmp_path, sheet, ONE).iloc[0]
    assert (found["n"], found["n_implausible"]) == (
        6,
        3,
    )  # 98.6, 101.3 and 99.0 degrees Celsius are impossible
    assert (found["fits_unit"], found["n_fits"]) == ("[degF]", 3)


def test_declared_blocks_raise_no_suspicion(tmp_path: Path, sheet: pd.DataFrame) -> None:
    found = described(tmp_path, sheet, TWO)
    assert found["unit"].tolist() == ["Cel", "[degF]"]
    assert found[["first_row", "last_row"]].to_numpy().tolist() == [[1, 3], [4, 6]]
    assert found["median"].tolist() == [37.0, 99.0]
    assert found["n_implausible"].tolist() == [0, 0]
    assert set(found["fits_unit"]) == {""}


def test_two_impossible_values_are_no_block(tmp_path: Path, sheet: pd.DataFrame) -> None:
    sheet = sheet.assign(TEMP=["36.6", "38.2", "37.0", "37.1", "101.3", "99.0"])
    assert described(tmp_path, sheet, ONE)["fits_unit"].tolist() == [""]


def test_spellings_of_a_category_stand_together(tmp_path: Path, sheet: pd.DataFrame) -> None:
    mapping = tmp_path / "ward.yaml"
    mapping.write_text(MAPPING.replace("BLOCKS", ONE), encoding="utf-8")
    codes = recodings([read_source(sheet, source=mapping)])
    assert codes[["code", "category", "n"]].to_numpy().tolist() == [
        ["F", "female", 2],
        ["M", "male", 2],
        ["m", "male", 2],
    ]
    assert spellings(codes)["code"].tolist() == ["M", "m"]
