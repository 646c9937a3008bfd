"""Where a table is written."""

from __future__ import annotations

from pathlib import Path


def output_path(path: str | Path) -> Path:
    """Return the path of a file to write, and make its folder when it is not there.

    Parameters
    ----------
    path : str or Path
        File to write.

    Returns
    -------
    Path
        The same; its folder exists.
    """
    out = Path(path)
    out.parent.mkdir(parents=True, exist_ok=True)
    return out
