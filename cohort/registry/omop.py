"""The CAR-T patients of an OMOP CDM as frames that a mapping can read: infusions, grades, scans, drugs, values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cohort.dictionary.omop import OmopMember, omop_sets
from cohort.registry.files import FileRecord
from cohort.registry.omop_store import OmopStore, open_omop

# Table to (identifier, concept, source concept, source value, date).
_COLUMNS: Mapping[str, tuple[str, str, str, str, str]] = {
    table: (
        f"{stem}_id",
        f"{name}_concept_id",
        f"{name}_source_concept_id",
        f"{name}_source_value",
        date,
    )
    for table, stem, name, date in (
        ("procedure_occurrence", "procedure_occurrence", "procedure", "procedure_date"),
        ("drug_exposure", "drug_exposure", "drug", "drug_exposure_start_date"),
        ("device_exposure", "device_exposure", "device", "device_exposure_start_date"),
        ("condition_occurrence", "condition_occurrence", "condition", "condition_start_date"),
        ("measurement", "measurement", "measurement", "measurement_date"),
    )
}
_MORE: Mapping[str, tuple[str, ...]] = {
    "drug_exposure": ("drug_exposure_end_date",),
    "measurement": ("value_as_number", "unit_source_value", "unit_concept_id", "range_high"),
}
_WANTED = ("person", "concept", "observation_period", "death", *_COLUMNS)


@dataclass(frozen=True)
class OmopInputs:
    """What was found.

    Attributes
    ----------
    frames : mapping of str to DataFrame
        Inputs of the mapping ``omop``, as text.
    records : tuple of FileRecord
        Files that were read.
    version : str
        CDM version as the source says; empty when it does not.
    absent : tuple of str
        Tables that would have been looked at and are not there.
    """

    frames: Mapping[str, pd.DataFrame] = field(repr=False)
    records: tuple[FileRecord, ...] = field(repr=False)
    version: str
    absent: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should be told: version, absent tables, and when nobody was found."""
        known = f"CDM version {self.version}" if self.version else "the CDM does not say its version"
        odd = self.version and not self.version.lower().lstrip("v").startswith(("5.3", "5.4"))
        said = [f"{known}: neither 5.3 nor 5.4" if odd else known]
        if self.absent:
            said.append(f"no table {', '.join(self.absent)}: whatever they would hold is missing")
        if not len(self.frames["infusion"]):
            said.append("nobody with a CAR-T infusion was found by the codes of data_dictionary/omop.yaml")
        return tuple(said)


def read_omop(place: str | Path) -> OmopInputs:
    """Read what a CDM knows about patients with a CAR-T infusion; only their rows leave the database.

    An infusion is a day with a CAR-T procedure, drug or device; several records of a day are one infusion, whose
    product is that of the record that names one. Other rows belong to the last infusion on or before their
    day, and to the first when they are earlier.

    Parameters
    ----------
    place : str or Path
        A folder of CSV or Parquet files, a DuckDB file, or ``postgresql://...``.

    Returns
    -------
    OmopInputs
        Frames without rows when nobody had an infusion.

    Raises
    ------
    SourceError
        When the CDM cannot be opened or has no table PERSON.
    """
    store = open_omop(place)
    try:
        return _Reader(store).inputs()
    finally:
        store.close()


