"""An OMOP CDM by hand: the same registry from a folder, a DuckDB file and a PostgreSQL server, in any case of names."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.omop import omop_sets
from cohort.errors import SourceError
from cohort.registry.omop import read_omop
from cohort.registry.omop_store import open_omop

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "omop_synthea"

# Person 1: axi-cel by HCPCS on 5 March 2024, the procedure itself the same day; ICANS grade 2 on day 4 (G92.02),
# unspecified on day 6; CRS grade 1 on day 2; MR brain on day 5; dexamethasone by ingredient; CRP 12 mg/L on day 3.
# Person 2: infused twice (10 January 2022, 1 June 2023), CRP by concept and unit concept; died 9 June 2023.
# Person 3: no CAR-T. Person 4: year of birth only.
TABLES = {
    "person": pd.DataFrame(
        {
            "person_id": [1, 2, 3, 4],
            "gender_concept_id": [8507, 8532, 8507, 0],
            "year_of_birth": [1960, 1955, 1990, 1970],
            "month_of_birth": [3, 1, 1, None],
            "day_of_birth": [5, 10, 1, None],
            "care_site_id": [7, 7, 8, 9],
        }
    ),
    "observation_period": pd.DataFrame(
        {"person_id": [1, 2, 4], "observation_period_end_date": ["2024-09-05", "2023-06-09", "2024-12-31"]}
    ),
    "death": pd.DataFrame({"person_id": [2], "death_date": ["2023-06-09"]}),
    "concept": pd.DataFrame(
        [
            (100, "Axicabtagene ciloleucel", "RxNorm", "1987402"),
            (101, "Tisagenlecleucel", "RxNorm", "999001"),
            (200, "Dexamethasone", "RxNorm", "3264"),
            (300, "C reactive protein", "LOINC", "1988-5"),
            (400, "milligram per deciliter", "UCUM", "mg/dL"),
            (500, "Dexamethasone", "SNOMED", "372584003"),
        ],
        columns=["concept_id", "concept_name", "vocabulary_id", "concept_code"],
    ),
    "concept_ancestor": pd.DataFrame(
        {"ancestor_concept_id": [200, 101], "descendant_concept_id": [201, 102]}
    ),
    "procedure_occurrence": pd.DataFrame(
        [
            (1, 1, 0, 0, "0540T", "2024-03-05"),
            (2, 1, 0, 0, "70553", "2024-03-10"),
            (3, 3, 0, 0, "70553", "2024-03-10"),
            (4, 4, 0, 0, "0540T", "2024-05-01"),
        ],
        columns=[
            *("procedure_occurrence_id", "person_id", "procedure_concept_id"),
            *("procedure_source_concept_id", "procedure_source_value", "procedure_date"),
        ],
    ),
    "drug_exposure": pd.DataFrame(
        [
            (1, 1, 0, 0, "Q2041", "2024-03-05", None),
            (2, 2, 102, 0, "x", "2022-01-10", None),
            (3, 2, 102, 0, "x", "2023-06-01", None),
            (4, 1, 201, 0, "dex 4 mg", "2024-03-09", "2024-03-11"),
            (5, 3, 201, 0, "dex 4 mg", "2024-03-09", "2024-03-11"),
        ],
        columns=[
            *(
                "drug_exposure_id",
                "person_id",
                "drug_concept_id",
                "drug_source_concept_id",
                "drug_source_value",
            ),
            *("drug_exposure_start_date", "drug_exposure_end_date"),
        ],
    ),
    "condition_occurrence": pd.DataFrame(
        [
            (1, 1, 0, 0, "G92.02", "2024-03-09"),
            (2, 1, 0, 0, "G92.00", "2024-03-11"),
            (3, 1, 0, 0, "D89.831", "2024-03-07"),
            (4, 3, 0, 0, "G92.04", "2024-03-07"),
        ],
        columns=[
            *("condition_occurrence_id", "person_id", "condition_concept_id"),
            *("condition_source_concept_id", "condition_source_value", "condition_start_date"),
        ],
    ),
    "measurement": pd.DataFrame(
        [
            (1, 1, 0, 0, "1988-5", "2024-03-08", 12.0, "mg/L", 0, 5.0),
            (2, 2, 300, 0, "crp", "2023-06-03", 30.5, None, 400, None),
            (3, 2, 300, 0, "crp", "2021-12-30", None, "mg/L", 0, None),
        ],
        columns=[
            *("measurement_id", "person_id", "measurement_concept_id", "measurement_source_concept_id"),
            *("measurement_source_value", "measurement_date", "value_as_number", "unit_source_value"),
            *("unit_concept_id", "range_high"),
        ],
    ),
    "cdm_source": pd.DataFrame({"cdm_version": ["v5.4"]}),
}


def write_folder(folder, upper=False, kind="csv"):
    folder.mkdir()
    for name, frame in TABLES.items():
        own = frame.rename(columns=str.upper) if upper else frame
        file = folder / f"{name.upper() if upper else name}.{kind}"
        own.to_csv(file, index=False) if kind == "csv" else own.to_parquet(file, index=False)
    return folder


def write_duckdb(file):
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA cdm")
        for name, frame in TABLES.items():
            connection.register("made", frame)
            connection.execute(f'CREATE TABLE "{file.stem}".cdm."{name.capitalize()}" AS SELECT * FROM made')
            connection.unregister("made")
    return file


def harmonized(place):
    return co.harmonize(co.read_source(place, source="omop"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return harmonized(write_folder(tmp_path_factory.mktemp("omop") / "cdm"))


def test_infusions_by_hand(registry):
    infusion = registry.infusion.set_index(["patient_id", "infusion_number"])
    assert infusion.index.tolist() == [("1", 1), ("2", 1), ("2", 2), ("4", 1)]
    assert infusion["product"].astype(object).where(infusion["product"].notna(), None).tolist() == [
        "axi-cel",
        "tisa-cel",
        "tisa-cel",
        None,
    ]
    assert infusion.loc[("1", 1), "age_years"] == pytest.approx(
        64.0, abs=0.01
    )  # 5 March 1960 to 5 March 2024
    assert infusion.loc[("4", 1), "age_years"] == 54  # 2024 - 1970
    assert infusion["sex"].astype(object).tolist()[:2] == ["male", "female"]
    assert infusion.loc[("4", 1), "sex__status"] == "missing:unknown"
    assert infusion.loc[("2", 2), "death_day"] == 8
    assert infusion.loc[("1", 1), "death_day__status"] == "missing:not_applicable"
    assert infusion.loc[("1", 1), "last_contact_day"] == 184


def test_grades_scans_drugs_and_values_by_hand(registry):
    neuro = registry.neuro_assessment
    assert neuro[["patient_id", "assessment_day"]].to_numpy().tolist() == [["1", 4], ["1", 6]]
    assert neuro["reported_icans_grade"].tolist()[0] == 2
    assert pd.isna(neuro["reported_icans_grade"].tolist()[1])
    assert registry.crs_assessment[["assessment_day", "reported_crs_grade"]].to_numpy().tolist() == [[2, 1]]
    exam = registry.mri_exam
    assert exam[["patient_id", "exam_id", "exam_day", "modality"]].to_numpy().tolist() == [
        ["1", "2", 5, "mr_brain"]
    ]
    drug = registry.treatment
    assert drug[["patient_id", "drug", "start_day", "stop_day"]].to_numpy().tolist() == [
        ["1", "dexamethasone", 4, 6]
    ]
    lab = registry.lab
    assert lab[["patient_id", "infusion_number", "lab_day", "value"]].to_numpy().tolist() == [
        ["1", 1, 3, 1.2],  # 12 mg/L
        ["2", 2, 2, 30.5],  # of the second infusion; its unit is that of the concept
    ]
    assert registry.event[["patient_id", "infusion_number", "event_day"]].to_numpy().tolist() == [["2", 2, 8]]
    graded = co.grade_icans(neuro)
    assert graded["icans_grade"].tolist()[0] == 2


def test_nobody_without_an_infusion_leaves_the_database(registry):
    for frame in registry.tables.values():
        assert "3" not in set(frame["patient_id"])


def same(one, other):
    for name in one.tables:
        pd.testing.assert_frame_equal(one.tables[name], other.tables[name])


def test_case_and_format_of_files_do_not_matter(registry, tmp_path):
    same(registry, harmonized(write_folder(tmp_path / "upper", upper=True)))
    same(registry, harmonized(write_folder(tmp_path / "parquet", kind="parquet")))


def test_a_duckdb_file_gives_the_same_and_is_not_changed(registry, tmp_path):
    file = write_duckdb(tmp_path / "cdm.duckdb")
    before = file.read_bytes()
    same(registry, harmonized(file))
    assert file.read_bytes() == before
    store = open_omop(file)
    with pytest.raises(duckdb.Error):
        store.run("person", "CREATE TABLE x AS SELECT 1")
    with pytest.raises(duckdb.Error):
        store.run("person", "SELECT * FROM read_text('/etc/hostname')")
    store.close()


def test_absent_tables_and_the_version_are_said(tmp_path):
    folder = write_folder(tmp_path / "cdm")
    for name in ("measurement", "death", "concept_ancestor"):
        (folder / f"{name}.csv").unlink()
    pd.DataFrame({"cdm_version": ["6.0"]}).to_csv(folder / "cdm_source.csv", index=False)
    source = co.read_source(folder, source="omop")
    said = " ".join(source.notes)
    assert "6.0: neither 5.3 nor 5.4" in said
    assert "no table death, device_exposure, measurement" in said
    assert source.notes[0] in repr(source)
    made = co.harmonize(source)
    assert len(made.lab) == 0
    assert set(source.notes) <= set(made.audit["value"])
    assert len(made.infusion) == 2  # nobody descends from a concept any more
    # without DEATH nobody is known to live: neither the status nor "no day of death applies" may be made up
    assert made.infusion["vital_status"].isna().all()
    assert set(made.infusion["death_day__status"]) == {"missing:blank"}


def test_a_cdm_without_car_t_says_so(tmp_path):
    folder = write_folder(tmp_path / "cdm")
    for name in ("procedure_occurrence", "drug_exposure"):
        TABLES[name].iloc[:0].to_csv(folder / f"{name}.csv", index=False)
    source = co.read_source(folder, source="omop")
    assert "nobody with a CAR-T infusion was found" in source.notes[-1]
    assert len(co.harmonize(source).infusion) == 0


def test_two_products_on_one_day_are_not_guessed(tmp_path):
    folder = write_folder(tmp_path / "cdm")
    drug = TABLES["drug_exposure"].copy()
    drug.loc[len(drug)] = [9, 1, 0, 0, "Q2042", "2024-03-05", None]
    drug.to_csv(folder / "drug_exposure.csv", index=False)
    made = harmonized(folder)
    assert made.infusion["product__status"].tolist()[0] == "unmapped"
    assert "several products" in made.unmapped["value"].tolist()


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda path: path / "none", "does not exist"),
        (lambda path: path, "no table PERSON"),
        (lambda path: text_file(path / "cdm.duckdb"), "cannot be opened"),
    ],
)
def test_what_is_no_cdm_is_refused(tmp_path, make, pattern):
    with pytest.raises(SourceError, match=pattern):
        read_omop(make(tmp_path))


def text_file(file):
    file.write_text("no database " * 100, encoding="utf-8")
    return file


def test_several_schemas_are_refused(tmp_path):
    file = write_duckdb(tmp_path / "cdm.duckdb")
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE cdm.main.person (person_id INTEGER)")
    with pytest.raises(SourceError, match="cdm, main"):
        read_omop(file)


def test_every_value_that_is_looked_for_is_one_of_the_dictionary():
    dictionary = co.read_dictionary()
    places = {
        "car_t": ("infusion", "product"),
        "imaging": ("mri_exam", "modality"),
        "drug": ("treatment", "drug"),
    }
    places["lab"] = ("lab", "analyte")
    for name, (table, variable) in places.items():
        codes = set(dictionary.tables[table].variables[variable].codes)
        assert {one.value for one in omop_sets()[name].members if one.value} <= codes
    codes = [(one.system, one.code) for s in omop_sets().values() for m in s.members for one in m.codes]
    assert len(codes) == len(set(codes))


def test_the_block_of_the_document_runs(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "cdm")
    write_duckdb(tmp_path / "cdm.duckdb")
    text = (Path(__file__).parents[2] / "docs" / "omop.md").read_text(encoding="utf-8")
    known = {"co": co}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, known)
    same(registry, known["registry"])


# --- a real server


def as_owner(*command):
    """Run a command of PostgreSQL, which refuses to be run by root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *command], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("adbc_driver_postgresql")
    url = os.environ.get("COHORT_TEST_POSTGRES", "")
    if url:
        yield url
        return
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or (os.geteuid() == 0 and shutil.which("runuser") is None):
        pytest.skip("there is no PostgreSQL server to start")
    bin_folder, folder = found[-1].parent, Path(tempfile.mkdtemp(prefix="cohort-postgres-"))
    folder.chmod(0o777)  # the owner of the server is another user
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    as_owner(str(bin_folder / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
    as_owner(
        str(bin_folder / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start"
    )
    yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    as_owner(str(bin_folder / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def test_a_postgresql_server_gives_the_same_and_is_only_read(registry, server):
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(server) as connection, connection.cursor() as cursor:
        for name, frame in TABLES.items():
            typed = frame.convert_dtypes()
            import pyarrow as pa

            cursor.adbc_ingest(name, pa.Table.from_pandas(typed, preserve_index=False), mode="replace")
        connection.commit()
    same(registry, harmonized(server))
    store = open_omop(server)
    with pytest.raises(adbc.Error, match="read-only"):
        store.run("person", "CREATE TABLE x (y integer)")
    store.close()


def test_a_server_that_is_not_there_is_refused_without_its_password(server):
    with pytest.raises(SourceError, match="cannot be read") as caught:
        read_omop("postgresql://somebody:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


# --- a CDM that nobody of this package wrote


@pytest.fixture
def real():
    if not REAL.is_dir():
        pytest.skip("the synthetic CDM is not part of the repository")
    return REAL


def test_the_synthetic_cdm_is_read_without_loss(real):
    store = open_omop(real)
    for table in ("person", "measurement", "drug_exposure", "condition_occurrence", "procedure_occurrence"):
        raw = pd.read_csv(real / f"{table.upper()}.csv", dtype=str, keep_default_na=False)
        read = store.select(table, [name.lower() for name in raw.columns])
        assert len(read) == len(raw)
        assert int(read.notna().to_numpy().sum()) == int((raw != "").to_numpy().sum())
    assert len(store.select("person", ["person_id"])) == 28
    store.close()
    source = co.read_source(real, source="omop")
    assert "CDM version 5.4" in source.notes[0]
    assert "nobody with a CAR-T infusion" in source.notes[-1]


def test_a_spiked_copy_finds_its_patients(real, tmp_path):
    folder = tmp_path / "spiked"
    shutil.copytree(real, folder)
    file = folder / "PROCEDURE_OCCURRENCE.csv"
    raw = pd.read_csv(file, dtype=str)
    new = pd.DataFrame(
        {
            "procedure_occurrence_id": ["900001", "900002"],
            "person_id": ["1", "2"],
            "procedure_date": ["2020-05-05", "2021-01-07"],
            "procedure_source_value": ["0540T", "Q2041"],
        }
    )
    pd.concat([raw, new]).to_csv(file, index=False)
    made = harmonized(folder)
    assert made.infusion["patient_id"].tolist() == ["1", "2"]
    assert made.infusion["product__status"].tolist()[1] == "ok"
    assert made.infusion["age_years"].round(1).tolist() == [
        22.1,
        6.2,
    ]  # born 9 April 1998 and 22 October 2014
