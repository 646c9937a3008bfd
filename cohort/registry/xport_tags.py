"""Finds the missing values with a letter (``.A`` to ``.Z``, ``._``) in a SAS transport file.

A transport file writes a number as 8 bytes (or its first 2 to 7). A missing value is one byte, ``.``, ``_`` or a
letter, and zeros: SAS Technical Support, TS-140, "The record layout of a data set in SAS transport format".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.errors import SourceError

RECORD = 80
_HEADER = b"HEADER RECORD*******"
_MEMBERS = (b"MEMBER  ", b"MEMBV8  ")
_NAMES = (b"NAMESTR ", b"NAMSTV8 ")
_ROWS = (b"OBS     ", b"OBSV8   ")
TAGS = b"_ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class XportTags:
    """Where the missing values with a letter stand.

    Attributes
    ----------
    codes : list of (n,) ndarray of uint8
        For each column the letter of each row as a byte; 0 where there is none. None for a text column.
    """

    codes: list[NDArray[np.uint8] | None]


def check_members(name: str, raw: bytes) -> None:
    """Refuse a transport file of several data sets: only the first would be read."""
    n = sum(len(_headers(raw, kind)) for kind in _MEMBERS)
    if n != 1:
        raise SourceError(
            f"The transport file holds {n} data sets.",
            evidence=name,
            remedy="write one file for each data set (in SAS: copy one member to one libname xport)",
        )


def xport_tags(name: str, raw: bytes, n_columns: int, n_rows: int) -> XportTags:
    """Find the letters of missing numbers.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    raw : bytes
        The whole file, of one data set.
    n_columns, n_rows : int
        As another reader counted them.

    Returns
    -------
    XportTags
        For each column, the letter of each row.

    Raises
    ------
    SourceError
        When the file is cut off.
    """
    member = next(at for kind in _MEMBERS for at in _headers(raw, kind))
    width = int(raw[member + 74 : member + 78])
    names = next(at for kind in _NAMES for at in _headers(raw, kind)) + RECORD
    start = next(at for kind in _ROWS for at in _headers(raw, kind)) + RECORD
    fields = [raw[names + i * width : names + (i + 1) * width] for i in range(n_columns)]
    spans = [(*struct.unpack(">h2xh", one[:6]), *struct.unpack(">i", one[84:88])) for one in fields]
    length = sum(size for _, size, _ in spans)
    rest = raw[start + length * n_rows :]
    if len(raw) % RECORD or len(raw) - start < length * n_rows or rest.strip(b" ") or len(rest) >= RECORD:
        raise SourceError("The transport file is cut off.", evidence=name, remedy="send it again")
    cells = np.frombuffer(raw, np.uint8, length * n_rows, start).reshape(n_rows, length)
    return XportTags([_letters(cells[:, at : at + size]) if kind == 1 else None for kind, size, at in spans])


def _headers(raw: bytes, kind: bytes) -> list[int]:
    """Return where header records of a kind stand; records start at multiples of 80."""
    found: list[int] = []
    at = raw.find(_HEADER + kind)
    while at >= 0:
        if at % RECORD == 0:
            found.append(at)
        at = raw.find(_HEADER + kind, at + 1)
    return found


def _letters(field: NDArray[np.uint8]) -> NDArray[np.uint8]:
    first = field[:, 0]
    tagged = np.isin(first, np.frombuffer(TAGS, np.uint8)) & (field[:, 1:] == 0).all(axis=1)
    return np.where(tagged, first, 0).astype(np.uint8)