class _Reader:
    def __init__(self, store: OmopStore) -> None:
        self.store = store
        self.absent = tuple(name for name in _WANTED if not store.has(name))

    def inputs(self) -> OmopInputs:
        """Return all frames."""
        infusions = self.infusions()
        persons = sorted(set(infusions["person_id"]))
        frames = {
            "infusion": self.described(infusions, persons),
            "icans": self.dated("icans", infusions, persons),
            "crs": self.dated("crs", infusions, persons),
            "imaging": self.dated("imaging", infusions, persons),
            "drug": self.dated("drug", infusions, persons),
            "lab": self.with_units(self.dated("lab", infusions, persons)),
            "death": _numbered(
                self.store.select("death", ["person_id", "death_date"], persons=persons).rename(
                    columns={"death_date": "date"}
                ),
                infusions,
            ),
        }
        version = self.store.select("cdm_source", ["cdm_version"])["cdm_version"].dropna()
        return OmopInputs(
            {name: frame.fillna("") for name, frame in frames.items()},
            tuple(self.store.records),
            str(version.iloc[0]) if len(version) else "",
            self.absent,
        )

    def concepts(self, member: OmopMember) -> set[str]:
        """Return the concepts of a member: by vocabulary and code, by ingredient name, and their descendants."""
        if not self.store.has("concept"):
            return set()
        columns = ["concept_id", "concept_code", "vocabulary_id", "concept_name"]
        by_code = self.store.select("concept", columns, {"concept_code": {one.code for one in member.codes}})
        pairs = {(one.system, one.code) for one in member.codes}
        held = [pair in pairs for pair in zip(by_code["vocabulary_id"], by_code["concept_code"], strict=True)]
        found = set(by_code.loc[held, "concept_id"])
        if member.names:
            words = {form for name in member.names for form in (name, name.capitalize(), name.title())}
            named = self.store.select("concept", columns, {"concept_name": words})
            found |= set(named.loc[named["vocabulary_id"].isin(["RxNorm", "RxNorm Extension"]), "concept_id"])
        found = {str(one) for one in found if one and one != "0"}
        below = self.store.select(
            "concept_ancestor",
            ["ancestor_concept_id", "descendant_concept_id"],
            {"ancestor_concept_id": found},
        )
        return found | set(below["descendant_concept_id"].dropna())

    def rows(self, name: str, persons: Collection[str] | None = None) -> pd.DataFrame:
        """Return the rows of a set: person, date, value, identifier, table, and what the table has beside."""
        found = []
        wanted = omop_sets()[name]
        for table in wanted.tables:
            identifier, concept, source, text, date = _COLUMNS[table]
            for member in wanted.members:
                concepts = self.concepts(member)
                tests = {concept: concepts, source: concepts, text: {one.code for one in member.codes}}
                columns = [identifier, "person_id", date, *_MORE.get(table, ())]
                frame = self.store.select(table, columns, tests, persons)
                renamed = frame.rename(columns={identifier: "id", date: "date"})
                found.append(renamed.assign(value=member.value, table=table))
        rows = pd.concat(found, ignore_index=True).drop_duplicates(["table", "id", "value"])
        return rows.sort_values(
            ["person_id", "date", "table", "id", "value"], kind="stable", ignore_index=True
        )

    def infusions(self) -> pd.DataFrame:
        """Return one row per person and day of infusion, numbered."""
        found = self.rows("car_t")
        found = found[found["date"].notna()].assign(date=lambda f: f["date"].str[:10])
        order = found.assign(unnamed=found["value"] == "").sort_values(
            ["person_id", "date", "unnamed", "value"], kind="stable"
        )
        products = order[order["value"] != ""].groupby(["person_id", "date"])["value"].nunique()
        mixed = products[products > 1].index
        days = order.drop_duplicates(["person_id", "date"])[["person_id", "date", "value"]]
        several = pd.MultiIndex.from_frame(days[["person_id", "date"]]).isin(mixed)
        days = days.assign(value=days["value"].mask(several, "several products"))
        number = (days.groupby("person_id").cumcount() + 1).astype("string")
        return days.assign(infusion_number=number).rename(columns={"value": "product"}).reset_index(drop=True)

    def described(self, infusions: pd.DataFrame, persons: Collection[str]) -> pd.DataFrame:
        """Return infusions with what PERSON, DEATH and OBSERVATION_PERIOD say of the patient."""
        columns = [
            "person_id",
            "gender_concept_id",
            "year_of_birth",
            "month_of_birth",
            "day_of_birth",
            "care_site_id",
        ]
        person = self.store.select("person", columns, persons=persons)
        death = self.store.select("death", ["person_id", "death_date"], persons=persons)
        death = death.sort_values(["person_id", "death_date"]).drop_duplicates("person_id")
        seen = self.store.select(
            "observation_period", ["person_id", "observation_period_end_date"], persons=persons
        )
        last = seen.groupby("person_id", as_index=False)["observation_period_end_date"].max()
        out = infusions.merge(person.drop_duplicates("person_id"), on="person_id", how="left")
        out = out.merge(death, on="person_id", how="left").merge(last, on="person_id", how="left")
        ended = out[["death_date", "observation_period_end_date"]].apply(lambda one: one.str[:10])
        out = out.assign(
            age=_ages(out),
            vital_status=self.vital_status(ended["death_date"]),
        )
        out["death_date"] = ended["death_date"]
        out["last_date"] = ended["death_date"].fillna(ended["observation_period_end_date"])
        return out

    def vital_status(self, death: pd.Series) -> pd.Series:
        """Return dead or alive; missing where the CDM has no table of deaths, since nobody is then known to live."""
        said = death.notna().map({True: "dead", False: "alive"}).astype("string")
        return said if self.store.has("death") else said.mask(death.isna())

    def dated(self, name: str, infusions: pd.DataFrame, persons: Collection[str]) -> pd.DataFrame:
        """Return the rows of a set, each with the number of its infusion."""
        return _numbered(self.rows(name, persons), infusions)

    def with_units(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return laboratory rows with the unit as recorded, else as its UCUM concept says."""
        if "unit_concept_id" not in rows.columns:
            return rows.assign(unit="")
        codes = set(rows["unit_concept_id"].dropna()) - {"0"}
        units = self.store.select(
            "concept", ["concept_id", "concept_code", "vocabulary_id"], {"concept_id": codes}
        )
        units = units[units["vocabulary_id"] == "UCUM"]
        named = rows["unit_concept_id"].map(
            dict(zip(units["concept_id"], units["concept_code"], strict=True))
        )
        return rows.assign(unit=named.fillna(rows["unit_source_value"]))


def _ages(frame: pd.DataFrame) -> pd.Series:
    """Return the age at infusion in years: exact with a full birth date, else the difference of the years."""
    born = frame[["year_of_birth", "month_of_birth", "day_of_birth"]].apply(pd.to_numeric, errors="coerce")
    day = pd.to_datetime(frame["date"], errors="coerce")
    full = born.notna().all(axis=1)
    parts = born.rename(columns=lambda name: name.removesuffix("_of_birth"))
    dates = pd.to_datetime(parts[full], errors="coerce").reindex(frame.index)
    exact = (day - dates).dt.days / 365.25
    rough = day.dt.year - born["year_of_birth"]
    age: pd.Series = exact.fillna(rough.astype(float)).round(2).astype("string")
    return age


def _numbered(rows: pd.DataFrame, infusions: pd.DataFrame) -> pd.DataFrame:
    """Give every row the number of the last infusion on or before its day; the first when it is earlier or undated."""
    left = rows.assign(date=rows["date"].str[:10]).reset_index(drop=True)
    left = left[left["person_id"].isin(set(infusions["person_id"]))].reset_index(drop=True)
    pairs = (
        left[["person_id", "date"]]
        .reset_index()
        .merge(
            infusions[["person_id", "date", "infusion_number"]].rename(columns={"date": "infused"}),
            on="person_id",
        )
    )
    pairs = pairs[(pairs["infused"] <= pairs["date"]).fillna(False)]
    last = pairs.sort_values(["index", "infused"]).drop_duplicates("index", keep="last")
    number = last.set_index("index")["infusion_number"].reindex(left.index).fillna("1")
    return left.assign(infusion_number=number.astype("string"))
