"""Office files with the same bytes every time: fixed dates inside and outside the archive."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from cohort.tables.output_path import output_path

FIXED_DATE = "2000-01-01T00:00:00Z"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_DATES = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:\2>)")


def write_fixed(content: bytes, path: str | Path) -> Path:
    """Write an Office file (a zip archive) with every clock reading replaced by a constant.

    Parameters
    ----------
    content : bytes
        The archive as python-docx or openpyxl made it.
    path : str or Path
        File to write.

    Returns
    -------
    Path
        The file written.
    """
    out = output_path(path)
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for item in source.infolist():
            body = source.read(item)
            if item.filename == "docProps/core.xml":
                body = _DATES.sub(rb"\g<1>" + FIXED_DATE.encode() + rb"\g<3>", body)
            entry = zipfile.ZipInfo(item.filename, date_time=_ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            entry.create_system = 3
            target.writestr(entry, body, compresslevel=6)
    return out
