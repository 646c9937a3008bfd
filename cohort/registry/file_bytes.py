"""Takes the bytes of a text file from disk, a gzip or a zip, within bounds that are checked while reading."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from cohort.errors import SourceError

MAX_BYTES = 2_000_000_000
MAX_LINE = 1_000_000
MAX_UNPACKED = 1_000_000_000
MAX_RATIO = 200
MAX_MEMBERS = 10_000
_CHUNK = 1 << 20
Readable = IO[bytes] | gzip.GzipFile
_BINARY = (
    (b"PK\x03\x04", "a zip archive or a workbook", ".zip or .xlsx"),
    (b"\xd0\xcf\x11\xe0", "an old or password-protected workbook", "save it as .xlsx without a password"),
    (b"PAR1", "Parquet", ".parquet"),
    (b"$FL2", "SPSS", ".sav"),
    (b"$FL3", "SPSS", ".zsav"),
    (b"\x1f\x8b", "gzip", ".csv.gz"),
    (b"<stata_dta>", "Stata", ".dta"),
    (b"HEADER RECORD*******LIB", "a SAS transport file", ".xpt"),
    (b"\0" * 12 + b"\xc2\xea\x81\x60", "SAS", ".sas7bdat"),
    (b"%PDF", "a PDF", "export the table as csv"),
)


def check_size(path: Path) -> None:
    """Refuse a file of more than 2 GB, or one that cannot be read."""
    with _readable(path):
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(
                "A source file is larger than 2 GB.", evidence=path.name, remedy="split it by table"
            )


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with _readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_bytes(path: Path, member: str) -> bytes:
    """Read the bytes of a text file.

    Parameters
    ----------
    path : Path
        A text file, or a ``.gz`` or ``.zip`` of one.
    member : str
        Which file of the zip; may be empty when it holds one only.

    Returns
    -------
    bytes
        At most 2 GB, no line longer than a million characters: both are checked before more is read.

    Raises
    ------
    SourceError
        Too large, unpacks to too much, encrypted, damaged, a path that leads out of the archive, or not text.
    """
    check_size(path)
    kind = path.suffix.lower()
    if member and kind != ".zip":
        raise SourceError(
            "member: is for zip archives.", evidence=path.name, remedy="remove it from the mapping"
        )
    with _readable(path), path.open("rb") as file:
        if kind == ".zip":
            return _from_zip(path.name, file, member, path.stat().st_size)
        if kind == ".gz":
            return _from_gzip(path.name, file, path.stat().st_size)
        return _collect(path.name, file, MAX_BYTES, "A source file is larger than 2 GB.")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except zipfile.BadZipFile as error:
        raise _damaged(path.name) from error
    except (gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path.name) from error  # a damaged, truncated or unsupported member
    except OSError as error:
        raise SourceError(
            "A source file cannot be read.",
            evidence=f"{path.name[:80]}: {error.strerror}",
            remedy="check the path, and that you may read the file",
        ) from error


def _damaged(name: str) -> SourceError:
    return SourceError(
        "The archive is damaged.", evidence=name[:80], remedy="send it again, or unpack it yourself"
    )


def _from_gzip(name: str, file: IO[bytes], size: int) -> bytes:
    most = min(MAX_UNPACKED, max(MAX_RATIO * size, 1_000_000))
    with gzip.GzipFile(fileobj=file) as opened:
        return _collect(name, opened, most, "The archive unpacks to too much.")


def _from_zip(name: str, file: IO[bytes], member: str, size: int) -> bytes:
    with zipfile.ZipFile(file) as archive:
        info = _member(name, archive.infolist(), member)
        most = min(MAX_UNPACKED, max(MAX_RATIO * size, 1_000_000))
        if info.file_size > most:
            raise _too_much(name)
        with archive.open(info) as opened:
            return _collect(f"{name}/{info.filename}", opened, most, "The archive unpacks to too much.")


def _too_much(name: str) -> SourceError:
    return SourceError(
        "The archive unpacks to too much.", evidence=name, remedy="unpack it yourself and look at it first"
    )


def _member(name: str, members: list[zipfile.ZipInfo], wanted: str) -> zipfile.ZipInfo:
    """Return the member that is meant; refuse an archive that tries to write outside, or hides its content."""
    if len(members) > MAX_MEMBERS:
        raise _too_much(name)
    outside = sum(_leads_out(one.filename) for one in members)
    if outside:
        raise SourceError(
            "The archive holds paths that lead out of it.",
            evidence=f"{name}: {outside} of {len(members)} members",
            remedy="do not unpack it; ask the sender for another",
        )
    files = [one for one in members if not one.is_dir() and not _is_litter(one.filename)]
    found = [one for one in files if one.filename == wanted] if wanted else files
    if len(found) != 1:
        what = "has no such member" if wanted else f"holds {len(files)} files"
        raise SourceError(
            f"The archive {what}.",
            evidence=f"{name}: {', '.join(one.filename for one in files[:10])}",
            remedy="write member: in the input of the mapping, exactly as the archive names it",
        )
    if found[0].flag_bits & 1:
        raise SourceError(
            "The archive is encrypted.",
            evidence=name,
            remedy="unpack it with its password; passwords do not belong into a mapping",
        )
    return found[0]


def _leads_out(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0] if parts.parts else False


def _is_litter(name: str) -> bool:
    """Whether a file is what an operating system leaves beside the files."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1] == "Thumbs.db"


def _collect(name: str, file: Readable, most: int, too_much: str) -> bytes:
    """Read to the end; stop at the first endless line or when it becomes too much."""
    chunks: list[bytes] = []
    total = length = 0
    while chunk := file.read(_CHUNK):
        if not chunks:
            _check_is_text(name, chunk)
        total += len(chunk)
        if total > most:
            raise SourceError(too_much, evidence=name, remedy="split it by table, or unpack it yourself")
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        length = length + len(chunk) if last < 0 else len(chunk) - last
        if length > 4 * MAX_LINE:  # a character has at most four bytes
            raise endless_line(name)
        chunks.append(chunk)
    return b"".join(chunks)


def _check_is_text(name: str, start: bytes) -> None:
    for mark, what, remedy in _BINARY:
        if start.startswith(mark):
            remedy = f"give it its own ending: {remedy}" if remedy.startswith(".") else remedy
            raise SourceError(f"The file is {what}, not text.", evidence=name, remedy=remedy)


def endless_line(name: str) -> SourceError:
    """Return the error of a line without an end."""
    return SourceError(
        "A line is longer than a million characters.", evidence=name, remedy="check the quotes"
    )
