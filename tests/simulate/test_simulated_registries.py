"""The files: same bytes for the same seed, faults where they were noted, errors with a remedy."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from cohort.errors import RangeError
from cohort.simulate.registries import SimulatedRegistries, simulate_registries
from cohort.simulate.workbook import workbook_bytes


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedRegistries:
    return simulate_registries(n=120, seed=4, folder=tmp_path_factory.mktemp("simulated"))


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(simulated: SimulatedRegistries, tmp_path: Path) -> None:
    again = simulate_registries(n=120, seed=4, folder=tmp_path / "again")
    assert _hashes(again.folder) == _hashes(simulated.folder)
    other = simulate_registries(n=120, seed=5, folder=tmp_path / "other")
    assert _hashes(other.folder)["sim_redcap/data.csv"] != _hashes(simulated.folder)["sim_redcap/data.csv"]
    assert repr(again) == repr(simulated)


def test_what_is_written(simulated: SimulatedRegistries) -> None:
    assert {name: path.exists() for name, path in simulated.sources.items()} == {
        "sim_cibmtr": True,
        "sim_ebmt": True,
        "sim_redcap": True,
    }
    assert set(_hashes(simulated.folder)) == {
        "sim_cibmtr/infusion.csv",
        "sim_cibmtr/followup_4100.csv",
        "sim_ebmt.xlsx",
        "sim_redcap/data.csv",
        "sim_redcap/dictionary.csv",
        *(f"truth/{name}.csv" for name in simulated.truth),
    }
    assert len(repr(simulated).splitlines()) <= 15


def test_the_infusion_file_needs_its_encoding(simulated: SimulatedRegistries) -> None:
    raw = (simulated.sources["sim_cibmtr"] / "infusion.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    frame = pd.read_csv(io.BytesIO(raw), encoding="cp1252", dtype=str, keep_default_na=False)
    assert "Hôpital Saint-Aubin" in set(frame["CCNNAME"])
    assert frame["CCN"].str.fullmatch("0[0-9]{4}").all()


def test_truth_on_disk_is_the_truth_returned(simulated: SimulatedRegistries) -> None:
    for name, frame in simulated.truth.items():
        stored = pd.read_csv(simulated.folder / "truth" / f"{name}.csv")
        assert list(stored.columns) == list(frame.columns)
        assert len(stored) == len(frame)


def test_every_patient_is_where_the_truth_says(simulated: SimulatedRegistries) -> None:
    patients = simulated.truth["patients"]
    assert patients["patient_id"].is_unique
    cibmtr = pd.read_csv(simulated.sources["sim_cibmtr"] / "infusion.csv", encoding="cp1252", dtype=str)
    known = patients[(patients["source"] == "sim_cibmtr") | (patients["also_in"] == "sim_cibmtr")]
    assert set(cibmtr["CRID"]) == set(known["patient_id"])
    redcap = pd.read_csv(simulated.sources["sim_redcap"] / "data.csv", dtype=str, keep_default_na=False)
    base = redcap[redcap["redcap_repeat_instrument"] == ""]
    assert set(base["record_id"]) == set(patients.loc[patients["source"] == "sim_redcap", "record_id"])
    both = patients[patients["also_in"] != ""]
    assert len(both) > 0
    assert set(base.loc[base["crid"] != "", "crid"]) == set(both["patient_id"])


@pytest.mark.parametrize(
    ("trap", "column", "values"),
    [
        ("ice_of_eleven", "nd_ice_total", ["11"]),
        ("unit_undeclared", "lb_crp_unit", ["5"]),
        ("lab_not_a_number", "lb_ldh", ["hemolyzed"]),
        ("lab_out_of_range", "lb_ferritin", ["9999999"]),
        ("score_out_of_range", "cg_moca", ["35"]),
    ],
)
def test_faults_are_where_they_were_noted(
    simulated: SimulatedRegistries, trap: str, column: str, values: list[str]
) -> None:
    traps = simulated.truth["traps"]
    noted = traps.loc[(traps["name"] == trap) & (traps["column"] == column), "n"].sum()
    data = pd.read_csv(simulated.sources["sim_redcap"] / "data.csv", dtype=str, keep_default_na=False)
    assert noted > 0
    assert data[column].isin(values).sum() == noted


def test_duplicates_are_counted(simulated: SimulatedRegistries) -> None:
    traps = simulated.truth["traps"]
    noted = traps[traps["file"] == "followup"].set_index("name")["n"]
    followup = pd.read_csv(simulated.sources["sim_cibmtr"] / "followup_4100.csv", dtype=str)
    assert followup.duplicated().sum() == noted["duplicate_exact"]
    same_key = followup.drop_duplicates().duplicated(["CRID", "INFSEQ", "RPTPER"]).sum()
    assert same_key == noted["duplicate_conflicting"]


def test_the_redcap_dictionary_describes_every_column(simulated: SimulatedRegistries) -> None:
    fields = pd.read_csv(simulated.sources["sim_redcap"] / "dictionary.csv", dtype=str, keep_default_na=False)
    data = pd.read_csv(simulated.sources["sim_redcap"] / "data.csv", dtype=str, nrows=1)
    names = {name.split("___")[0] for name in data.columns if not name.startswith("redcap_")}
    completed = {f"{form}_complete" for form in fields["Form Name"]}
    assert names == set(fields["Variable / Field Name"]) | completed


@pytest.mark.parametrize(("n", "seed"), [(29, 1), (100, -1)])
def test_too_few_patients_or_a_bad_seed(n: int, seed: int, tmp_path: Path) -> None:
    with pytest.raises(RangeError, match=r"simulate_registries\(n=500, seed=1\)"):
        simulate_registries(n=n, seed=seed, folder=tmp_path)


def test_the_smallest_simulation_has_every_source() -> None:
    smallest = simulate_registries(n=30, seed=0)
    assert set(smallest.truth["patients"]["source"]) == {"sim_cibmtr", "sim_ebmt", "sim_redcap"}
    assert smallest.folder.exists()


def test_a_workbook_holds_text_numbers_and_no_times() -> None:
    frame = pd.DataFrame({"code": ["01", ""], "value": ["1.5", "n/a"]})
    data = workbook_bytes({"Sheet A": frame}, frozenset({"value"}))
    back = pd.read_excel(io.BytesIO(data), sheet_name="Sheet A", dtype=object, keep_default_na=False)
    assert back.loc[0, "code"] == "01"
    assert back["value"].tolist() == [1.5, "n/a"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"T00" not in archive.read("docProps/core.xml")
        assert b"created" not in archive.read("docProps/core.xml")
