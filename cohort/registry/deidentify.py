"""A registry that may leave: pseudonyms, no or shifted dates, ages up to 90, no free text; and its export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from cohort.dictionary.read import Table
from cohort.errors import PrivacyError
from cohort.format import formula_safe
from cohort.registry.privacy import check_key, pseudonyms, read_key, shift_days, top_coded
from cohort.registry.registry import Registry
from cohort.simulate.workbook import workbook_bytes

Dates = Literal["drop", "shift"]
Format = Literal["parquet", "csv", "xlsx"]
PURPOSES: Mapping[str, str] = MappingProxyType(
    {"patient_id": "patient", "exam_id": "exam", "reader_id": "reader", "center_id": "center"}
)
WITHHELD = "missing:not_reported"


def deidentify(registry: Registry, key: str | Path | bytes, dates: Dates = "drop") -> Registry:
    """Return the registry with nothing in it that names a patient, a reader or a center.

    Identifiers become pseudonyms that only the holder of the key can make again. Free text goes. Ages of 90 and over
    become 90, with the status ``partial``. Days since infusion stay as they are; calendar dates are dropped and the
    year of infusion kept, or shifted by whole weeks that are the same for a patient everywhere.

    Parameters
    ----------
    registry : Registry
        From `harmonize`; not changed.
    key : str, Path or bytes
        File with the secret key, outside the project; or the key. It is in no result and no message.
    dates : {'drop', 'shift'}, default='drop'
        ``drop`` keeps days since infusion and the year: right for most analyses. ``shift`` keeps dates that are off
        by up to half a year, and takes the year from the shifted date: it breaks calendar effects.

    Returns
    -------
    Registry
        With ``.privacy``, which says what was done.

    Raises
    ------
    PrivacyError
        When the key is missing, too short, or in the project, or an option is unknown.

    See Also
    --------
    export_registry : Writes it to files.

    Notes
    -----
    A pseudonymised row is still a row about one person: age, sex, product, center and year may single somebody out.
    Agree on who may hold it. Values without a rule (``.unmapped``) keep their counts and lose their texts.

    Examples
    --------
    >>> deidentify(None, b"short")
    Traceback (most recent call last):
    ...
    cohort.errors.PrivacyError: The key is too short or too plain to keep pseudonyms from being guessed...
    """
    secret = check_key(key) if isinstance(key, bytes) else read_key(key)
    if dates not in ("drop", "shift"):
        raise PrivacyError(f"dates={dates!r} has no such option.", remedy='dates="drop" or dates="shift"')
    tables = {
        name: _table(frame, registry.dictionary.tables[name], secret, dates)
        for name, frame in registry.tables.items()
    }
    done = {
        "pseudonyms": "HMAC-SHA256, 16 digits, by purpose: " + ", ".join(PURPOSES.values()),
        "dates": "dropped; days since infusion and year kept"
        if dates == "drop"
        else "shifted by whole weeks",
        "ages": "90 and over are 90",
        "free_text": "removed",
    }
    return replace(
        registry,
        tables=MappingProxyType(tables),
        unmapped=registry.unmapped.assign(value=""),
        decisions=registry.decisions.iloc[:0],
        privacy=MappingProxyType(done),
    )


def _table(frame: pd.DataFrame, table: Table, key: bytes, dates: Dates) -> pd.DataFrame:
    out = frame.copy()
    patient = frame["patient_id"].astype("string")
    for variable in table.variables.values():
        name = variable.name
        if name in PURPOSES:
            out[name] = _mapped(
                frame[name], pseudonyms(frame[name].dropna().astype(str), key, PURPOSES[name])
            )
        elif variable.schema.role == "free_text":
            out = _withheld(out, name)
        elif variable.kind == "date":
            out = _withheld(out, name) if dates == "drop" else _shifted(out, name, patient, key)
        elif name == "age_years":
            out = _top_coded(out)
    if dates == "shift" and {"infusion_year", "infusion_date"} <= set(out.columns):
        known = out["infusion_date"].notna()
        year = pd.Series(out["infusion_date"].dt.year, index=out.index).astype("Int64")
        out["infusion_year"] = out["infusion_year"].astype("Int64").where(~known, year)
    return out


def _mapped(values: pd.Series, names: Mapping[str, str]) -> pd.Series:
    mapped: pd.Series = values.astype("string").map(names).astype(pd.StringDtype("python"))
    return mapped


def _withheld(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Take a column's values away and say so in its status."""
    out = frame.copy()
    for column in (name, f"{name}__from", f"{name}__to"):
        if column in out.columns:
            out[column] = out[column].where(pd.Series(False, index=out.index))
    status = f"{name}__status"
    if status in out.columns:
        known = out[status].isin(["ok", "partial"])
        out[status] = out[status].where(~known, WITHHELD)
    return out


