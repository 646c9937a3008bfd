"""Writes the numbers of SPSS, Stata and SAS as text: codes, days and clocks, and missing values with a letter."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Literal

import numpy as np

from cohort.dictionary.frame_functions import write_number
from cohort.registry.cells import clock_text

Kind = Literal["text", "number", "float", "day", "second", "month", "year", "clock"]
DAY = 86_400

_SAS_FORMAT = re.compile(r"(.*?)[0-9]*(?:\.[0-9]*)?")
_SEPARATED = ("", "B", "C", "D", "N", "P", "S")
_SAS_DAYS = {"DATE", "WEEKDATE", "WEEKDATX", "WORDDATE", "WORDDATX", "JULIAN", "NLDATE", "NLDATEL", "NLDATEM"}
_SAS_DAYS |= {f"{stem}{end}" for stem in ("YYMMDD", "MMDDYY", "DDMMYY") for end in _SEPARATED}
_SAS_DAYS |= {"E8601DA", "B8601DA", "IS8601DA", "EURDFDD", "EURDFDE", "EURDFDN", "EURDFWDX", "EURDFWKX"}
_SAS_MONTHS = {
    "MONYY",
    "YYMON",
    "EURDFMY",
    "NLDATEYM",
    *(f"{s}{e}" for s in ("YYMM", "MMYY") for e in _SEPARATED),
}
_SAS_SECONDS = {
    "DATETIME",
    "DATEAMPM",
    "MDYAMPM",
    "DTDATE",
    "NLDATM",
    "E8601DT",
    "B8601DT",
    "IS8601DT",
    "YMDDTTM",
}
_SAS_CLOCKS = {"TIME", "HHMM", "HOUR", "TOD", "TIMEAMPM", "E8601TM", "B8601TM", "IS8601TM", "NLTIME", "MMSS"}
_SPSS_DAYS = ("ADATE", "EDATE", "SDATE", "JDATE", "DATE")


def sas_kind(form: str) -> Kind:
    """Return what a number of SAS means, from its format."""
    match = _SAS_FORMAT.fullmatch(form.upper())
    stem = match[1] if match else ""
    kinds: dict[Kind, set[str]] = {
        "day": _SAS_DAYS,
        "month": _SAS_MONTHS,
        "second": _SAS_SECONDS,
        "clock": _SAS_CLOCKS,
    }
    return next((kind for kind, stems in kinds.items() if stem in stems), "number")


def spss_kind(form: str) -> Kind:
    """Return what a number of SPSS means, from its format."""
    stem = form.upper().rstrip("0123456789.")
    if stem in _SPSS_DAYS:
        return "day"
    if stem in ("DATETIME", "YMDHMS"):
        return "second"
    if stem in ("TIME", "DTIME", "MTIME"):
        return "clock"
    return "month" if stem == "MOYR" else "number"


def stata_kind(form: str) -> Kind:
    """Return what a number of Stata means, from its format."""
    stem = form.lower().lstrip("%-")
    stem = stem if stem.startswith("t") else f"t{stem}" if stem.startswith("d") else stem
    kinds: dict[str, Kind] = {"td": "day", "tm": "month", "ty": "year"}
    if stem.startswith("tc"):  # %tC counts leap seconds and stays a number
        return "second" if "c" in form.split("t", 1)[1][:1] else "number"
    return next((kind for start, kind in kinds.items() if stem.startswith(start)), "number")


def writer(program: str, kind: Kind) -> Callable[[float], str]:
    """Return the function that writes one number of a program as text.

    Parameters
    ----------
    program : {'spss', 'stata', 'sas'}
        They count from other days, in other units.
    kind : str
        From `sas_kind`, `spss_kind` or `stata_kind`.

    Returns
    -------
    callable
        Number to text: days ``yyyy-mm-dd``, moments ``yyyy-mm-dd hh:mm:ss``, months ``yyyy-mm``, clocks
        ``hh:mm:ss``; a number that is no such day stays a number.
    """
    zero = dt.datetime(1582, 10, 14) if program == "spss" else dt.datetime(1960, 1, 1)
    scale = {"spss": DAY, "stata": 1, "sas": 1}[program]
    if kind == "day":
        return lambda value: _day_text(zero, value / scale, value)
    if kind == "second":
        unit = 1000 if program == "stata" else 1
        return lambda value: _second_text(zero, value / unit, value)
    if kind == "month":
        if program == "stata":
            return _stata_month
        return lambda value: _day_text(zero, value / scale, value)[:7]
    if kind == "clock":
        return clock_text
    return _short_float if kind == "float" else write_number


def _day_text(zero: dt.datetime, days: float, value: float) -> str:
    """Write a day; a fraction of a day is no day."""
    if days != np.floor(days) or not _in_range(zero, days):
        return write_number(value)
    return (zero + dt.timedelta(days=days)).date().isoformat()


def _second_text(zero: dt.datetime, seconds: float, value: float) -> str:
    if not _in_range(zero, seconds / DAY):
        return write_number(value)
    micro = round(seconds * 1_000_000)
    moment = zero + dt.timedelta(days=micro // (DAY * 1_000_000), microseconds=micro % (DAY * 1_000_000))
    text = moment.isoformat(sep=" ")
    return text.rstrip("0") if "." in text else text


def _in_range(zero: dt.datetime, days: float) -> bool:
    return 1 < zero.toordinal() + days < dt.date.max.toordinal()


def _stata_month(value: float) -> str:
    if value != np.floor(value) or not -12 * 1900 < value < 12 * 8000:
        return write_number(value)
    return f"{1960 + int(value) // 12:04d}-{int(value) % 12 + 1:02d}"


def _short_float(value: float) -> str:
    """Write a number that Stata keeps in 32 bits with the fewest digits that mean the same."""
    return write_number(float(str(np.float32(value))))
