"""The folder that a run writes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cohort.errors import StudyError


def made_folder(folder: Path) -> Path:
    """Make the folder to write, before any work is done.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    Path
        The same; it is there, and a file can be written in it.

    Raises
    ------
    StudyError
        When it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise StudyError(
            "The folder to write cannot be made or written.",
            evidence=f"{folder.name[:80]}: {reason}",
            remedy="name another folder with --out (in Python: out=)",
        ) from error