def _shifted(frame: pd.DataFrame, name: str, patient: pd.Series, key: bytes) -> pd.DataFrame:
    out = frame.copy()
    days = (
        patient.map(shift_days(patient.dropna(), key))
        .astype("Float64")
        .to_numpy(dtype=float, na_value=np.nan)
    )
    for column in (name, f"{name}__from", f"{name}__to"):
        if column in out.columns:
            out[column] = out[column] + pd.to_timedelta(days, unit="D")
    return out


def _top_coded(frame: pd.DataFrame) -> pd.DataFrame:
    ages, old = top_coded(frame["age_years"].to_numpy(dtype=float))
    status = frame["age_years__status"]
    return frame.assign(age_years=ages, age_years__status=status.where(~old, "partial"))


def export_registry(registry: Registry, folder: str | Path, file_format: Format = "parquet") -> pd.DataFrame:
    """Write the tables of a deidentified registry to files.

    Parameters
    ----------
    registry : Registry
        From `deidentify`.
    folder : str or Path
        Folder to write; made if it is not there.
    file_format : {'parquet', 'csv', 'xlsx'}, default='parquet'
        CSV and workbooks are safe to open: a text that a spreadsheet would run as a formula starts with an
        apostrophe, and cells of a workbook are typed.

    Returns
    -------
    DataFrame
        One row per file: ``table, file, rows, columns, sha256``. ``privacy.json`` beside them says what was done.

    Raises
    ------
    PrivacyError
        When the registry still holds identifiers, dates or free text, or the format is unknown.

    Examples
    --------
    >>> import cohort as co
    >>> made = co.simulate_registries(n=30, seed=1)
    >>> registry = co.harmonize(co.read_source(made.sources["sim_ebmt"], source="sim_ebmt"))
    >>> export_registry(registry, "out")
    Traceback (most recent call last):
    ...
    cohort.errors.PrivacyError: The registry holds columns that may not leave...
    """
    writers = {"parquet": _parquet, "csv": _csv, "xlsx": _xlsx}
    if not registry.privacy:
        held = sorted(
            {
                one.name
                for table in registry.dictionary.tables.values()
                for one in table.variables.values()
                if one.schema.role in ("id", "free_text") or one.kind == "date"
            }
        )
        raise PrivacyError(
            "The registry holds columns that may not leave.",
            evidence=", ".join(held),
            remedy='co.export_registry(co.deidentify(registry, key="../cohort.key"), folder)',
        )
    if file_format not in writers:
        raise PrivacyError(
            f"There is no format {file_format!r}.", remedy='file_format="parquet", "csv" or "xlsx"'
        )
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, frame in registry.tables.items():
        file = place / f"{name}.{file_format}"
        writers[file_format](frame, file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        rows.append((name, file.name, len(frame), frame.shape[1], digest))
    written = pd.DataFrame(rows, columns=["table", "file", "rows", "columns", "sha256"])
    said = {"privacy": dict(registry.privacy), "files": written.to_dict("records")}
    (place / "privacy.json").write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return written


def _parquet(frame: pd.DataFrame, file: Path) -> None:
    plain = frame.copy()
    plain.attrs = {}
    plain.to_parquet(file, index=False)


def _safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Return texts that no spreadsheet runs; numbers and dates as they are."""
    texts = [c for c in frame.columns if isinstance(frame[c].dtype, pd.StringDtype | pd.CategoricalDtype)]
    safe = {c: frame[c].astype("string").map(formula_safe, na_action="ignore") for c in texts}
    return frame.assign(**safe)


def _csv(frame: pd.DataFrame, file: Path) -> None:
    _safe(frame).to_csv(file, index=False, lineterminator="\n", date_format="%Y-%m-%d")


def _xlsx(frame: pd.DataFrame, file: Path) -> None:
    """Write a workbook whose texts are typed as text."""
    safe = _safe(frame)
    numbers = frozenset(str(c) for c in safe.columns if pd.api.types.is_numeric_dtype(safe[c]))
    dates = {c: safe[c].dt.strftime("%Y-%m-%d") for c in safe.columns if safe[c].dtype.kind == "M"}
    text = safe.assign(**dates).astype("string").fillna("")
    file.write_bytes(workbook_bytes({file.stem: text}, numbers))
