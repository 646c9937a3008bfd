"""Reads a Parquet file as text; its types are not used, so that it reads as the same csv file would."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cohort.errors import SourceError
from cohort.registry.cells import cell_text, check_header

MAX_ROWS = 50_000_000
MAX_UNPACKED = 20_000_000_000


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file as text.

    Parameters
    ----------
    path : Path
        One file of flat columns.

    Returns
    -------
    DataFrame of shape (n, p)
        Text; nothing is an empty text, a day and a moment at midnight ``yyyy-mm-dd``, a condition ``true`` or
        ``false``; a moment with a time zone keeps its offset and so is no date.

    Raises
    ------
    SourceError
        Damaged, not Parquet, too large, nested or binary columns, a column twice.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check(path.name, file)
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            "The file is damaged or not Parquet.", evidence=path.name, remedy="write it again"
        ) from error
    columns = {name: _text(table.column(name)) for name in table.column_names}
    texts = pa.table(columns) if columns else pa.table({})
    frame: pd.DataFrame = texts.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)
    return frame


def _check(name: str, file: pq.ParquetFile) -> None:
    about = file.metadata
    size = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    if about.num_rows > MAX_ROWS or size > MAX_UNPACKED:
        raise SourceError(
            "The file unpacks to too much.",
            evidence=f"{name}: {about.num_rows:,} rows, {size:,} bytes",
            remedy="split it by table or by year",
        )
    schema = file.schema_arrow
    check_header(name, schema.names)
    odd = [one.name for one in schema if pa.types.is_nested(one.type) or _is_binary(one.type)]
    if odd:
        raise SourceError(
            "The file has columns that are not single values.",
            evidence=f"{name}: {', '.join(odd[:5])}",
            remedy="flatten lists and structures, and write texts as strings, before sending it",
        )


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write each different value once, as `cell_text` does for any other file."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.fill_null(column.cast(pa.string()), "")
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return pc.fill_null(column.cast(pa.string()), "")
    encoded = pc.dictionary_encode(column.combine_chunks())
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    shown = pa.array([_one(value) for value in _values(encoded.dictionary)], pa.string())
    return pa.chunked_array([pc.fill_null(pc.take(shown, encoded.indices), "")])


def _values(different: pa.Array) -> list[object]:
    """Return Python values; of 32-bit floats those with the fewest digits that mean the same."""
    if pa.types.is_float32(different.type) or pa.types.is_float16(different.type):
        return [float(str(one)) for one in different.to_numpy(zero_copy_only=False)]
    if pa.types.is_timestamp(different.type) and different.type.unit == "ns":
        return [pd.Timestamp(one) if one is not None else None for one in different.to_pandas()]
    return list(different.to_pylist())


def _one(value: object) -> str:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    return cell_text(value)
